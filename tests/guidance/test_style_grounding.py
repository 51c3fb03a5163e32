import math

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from latentstem import AutoencoderSpectral, CosineDDIMScheduler, StyleGrounding, on_denoised
from latentstem.guidance.style_grounding import blend_shares, encode_reference
from latentstem.sampling import DenoisedStep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def step(index=0, total=10):
    return DenoisedStep(index, total, 0, torch.zeros(1), 0.6, 0.8)


def gaussian_run(scheduler, *hooks, steps=64, centre=0.0):
    """Samples with the exact denoiser of data that is `centre + N(0, 1)` a sequence plus `N(0, 0.5)` a frame."""
    scheduler.set_timesteps(steps)
    sample = torch.randn(200, 1, 32, generator=torch.Generator().manual_seed(0))
    with on_denoised(scheduler, *hooks):
        for timestep in scheduler.timesteps:
            alpha = scheduler.alphas_cumprod[int(timestep)].double()
            signal, noise = alpha.sqrt().item(), (1 - alpha).sqrt().item()
            mean = sample.mean(-1, keepdim=True)
            within = 0.25 * signal / (0.25 * signal**2 + noise**2) * (sample - mean)
            spread = 1.0 + 0.25 / 32
            across = centre + spread * signal / (spread * signal**2 + noise**2 / 32) * (mean - signal * centre)
            velocity = (signal * sample - (across + within)) / noise
            sample = scheduler.step(velocity, timestep, sample).prev_sample
    return sample


@given(strength=st.floats(0, 1), frames=st.integers(1, 20))
def test_the_mean_moves_by_the_strength_and_nothing_else_moves(strength, frames):
    denoised, goal = torch.randn(2, 3, frames), torch.randn(3)
    moved = StyleGrounding(goal, strength)(denoised, step())
    before, after = denoised.mean(-1), moved.mean(-1)
    assert torch.allclose(after, before + strength * (goal - before), atol=1e-5)
    assert torch.allclose(moved - after[..., None], denoised - before[..., None], atol=1e-5)


def test_strength_zero_is_bitwise_nothing_and_the_own_mean_is_nothing():
    denoised = torch.randn(2, 3, 11)
    assert torch.equal(StyleGrounding(torch.randn(3), strength=0.0)(denoised, step()), denoised)
    assert torch.allclose(StyleGrounding(denoised.mean(-1))(denoised, step()), denoised, atol=1e-6)


def test_acts_within_its_window_only():
    grounding = StyleGrounding(torch.ones(3), start=0.3, stop=0.6)
    denoised = torch.randn(1, 3, 4)
    acted = [i for i in range(10) if not torch.equal(grounding(denoised, step(i)), denoised)]
    assert acted == [3, 4, 5]


@pytest.mark.parametrize("strength", [-1000.0, 1000.0])
def test_a_window_may_be_empty_and_the_strongest_grounding_is_taken(strength):
    denoised = torch.randn(1, 3, 4)
    for edge in (0.0, 0.5, 1.0):
        grounding = StyleGrounding(torch.ones(3), strength, start=edge, stop=edge)
        assert all(torch.equal(grounding(denoised, step(index)), denoised) for index in range(10))


def test_each_item_of_a_batch_may_have_its_own_reference():
    goals = torch.randn(2, 3)
    assert torch.allclose(StyleGrounding(goals)(torch.randn(2, 3, 9), step()).mean(-1), goals, atol=1e-6)


@pytest.mark.parametrize("noise", ["rederive", "keep"])
def test_grounded_samples_reach_the_reference_and_keep_their_life(noise):
    plain = gaussian_run(CosineDDIMScheduler())
    grounded = gaussian_run(CosineDDIMScheduler(), StyleGrounding(torch.tensor([1.5]), noise=noise))
    assert plain.mean(-1).std() > 0.5  # the ungrounded means are spread
    assert torch.allclose(grounded.mean(-1), torch.tensor(1.5), atol=0.03)  # at least 98 % of the way
    assert grounded.std(-1).mean().item() == pytest.approx(plain.std(-1).mean().item(), rel=0.05)


def test_keeping_the_noise_grounds_earlier():
    def mean_when_grounded_at_the_start_only(noise):
        grounding = StyleGrounding(torch.tensor([1.5]), noise=noise, stop=0.1)
        return gaussian_run(CosineDDIMScheduler(), grounding).mean()

    assert mean_when_grounded_at_the_start_only("keep") > mean_when_grounded_at_the_start_only("rederive") + 0.3


def test_grounds_in_a_fast_solver_too():
    scheduler = DPMSolverMultistepScheduler.from_config(CosineDDIMScheduler().config)
    grounded = gaussian_run(scheduler, StyleGrounding(torch.tensor([1.5])), steps=12)
    assert torch.allclose(grounded.mean(-1), torch.tensor(1.5), atol=0.03)


def test_references_from_latents_are_averaged():
    first, second = torch.randn(3, 7), torch.randn(3, 20)
    grounding = StyleGrounding.from_latents([first, second], strength=0.5)
    assert torch.allclose(grounding.reference, (first.mean(-1) + second.mean(-1)) / 2)
    assert grounding.strength == 0.5
    batch = torch.randn(2, 3, 8)
    assert torch.allclose(StyleGrounding.from_latents(batch).reference, batch.mean((0, 2)))


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    return AutoencoderSpectral(
        latent_channels=5,
        channels=8,
        latent_hidden_channels=8,
        carriers=0,
        latents_mean=[0.5] * 5,
        latents_std=[2.0] * 5,
    ).eval()


@torch.no_grad()
def test_a_reference_from_audio_is_the_mean_over_sounding_frames_at_any_level(autoencoder):
    rest, tone = torch.zeros(1, 1, 5 * 4096), 0.2 * torch.randn(1, 1, 6 * 4096)
    audio = torch.cat([tone, rest], dim=-1)
    level = tone.square().mean().sqrt()
    latents = (autoencoder.encode(audio * 0.1 / level).latents - 0.5) / 2.0
    wanted = latents[0, :, :6].mean(-1)
    assert torch.allclose(StyleGrounding.from_audio(audio, autoencoder).reference, wanted, atol=1e-4)
    assert torch.allclose(StyleGrounding.from_audio(0.01 * audio, autoencoder).reference, wanted, atol=1e-4)
    other = 0.2 * torch.randn(1, 1, 9000)
    both = StyleGrounding.from_audio([audio, other], autoencoder).reference
    assert torch.allclose(both, (wanted + StyleGrounding.from_audio(other, autoencoder).reference) / 2, atol=1e-4)


@given(st.lists(st.floats(0, 1e308), min_size=1, max_size=6).filter(lambda weights: max(weights) > 0))
def test_shares_are_in_the_given_proportions_and_sum_to_one(weights):
    shares = blend_shares(weights, len(weights)).double()
    total = math.fsum(weight / max(weights) for weight in weights)
    assert shares.tolist() == pytest.approx([weight / max(weights) / total for weight in weights], abs=1e-6)
    assert blend_shares(None, 4).tolist() == [0.25] * 4


@pytest.mark.parametrize(
    "weights", [[], [1], [1, 2, 3], [1, -1], [0, 0], [1, math.inf], [1, math.nan], [1, "a"], [1, True], 5]
)
def test_shares_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="2 style references; expected one for each, 0 or more, not all 0"):
        blend_shares(weights, 2)


def test_references_are_blended_by_their_shares(autoencoder):
    audios = [0.2 * torch.randn(1, 1, 9000) for _ in range(2)]
    first, second = (StyleGrounding.from_audio(audio, autoencoder).reference for audio in audios)
    blended = StyleGrounding.from_audio(audios, autoencoder, weights=[3, 1]).reference
    assert torch.allclose(blended, 0.75 * first + 0.25 * second, atol=1e-5)


def test_frames_within_forty_decibels_of_the_loudest_are_active(autoencoder):
    decibels = torch.tensor([0.0, -39.0, -41.0, -200.0, -10.0])
    frames = torch.randn(2, 1, 5, 4096).sign() * 10 ** (decibels / 20)[:, None]
    audio = frames.flatten(2)[..., : 4 * 4096 + 2048]  # half of the last frame: 13 dB below the loudest
    _, active = encode_reference(torch.cat([audio, 1e-3 * audio]), autoencoder)
    assert active.tolist() == [[True, True, False, False, True]] * 4


def test_refuses_references_that_say_nothing(autoencoder):
    for audio in (torch.zeros(1, 1, 9000), torch.full((1, 1, 9000), 1e-7)):
        with pytest.raises(ValueError, match="silent"):
            StyleGrounding.from_audio(audio, autoencoder)
    for audio in (torch.ones(1, 9000), torch.ones(1, 1, 0)):
        with pytest.raises(ValueError, match=r"got a style reference of shape .*; expected \(batch, channels"):
            StyleGrounding.from_audio(audio, autoencoder)
    for latents in (torch.ones(4), torch.ones(1, 1, 4, 9), torch.ones(4, 0)):
        with pytest.raises(ValueError, match="got latents of shape"):
            StyleGrounding.from_latents(latents)
    for strength in (1000.5, -1000.5, math.nan):
        with pytest.raises(ValueError, match="expected a number from -1000 to 1000"):
            StyleGrounding(torch.zeros(3), strength=strength)
    for window in ((-0.1, 0.5), (0.5, 1.1)):
        with pytest.raises(ValueError, match="0 <= start <= stop <= 1"):
            StyleGrounding(torch.zeros(3), start=window[0], stop=window[1])
    with pytest.raises(ValueError, match=r"\(1, 3, 4\); for latents"):
        StyleGrounding(torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match="finite"):
        StyleGrounding(torch.tensor([float("nan")]))
    with pytest.raises(ValueError, match=r"0\.8 and 0\.2"):
        StyleGrounding(torch.zeros(3), start=0.8, stop=0.2)
    with pytest.raises(ValueError, match="3 channels and the latents have 4"):
        StyleGrounding(torch.zeros(3))(torch.zeros(1, 4, 5), step())
