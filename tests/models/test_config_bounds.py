"""Estimates of the numbers of weights, held against the nets that are built."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import AutoencoderSpectral, BassNetModel, ContrastiveStemModel, StemUNet1DModel, StyleEncoder
from latentstem._checks import (
    MOST_WEIGHTS,
    check_finite,
    check_flags,
    check_list,
    check_number,
    check_weights,
    check_whole,
)
from latentstem.models import SpectralDiscriminator, config_bounds
from latentstem.models.config_bounds import check_statistics

WIDTHS = st.sampled_from([16, 32, 64])
LAYERS = st.integers(0, 3)


CONFIGS = {
    StemUNet1DModel: st.fixed_dictionaries(
        {
            "latent_channels": WIDTHS,
            "block_out_channels": st.tuples(WIDTHS, WIDTHS, WIDTHS),
            "layers_per_block": st.tuples(LAYERS, LAYERS, LAYERS),
            "attention_head_dim": st.just(8),
            "attention_levels": st.tuples(st.booleans(), st.booleans(), st.booleans()),
            "embedding_dim": WIDTHS,
            "position_depth": st.integers(1, 4),
            "frame_conditions": st.sampled_from([None, {"mix": 24, "drums": 48}]),
            "control_conditions": st.sampled_from([None, {"chords": 12}]),
        }
    ),
    AutoencoderSpectral: st.fixed_dictionaries(
        {
            "latent_channels": WIDTHS,
            "channels": WIDTHS,
            "latent_hidden_channels": WIDTHS,
            "encoder_layers": LAYERS,
            "decoder_layers": LAYERS,
            "latent_layers": LAYERS,
            "low_window_length": st.sampled_from([0, 8192]),
            "audio_channels": st.sampled_from([1, 2]),
            "carriers": st.just(0),
        }
    ),
    StyleEncoder: st.fixed_dictionaries({"channels": WIDTHS, "latent_channels": WIDTHS, "layers": LAYERS}),
    ContrastiveStemModel: st.fixed_dictionaries(
        {"channels": WIDTHS, "latent_channels": WIDTHS, "layers": st.tuples(LAYERS, LAYERS)}
    ),
    BassNetModel: st.fixed_dictionaries(
        {
            "steps": st.just(12),
            "bins": st.just(36),
            "resolutions": st.integers(1, 2),
            "channels": WIDTHS,
            "blocks": st.integers(1, 3),
            "kernel_size": st.sampled_from([(3, 3), (3, 7)]),
            "patch_size": st.sampled_from([(1, 1), (1, 3)]),
        }
    ),
    SpectralDiscriminator: st.fixed_dictionaries({"channels": WIDTHS, "layers": LAYERS}),
}


@given(st.data())
def test_the_estimate_is_the_number_of_weights_within_a_factor_of_three(data):
    kind = data.draw(st.sampled_from(list(CONFIGS)))
    config = data.draw(CONFIGS[kind])
    estimates = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_bounds, "check_weights", lambda count, fields: estimates.append(count))
        net = kind(**config)
    weights = sum(parameter.numel() for parameter in net.parameters())
    assert weights / 3 < estimates[0] < 3 * weights


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (StemUNet1DModel, {"block_out_channels": (16_384,) * 3}),
        (StemUNet1DModel, {"position_hidden_dim": 16_384, "position_depth": 256}),
        (StemUNet1DModel, {"control_conditions": {"chords": 12}, "control_channels": 16_384}),
        (AutoencoderSpectral, {"channels": 16_384, "latent_hidden_channels": 16_384}),
        (AutoencoderSpectral, {"latent_layers": 256, "latent_hidden_channels": 8192}),
        (AutoencoderSpectral, {"window_length": 65_536, "channels": 16_384}),
        (StyleEncoder, {"channels": 16_384, "layers": 256}),
        (ContrastiveStemModel, {"channels": 16_384}),
        (BassNetModel, {"channels": 16_384}),
        (BassNetModel, {"bins": 65_000, "steps": 65_000, "patch_size": (65_000, 65_000)}),
        (SpectralDiscriminator, {"channels": 16_384}),
    ],
)
def test_nets_that_are_too_large_as_a_whole_are_refused(kind, config):
    with pytest.raises(ValueError, match=r"a net of about \S+ weights from .*lower these"):
        kind(**config)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        (StemUNet1DModel, {"frame_conditions": {"a.b": 3}}, "a condition 'a.b' in frame_conditions; expected a name"),
        (StemUNet1DModel, {"global_conditions": {"keys": 3}}, "'keys' in global_conditions"),
        (StemUNet1DModel, {"global_conditions": [3]}, r"global_conditions=\[3\]; expected numbers of channels by name"),
        (StemUNet1DModel, {"attention_levels": [0, 1, 2]}, r"attention_levels\[2\]=2; expected true or false"),
        (StemUNet1DModel, {"layers_per_block": 3}, "layers_per_block=3; expected a list"),
        (StemUNet1DModel, {"log_n_scaling": "yes"}, "log_n_scaling='yes'; expected true or false"),
        (AutoencoderSpectral, {"audio_channels": True}, "audio_channels=True"),
        (AutoencoderSpectral, {"window_length": 600}, "window_length=600, hop_length=512; expected a window"),
        (AutoencoderSpectral, {"low_highest": 23_000.0}, "low_highest=23000.0; expected a number from 0 to 22050"),
        (AutoencoderSpectral, {"hop_length": 4095, "stft_hop_length": 315, "window_length": 2047}, "expected"),
        (BassNetModel, {"kernel_size": (3, 4)}, r"kernel_size\[1\]=4; expected an odd number"),
        (BassNetModel, {"descriptor_kernel_size": 2}, "descriptor_kernel_size=2; expected an odd number"),
        (BassNetModel, {"patch_size": 3}, "patch_size=3; expected two numbers"),
    ],
)
def test_fields_that_no_net_could_have_are_refused_by_their_names(kind, config, message):
    with pytest.raises(ValueError, match=message):
        kind(**config)


def test_the_checks_name_field_value_and_bounds():
    for call, message in [
        (lambda: check_whole(1, 9, depth=True), "got depth=True; expected a whole number from 1 to 9"),
        (lambda: check_whole(1, 9, depth=10), "got depth=10; expected"),
        (lambda: check_whole(1, 9, depth=2.0), "got depth=2.0; expected"),
        (lambda: check_number(0, 1, dropout=float("nan")), "got dropout=nan; expected a number from 0 to 1"),
        (lambda: check_number(0, 1, dropout="0"), "got dropout='0'; expected"),
        (lambda: check_flags(loop=2), "got loop=2; expected true or false"),
        (lambda: check_list(2, widths=[1, 2, 3]), r"got widths=\[1, 2, 3\]; expected a list of 1 to 2 entries"),
        (lambda: check_list(2, widths=[]), r"got widths=\[\]"),
        (lambda: check_weights(MOST_WEIGHTS + 1, {"width": 9}), "weights from width=9; expected at most"),
        (lambda: check_whole(1, 9, depth="x" * 10_000), "got depth='x{1,40}[.]{3}"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    check_whole(1, 9, first=1, last=9)
    check_number(0, 1, first=0, last=1.0)
    check_flags(first=True, last=0)
    check_weights(MOST_WEIGHTS, {})


def test_statistics_of_a_codec_may_be_missing_and_must_fit():
    check_statistics({}, channels=2)
    check_statistics({"latents_mean": None, "style_readout": None}, channels=2)
    check_statistics({"latents_mean": (0.0, 1), "latents_std": [1.0, 2.0]}, channels=2)
    for config, message in [
        ({"latents_mean": [0.0]}, "1 entries in latents_mean; expected 2"),
        ({"latents_std": [1.0, -1.0]}, r"latents_std\[1\]=-1.0"),
        ({"latents_mean": 0.0}, "latents_mean=0.0; expected a list"),
        ({"style_readout": [[1.0, 0.0]]}, "style_directions=None; expected a list"),
        ({"style_readout": [[1.0, 0.0]] * 2, "style_directions": [[1.0, 0.0]]}, "2 rows in style_readout and 1 in"),
        ({"style_readout": [[1.0]], "style_directions": [[1.0]]}, r"1 entries in style_readout\[0\]; expected 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_statistics(config, channels=2)


def test_finite_tensors_pass_and_others_are_named():
    check_finite(
        "the sum", torch.ones(2), {"one": torch.ones(2), "count": 7, "none": None, "mask": torch.tensor([True])}
    )
    for inputs, message in [
        ({"one": torch.tensor([torch.nan])}, "got one with NaN or Inf; expected finite numbers"),
        ({"one": torch.ones(1), "two": torch.tensor(torch.inf)}, "got two with NaN or Inf"),
        ({"one": torch.tensor([3e38])}, r"the sum is not finite, with one up to 3e\+38"),
        ({}, "the sum is not finite; lower what is given"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_finite("the sum", torch.tensor(torch.inf), inputs)
