"""Branches: what each evaluation of the net keeps, and how a guider changes the net for one of them."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import ClassifierFreeGuidance, LayerSkipConfig, SkipLayerGuidance

from latentstem import RescaledClassifierFreeGuidance, StemUNet1DModel
from latentstem.guidance.branches import changed_net, changes_net, dropped_in, guidance_branches

LAYERS = LayerSkipConfig(indices=[0], fqn="mid_block.resnets")


def at_step(guider):
    guider.set_state(step=2, num_inference_steps=8, timestep=torch.tensor(700))
    return guider


def hooked(net):
    return [name for name, module in net.named_modules() if getattr(module, "_diffusers_hook", None)]


@pytest.fixture
def net():
    return StemUNet1DModel(4, (8, 16), (1, 1), 8, (False, True), 16, position_hidden_dim=4)


def test_what_a_branch_does_not_keep_is_dropped_and_what_was_dropped_stays_so():
    conditions = {"mix": torch.zeros(2, 4, 9), "style": torch.zeros(2, 3), "chords": torch.zeros(2, 5, 9)}
    dropped = {"chords": torch.eye(2, 5).bool(), "style": torch.tensor([True, False])}
    masks = dropped_in(SimpleNamespace(kept={"mix", "chords"}), conditions, dropped)
    assert masks["mix"].tolist() == [False, False] and masks["style"].tolist() == [True, True]
    assert torch.equal(masks["chords"], dropped["chords"])


def test_a_guider_of_diffusers_has_all_conditions_and_none():
    branches = guidance_branches(at_step(ClassifierFreeGuidance(3.0)), ["mix", "style"])
    assert [branch.kept for branch in branches] == [{"mix", "style"}, set()]
    ours = at_step(RescaledClassifierFreeGuidance(3.0, condition_scales={"style": 2.0}))
    assert [branch.kept for branch in guidance_branches(ours, ["mix", "style"])] == [{"mix", "style"}, set(), {"mix"}]


def test_the_net_is_changed_within_the_context_alone(net):
    guider = at_step(
        SkipLayerGuidance(skip_layer_config=LAYERS, skip_layer_guidance_start=0.0, skip_layer_guidance_stop=1.0)
    )
    assert changes_net(guider)
    changed, branches = [], guidance_branches(guider, ["mix"])
    for number, branch in enumerate(branches):
        with changed_net(guider, net, branch, branches[:number]):
            changed.append(bool(hooked(net)))
        assert not any(module._diffusers_hook.hooks for module in net.modules() if hasattr(module, "_diffusers_hook"))
    assert True in changed


def test_a_guider_that_finds_nothing_to_change_is_refused(net):
    class Idle(SkipLayerGuidance):
        def prepare_models(self, denoiser):
            self._count_prepared += 1

        def cleanup_models(self, denoiser):
            pass

    guider = at_step(Idle(skip_layer_config=LAYERS, skip_layer_guidance_start=0.0, skip_layer_guidance_stop=1.0))
    branches = guidance_branches(guider, ["mix"])
    with changed_net(guider, net, branches[0], []):
        pass
    with (
        pytest.raises(ValueError, match="Idle finds nothing in StemUNet1DModel"),
        changed_net(guider, net, branches[-1], branches[:-1]),
    ):
        pass


def test_branches_that_differ_by_their_conditions_need_no_change(net):
    guider = at_step(ClassifierFreeGuidance(3.0))
    assert not changes_net(guider)
    branches = guidance_branches(guider, ["mix"])
    for number, branch in enumerate(branches):
        with changed_net(guider, net, branch, branches[:number]):
            assert not hooked(net)
    with pytest.raises(ValueError, match="finds nothing"), changed_net(guider, net, branches[0], branches[:1]):
        pass  # the same conditions once more
