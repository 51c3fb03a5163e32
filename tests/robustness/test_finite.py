"""Of every public component: finite in gives finite out, or an error; not finite in gives an error."""

import functools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import (
    AutoencoderSpectral,
    BassNetModel,
    ContrastiveStemModel,
    CosineDDIMScheduler,
    InpaintRegions,
    RescaledClassifierFreeGuidance,
    StemUNet1DModel,
    StyleEncoder,
    StyleGrounding,
    StyleSpace,
    classifier_free_guidance,
    crossfade_seam,
    multi_scale_spectral_distance,
    resample,
    resample_periodic,
    rescale_std,
)
from latentstem.audio import active_rms, normalize_level, prepare_audio, reference_gain
from latentstem.losses import (
    BandEnergyDistance,
    BandFlatnessDistance,
    PartialDistance,
    feature_matching,
    gaussian_kl,
    hinge_discriminator_loss,
    hinge_generator_loss,
    log_magnitude_distance,
    pitch_cross_entropy,
    reconstruction_errors,
    sample_gaussian,
    supervised_contrastive,
)
from latentstem.models import denormalize_latents, normalize_latents
from latentstem.sampling import step_from_denoised

STATISTICS = {"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [0.5, 1.0, 2.0, 3.0]}


class Tensors:
    """Makes random tensors of one magnitude, of which one, the last one asked for or an earlier one, is broken.

    Args:
        magnitude: Size of the numbers.
        bad: NaN, Inf or None for none.
        broken: Index of the tensor that has it.
    """

    def __init__(self, magnitude, bad, broken):
        self.magnitude, self.bad, self.broken, self.made = magnitude, bad, broken, 0

    def __call__(self, *shape):
        tensor = (self.magnitude * torch.randn(shape)).clamp(-3e38, 3e38)
        if self.bad is not None and self.made == self.broken:
            tensor.view(-1)[torch.randint(tensor.numel(), ())] = self.bad
        self.made += 1
        return tensor


@functools.cache
def nets():
    """A small net of each class, in evaluation mode."""
    torch.manual_seed(0)
    unet = StemUNet1DModel(4, (8, 16), (1, 1), 8, (False, True), 16)
    torch.nn.init.normal_(unet.conv_out.taps.weight)
    return {
        "unet": unet.eval(),
        "codec": AutoencoderSpectral(latent_channels=4, channels=8, latent_hidden_channels=8, carriers=8).eval(),
        "style": StyleEncoder(latent_channels=4, channels=8, code_dim=3, layers=1).eval(),
        "reranker": ContrastiveStemModel(latent_channels=4, channels=8, embedding_channels=8, layers=(1, 1)).eval(),
        "bassnet": BassNetModel(steps=4, bins=36, channels=4, blocks=2, control_blocks=1).eval(),
    }


def chosen_scheduler():
    scheduler = CosineDDIMScheduler()
    scheduler.set_timesteps(2)
    return scheduler, scheduler.timesteps[0]


def step(make):
    scheduler, timestep = chosen_scheduler()
    return list(scheduler.step(make(1, 4, 5), timestep, make(1, 4, 5)).values())


def step_from_clean(make):
    scheduler, timestep = chosen_scheduler()
    return list(scheduler.step_from_denoised(make(1, 4, 5), timestep, make(1, 4, 5)).values())


def hooked_step(make):
    scheduler, timestep = chosen_scheduler()
    hooks = [StyleGrounding(make(4), strength=0.5), InpaintRegions(make(1, 4, 5), torch.tensor([1, 1, 0.5, 0, 0]))]
    stepped = step_from_denoised(scheduler, make(1, 4, 5), timestep, make(1, 4, 5), hooks)
    return [stepped.denoised, *stepped.result.values()]


def guide(make):
    return list(RescaledClassifierFreeGuidance().forward(make(1, 4, 9), make(1, 4, 9)).values())


def bass_terms(make):
    output = {name: make(2, 3, 5) for name in ("spectrogram", "f0", "onset")}
    target = {"spectrogram": make(2, 3, 5), "f0": torch.rand(2, 3, 5), "onset": torch.rand(2, 3, 5)}
    return reconstruction_errors(output, target)


COMPONENTS = {
    # name: how many tensors it makes, and what is done with them
    "unet": (2, lambda make: nets()["unet"](make(1, 4, 5), 7, {"mix": make(1, 4, 5)}).sample),
    "codec.encode": (1, lambda make: nets()["codec"].encode(make(1, 1, 5000)).latents),
    "codec.decode": (1, lambda make: nets()["codec"].decode(make(1, 4, 2)).sample),
    "codec.encode_stream": (1, lambda make: list(nets()["codec"].encode_stream([make(1, 1, 5000)]))),
    "codec.decode_stream": (1, lambda make: list(nets()["codec"].decode_stream([make(1, 4, 2)]))),
    "style encoder": (1, lambda make: nets()["style"](make(1, 4, 6))),
    "reranker": (2, lambda make: nets()["reranker"](make(1, 4, 6), make(2, 4, 6))),
    "reranker.compare": (2, lambda make: nets()["reranker"].compare(make(1, 3, 8), make(2, 3, 8))),
    "bassnet": (2, lambda make: list(nets()["bassnet"](make(1, 1, 4, 36), make(1, 1, 4, 36)).values())),
    "bassnet.decode": (2, lambda make: list(nets()["bassnet"].decode(make(1, 1, 4, 36), make(1, 2)).values())),
    "scheduler.step": (2, step),
    "scheduler.step_from_denoised": (2, step_from_clean),
    "scheduler.add_noise": (
        2,
        lambda make: CosineDDIMScheduler().add_noise(make(2, 4, 5), make(2, 4, 5), torch.tensor([7])),
    ),
    "scheduler.get_velocity": (
        2,
        lambda make: CosineDDIMScheduler().get_velocity(make(2, 4, 5), make(2, 4, 5), torch.tensor([7])),
    ),
    "guider": (2, guide),
    "classifier_free_guidance": (2, lambda make: classifier_free_guidance(make(1, 4, 9), make(1, 4, 9), 3.0)),
    "rescale_std": (2, lambda make: rescale_std(make(1, 4, 9), make(1, 4, 9), 0.7)),
    "hooks": (4, hooked_step),
    "style space": (2, lambda make: StyleSpace(make(2, 4), make(2, 4)).readout),
    "resample": (1, lambda make: resample(make(1, 3000), 44100, 16000)),
    "resample to the same rate": (1, lambda make: resample(make(1, 3000), 44100, 44100)),
    "resample_periodic": (1, lambda make: resample_periodic(make(1, 100), 90)),
    "crossfade_seam": (2, lambda make: crossfade_seam(make(1, 100), make(1, 10))),
    "active_rms": (1, lambda make: active_rms(make(1, 1, 10_000))),
    "reference_gain": (1, lambda make: reference_gain(make(1, 1, 5000))),
    "normalize_level": (1, lambda make: normalize_level(make(1, 1, 5000))),
    "prepare_audio": (
        1,
        lambda make: prepare_audio(make(2, 5000), 44100, name="mix", expected_rate=44100, expected_channels=1),
    ),
    "normalize_latents": (1, lambda make: normalize_latents(make(1, 4, 5), STATISTICS)),
    "denormalize_latents": (1, lambda make: denormalize_latents(make(1, 4, 5), STATISTICS)),
    "spectral distance": (2, lambda make: multi_scale_spectral_distance(make(1, 1, 4096), make(1, 1, 4096))),
    "log magnitudes": (2, lambda make: log_magnitude_distance(make(1, 9), make(1, 9))),
    "band energies": (2, lambda make: BandEnergyDistance()(make(1, 1, 9000), make(1, 1, 9000))),
    "band flatness": (2, lambda make: BandFlatnessDistance()(make(1, 1, 9000), make(1, 1, 9000))),
    "partials": (
        2,
        lambda make: PartialDistance()(make(1, 1, 20_000), make(1, 1, 20_000), torch.full((1, 39), 110.0)),
    ),
    "pitch": (
        1,
        lambda make: pitch_cross_entropy(make(1, 5, 9), torch.rand(1, 5) * 99, 9.0 * torch.arange(1, 10)),
    ),
    "supervised contrastive": (1, lambda make: supervised_contrastive(make(4, 3), torch.tensor([0, 0, 1, 1]))),
    "hinge": (2, lambda make: hinge_discriminator_loss(make(1, 9), make(1, 9))),
    "hinge of the generator": (1, lambda make: hinge_generator_loss(make(1, 9))),
    "feature matching": (2, lambda make: feature_matching([make(1, 9)], [make(1, 9)])),
    "gaussian_kl": (2, lambda make: gaussian_kl(make(2, 3), make(2, 3))),
    "sample_gaussian": (2, lambda make: sample_gaussian(make(2, 3), make(2, 3))),
    "bass terms": (4, bass_terms),
}


@given(
    component=st.sampled_from(sorted(COMPONENTS)),
    exponent=st.one_of(st.integers(-3, 3), st.integers(-38, 38)),
    bad=st.sampled_from([None, None, math.nan, math.inf, -math.inf]),
    broken=st.integers(0, 4),
)
def test_finite_in_gives_finite_out_or_an_error(campaigns, component, exponent, bad, broken):
    count, call = COMPONENTS[component]
    campaign = campaigns()
    make = Tensors(10.0**exponent, bad, broken % count)
    with torch.no_grad():
        campaign.attempt(f"{component} at 1e{exponent} with {bad} in tensor {broken % count}", call, make)
    campaign.assert_clean()
    assert bad is None or campaign.refused == 1


def test_each_component_refuses_nan_and_takes_ordinary_numbers(campaigns):
    """Every component and every tensor of it, which the draws above may leave out."""
    for component, (count, call) in COMPONENTS.items():
        for bad, broken in [(None, 0), *((math.nan, index) for index in range(count))]:
            campaign = campaigns()
            torch.manual_seed(0)
            with torch.no_grad():
                campaign.attempt(f"{component} with {bad} in tensor {broken}", call, Tensors(0.3, bad, broken))
            campaign.assert_clean()
            assert (campaign.served, campaign.refused) == ((1, 0) if bad is None else (0, 1)), (component, bad, broken)


@given(
    exponent=st.integers(-38, 38),
    bad=st.sampled_from([None, None, math.nan, math.inf]),
    role=st.sampled_from(["mix", "style", "init_stem", "latents", "mix_latents", "style_latents"]),
)
def test_finite_in_gives_finite_stems_or_an_error(tiny, campaigns, exponent, bad, role):
    make = Tensors(10.0**exponent, bad, 0)
    given_value = make(1, 4, 2) if "latents" in role else make(1, 1, 5000)
    call = {"mix": 0.1 * torch.randn(1, 1, 5000), "sampling_rate": 44100, "num_inference_steps": 1, role: given_value}
    if role == "mix_latents":
        del call["mix"]
    campaign = campaigns()
    campaign.attempt(f"{role} at 1e{exponent} with {bad}", lambda: tiny(**call).audios)
    campaign.assert_clean()
    assert bad is None or campaign.refused == 1


def test_a_training_is_left_alone():
    """Where a gradient is recorded nothing is checked: a check would wait for the accelerator at every step."""
    unet = nets()["unet"]
    assert unet(torch.full((1, 4, 5), torch.nan), 7).sample.isnan().any()
    with torch.no_grad(), pytest.raises(ValueError, match="got sample with NaN or Inf; expected finite numbers"):
        unet(torch.full((1, 4, 5), torch.nan), 7)
