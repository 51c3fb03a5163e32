"""Bass lines: register, chord tones and the rules of each style, over random chords and seeds."""

from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.drums import Drummer
from latentstem.data.compose.programs import BASSES, STYLES
from latentstem.data.compose.timing import TIME_SIGNATURES, Humanization, TimeMap
from latentstem.data.rng import SeededRandom
from latentstem.data.score import REGISTER_BASS

# The least share of its sounding time that a style spends on tones of the chord, over many songs.
CHORD_SHARES = dict.fromkeys(STYLES, 0.94) | {"walking": 0.84, "riff": 0.88}
CHORD_SHARES |= dict.fromkeys(("octaves", "pedal", "dub", "slap", "synth", "sustained", "moving_voice"), 1.0)
# Styles whose line, not the chord, decides the first note.
FREE = ("pedal", "moving_voice")

seeds = st.integers(0, 100_000)
metres = st.sampled_from(TIME_SIGNATURES)


def lowest_tone(harmony):
    return harmony.root if harmony.bass is None else harmony.bass


@given(seeds, metres, st.booleans())
def test_a_bass_is_monophonic_within_its_register_and_in_every_chord(
    draw_chords, draw_groove, draw_bassist, notes_of, assert_in_chords, seed, metre, varied
):
    chords, player = draw_chords(seed, metre), draw_bassist(seed, metre)
    player = player.variation(draw_groove(seed + 1, metre), restyled=True) if varied else player
    notes = player.play(chords)
    assert_in_chords(notes, chords)
    assert all(notes_of(notes, chord) for chord in chords)
    assert all(BASSES[player.program].lowest <= note.pitch <= REGISTER_BASS[1] for note in notes)
    starts = [note.start for note in notes]
    assert starts == sorted(set(starts))
    time_map = TimeMap(120.0, metre, 0.1, 0.5, 90.0)
    line = time_map.to_notes(SeededRandom(seed), notes, Humanization(0.0, 0.01, 4.0), monophonic=True)
    assert all(before.end < after.start for before, after in pairwise(line))
    assert len(line) > 0.9 * len(notes)


@pytest.mark.parametrize("style", STYLES)
def test_a_style_keeps_to_the_chords(draw_chords, draw_bassist, players_by_style, notes_of, style):
    inside = total = 0.0
    for seed, metre in players_by_style[style][:24]:
        chords = draw_chords(seed, metre)
        notes = draw_bassist(seed, metre).play(chords)
        for chord in chords:
            first, *_ = line = notes_of(notes, chord)
            assert style in FREE or first.pitch % 12 == lowest_tone(chord.harmony)
            total += sum(note.end - note.start for note in line)
            inside += sum(note.end - note.start for note in line if note.pitch % 12 in chord.harmony.pitch_classes)
    assert inside / total >= CHORD_SHARES[style] - 1e-9
    # Lines that lead somewhere do leave the chord.
    assert style not in ("walking", "riff", "roots") or inside / total < 0.99


def test_over_all_songs_a_bass_is_nearly_always_in_the_chord(draw_chords, draw_bassist, notes_of):
    fractions = []
    for seed, metre in product(range(60), TIME_SIGNATURES):
        chords = draw_chords(seed, metre)
        inside = {True: 0.0, False: 0.0}
        notes = draw_bassist(seed, metre).play(chords)
        for chord in chords:
            for note in notes_of(notes, chord):
                inside[note.pitch % 12 in chord.harmony.pitch_classes] += note.end - note.start
        fractions.append(inside[True] / sum(inside.values()))
    assert 0.95 <= np.mean(fractions) <= 0.99 and min(fractions) > 0.6


def test_a_pedal_stays_while_the_chords_allow_it(draw_chords, draw_bassist, players_by_style, notes_of):
    for seed, metre in players_by_style["pedal"][:20]:
        chords = draw_chords(seed, metre)
        notes = draw_bassist(seed, metre).play(chords)
        for chord in chords:
            allowed = {chord.tonic, (chord.tonic + 7) % 12} & set(chord.harmony.pitch_classes)
            sounding = {note.pitch % 12 for note in notes_of(notes, chord)}
            assert len(sounding) == 1
            assert (
                sounding <= allowed
                if allowed and chord.harmony.bass is None
                else sounding == {lowest_tone(chord.harmony)}
            )


def test_the_moving_voice_moves_by_steps_and_obeys_a_written_bass(
    draw_chords, draw_bassist, players_by_style, notes_of
):
    leaps, turns = [], 0
    for seed, metre in players_by_style["moving_voice"][:20]:
        chords = draw_chords(seed, metre)
        notes = draw_bassist(seed, metre).play(chords)
        moves = np.diff([note.pitch for note in notes])
        leaps += list(np.abs(moves))
        turns += np.count_nonzero(np.diff(np.sign(moves[moves != 0]))) / np.count_nonzero(moves)
        for chord in chords:
            if chord.harmony.bass is not None:
                assert notes_of(notes, chord)[0].pitch % 12 == chord.harmony.bass
    assert np.mean(leaps) < 4.0 and turns / 20 < 0.75


def test_walking_lands_near_where_it_came_from(draw_chords, draw_bassist, players_by_style):
    leaps = []
    for seed, metre in players_by_style["walking"][:20]:
        pitches = [note.pitch for note in draw_bassist(seed, metre).play(draw_chords(seed, metre))]
        leaps += list(np.abs(np.diff(pitches)))
    assert np.mean(leaps) < 4.5 and np.mean(np.array(leaps) == 0) < 0.1


def test_the_style_kick_plays_on_the_bass_drum(draw_chords, draw_bassist, players_by_style):
    for seed, metre in players_by_style["kick"][:20]:
        chords = draw_chords(seed, metre)
        kicks = Drummer(SeededRandom(seed), metre, False).kicks
        starts = {round(chord.start, 6) for chord in chords}
        for note in draw_bassist(seed, metre).play(chords):
            beside = [abs(note.start % metre.beats - kick) for kick in (0.0, *kicks)]
            assert min(beside) < 1e-6 or round(note.start, 6) in starts


def test_slap_has_octaves_and_soft_ghost_notes(draw_chords, draw_bassist, players_by_style):
    softest, intervals = [], Counter()
    for seed, metre in players_by_style["slap"][:20]:
        notes = draw_bassist(seed, metre).play(draw_chords(seed, metre))
        softest.append(min(note.velocity for note in notes))
        intervals.update(abs(after.pitch - before.pitch) for before, after in pairwise(notes))
    assert np.median(softest) < 50 and intervals[12] > 0.2 * intervals.total()


@given(seeds, metres)
def test_a_variation_is_the_same_player_in_another_style(draw_groove, draw_bassist, seed, metre):
    player = draw_bassist(seed, metre)
    style, pattern = player.style, player.pattern
    other = player.variation(draw_groove(seed + 1, metre), restyled=True)
    assert (other.program, other.floor) == (player.program, player.floor) and other.style != style
    assert BASSES[player.program].styles[other.style] > 0
    assert (player.style, player.pattern) == (style, pattern)
    assert player.variation(draw_groove(seed + 1, metre), restyled=False).style == style


def test_every_bass_program_and_style_is_drawn(draw_bassist):
    players = [draw_bassist(seed, metre) for seed, metre in product(range(400), TIME_SIGNATURES)]
    programs = Counter(player.program for player in players)
    assert set(programs) == set(BASSES) and set(range(32, 40)) < set(BASSES)
    assert {player.style for player in players} == set(STYLES)
    others = sum(count for program, count in programs.items() if program not in range(32, 40))
    assert 0.10 < others / len(players) < 0.20
    slap = Counter(player.style for player in players if player.program in (36, 37))
    assert slap.most_common(1)[0][0] == "slap"


@given(seeds, metres)
def test_a_seed_decides_the_bass_and_its_variation(draw_chords, draw_groove, draw_bassist, seed, metre):
    chords, players = draw_chords(seed, metre), [draw_bassist(seed, metre) for _ in range(2)]
    first, again = (player.play(chords) for player in players)
    assert first == again
    first, again = (player.variation(draw_groove(seed, metre), restyled=True).play(chords) for player in players)
    assert first == again
