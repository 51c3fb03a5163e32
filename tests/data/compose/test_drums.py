"""Drum parts: bars, fills, crashes and styles, over random seeds and time signatures."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.drum_patterns import KICK, PATTERNS, SWUNG, WEIGHTS
from latentstem.data.compose.drums import STEADY, Drummer
from latentstem.data.compose.genre import DrumPart
from latentstem.data.compose.programs import KITS
from latentstem.data.compose.timing import TIME_SIGNATURES
from latentstem.data.rng import SeededRandom

seeds = st.integers(0, 100_000)
metres = st.sampled_from(TIME_SIGNATURES)


@given(seeds, metres, st.booleans(), st.booleans(), st.booleans())
def test_bars_and_fills_stay_in_their_bar(seed, metre, swung, fill, opening):
    drummer = Drummer(SeededRandom(seed), metre, swung)
    for player in (drummer, drummer.variation()):
        notes = player.bar(fill, opening)
        assert notes and all(0 <= note.start < note.end <= metre.beats for note in notes)
        assert all(35 <= note.pitch <= 81 and 1 <= note.velocity <= 127 for note in notes)
        assert (0.0, 49) in {(note.start, note.pitch) for note in notes} or not opening
        assert player.kit in KITS and player.kit == drummer.kit
        if not fill:
            kicks = {note.start for note in notes if note.pitch == 36}
            assert set(player.kicks) <= kicks and len(kicks - set(player.kicks)) <= 1


def test_a_fill_changes_the_end_of_the_bar_alone():
    for seed, metre in product(range(30), TIME_SIGNATURES):
        bars = []
        for fill in (False, True):
            drummer = Drummer(SeededRandom(seed), metre, False)
            drummer.restlessness = 0.0
            bars.append({(note.start, note.pitch) for note in drummer.bar(fill, False)})
        plain, filled = bars
        start = metre.beats - (2 if metre.beats > 2 else 1)
        assert {hit for hit in plain if hit[0] < start} == {hit for hit in filled if hit[0] < start}
        assert plain != filled


def test_every_drum_style_is_drawn():
    for metre, swung in product(TIME_SIGNATURES, (False, True)):
        table = (SWUNG if swung else WEIGHTS)[metre.name]
        assert {Drummer(SeededRandom(seed), metre, swung).style for seed in range(300)} == set(table)
        assert set(table) <= set(PATTERNS[metre.name])
    assert {Drummer(SeededRandom(seed), TIME_SIGNATURES[0], False).kit for seed in range(100)} == set(KITS)


@given(seeds, st.booleans())
def test_rolls_of_the_cymbal_stay_in_their_bar_and_before_a_fill(seed, fill):
    drummer = Drummer(SeededRandom(seed), TIME_SIGNATURES[0], False, DrumPart({"trap": 1.0}, cymbals=(42,)))
    beats = [note.start for _ in range(4) for note in drummer.bar(fill, False) if note.pitch == 42]
    assert all(0 <= beat < 4 for beat in beats)
    assert not fill or max(beats) < 3


def test_trap_rolls_its_cymbal_and_other_styles_do_not():
    for style, rolls in (("trap", True), ("boom_bap", False)):
        drummer = Drummer(SeededRandom(0), TIME_SIGNATURES[0], False, DrumPart({style: 1.0}, cymbals=(42,)))
        beats = [note.start for _ in range(20) for note in drummer.bar(False, False) if note.pitch == 42]
        assert any(4 * beat % 1 > 1e-6 for beat in beats) == rolls


@pytest.mark.parametrize("style", STEADY)
def test_a_steady_bass_drum_plays_through_a_fill(style):
    drummer = Drummer(SeededRandom(0), TIME_SIGNATURES[0], False, DrumPart({style: 1.0}))
    for _ in range(10):
        assert set(drummer.kicks) <= {note.start for note in drummer.bar(True, False) if note.pitch == KICK}


@given(seeds, metres, st.integers(1, 4))
def test_a_build_up_grows_denser_and_louder_without_a_bass_drum(seed, metre, bars):
    notes = Drummer(SeededRandom(seed), metre, False).build_up(bars)
    end = bars * metre.beats
    assert all(0 <= note.start < note.end <= end for note in notes) and KICK not in {note.pitch for note in notes}
    gaps = np.diff([note.start for note in notes])
    assert all(gap >= following for gap, following in pairwise(gaps)) and gaps[-1] <= 0.25
    assert notes[-1].velocity > notes[0].velocity + 30


@given(seeds, metres)
def test_a_seed_decides_the_drums(seed, metre):
    first, again = (Drummer(SeededRandom(seed), metre, False).bar(True, True) for _ in range(2))
    assert first == again
