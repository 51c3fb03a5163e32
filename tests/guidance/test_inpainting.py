import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from latentstem import CosineDDIMScheduler, InpaintRegions, on_denoised
from latentstem.sampling import DenoisedStep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEP = DenoisedStep(0, 10, 0, torch.zeros(1), 0.6, 0.8)


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=20))
def test_kept_frames_are_the_known_ones_and_the_others_are_left_alone(weights):
    mask = torch.tensor(weights)
    known, denoised = torch.randn(2, 2, 3, len(weights))
    edited = InpaintRegions(known, mask)(denoised, STEP)
    assert torch.equal(edited[..., mask == 1], known[..., mask == 1])
    assert torch.equal(edited[..., mask == 0], denoised[..., mask == 0])
    assert torch.allclose(edited, denoised + mask * (known - denoised), atol=1e-6)


@pytest.mark.parametrize(
    "kind", [CosineDDIMScheduler, DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler]
)
def test_kept_frames_are_at_the_noise_level_of_every_step(kind):
    scheduler = kind.from_config(CosineDDIMScheduler().config)
    scheduler.set_timesteps(16)  # divides 1024, as diffusers' DDIM needs
    known, noise = torch.randn(2, 1, 3, 10)
    kept = torch.arange(10) < 4
    sample, own_noise = noise, None
    with on_denoised(scheduler, InpaintRegions(known, kept.float())):
        for timestep in scheduler.timesteps:
            alpha = scheduler.alphas_cumprod[int(timestep)]
            seen = ((sample - alpha.sqrt() * known) / (1 - alpha).sqrt())[..., kept]
            own_noise = seen if own_noise is None else own_noise
            # To 0.01, for diffusers' multistep solvers round the noise level of their first step.
            assert torch.allclose(seen, own_noise, atol=1e-2)
            sample = scheduler.step(torch.sin(2 * sample), timestep, sample).prev_sample
    assert torch.allclose(sample[..., kept], known[..., kept], atol=1e-4)
    assert not torch.allclose(sample[..., ~kept], known[..., ~kept], atol=0.1)


@given(
    start=st.floats(0, 20),
    length=st.floats(0, 20),
    frames=st.integers(1, 20),
    fade=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_the_mask_of_a_range_lies_inside_it_and_rises_from_its_edges(start, length, frames, fade):
    mask = InpaintRegions.from_ranges(torch.zeros(2, frames), [(start, start + length)], frame_rate=1.0, fade=fade).mask
    for frame, weight in enumerate(mask.tolist()):
        before = frame + 0.5 - start if start > 0 else torch.inf
        after = start + length - frame - 0.5 if start + length <= frames - 1 else torch.inf
        assert weight == pytest.approx(min(max(min(before, after) / fade, 0), 1), abs=1e-5)


def test_a_range_over_everything_keeps_everything_and_ranges_add_up():
    assert InpaintRegions.from_ranges(torch.zeros(2, 9), [(0.0, 4.2)], frame_rate=2.0).mask.tolist() == [1.0] * 9
    mask = InpaintRegions.from_ranges(torch.zeros(2, 8), [(5.0, 8.0), (0.0, 2.0)], frame_rate=1.0).mask
    assert mask.tolist() == [1, 0.5, 0, 0, 0, 0.5, 1, 1]


def test_ranges_may_be_none_overlap_and_lie_in_each_other():
    latents = torch.zeros(2, 8)
    assert not InpaintRegions.from_ranges(latents, [], frame_rate=1.0).mask.any()
    assert not InpaintRegions.from_ranges(latents, [], frame_rate=1.0, loop=True).mask.any()
    nested = InpaintRegions.from_ranges(latents, [(2.0, 8.0), (3.0, 5.0), (0.0, 2.5)], frame_rate=1.0).mask
    alone = [InpaintRegions.from_ranges(latents, [pair], frame_rate=1.0).mask for pair in ((2.0, 8.0), (0.0, 2.5))]
    assert torch.equal(nested, torch.maximum(*alone)) and nested[-1] == 1


def test_a_range_that_ends_where_the_last_frame_begins_has_an_edge_there():
    assert InpaintRegions.from_ranges(torch.zeros(2, 5), [(0.0, 4.0)], frame_rate=1.0).mask.tolist() == [
        1,
        1,
        1,
        0.5,
        0,
    ]
    assert InpaintRegions.from_ranges(torch.zeros(2, 5), [(0.0, 4.01)], frame_rate=1.0).mask.tolist() == [1.0] * 5


def test_known_latents_of_one_item_are_kept_in_all():
    known = torch.randn(3, 5)
    filled = InpaintRegions(known, torch.ones(5))(torch.randn(2, 3, 5), STEP)
    assert torch.equal(filled, known.expand(2, 3, 5))


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"got \(5,\)"):
        InpaintRegions(torch.zeros(5), torch.ones(5))
    with pytest.raises(ValueError, match="finite"):
        InpaintRegions(torch.full((2, 5), torch.nan), torch.ones(5))
    with pytest.raises(ValueError, match=r"5 frames, got shape \(4,\)"):
        InpaintRegions(torch.zeros(2, 5), torch.ones(4))
    with pytest.raises(ValueError, match=r"got \(1, 1, 2, 5\)"):
        InpaintRegions(torch.zeros(1, 1, 2, 5), torch.ones(5))
    for weight in (1.5, -0.5, torch.nan):
        with pytest.raises(ValueError, match="0 to 1"):
            InpaintRegions(torch.zeros(2, 5), torch.tensor([0.0, 1.0, 0.5, weight, 0.0]))
    with pytest.raises(ValueError, match=r"\(2, 5\) channels and frames .* \(2, 6\)"):
        InpaintRegions(torch.zeros(2, 5), torch.ones(5))(torch.zeros(1, 2, 6), STEP)
    with pytest.raises(ValueError, match=r"\(2, 5\) channels and frames .* \(3, 5\)"):
        InpaintRegions(torch.zeros(2, 5), torch.ones(5))(torch.zeros(1, 3, 5), STEP)
