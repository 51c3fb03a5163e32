"""Loops are whole bars over and over: their turns, their beats, their chords, and what is drawn of them."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.compose.genres import GENRES
from latentstem.data.compose.loops import BARS, DRUM_GROUPS, LOOP_GENRES, LOOP_TEMPOS, compose_loop
from latentstem.data.score import Song

BEATS_PER_BAR = 4  # of all genres that loops are cut from


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([8.0, 13.7, 20.0]))
def test_a_loop_is_whole_bars_over_and_over(seed, duration):
    loop = compose_loop(seed, duration)
    bar = BEATS_PER_BAR * 60.0 / loop.tempo
    assert loop.duration <= duration + 1e-6
    assert loop.duration == pytest.approx(len(loop.bars) * bar)
    assert loop.bars == pytest.approx([index * bar for index in range(len(loop.bars))], abs=1e-3)
    assert loop.beats == pytest.approx([index * bar / BEATS_PER_BAR for index in range(len(loop.beats))], abs=1e-3)
    assert loop.beats[::BEATS_PER_BAR] == loop.bars
    assert any(part.notes for part in loop.parts)
    assert all(0 <= note.start < note.end <= loop.duration + 1e-3 for part in loop.parts for note in part.notes)
    assert Song.from_dict(loop.to_dict()) == loop
    turns = [count for count in BARS if len(loop.bars) % count == 0 and is_periodic(loop, count * bar)]
    assert turns and len(loop.bars) >= 2 * turns[0]


def is_periodic(loop, seconds):
    """Whether notes and chords come again after so many seconds."""
    for items in (loop.chords, *(part.notes for part in loop.parts)):
        starts = [item.start for item in items]
        first = [start for start in starts if start < seconds - 2e-3]
        turns = round(loop.duration / seconds)
        expected = sorted(start + turn * seconds for turn in range(turns) for start in first)
        if len(starts) != len(expected) or sorted(starts) != pytest.approx(expected, abs=2e-3):
            return False
    return True


def test_the_chords_tile_every_turn():
    for seed in range(20):
        loop = compose_loop(seed)
        edges = [(before.end, after.start) for before, after in zip(loop.chords, loop.chords[1:], strict=False)]
        assert loop.chords[0].start == 0 and loop.chords[-1].end == pytest.approx(loop.duration, abs=1e-3)
        assert all(end == pytest.approx(start, abs=1e-3) for end, start in edges)


def test_tempo_genre_and_bars_are_drawn_apart():
    loops = [compose_loop(seed) for seed in range(80)]
    ranges = {name: [kind.tempo for kind in GENRES[name]] for name in LOOP_GENRES}
    assert {loop.genre for loop in loops} == set(LOOP_GENRES)
    usual = [any(low - 0.1 <= loop.tempo <= high + 0.1 for low, high in ranges[loop.genre]) for loop in loops]
    assert 0.4 < statistics.mean(usual) < 0.75
    tempos = [loop.tempo for loop, is_usual in zip(loops, usual, strict=True) if not is_usual]
    assert all(LOOP_TEMPOS[0] <= tempo <= LOOP_TEMPOS[1] for tempo in tempos)
    assert statistics.quantiles(tempos, n=10)[0] < 80 and statistics.quantiles(tempos, n=10)[-1] > 160
    assert any(part.is_drum for loop in loops for part in loop.parts)
    assert 0.6 < statistics.mean(any(part.is_drum for part in loop.parts) for loop in loops) < 0.95


def test_drums_lack_a_group_now_and_then():
    keys = [
        {note.pitch for part in compose_loop(seed).parts if part.is_drum for note in part.notes} for seed in range(80)
    ]
    drums = [own for own in keys if own]
    shares = {name: statistics.mean(not own & group for own in drums) for name, group in DRUM_GROUPS.items()}
    assert all(0.05 < share < 0.5 for share in shares.values()), shares


def test_a_duration_that_cannot_hold_two_bars_is_refused():
    with pytest.raises(ValueError, match=r"a duration of 7\.5 s; expected 8 or more"):
        compose_loop(0, 7.5)
