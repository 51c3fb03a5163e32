"""Groove of a band: the fit of a pattern is a cosine, and most basses fit the groove of their band."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.bass import Bassist
from latentstem.data.compose.comping import Comper
from latentstem.data.compose.drums import Drummer
from latentstem.data.compose.groove import Groove
from latentstem.data.compose.programs import STYLES
from latentstem.data.compose.timing import TIME_SIGNATURES
from latentstem.data.rng import SeededRandom

SIXTEENTHS = {"4/4": 16, "3/4": 12, "6/8": 12}
seeds = st.integers(0, 100_000)
metres = st.sampled_from(TIME_SIGNATURES)


def test_most_basses_fit_the_groove_of_their_own_band(draw_groove):
    own, others = [], []
    for metre in TIME_SIGNATURES:
        grooves = [draw_groove(seed, metre) for seed in range(80)]
        for seed, (its, another) in enumerate(pairwise(grooves)):
            pattern = Bassist(SeededRandom(seed), its, swung=False).pattern
            own.append(its.fit(pattern))
            others.append(another.fit(pattern))
    assert np.mean(own) > np.mean(others) + 0.1
    assert np.mean(np.array(own) >= others) > 0.75


@pytest.mark.parametrize("metre", TIME_SIGNATURES)
def test_without_a_groove_every_style_is_drawn(metre):
    silent = Groove.of(metre, None, [])
    assert silent.pattern == "" and silent.fit("1" + "." * (SIXTEENTHS[metre.name] - 1)) == 0.0
    styles = {Bassist(SeededRandom(seed), silent, swung=False).style for seed in range(400)}
    assert styles == set(STYLES)


@given(seeds, metres)
def test_a_fit_is_a_cosine(draw_groove, seed, metre):
    band = draw_groove(seed, metre)
    assert len(band.strikes) == SIXTEENTHS[metre.name]
    struck = "".join("1" if strike else "." for strike in band.strikes)
    for pattern in (struck, "1" * len(struck), band.pattern):
        hits = np.array([sign == "1" for sign in pattern], float)
        cosine = hits @ band.strikes / np.linalg.norm(hits) / np.linalg.norm(band.strikes)
        assert band.fit(pattern) == pytest.approx(cosine) and band.fit(2 * pattern) == pytest.approx(cosine)


def test_a_groove_weighs_the_kick_and_the_riff_but_not_the_offbeat():
    metre = TIME_SIGNATURES[0]
    drummer, comper = Drummer(SeededRandom(3), metre, False), Comper(SeededRandom(0), metre, complete=False)
    drums = Groove.of(metre, drummer, [])
    assert [step / 4 for step in drums.kicks] == list(drummer.kicks)
    assert min(drums.strikes[step] for step in drums.kicks) >= 1.0
    comper.pattern = "..0...1...m.r..."
    for role, weight in (("riff", 1.0), ("stabs", 0.5), ("offbeats", 0.0)):
        comper.role = role
        strikes = Groove.of(metre, None, [comper]).strikes
        assert [strikes[step] for step in (0, 2, 6, 10, 12)] == [0.0, weight, weight, 0.0, 0.0]
