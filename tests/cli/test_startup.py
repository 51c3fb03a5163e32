"""What the command line does before PyTorch is loaded, which takes seconds."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "chosen", "policy"),
    [
        (["accompany", "--help"], None, "PASSIVE"),
        (["ui", "--help"], None, "PASSIVE"),
        (["accompany", "--help"], "ACTIVE", "ACTIVE"),
        (["train", "--help"], None, None),
    ],
)
def test_waiting_threads_sleep_unless_they_are_told_to_spin(words, chosen, policy):
    code = (
        "import os, sys; from latentstem import cli; before = 'torch' in sys.modules; cli.main(sys.argv[1:]); "
        "print(before, os.environ.get('OMP_WAIT_POLICY'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if chosen is not None:
        environment["OMP_WAIT_POLICY"] = chosen
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment)
    assert run.stdout.splitlines()[-1] == f"False {policy}", run.stderr


@pytest.mark.parametrize(
    "words", [["accompany", "none.wav"], ["accompany", __file__, "--style", "none.wav"], ["bassnet", "none.wav"]]
)
def test_a_mistyped_name_is_told_before_pytorch_is_loaded(words):
    code = "import sys; from latentstem import cli; code = cli.main(sys.argv[1:]); print(code, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "2 False"
    assert run.stderr == "error: none.wav: no such file; check the path\n"
