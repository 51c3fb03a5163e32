import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import RescaledClassifierFreeGuidance, classifier_free_guidance, rescale_std


def run(guider, cond, uncond, index=0, total=10):
    """What a pipeline does with a guider in one step."""
    guider.set_state(step=index, num_inference_steps=total, timestep=torch.tensor(0))
    branches = guider.prepare_inputs({"value": (cond, uncond)})
    for branch in branches:
        branch.noise_pred = branch.value
    return guider(branches), len(branches)


@pytest.mark.parametrize("per_channel", [False, True])
def test_equals_the_two_functions(per_channel):
    cond, uncond = torch.randn(2, 2, 3, 9)
    guider = RescaledClassifierFreeGuidance(3.0, 0.4, per_channel=per_channel)
    output, branches = run(guider, cond, uncond)
    guided = classifier_free_guidance(cond, uncond, 3.0)
    assert branches == 2
    assert torch.equal(output.pred, rescale_std(guided, cond, 0.4, -1 if per_channel else None))
    plain, _ = run(guider.new(guidance_rescale=0.0), cond, uncond)
    assert torch.equal(plain.pred, guided)


@pytest.mark.parametrize("options", [{"guidance_scale": 1.0}, {"enabled": False}, {"start": 0.5}])
def test_where_it_is_off_it_returns_the_conditional_prediction_and_asks_for_no_other(options):
    cond, uncond = torch.randn(2, 2, 3, 9)
    output, branches = run(RescaledClassifierFreeGuidance().new(**options), cond, uncond)
    assert branches == 1
    assert output.pred is cond


def test_the_window_holds_the_stated_steps():
    cond, uncond = torch.randn(2, 2, 3, 9)
    guider = RescaledClassifierFreeGuidance(start=0.2, stop=0.7)
    on = [index for index in range(10) if run(guider, cond, uncond, index)[1] == 2]
    assert on == [2, 3, 4, 5, 6]


weights = st.sampled_from([-1.5, 0.0, 0.5, 1.0, 3.0])


@given(
    st.dictionaries(st.sampled_from("abc"), weights),
    weights.filter(lambda scale: scale >= 0),
    st.sets(st.sampled_from("abcd")),
)
def test_conditions_are_added_one_after_the_other_each_with_its_weight(scales, scale, names):
    """`none + w (rest - none) + w_1 (rest+1 - rest) + ...`, of a net whose prediction is any function of the set."""
    guider = RescaledClassifierFreeGuidance(scale, 0.0, condition_scales=scales)
    guider.set_state(step=0, num_inference_steps=8, timestep=torch.tensor(0))

    def net(kept):
        return torch.randn(
            1, 2, 3, generator=torch.Generator().manual_seed(sum(7 ** ord(name) for name in kept) % 2**31)
        )

    names = sorted(names)
    branches = guider.prepare_conditions(names)
    sets = [branch.kept for branch in branches]
    assert len(set(sets)) == len(sets) == guider.num_conditions and sets[0] == set(names)
    for branch in branches:
        branch.noise_pred = net(branch.kept)
    before, kept, expected = net(set()), {name for name in names if name not in scales}, net(set())
    expected = expected + (scale * (net(kept) - before) if kept else 0)
    for name, own in scales.items():
        if name in names:
            expected, kept = expected + own * (net(kept | {name}) - net(kept)), kept | {name}
    torch.testing.assert_close(guider(branches).pred, expected)


def test_neighbours_of_equal_weight_take_one_evaluation_together():
    guider = RescaledClassifierFreeGuidance(2.0, condition_scales={"a": 2.0, "b": 1.0})
    guider.set_state(step=0, num_inference_steps=8, timestep=torch.tensor(0))
    kept = [sorted(branch.kept) for branch in guider.prepare_conditions(["mix", "a", "b"])]
    assert kept == [["a", "b", "mix"], [], ["a", "mix"]]
    guider.set_state(step=1, num_inference_steps=8, timestep=torch.tensor(0))
    assert [sorted(branch.kept) for branch in guider.prepare_conditions(["b"])] == [["b"]]
    assert [sorted(branch.kept) for branch in guider.prepare_conditions([])] == [[]]


def test_without_a_run_it_guides_where_it_is_enabled():
    cond, uncond = torch.randn(2, 2, 3, 9)
    guider = RescaledClassifierFreeGuidance(3.0, 0.0)
    assert torch.equal(guider.forward(cond, uncond).pred, classifier_free_guidance(cond, uncond, 3.0))
    assert guider.new(enabled=False).forward(cond, uncond).pred is cond
    assert guider.forward(cond).pred is cond  # without the other prediction there is nothing to guide by


def test_the_branch_with_the_condition_is_known_as_such():
    guider = RescaledClassifierFreeGuidance()
    guider.set_state(step=0, num_inference_steps=8, timestep=torch.tensor(0))
    seen = []
    for _ in range(2):
        guider.prepare_models(torch.nn.Identity())
        seen.append(guider.is_conditional)
    assert seen == [True, False]


def test_a_prediction_that_is_not_finite_is_refused():
    broken = torch.full((1, 2, 3), torch.nan)
    for guider in (RescaledClassifierFreeGuidance(), RescaledClassifierFreeGuidance(1.0)):
        with pytest.raises(ValueError, match=r"got (pred_)?cond with NaN"):
            guider.forward(broken, torch.zeros(1, 2, 3))


def test_saves_loads_and_copies_with_overrides(tmp_path):
    guider = RescaledClassifierFreeGuidance(3.5, 0.2, per_channel=True, space="output", stop=0.8)
    guider.save_pretrained(tmp_path)
    loaded = RescaledClassifierFreeGuidance.from_pretrained(tmp_path)
    fields = ("guidance_scale", "guidance_rescale", "per_channel", "space", "start", "stop", "enabled")
    assert [loaded.config[name] for name in fields] == [3.5, 0.2, True, "output", 0.0, 0.8, True]
    other = loaded.new(guidance_scale=5.0)
    assert (other.guidance_scale, other.guidance_rescale, loaded.guidance_scale) == (5.0, 0.2, 3.5)


def test_does_not_say_at_every_construction_that_guiders_are_experimental(caplog):
    logged = []

    class Listener(logging.Handler):
        def emit(self, record):
            logged.append(record.getMessage())

    logger, listener = logging.getLogger("diffusers.guiders.guider_utils"), Listener()
    logger.addHandler(listener)
    try:
        with caplog.at_level(logging.WARNING, logger=logger.name):  # the command line has diffusers say errors alone
            RescaledClassifierFreeGuidance()
            logger.warning("something else")
    finally:
        logger.removeHandler(listener)
    assert logged == ["something else"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance_scale": float("nan")}, "guidance_scale=nan; expected a number from 0 to 1000"),
        ({"guidance_rescale": 1.5}, "guidance_rescale=1.5; expected a number from 0 to 1"),
        ({"space": "noise"}, "'noise'"),
        ({"start": 0.5, "stop": 0.2}, "0 <= start <= stop <= 1"),
        ({"start": 1.0}, "start below 1"),
        ({"start": -0.1}, "start=-0.1; expected a number from 0 to 1"),
        ({"stop": 1.1}, "stop=1.1; expected a number from 0 to 1"),
        ({"guidance_scale": 1000.5}, "guidance_scale=1000.5; expected a number from 0 to 1000"),
        ({"guidance_scale": -0.1}, "guidance_scale=-0.1"),
        ({"guidance_rescale": -0.1}, "guidance_rescale=-0.1"),
        ({"enabled": 2}, "enabled=2; expected true or false"),
        ({"per_channel": "yes"}, "per_channel='yes'; expected true or false"),
        ({"condition_scales": [2.0]}, r"condition_scales=\[2.0\]; expected numbers by names"),
        ({"condition_scales": {"mix": -1000.5}}, r"condition_scales\['mix'\]=-1000.5; expected a number from -1000"),
    ],
)
def test_refuses_what_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        RescaledClassifierFreeGuidance(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"start": 0.5, "stop": 0.5},
        {"start": 0.0, "stop": 0.0},
        {"guidance_scale": 0.0, "guidance_rescale": 1.0},
        {"guidance_scale": 1000.0, "condition_scales": {"mix": -1000.0, "style": 1000.0}},
    ],
)
def test_takes_what_lies_on_a_bound(options):
    assert RescaledClassifierFreeGuidance(**options).config.items() >= options.items()
