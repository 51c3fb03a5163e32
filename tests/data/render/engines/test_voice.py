"""Singing voices: the tract's resonators against the response that they should have, vowels, and the glottal source."""

import dataclasses

import numpy as np
import pytest
from scipy.signal import sosfreqz

from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.voice import VOWELS, SingingVoice, _resonators
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100


def singer(**changes):
    voice = SingingVoice.draw(PatchDraws(SeededRandom(4)), "lead")
    still = dataclasses.replace(voice.articulation, vibrato_depth=0.0, drift=0.0, scoop=0.0, unsteadiness=0.0)
    plain = {"articulation": still, "jitter": 0.0, "shimmer": 0.0, "consonants": 0.0, "cluster": 0.0, "tract": 1.0}
    return dataclasses.replace(voice, **{**plain, "aspiration": 0.01, "tilt": 40.0, **changes})


@pytest.mark.parametrize("frequency", [300.0, 1200.0, 3000.0])
def test_a_resonator_passes_zero_hertz_and_peaks_at_its_frequency(frequency):
    sections = _resonators(np.array([[frequency]]), np.array([80.0]))[0]
    place, response = sosfreqz(sections, worN=np.linspace(0, 6000, 6001), fs=RATE)
    gain = np.abs(response)
    assert abs(gain[0] - 1) < 1e-9
    assert abs(place[gain.argmax()] - frequency) < 20
    # Half the power 40 Hz to either side of the peak.
    assert abs(gain[round(frequency) + 40] / gain.max() - 0.5**0.5) < 0.05


@pytest.mark.parametrize("name", list(VOWELS))
def test_a_vowel_has_its_first_two_formants(name):
    audio = singer(vowels=(list(VOWELS).index(name),)).render([Note(0.0, 1.0, 40, 110)], 1.0, SeededRandom(0))
    power = np.abs(np.fft.rfft(audio[10000:42000] * np.hanning(32000))) ** 2
    hertz = np.fft.rfftfreq(32000, 1 / RATE)

    def level(frequency):
        return 10 * np.log10(power[np.abs(hertz - frequency) < 90].mean())

    first, second, third = VOWELS[name]
    if second > 2 * first:
        # Stronger at a formant than in the middle of two; the source falls by 6 to 18 dB an octave on the way.
        assert level(first) > level((first * second) ** 0.5) + 3
    assert level(second) > level((second * third) ** 0.5)


def test_open_vowels_are_told_from_close_ones_and_a_short_tract_from_a_long_one():
    def share_above(audio, edge):
        power = np.abs(np.fft.rfft(audio)) ** 2
        return power[round(edge * len(audio) / RATE) :].sum() / power.sum()

    notes = [Note(0.0, 0.6, 45, 100)]
    names = list(VOWELS)
    close, front = (singer(vowels=(names.index(name),)).render(notes, 0.7, SeededRandom(0)) for name in ("u", "i"))
    assert share_above(front, 1800) > 3 * share_above(close, 1800)
    man, child = (singer(vowels=(0,), tract=tract).render(notes, 0.7, SeededRandom(0)) for tract in (0.9, 1.35))
    assert share_above(child, 850) > 1.5 * share_above(man, 850)


def test_a_pressed_voice_is_brighter_than_an_open_one_and_aspiration_is_noise():
    notes = [Note(0.0, 0.6, 45, 120)]

    def strength(harmonics):
        return np.sum(np.abs(harmonics[10:]) ** 2) / np.sum(np.abs(harmonics) ** 2)

    assert strength(singer(open_quotient=0.4)._glottis()) > strength(singer(open_quotient=0.9)._glottis())
    clean, breathy = (singer(aspiration=level).render(notes, 0.6, SeededRandom(0)) for level in (0.01, 1.0))

    def valleys(audio):
        """Power midway between harmonics over the power at them, up to 5 kHz."""
        power = np.abs(np.fft.rfft(audio[4000:26050] * np.hanning(22050))) ** 2
        harmonics = np.arange(1, 40) * 110 / 2
        return power[harmonics.astype(int) + 27].sum() / power[harmonics.astype(int)].sum()

    assert valleys(breathy) > 10 * valleys(clean)
