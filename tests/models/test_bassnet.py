"""BassNet's net: what its control does, which windows it takes, and that it is saved whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem import BassNetModel
from latentstem.losses import cross_reconstruction_terms

SMALL = {"steps": 8, "bins": 36, "channels": 8, "blocks": 3, "control_blocks": 1}


def small_model(**options):
    torch.manual_seed(0)
    model = BassNetModel(**{**SMALL, **options})
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias)
    return model.eval()


def windows(model, batch, seed=1):
    sizes = [model.config[name] for name in ("resolutions", "steps", "bins")]
    return torch.randn(2, batch, *sizes, generator=torch.Generator().manual_seed(seed)).unbind()


sizes = st.integers(1, 3)
patches = st.sampled_from([(1, 1), (2, 1), (2, 3), (1, 36)])


@settings(deadline=None, max_examples=12)
@given(sizes, sizes, sizes, st.integers(0, 3), st.booleans(), patches, sizes)
def test_every_configuration_returns_windows_as_it_takes_them(
    resolutions, control, blocks, fewer, positions, patch, batch
):
    blocks_of = {"blocks": blocks, "control_blocks": max(blocks - fewer, 0), "control_positions": positions}
    model = small_model(resolutions=resolutions, control_dim=control, patch_size=patch, **blocks_of)
    mix, bass = windows(model, batch)
    output = model(mix, bass)
    assert output.mean.shape == output.log_variance.shape == (batch, control)
    assert output.spectrogram.shape == output.f0.shape == mix.shape
    assert output.onset.shape == output.level.shape == mix.shape[:-1]


def test_generating_with_the_partner_s_control_is_decoding_it():
    model = small_model(resolutions=2, patch_size=(2, 3))
    mix, bass = windows(model, 4)
    partners = torch.tensor([2, 3, 0, 0])
    output, controls = model(mix, bass, partners), model.encode(mix, bass)
    decoded = model.decode(mix, controls.mean[partners])
    assert torch.equal(output.mean, controls.mean) and torch.equal(output.log_variance, controls.log_variance)
    for name, values in decoded.items():
        torch.testing.assert_close(output[name], values)
    own = model(mix, bass)
    torch.testing.assert_close(own.f0, model.decode(mix, controls.mean).f0)
    assert not torch.allclose(own.f0, output.f0)


def test_controls_are_drawn_from_the_distribution_by_the_generator():
    model = small_model(blocks=1)
    mix, bass = (window[:1].expand(500, -1, -1, -1) for window in windows(model, 1))
    drawn = []
    model.gated.relation_coder.from_control.register_forward_hook(lambda layer, given, out: drawn.append(given[0]))
    with torch.no_grad():
        for _ in range(2):
            output = model(mix, bass, sample_posterior=True, generator=torch.Generator().manual_seed(3))
    assert torch.equal(*drawn)
    deviation = (0.5 * output.log_variance[0]).exp()
    torch.testing.assert_close(drawn[0].mean(0), output.mean[0], atol=0.2 * float(deviation.max()), rtol=0)
    torch.testing.assert_close(drawn[0].std(0), deviation, rtol=0.15, atol=0)


def test_at_first_the_control_is_hardly_noise():
    """A control with the noise of the prior, which means little yet, is not learned to be listened to."""
    torch.manual_seed(0)
    distribution = BassNetModel(**SMALL).encode(*torch.randn(2, 16, 1, 8, 36).unbind())
    assert (distribution.log_variance < -2).all() and distribution.mean.abs().mean() < 1


def test_the_mix_the_bass_and_the_control_are_heard():
    model = small_model()
    mix, bass = windows(model, 3)
    other = mix.roll(1, 0)
    assert not torch.allclose(model.encode(mix, bass).mean, model.encode(other, bass).mean)
    assert not torch.allclose(model.encode(mix, bass).mean, model.encode(mix, bass.roll(1, 0)).mean)
    control = torch.randn(3, 2)
    generated = model.decode(mix, control).f0
    assert not torch.allclose(generated, model.decode(other, control).f0)
    assert not torch.allclose(generated, model.decode(mix, control + 1).f0)


@pytest.mark.parametrize("control_blocks", [0, 2])
def test_a_control_of_positions_tells_and_gates_each_by_itself(control_blocks):
    alike, apart = (small_model(control_blocks=control_blocks, control_positions=each) for each in (False, True))
    control = torch.randn(1, 2)
    assert alike.gated.relation_coder.decode(control).shape[2:] == (1, 1)
    factors = apart.gated.relation_coder.decode(control)
    assert factors.shape[2:] == (8, 36) and factors.std((2, 3)).max() > 0
    products = torch.randn_like(factors)
    moved = products.roll((3, 5), (2, 3))
    if control_blocks == 0:  # blocks see the edges
        torch.testing.assert_close(alike.gated.relation_coder(products), alike.gated.relation_coder(moved))
    assert not torch.allclose(apart.gated.relation_coder(products), apart.gated.relation_coder(moved), atol=1e-3)


@pytest.mark.parametrize("patch", [(1, 1), (2, 3)])
def test_every_part_of_the_mix_is_within_reach_of_every_part_of_the_bass(patch):
    """The receptive field covers the window (section 5.3): the last bin and step depend on the first."""
    model = small_model(steps=16, blocks=4, patch_size=patch, control_blocks=0)
    dilations = [block.dilated.dilation for block in model.gated.x_encoder.blocks]
    for size, along, extent in zip(patch, zip(*dilations, strict=True), (16, 36), strict=True):
        assert 1 + 2 * sum(along) >= extent // size
    mix = windows(model, 1)[0].requires_grad_()
    model.decode(mix, torch.zeros(1, 2)).spectrogram[0, 0, -1, -1].backward()
    assert (mix.grad[0, 0] != 0).any(0)[: patch[1]].any() and (mix.grad[0, 0] != 0).any(1)[: patch[0]].any()


def test_pitch_is_read_by_the_same_template_at_every_bin():
    """Moved by a bin, a spectrum has the pitch a bin further, whatever the template has learnt."""
    model = small_model()
    torch.nn.init.normal_(model.heads.template)
    spectrum = torch.zeros(1, 36)
    spectrum[0, 5:20] = torch.randn(15)
    logits, moved = model.heads.pitch(spectrum), model.heads.pitch(spectrum.roll(7, 1))
    torch.testing.assert_close(moved[:, 7:], logits[:, :-7])
    naive = [sum(spectrum[0, i] * model.heads.template[i - j + 35] for i in range(36)) for j in range(36)]
    torch.testing.assert_close(logits[0], torch.stack(naive))


def test_bfloat16_autocast_changes_little():
    model = small_model(patch_size=(1, 3))
    mix, bass = windows(model, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(mix, bass)
    exact = model(mix, bass)
    for name, values in exact.items():
        assert (half[name].float() - values).abs().mean() < 0.05 * values.std()


def test_the_channels_of_a_position_lie_side_by_side_in_every_block():
    model = small_model(patch_size=(2, 3))
    strides = []
    for name, layer in model.named_modules():
        if name.endswith("dilated_norm"):
            layer.register_forward_hook(lambda layer, given, out: strides.append((given[0].shape, given[0].stride())))
    model(*windows(model, 2))
    assert len(strides) == 3 * model.config["blocks"] + 2 * model.config["control_blocks"]
    assert all(stride[1] == 1 for (_, _, *positions), stride in strides if positions != [1, 1])


@pytest.mark.parametrize("positions", [False, True])
def test_training_by_cross_reconstruction_lowers_the_loss_and_reaches_every_weight(positions):
    torch.manual_seed(0)
    model = BassNetModel(**SMALL, control_positions=positions)
    mix, bass = windows(model, 8)
    target = {
        "spectrogram": bass,
        "f0": bass.softmax(-1),
        "onset": bass.sigmoid().mean(-1),
        "level": bass.sigmoid().amax(-1),
    }
    partners, generator = torch.arange(8).roll(4), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        output = model(mix, bass, partners, sample_posterior=True, generator=generator)
        loss = sum(cross_reconstruction_terms(output, target, partners).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


def test_it_is_saved_and_loaded(tmp_path, has_weights_of):
    model = small_model(resolutions=2, patch_size=(2, 3), time_dilations=(1, 1, 2))
    model.save_pretrained(tmp_path)
    loaded, given = BassNetModel.from_pretrained(tmp_path).eval(), windows(model, 2)
    assert has_weights_of(loaded, model)
    for name, values in model(*given).items():
        torch.testing.assert_close(loaded(*given)[name], values)
    assert loaded.config["time_dilations"] == [1, 1, 2]


def test_tuples_are_returned_where_asked_for():
    model = small_model()
    mix, bass = windows(model, 2)
    whole = model(mix, bass, return_dict=False)
    assert all(map(torch.equal, whole, model(mix, bass).to_tuple()))
    assert all(map(torch.equal, whole[:2], model.encode(mix, bass, return_dict=False)))
    assert all(map(torch.equal, whole[2:], model.decode(mix, whole[0], return_dict=False)))


def test_what_does_not_fit_is_named():
    model = small_model()
    mix, bass = windows(model, 2)
    with pytest.raises(ValueError, match=r"got bass of shape \(2, 1, 8, 35\); expected \(2, 1, 8, 36\)"):
        model.encode(mix, bass[..., :-1])
    with pytest.raises(ValueError, match=r"got control of shape \(2, 3\); expected \(2, 2\)"):
        model.decode(mix, torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"got partners of shape \(1,\); expected one index for each of 2 windows"):
        model(mix, bass, torch.tensor([0]))
    with pytest.raises(ValueError, match=r"got patch_size=\(3, 3\); expected divisors of steps=8"):
        small_model(patch_size=(3, 3))
    with pytest.raises(ValueError, match="got control_blocks=4; expected 0 to blocks=3, or None"):
        small_model(control_blocks=4)
    with pytest.raises(ValueError, match="got 2 time_dilations and 3 frequency_dilations; expected one each for 3"):
        small_model(time_dilations=(1, 2))
