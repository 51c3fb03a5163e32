"""Tempo, bars, key and chords of songs that are known because they are synthesized here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.conditioning import ChordChart
from latentstem.conditioning.chords import TimedChord
from latentstem.evaluation import analyse_mix
from latentstem.evaluation.key import TONICS

RATE = 22050


def tone(pitch, seconds):
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    return sum(np.sin(2 * np.pi * k * hertz * time) / k for k in (1, 2, 3)) * np.exp(-2 * time)


def song(bpm, start, symbols, bars=8):
    """A bar of each chord, struck on every beat; a low drum on the first beat, a high one on every beat."""
    beat, rng = 60 / bpm, np.random.default_rng(0)
    audio = np.zeros(round((start + 4 * bars * beat + 0.5) * RATE))

    def add(sound, time):
        first = round(time * RATE)
        audio[first : first + len(sound)] += sound[: len(audio) - first]

    noise = rng.standard_normal(2000) * np.exp(-np.arange(2000) / 150)
    kick = np.sin(2 * np.pi * 60 * np.arange(4000) / RATE) * np.exp(-np.arange(4000) / 900)
    for index in range(4 * bars):
        time = start + index * beat
        chord = TimedChord.of(symbols[index // 4 % len(symbols)], 0.0, 1.0)
        for pitch_class in chord.pitch_classes:
            add(0.2 * tone(60 + pitch_class, min(beat, 1.0)), time)
        add(0.3 * noise, time)
        if index % 4 == 0:
            add(2.0 * kick, time)
    return audio


@settings(max_examples=4)
@given(bpm=st.floats(85, 150), start=st.floats(0.0, 0.5), key=st.integers(0, 11))
def test_a_plain_song_is_heard_as_it_is_written(bpm, start, key):
    symbols = [TONICS[(key + step) % 12] + quality for step, quality in ((0, ""), (9, "m"), (5, ""), (7, ""))]
    analysis = analyse_mix(song(bpm, start, symbols), RATE)
    assert analysis.bpm == pytest.approx(bpm, rel=0.01) and analysis.steadiness > 0.9
    bar = 240 / bpm
    off = (analysis.downbeat - start) / bar
    assert abs(off - round(off)) * bar < 0.07
    assert analysis.key == f"{TONICS[key]} major"
    for index in range(8):
        middle = start + (index + 0.5) * bar
        (heard,) = [chord for chord in analysis.chords if chord.start <= middle < chord.end]
        assert heard == TimedChord.of(symbols[index % 4], heard.start, heard.end)


@pytest.mark.parametrize("degrees", [((0, ""), (2, "m"), (7, ""), (0, "")), ((0, ""), (9, "m"), (7, ""), (0, ""))])
@pytest.mark.parametrize("key", [0, 7])
def test_a_fifth_among_the_overtones_is_no_tonic(degrees, key):
    symbols = [TONICS[(key + step) % 12] + quality for step, quality in degrees]
    assert analyse_mix(song(140, 0.1, symbols, bars=4), RATE).key == f"{TONICS[key]} major"


def test_the_chart_is_read_by_the_controls():
    analysis = analyse_mix(song(120, 0.25, ["Am", "F"]), RATE)
    chart = ChordChart.parse(analysis.chart)
    assert [chord.symbol for chord in chart.chords] == ["Am", "F"] * 4
    assert np.allclose([chord.start for chord in chart.chords[1:]], 0.25 + 2 * np.arange(1, 8), atol=0.07)


def test_the_level_does_not_count():
    audio = song(100, 0.1, ["C", "G"], bars=4)
    assert analyse_mix(audio, RATE).chart == analyse_mix(1e-3 * audio, RATE).chart


def test_silence_has_no_tempo_and_no_chords_and_noise_does_no_harm():
    silence = analyse_mix(np.zeros(3 * RATE), RATE)
    assert (silence.bpm, silence.key, silence.chart) == (None, None, "")
    assert analyse_mix(np.ones(100), RATE).chart == ""
    analyse_mix(np.random.default_rng(0).standard_normal(2 * RATE), RATE)
    assert analyse_mix(np.zeros(0), RATE) == silence
    with pytest.raises(ValueError):
        analyse_mix(np.zeros((2, RATE)), RATE)
