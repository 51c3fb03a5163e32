"""SIGKILL at random moments: the benchmark that counts what it breaks, in small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import latentstem
from latentstem.training.engine.budget import Budget
from latentstem.training.engine.history import RecentLosses
from latentstem.training.engine.run import TrainingRun

ROOT = Path(latentstem.__file__).parents[1]
KILLS, STEPS = 2, 40


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    words = f"--kills {KILLS} --songs 4 --duration 2 --seeds 2 --soundfont timgm6mb".split()
    words += f"--autoencoder-steps {STEPS} --unet-steps {STEPS}".split()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.training.resume_after_kill", *words, "--results", folder],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
    )
    return json.loads((folder / "resume_after_kill.json").read_text())["figures"]


def start(folder):
    model = torch.nn.Linear(1, 1)
    run = TrainingRun(model, [torch.optim.AdamW(model.parameters())], Budget(10), folder, "no")
    run.resume()
    return run


def test_the_history_goes_back_with_the_state(tmp_path):
    run, file = start(tmp_path), tmp_path / "history.jsonl"
    for step in (1, 2):
        run.history.records.append({"step": step, "loss": 1 / step})
        run.save()
    whole = file.read_text()
    assert [json.loads(line) for line in whole.splitlines()] == run.history.records
    # Killed after the state was renamed into place and before the file was written; and after a record without a save.
    file.write_text(whole.splitlines(keepends=True)[0])
    run.history.records.append({"step": 3, "loss": 0.0})
    again = start(tmp_path)
    assert file.read_text() == whole and [record["step"] for record in again.history.records] == [1, 2]


def test_recent_losses_do_not_start_from_zero():
    recent = RecentLosses()
    for step in range(300):
        recent.add({"late": torch.tensor(2.0)} if step >= 250 else {"early": torch.tensor(1.0)})
    assert recent.means == {"early": 1.0, "late": 2.0}
    recent.add({"early": torch.tensor(11.0)})
    assert recent.means["early"] == pytest.approx(1.1)


@pytest.mark.slow
@pytest.mark.fluidsynth
def test_rendering_ends_bit_equal(figures):
    rendering = figures["rendering"]
    assert rendering["bit_equal"] and rendering["half_written"] == rendering["left_behind"] == []
    assert rendering["kills"]


@pytest.mark.slow
@pytest.mark.fluidsynth
@pytest.mark.parametrize("net", ["autoencoder", "unet"])
def test_a_killed_training_ends_where_an_uninterrupted_one_ends(figures, net):
    figure = figures[net]
    assert figure["kills"] and figure["half_written"] == []
    assert figure["bit_equal"] and figure["same_curve"]
    assert figure["history_kept"] and figure["history_ordered"]
    assert figure["killed"]["history"][-1]["step"] == STEPS
    assert figure["killed"]["loss"] == figure["uninterrupted"][0]["loss"]
    # Two seeds say little of their own spread, hence the share of the loss itself.
    noise = 3 * figure["deviation_of_seeds"] + 0.1 * figure["mean_of_seeds"]
    assert abs(figure["killed"]["loss"] - figure["mean_of_seeds"]) < noise
