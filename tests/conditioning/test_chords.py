"""Chord charts: symbols as the composer spells them, features by small steps of time, errors that name words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.conditioning import ChordChart, TimedChord
from latentstem.data.compose.harmony import FLATS, SHARPS, SYMBOLS, ChordType

RATE = 44100 / 4096
CHORD_TYPES = st.builds(
    lambda root, intervals, bass: ChordType(root, intervals).over(root + bass),
    st.integers(0, 11),
    st.sampled_from(sorted(SYMBOLS)),
    st.integers(0, 11),
)


@given(chord=CHORD_TYPES, names=st.sampled_from([FLATS, SHARPS]))
def test_the_composers_symbols_are_read_as_they_were_meant(chord, names):
    read = TimedChord.of(chord.written(names), 0.0, 1.0)
    assert read.bass == (chord.root if chord.bass is None else chord.bass)
    assert sorted(read.pitch_classes) == sorted(set(chord.pitch_classes))


@pytest.mark.parametrize(
    ("symbol", "bass", "tones"),
    [
        ("C", 0, {0, 4, 7}),
        ("Cmaj", 0, {0, 4, 7}),
        ("Amin", 9, {9, 0, 4}),
        ("Bb", 10, {10, 2, 5}),
        ("B5", 11, {11, 6}),
        ("Bb5", 10, {10, 5}),
        ("Bdim", 11, {11, 2, 5}),
        ("Cb", 11, {11, 3, 6}),
        ("E♭+", 3, {3, 7, 11}),
        ("F#9", 6, {6, 10, 1, 4, 8}),
        ("Cadd9", 0, {0, 4, 7, 2}),
        ("Dsus", 2, {2, 7, 9}),
        ("F/G", 7, {5, 9, 0, 7}),
        ("Am7/C", 0, {9, 0, 4, 7}),
    ],
)
def test_symbols_by_hand(symbol, bass, tones):
    chord = TimedChord.of(symbol, 0.0, 1.0)
    assert chord.bass == bass and set(chord.pitch_classes) == tones


@st.composite
def charts(draw):
    """Chords with gaps between some of them, some shorter than a frame."""
    time, chords = 0.0, []
    for _ in range(draw(st.integers(1, 12))):
        time += draw(st.sampled_from([0.0, 0.0, 0.37]))
        end = time + draw(st.floats(0.01, 2.0))
        chords.append(TimedChord.of(draw(CHORD_TYPES).symbol, time, end))
        time = end
    return ChordChart(tuple(chords))


@given(chart=charts(), frames=st.integers(1, 60), more=st.integers(0, 40))
def test_features_are_means_over_the_frame_and_do_not_depend_on_the_length(chart, frames, more):
    features = chart.features(frames, RATE).numpy()
    assert np.array_equal(features, chart.features(frames + more, RATE)[:, :frames].numpy())
    steps = 400
    times = (np.arange(frames * steps) + 0.5) / (steps * RATE)
    expected = np.zeros((25, frames * steps))
    for column, time in enumerate(times):
        for chord in chart.chords:
            if chord.start <= time < chord.end:
                expected[[*chord.pitch_classes, 12 + chord.bass, 24], column] = 1.0
    expected = expected.reshape(25, frames, steps).mean(axis=-1)
    np.testing.assert_allclose(features, expected, atol=2.5 * len(chart.chords) / steps)
    assert features.min() >= 0 and features.max() <= 1 + 1e-6


def test_bars_and_times_say_the_same():
    bars = "| C  Am7 | % | F G/B C |\n\n| N.C. | Dm7b5 ||"
    times = "C:1 Am7:2 C:3 Am7:4 F:5 G/B:5.66666666667 C:6.33333333333 N:7 Dm7b5:9 N:11"
    one, other = ChordChart.parse(bars, bpm=120.0, downbeat=1.0), ChordChart.parse(times)
    np.testing.assert_allclose(one.features(130, RATE), other.features(130, RATE), atol=1e-5)
    assert one.features(130, RATE)[24].sum() == pytest.approx(8 * RATE, abs=1e-3)
    three = ChordChart.parse("| C | F |", bpm=90.0, beats_per_bar=3)
    assert [chord.start for chord in three.chords] == [0.0, 2.0]


def test_the_last_chord_with_a_time_goes_on():
    assert ChordChart.parse("C:0 F:1").features(1000, RATE)[12 + 5, -1] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("H:0", "cannot read the chord 'H'"),
        ("Cmaj8:0", "cannot read the chord 'Cmaj8'.* m7b5 "),
        ("C/X:0", "cannot read the chord 'C/X'"),
        ("C/:0", "cannot read the chord 'C/'"),
        ("C:0 Am7", "cannot read 'Am7'; expected SYMBOL:SECONDS"),
        ("C:0 Am7:soon", "cannot read 'Am7:soon'"),
        ("C:0 Am7:nan", "cannot read 'Am7:nan'"),
        ("C:2 Am7:1", "got 'Am7:1' after a chord at 2 s"),
        ("", "empty chart"),
        ("| C | | F |", "bar 2 has nothing"),
        ("| % | C |", "bar 1 has %"),
        ("| C | F % |", "cannot read the chord '%'"),
        ("| C |: F |", "cannot read the chord ':'"),
    ],
)
def test_what_cannot_be_read_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        ChordChart.parse(text, bpm=120.0)


def test_bars_need_a_tempo():
    with pytest.raises(ValueError, match="without a tempo; give bpm"):
        ChordChart.parse("| C | F |")
    with pytest.raises(ValueError, match="got -3 beats a minute"):
        ChordChart.parse("| C | F |", bpm=-3)
