"""Drum parts: bars, fills, crashes and styles, over random seeds and time signatures."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.drum_patterns import PATTERNS, SWUNG, WEIGHTS
from latentstem.data.compose.drums import Drummer
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


@given(seeds, metres)
def test_a_seed_decides_the_drums(seed, metre):
    first, again = (Drummer(SeededRandom(seed), metre, False).bar(True, True) for _ in range(2))
    assert first == again
