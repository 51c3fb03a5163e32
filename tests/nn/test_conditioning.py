"""Conditions: each enters where its kind says, has a null of its own, and starts without effect where it is new."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import StemUNet1DModel
from latentstem.nn import ControlConditions, FrameConditions, GlobalConditions
from latentstem.nn.conditioning import check_conditions, with_null

KINDS = {"global_conditions": {"style": 3}, "control_conditions": {"chords": 5, "density": 1}, "control_channels": 8}


def tiny(trained=True, **kinds) -> StemUNet1DModel:
    torch.manual_seed(0)
    unet = StemUNet1DModel(4, (8, 16), (1, 1), 8, (False, True), 16, position_hidden_dim=4, **kinds)
    for parameter in unet.parameters():
        if trained and parameter.count_nonzero() == 0:
            torch.nn.init.normal_(parameter, std=0.3)
    return unet.eval()


def given_to(batch=2, frames=9):
    torch.manual_seed(1)
    return torch.randn(batch, 4, frames), {
        "mix": torch.randn(batch, 4, frames),
        "style": torch.randn(batch, 3),
        "chords": torch.randn(batch, 5, frames),
        "density": torch.randn(batch, 1, frames),
    }


@pytest.fixture(scope="module")
def unet():
    return tiny(**KINDS)


@pytest.mark.parametrize("name", ["mix", "style", "chords", "density"])
@torch.no_grad()
def test_every_condition_counts_and_missing_equals_dropped(unet, name):
    sample, conditions = given_to()
    plain = unet(sample, 7, conditions).sample
    swapped = unet(sample, 7, conditions | {name: conditions[name].flip(0)}).sample
    assert (swapped - plain).square().mean() > 1e-5 * plain.square().mean()
    without = unet(sample, 7, {other: value for other, value in conditions.items() if other != name}).sample
    assert torch.equal(unet(sample, 7, conditions, {name: torch.tensor([True, True])}).sample, without)
    one = unet(sample, 7, conditions, {name: torch.tensor([True, False])}).sample
    assert torch.equal(one[0], without[0]) and torch.equal(one[1], plain[1])
    assert not torch.allclose(without, plain, atol=1e-4)


@torch.no_grad()
def test_a_mask_may_name_channels_and_frames(unet):
    sample, conditions = given_to()
    mask = torch.zeros(2, 5, 9, dtype=torch.bool)
    mask[:, 2, 3:] = True
    masked = unet(sample, 7, conditions, {"chords": mask}).sample
    other = conditions["chords"].clone()
    other[:, 2, 3:] = 100.0  # what is masked cannot matter
    assert torch.equal(unet(sample, 7, conditions | {"chords": other}, {"chords": mask}).sample, masked)
    assert not torch.allclose(unet(sample, 7, conditions).sample, masked, atol=1e-4)
    for whole in (torch.ones(2, 1, 1), torch.ones(2, 5), torch.ones(2)):
        dropped = unet(sample, 7, conditions, {"chords": whole.bool()}).sample
        assert torch.equal(dropped, unet(sample, 7, conditions, {"chords": torch.ones(2, 5, 9).bool()}).sample)


@torch.no_grad()
def test_given_as_the_null_is_not_missing():
    """The presence of a control is told apart from its value: the null's own value may be meant."""
    controls = ControlConditions({"density": 1}, hidden_channels=8, levels=1)
    null = controls.nulls["density"].detach().expand(1, 1, 4)
    (as_value,) = controls((1, 4), {"density": null}, {}, torch.float32)
    (missing,) = controls((1, 4), {}, {}, torch.float32)
    assert not torch.allclose(as_value, missing, atol=1e-4)


def test_every_channel_of_a_control_says_whether_it_is_given():
    controls = ControlConditions({"chords": 2, "density": 1}, hidden_channels=4, levels=1)
    seen = []
    controls.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mT))
    mask = torch.zeros(1, 2, 3, dtype=torch.bool)
    mask[:, 1] = True
    controls((1, 3), {"chords": torch.full((1, 2, 3), 7.0)}, {"chords": mask}, torch.float32)
    values, presence = seen[0].split(3, dim=1)
    assert presence.tolist() == [[[1, 1, 1], [0, 0, 0], [0, 0, 0]]]
    assert (values[:, 0] == 7).all() and torch.equal(values[0, 1], controls.nulls["chords"][1].detach().expand(3))


@pytest.mark.parametrize("kinds", [{"global_conditions": {"style": 3}}, KINDS])
@torch.no_grad()
def test_new_global_and_control_conditions_leave_a_trained_net_as_it_was(kinds):
    before, after = tiny(), tiny(trained=False, **kinds)
    missing, unexpected = after.load_state_dict(before.state_dict(), strict=False)
    assert missing and not unexpected
    sample, conditions = given_to()
    named = {name: conditions[name] for name in ["mix", *after.condition_vectors, *after.condition_channels]}
    assert torch.equal(after(sample, 7, named).sample, before(sample, 7, {"mix": conditions["mix"]}).sample)


@given(frames=st.integers(1, 40), batch=st.integers(1, 3))
def test_controls_come_at_every_resolution_and_stay_in_place(frames, batch):
    torch.manual_seed(0)
    controls = ControlConditions({"a": 2, "b": 1}, hidden_channels=4, levels=3)
    values = {"a": torch.randn(batch, 2, frames), "b": torch.randn(batch, 1, frames)}
    levels = controls((batch, frames), values, {}, torch.float32)
    assert [level.shape[-1] for level in levels] == [frames, (frames + 1) // 2, (frames + 3) // 4]
    values["b"][..., -1] += 1.0
    for level, changed in zip(levels, controls((batch, frames), values, {}, torch.float32), strict=True):
        assert torch.equal(level[..., :-1], changed[..., :-1]) and not torch.equal(level, changed)


def test_nulls_learn_only_where_they_stand():
    conditions = GlobalConditions({"style": 3}, 8)
    torch.nn.init.normal_(conditions.projections["style"].weight)
    value = torch.randn(2, 3)
    for mask, learns in (([False, False], False), ([True, False], True)):
        conditions.zero_grad()
        conditions(torch.randn(2, 8), {"style": value}, {"style": torch.tensor(mask)}).sum().backward()
        assert bool(conditions.nulls["style"].grad.any()) is learns


def test_frame_conditions_keep_their_order_whatever_the_order_of_the_values():
    frames = FrameConditions({"mix": 2, "sketch": 1})
    mix, sketch, sample = torch.randn(1, 2, 3), torch.randn(1, 1, 3), torch.randn(1, 4, 3)
    joined = frames(sample, {"sketch": sketch, "mix": mix}, {})
    assert torch.equal(joined, torch.cat([sample, mix, sketch], dim=1))


def test_a_net_with_conditions_is_saved_and_loaded(unet, tmp_path, has_weights_of):
    unet.save_pretrained(tmp_path)
    loaded = StemUNet1DModel.from_pretrained(tmp_path)
    assert has_weights_of(loaded, unet)
    sample, conditions = given_to()
    torch.testing.assert_close(loaded(sample, 7, conditions).sample, unet(sample, 7, conditions).sample)


def test_a_name_has_one_kind():
    with pytest.raises(ValueError, match="a condition is of one kind"):
        tiny(global_conditions={"mix": 3})


CHANNELS, VECTORS = {"mix": 4, "chords": 5}, {"style": 3}


def check(conditions=None, dropped=None):
    check_conditions(conditions or {}, dropped or {}, CHANNELS, VECTORS, batch=2, frames=9)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"tempo": torch.zeros(2, 1)}, "got a condition 'tempo', and the net takes: mix, chords, style"),
        ({"mix": torch.zeros(2, 4, 8)}, r"shape \(2, 4, 8\), expected \(2, 4, 9\); give it as many frames"),
        ({"mix": torch.zeros(2, 5, 9)}, r"'mix' has shape"),
        ({"mix": torch.zeros(1, 4, 9)}, r"'mix' has shape"),
        ({"style": torch.zeros(2, 4)}, r"'style' has shape \(2, 4\), expected \(2, 3\)$"),
        ({"style": torch.zeros(2, 3, 9)}, r"'style' has shape"),
    ],
)
def test_conditions_that_do_not_fit_are_named(conditions, message):
    with pytest.raises(ValueError, match=message):
        check({"chords": torch.zeros(2, 5, 9)} | conditions)
    with pytest.raises(ValueError, match="and the net takes: none"):
        check_conditions(conditions, {}, {}, {}, 2, 9)
    with pytest.raises(TypeError, match="condition 'style' must be a tensor of floats"):
        check({"style": torch.zeros(2, 3, dtype=torch.int64)})


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 5), (2, 1, 1), (2, 5, 1), (2, 1, 9), (2, 5, 9)])
def test_masks_have_one_entry_an_item_or_more_of_the_shape_of_the_condition(shape):
    mask = torch.zeros(shape, dtype=torch.bool)
    check({"chords": torch.zeros(2, 5, 9), "style": torch.zeros(2, 3)}, {"chords": mask})
    with pytest.raises(ValueError, match=r"'chords' is torch.float32 of shape .*, expected torch.bool of shape \(2,\)"):
        check({}, {"chords": mask.float()})
    with pytest.raises(ValueError, match="got a condition 'tempo'"):
        check({}, {"tempo": mask})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("chords", ()),
        ("chords", (1,)),
        ("chords", (3,)),
        ("chords", (1, 5)),
        ("chords", (2, 4)),
        ("chords", (2, 5, 8)),
        ("chords", (2, 1, 9, 1)),
        ("style", (2, 2)),
        ("style", (2, 3, 1)),
    ],
)
def test_masks_that_do_not_fit_are_named(name, shape):
    with pytest.raises(ValueError, match=f"the mask that drops '{name}' is torch.bool of shape"):
        check({}, {name: torch.zeros(shape, dtype=torch.bool)})


@given(st.sampled_from([(2, 3), (2, 3, 4)]), st.data())
def test_the_null_stands_where_the_mask_says(shape, data):
    value, null = torch.randn(shape), torch.randn(3)
    leading = data.draw(st.integers(1, len(shape)))
    mask = torch.rand(shape[:leading]) < 0.5
    replaced = with_null(value, mask, null, shape)
    for place in torch.cartesian_prod(*map(torch.arange, shape)).tolist():
        expected = null[place[1]] if mask[tuple(place[:leading])] else value[tuple(place)]
        assert replaced[tuple(place)] == expected
    assert with_null(value, None, null, shape) is value
    assert torch.equal(with_null(None, mask, null, shape), null.reshape(1, 3, *[1] * (len(shape) - 2)).expand(shape))
