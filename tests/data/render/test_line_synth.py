"""The synthesizer of lines: pitch and level are those of the line, pieces play as one, nothing clicks or aliases."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.pitch import yin
from latentstem.data.line import PitchLine
from latentstem.data.render.line_synth import LineSynthesizer


def steady(frames, frequency=82.4, level=-12.0):
    return PitchLine(np.full(frames, frequency), np.full(frames, level), np.eye(1, frames)[0])


def cut(line, first, end):
    return PitchLine(line.frequency[first:end], line.level[first:end], line.onset[first:end])


def random_line(seed, frames):
    rng = np.random.default_rng(seed)
    frequency = np.where(rng.random(frames) < 0.3, 0.0, rng.uniform(30, 300, frames))
    return PitchLine(frequency, rng.uniform(-90, -6, frames), rng.random(frames))


@pytest.mark.parametrize("frequency", [41.2, 82.4, 220.0])
def test_it_sounds_at_the_pitch_and_the_level_of_the_line(frequency):
    audio = LineSynthesizer(damping=0.0)(steady(100, frequency))
    found = yin(torch.from_numpy(audio)[None], 44100, 512)[0, 20:-20]
    assert torch.allclose(found, torch.full_like(found, frequency), rtol=2e-3)
    assert 10 * np.log10(2 * np.square(audio[4410:]).mean()) == pytest.approx(-12.0, abs=0.2)


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 40))
def test_pieces_play_as_one(seed, first, second):
    line = random_line(seed, first + second)
    whole = LineSynthesizer()(line)
    pieces = LineSynthesizer()
    joined = np.concatenate([pieces(cut(line, 0, first)), pieces(cut(line, first, first + second))])
    np.testing.assert_allclose(joined, whole, atol=1e-5)
    pieces.reset()
    np.testing.assert_allclose(pieces(line), whole, atol=1e-5)


def test_a_change_of_pitch_does_not_jump_and_an_onset_is_bright():
    line = PitchLine(np.repeat([55.0, 82.4], 50), np.full(100, -12.0), np.zeros(100))
    audio = LineSynthesizer(partials=1)(line)
    steepest = 2 * np.pi * 82.4 / 44100 * np.abs(audio).max()
    assert np.abs(np.diff(audio)).max() < 1.2 * steepest
    audio = LineSynthesizer()(PitchLine(np.full(200, 55.0), np.full(200, -12.0), np.eye(1, 200)[0]))
    early, late = (np.abs(np.fft.rfft(audio[start : start + 8820])) for start in (441, 79_000))
    highs = slice(round(300 / 5), round(900 / 5))
    assert np.square(early[highs]).sum() > 4 * np.square(late[highs]).sum()


def test_partials_end_at_half_the_sampling_rate():
    audio = LineSynthesizer(8000)(steady(100, 1200.0))
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    places = np.flatnonzero(spectrum > 1e-3 * spectrum.max())
    assert {round(place * 8000 / len(audio) / 1200) for place in places} == {1, 2, 3}
    assert np.abs(places * 8000 / len(audio) - 1200 * np.round(places * 8000 / len(audio) / 1200)).max() < 10


def test_no_pitch_is_silence_and_other_rates_are_refused():
    assert not LineSynthesizer()(PitchLine(np.zeros(50), np.full(50, -12.0), np.zeros(50))).any()
    with pytest.raises(ValueError, match="multiple of 100"):
        LineSynthesizer(11_025)
