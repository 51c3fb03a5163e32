"""The command line lets waiting threads sleep, before PyTorch is loaded and reads whether they do."""

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
