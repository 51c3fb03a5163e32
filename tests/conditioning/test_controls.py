"""Controls as users give them: what is left out is left out, and what is given is what the parts compute."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.conditioning import DENSITY, LEVEL, REGISTER, BeatGrid, ChordChart, Controls, Curve

RATE = 44100 / 4096


def test_what_is_given_is_computed_for_the_frames_and_nothing_else():
    assert Controls().conditions(9, RATE) == {} and Controls().names == []
    controls = Controls(
        bpm=90,
        downbeat=0.4,
        beats_per_bar=3,
        chords="| C | F/A Dm |",
        density=3,
        register=[(0.0, 30), (5.0, 50)],
        level=-6.0,
    )
    conditions = controls.conditions(100, RATE)
    assert controls.names == list(conditions) == ["beat", "chords", "density", "register", "level"]
    expected = {
        "beat": BeatGrid.from_times(
            [0.4 + beat * 2 / 3 for beat in range(40)], [0.4 + 2 * bar for bar in range(13)]
        ).phases(100, RATE),
        "chords": ChordChart.parse("C:0.4 F/A:2.4 Dm:3.4 N:4.4").features(100, RATE),
        "density": DENSITY.features(torch.full((100,), 3.0).numpy()),
        "register": Curve((0.0, 5.0), (30.0, 50.0)).features(100, RATE, REGISTER),
        "level": LEVEL.features(torch.full((100,), -6.0).numpy()),
    }
    for name, value in expected.items():
        torch.testing.assert_close(conditions[name], value[None], atol=1e-4, rtol=0)
    for name, value in controls.conditions(160, RATE).items():
        torch.testing.assert_close(value[..., :100], conditions[name], atol=1e-5, rtol=0)
    assert Controls(chords="C:0 F:2").names == ["chords"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"downbeat": 1.0}, "got a downbeat at 1 s without a tempo"),
        ({"bpm": 3.9}, "got a tempo of 3.9 beats a minute; expected 4 to 1000"),
        ({"bpm": 1e9}, "got a tempo of 1e\\+09 beats"),
        ({"bpm": float("nan")}, "got a tempo of nan"),
        ({"bpm": 100, "downbeat": float("inf")}, "finite"),
        ({"chords": "| C |"}, "without a tempo"),
        ({"chords": "Hm:0"}, "cannot read the chord 'Hm'"),
        ({"density": float("nan")}, "got a density of nan notes a second"),
        ({"density": float("inf")}, "expected finite numbers"),
        ({"density": [(0.0, 3.0), (1.0, -0.5)]}, "got a density of -0.5"),
        ({"register": 127.5}, "got a register of 127.5; expected a MIDI pitch from 0 to 127"),
        ({"register": []}, "expected finite numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(given, message):
    with pytest.raises(ValueError, match=message):
        Controls(**given)


@given(
    st.integers(0, 40),
    st.sampled_from(["| C | Am7 F | % | N |", "C:0.3 F:2.5 N:4 G/B:7.75", None]),
    st.sampled_from([3.0, [(0.0, 1.0), (2.3, 5.0), (9.0, 2.0)]]),
)
def test_controls_from_a_second_on_are_the_rest_of_those_of_the_song(first, chords, density):
    controls = Controls(bpm=97.0, downbeat=0.7, chords=chords, density=density, register=40.0)
    whole = controls.conditions(120, RATE)
    rest = controls.from_second(first / RATE).conditions(120 - first, RATE)
    assert rest.keys() == whole.keys()
    for name, values in rest.items():
        torch.testing.assert_close(values, whole[name][..., first:], rtol=0, atol=1e-4)
