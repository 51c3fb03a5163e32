import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.level import active_rms
from latentstem.evaluation import nearest_program, sounding_frames, style_movement


@given(share=st.floats(-2, 3), sideways=st.floats(-5, 5), seed=st.integers(0, 1000))
def test_movement_is_the_share_of_the_way_along_the_line(share, sideways, seed):
    base, reference, other = np.random.default_rng(seed).standard_normal((3, 8))
    way = reference - base
    across = other - (other @ way) / (way @ way) * way
    assert style_movement(base, base + share * way + sideways * across, reference) == pytest.approx(share, abs=1e-9)


def test_no_way_to_go_is_no_movement():
    assert style_movement(np.ones(3), np.zeros(3), np.ones(3)) == 0.0


@given(seed=st.integers(0, 1000))
def test_the_nearest_program_is_the_one_at_the_least_distance(seed):
    rng = np.random.default_rng(seed)
    means = {program: rng.standard_normal(6) for program in (32, 33, 36, 38)}
    latent = rng.standard_normal(6)
    distances = {
        program: sum((a - b) ** 2 for a, b in zip(latent, mean, strict=True)) for program, mean in means.items()
    }
    assert distances[nearest_program(latent, means)] == min(distances.values())
    assert nearest_program(means[36], means) == 36


def test_without_programs_there_is_no_nearest():
    with pytest.raises(ValueError, match="at least one"):
        nearest_program(np.zeros(3), {})


@given(samples=st.integers(1, 40_000), seed=st.integers(0, 100))
def test_sounding_frames_are_those_that_the_level_is_taken_over(samples, seed):
    rng = np.random.default_rng(seed)
    gains = 10.0 ** rng.uniform(-4, 0, size=samples // 4096 + 1)
    audio = rng.standard_normal(samples) * np.repeat(gains, 4096)[:samples]
    sounding = sounding_frames(audio)
    assert len(sounding) == -(-samples // 4096)
    sounding_audio = audio[np.repeat(sounding, 4096)[:samples]]
    expected = float(active_rms(torch.from_numpy(audio)[None, None].float()))
    assert np.sqrt(np.mean(sounding_audio**2)) == pytest.approx(expected, rel=1e-4)


def test_silence_does_not_sound():
    assert not sounding_frames(np.zeros(10_000)).any()
    assert len(sounding_frames(np.zeros(0))) == 0


def test_channels_are_refused():
    with pytest.raises(ValueError, match="mean of the channels"):
        sounding_frames(np.zeros((1, 4096)))
