import logging

import pytest
import torch

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
        ({"start": 0.5, "stop": 0.2}, "stop"),
    ],
)
def test_refuses_what_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        RescaledClassifierFreeGuidance(**options)
