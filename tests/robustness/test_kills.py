"""SIGKILL at random moments of commands, of the server and of trainings: the benchmark that counts it, in small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import latentstem

pytest.importorskip("fastapi")

ROOT = Path(latentstem.__file__).parents[1]
KILLS, STEPS = 2, 40


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    words = f"--kills {KILLS} --songs 2 --steps {STEPS}".split()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.training.kill_commands", *words, "--results", folder],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
    )
    return json.loads((folder / "kill_commands.json").read_text())["figures"]


@pytest.mark.slow
@pytest.mark.fluidsynth
@pytest.mark.parametrize("name", ["bassnet", "loop", "serve", "train bassnet", "train loops"])
def test_what_was_killed_leaves_whole_files_and_ends_as_if_it_was_not(figures, name):
    figure = figures[name]
    assert figure["kills"] and figure["half_written"] == []
    assert figure["bit_equal"]
    if name == "serve":
        assert figure["removed_at_the_next_start"] and figure["ended_without_files"]
    if name.startswith("train"):
        assert figure["same_curve"] and figure["history_kept"] and figure["history_ordered"]
        assert figure["killed"]["history"][-1]["step"] == STEPS
