"""Chords, their names, roman numerals and progressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.harmony import SCALES, SIGNATURES, SYMBOLS, ChordType, diatonic, names_in, roman
from latentstem.data.compose.progressions import BLUES, LOOPS, MOVES, HarmonyStyle, blues
from latentstem.data.rng import SeededRandom

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def pitch_class(name):
    return (NATURALS[name[0]] + name.count("#") - name[1:].count("b")) % 12


def read(symbol):
    """Root, bass and pitch classes from a symbol alone."""
    chord, _, below = symbol.partition("/")
    length = 2 if chord[1:2] in ("#", "b") else 1
    root = pitch_class(chord[:length])
    intervals = next(intervals for intervals, suffix in SYMBOLS.items() if suffix == chord[length:])
    tones = {(root + interval) % 12 for interval in intervals}
    bass = pitch_class(below) if below else root
    return root, bass, tones | {bass}


harmonies = st.builds(ChordType, st.integers(0, 11), st.sampled_from(sorted(SYMBOLS)))
keys = st.tuples(st.integers(0, 11), st.sampled_from(sorted(SCALES)))


@given(harmonies, st.integers(0, 11), keys)
def test_a_symbol_says_all_of_the_chord_however_it_is_spelled(harmony, bass, key):
    chord = harmony.over(bass)
    assert read(chord.written(names_in(*key))) == (chord.root, bass, set(chord.pitch_classes))


@given(harmonies, st.integers(0, 11), st.integers(-12, 12))
def test_transposing_moves_every_tone(harmony, bass, semitones):
    chord = harmony.over(bass)
    moved = chord.moved(semitones)
    assert moved.pitch_classes == tuple((tone + semitones) % 12 for tone in chord.pitch_classes)
    assert (moved.bass is None) == (chord.bass is None)
    assert moved.moved(-semitones) == chord


def test_every_chord_has_a_name_of_its_own_and_lies_within_the_octave():
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)
    for intervals in SYMBOLS:
        assert intervals[0] == 0 and len(set(intervals)) == len(intervals) and max(intervals) < 12


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("seventh", [False, True])
def test_diatonic_chords_stay_in_the_scale_and_have_names(mode, seventh):
    for tonic in range(12):
        for degree in range(7):
            chord = diatonic(tonic, mode, degree, seventh)
            assert {(tone - tonic) % 12 for tone in chord.pitch_classes} <= set(SCALES[mode])
            assert chord.intervals in SYMBOLS
    assert set(MOVES[mode]) == set(range(7))


@pytest.mark.parametrize("mode", [mode for mode in SCALES if mode != "harmonic minor"])
def test_a_mode_has_the_tones_of_its_signature(mode):
    assert {(tone - SIGNATURES[mode]) % 12 for tone in SCALES[mode]} == set(SCALES["major"])


def test_a_key_spells_its_own_scale_with_seven_letters():
    for mode in set(SCALES) - {"harmonic minor"}:
        for tonic in range(12):
            if (tonic + SIGNATURES[mode]) % 12 == 6:
                continue  # G flat major would need C flat
            names = names_in(tonic, mode)
            assert len({names[(tonic + step) % 12][0] for step in SCALES[mode]}) == 7, (tonic, mode)


@pytest.mark.parametrize(
    ("numeral", "tonic", "symbol"),
    [
        ("I", 0, "C"),
        ("bVII", 2, "C"),
        ("iv", 0, "Fm"),
        ("V7", 5, "C7"),
        ("V/3", 0, "G/B"),
        ("ii7/7", 0, "Dm7/C"),
        ("IV/I", 0, "F/C"),
        ("V/IV", 0, "G/F"),
        ("iim7b5", 9, "Bm7b5"),
        ("viidim7", 0, "Bdim7"),
        ("Isus2", 10, "Bbsus2"),
    ],
)
def test_roman_numerals_are_read_as_musicians_read_them(numeral, tonic, symbol):
    assert roman(numeral, tonic).symbol == symbol


@pytest.mark.parametrize("numeral", ["", "X", "1", "VIII"])
def test_what_is_no_numeral_is_named(numeral):
    with pytest.raises(ValueError, match="expected one such as 'bVII'"):
        roman(numeral, 0)


@pytest.mark.parametrize("numeral", ["Ifoo", "iV", "idim9"])
def test_an_unknown_suffix_is_named(numeral):
    with pytest.raises(ValueError, match=f"unknown chord '{numeral}', expected a suffix among m, dim"):
        roman(numeral, 0)


def test_loops_can_be_read_and_begin_in_their_key():
    for mode, loops in LOOPS.items():
        for loop in loops:
            chords = [roman(numeral, 7) for numeral in loop.split()]
            inside = [{(tone - 7) % 12 for tone in chord.pitch_classes} <= set(SCALES[mode]) for chord in chords]
            assert sum(inside) / len(inside) >= 0.5, (mode, loop)
    for mode in BLUES:
        assert len(blues(0, mode)) == 12


@given(st.integers(0, 10_000), keys, st.integers(1, 16))
def test_a_phrase_has_as_many_chords_as_asked_for_and_all_have_names(seed, key, count):
    tonic, mode = key
    phrase = HarmonyStyle(SeededRandom(seed)).phrase(SeededRandom(seed + 1), tonic, mode, count)
    assert len(phrase) == count
    for harmony in phrase:
        assert read(harmony.symbol)[0] == harmony.root
        assert harmony.bass is None or harmony.bass != harmony.root


@pytest.mark.parametrize("mode", SCALES)
def test_phrases_stay_mostly_in_their_key(mode):
    tones = inside = 0
    for seed in range(60):
        for harmony in HarmonyStyle(SeededRandom(seed)).phrase(SeededRandom(seed + 1), 4, mode, 8):
            tones += len(harmony.pitch_classes)
            inside += sum((tone - 4) % 12 in SCALES[mode] for tone in harmony.pitch_classes)
    assert inside / tones > 0.85
