"""The training loop: a schedule over the budget, and a state that survives a kill at any moment."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.training.engine.budget import Budget, learning_rate_factor
from latentstem.training.engine.run import TrainingRun, replace_folder


def start(folder: Path, steps: int) -> TrainingRun:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 3)
    run = TrainingRun(
        model, [torch.optim.AdamW(model.parameters(), lr=0.1)], Budget(steps), folder, "no", ema_decay=0.9
    )
    run.resume()
    return run


def go(run: TrainingRun, until: int) -> None:
    while run.budget.step < until and run.unfinished():
        # The random state is part of what resumes: draw from it.
        run.update((run.model(torch.randn(4, 3)) - 1).square().mean())


def weights(run: TrainingRun) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_the_rate_warms_up_holds_and_falls(steps, step):
    budget = Budget(steps, step=min(step, steps))
    factor = learning_rate_factor(budget, warmup_steps=10)
    assert 0 < factor <= 1
    later = Budget(steps, step=min(step + 1, steps))
    if step >= 10:
        assert learning_rate_factor(later, warmup_steps=10) <= factor + 1e-12


def test_time_ends_a_budget_as_well_as_steps():
    assert Budget(100, minutes=1, step=10, seconds=30).progress == 0.5
    assert Budget(100, minutes=1, step=80, seconds=30).progress == 0.8
    assert Budget(100, step=200).progress == 1.0


def test_a_few_minutes_are_warm_after_a_tenth_however_slow_the_steps():
    slow = Budget(200_000, minutes=2, step=3, seconds=12)
    assert learning_rate_factor(slow) == 1.0
    slow.seconds = 6
    assert learning_rate_factor(slow) == pytest.approx(0.5)


@given(st.integers(1, 300), st.integers(1, 20))
def test_shares_of_a_budget_are_even_and_the_last_step_ends_one(steps, times):
    budget, due = Budget(steps), []
    while budget.progress < 1:
        budget.advance(seconds=1.0)
        if budget.due(times):
            due.append(budget.step)
    assert len(due) == min(steps, times) and due[-1] == steps
    assert all(abs(step - (index + 1) * steps / times) <= 1 for index, step in enumerate(due) if times <= steps)


@pytest.mark.parametrize(
    ("errors", "published"),
    [
        ([3.0, 1.0, 2.0, 4.0], 1),
        ([1.0, float("nan"), 2.0, 0.5], 3),
        ([float("nan"), 2.0, 3.0, 4.0], 1),
        ([None, None, None, None], 3),
    ],
)
def test_the_best_of_the_validations_is_published_or_the_latest_without_a_criterion(tmp_path, errors, published):
    model = torch.nn.Linear(3, 3)
    run = TrainingRun(model, [torch.optim.AdamW(model.parameters())], Budget(8), tmp_path, "no", validations=4)
    left = iter(errors)

    def validate(averaged):
        assert not averaged.training
        error = next(left)
        return {} if error is None else {"error": error}

    def publish(averaged, path):
        assert not path.exists()
        path.write_text(str(len(run.history.records)))

    while run.unfinished():
        go(run, run.budget.step + 1)
        run.checkpoint(validate, "error", publish, tmp_path / "weights")
    assert (tmp_path / "weights").read_text() == str(published)
    assert [record["step"] for record in run.history.records] == [2, 4, 6, 8]
    assert model.training and not list(tmp_path.glob("*.partial"))


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = start(tmp_path / "whole", 20)
    go(whole, 20)
    first = start(tmp_path / "broken", 20)
    go(first, 7)
    first.save()
    go(first, 11)  # lost: the kill comes before the next state
    second = start(tmp_path / "broken", 20)
    assert second.budget.step == 7
    go(second, 20)
    assert torch.equal(weights(second), weights(whole))
    with second.averaged(), whole.averaged():
        assert torch.equal(weights(second), weights(whole))


def test_the_state_of_other_optimizers_is_refused(tmp_path):
    run = start(tmp_path, 20)
    go(run, 5)
    run.save()
    model = torch.nn.Linear(3, 3)
    divided = [torch.optim.AdamW([parameter], lr=0.1) for parameter in model.parameters()]
    with pytest.raises(ValueError, match="or of other optimisers: go on with"):
        TrainingRun(model, divided, Budget(20), tmp_path, "no").resume()


@pytest.mark.parametrize("moment", ["half written", "between the renames"])
def test_a_kill_while_saving_leaves_a_good_state(tmp_path, moment):
    run = start(tmp_path, 20)
    go(run, 5)
    run.save()
    if moment == "half written":
        (tmp_path / "state.partial").mkdir()
        (tmp_path / "state.partial" / "model.safetensors").write_bytes(b"half")
    else:
        (tmp_path / "state").rename(tmp_path / "state.previous")
        shutil.copytree(tmp_path / "state.previous", tmp_path / "state.partial")
    resumed = start(tmp_path, 20)
    assert resumed.budget.step == 5 and torch.equal(weights(resumed), weights(run))
    resumed.save()
    assert sorted(p.name for p in tmp_path.iterdir() if "state" in p.name) == ["state"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is asked before the processor")
@pytest.mark.parametrize(
    ("supported", "capability", "instructions", "precision"),
    [
        (True, "AVX512", True, "bf16"),
        (True, "AVX512", False, "no"),
        (True, "DEFAULT", False, "bf16"),  # an ARM processor has no instructions of Intel's
        (False, "AVX512", True, "no"),
        (False, "AVX2", False, "no"),
    ],
)
def test_half_precision_is_taken_where_the_processor_computes_in_it(
    tmp_path, monkeypatch, supported, capability, instructions, precision
):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    model = torch.nn.Linear(3, 3)
    run = TrainingRun(model, [torch.optim.AdamW(model.parameters())], Budget(1), tmp_path)
    assert run.accelerator.mixed_precision == precision


def test_the_average_is_lent_and_given_back(tmp_path):
    run = start(tmp_path, 10)
    go(run, 10)
    trained = weights(run)
    with run.averaged() as model:
        assert not torch.equal(weights(run), trained) and not model.training
    assert torch.equal(weights(run), trained) and run.model.training


def test_replacing_a_folder_leaves_only_the_new_one(tmp_path):
    for name in ("new", "target"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text(name)
    replace_folder(tmp_path / "new", tmp_path / "target")
    assert [p.name for p in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target" / "inner" / "file").read_text() == "new"
