"""Songs rendered with instruments of their own: levels, lengths, banks."""

import numpy as np
import pytest

from latentstem.data.compose.composer import compose
from latentstem.data.render.fluidsynth import render_parts
from latentstem.data.render.song import render_song
from latentstem.data.score import Note, Part

pytestmark = pytest.mark.fluidsynth


@pytest.mark.parametrize("unseen", [False, True])
def test_a_song_is_rendered_whole_below_full_scale_and_the_same_again(unseen):
    song = compose(1001, 3.0)
    stems, again = (render_song(song, unseen=unseen) for _ in range(2))
    assert stems.keys() == {part.name for part in song.parts}
    for name, stem in stems.items():
        assert stem.shape == (round(3.0 * 44100),) and stem.dtype == np.float32 and np.isfinite(stem).all()
        assert stem.any() == bool(song.part(name).notes)
        assert np.array_equal(stem, again[name])
    assert np.abs(sum(stems.values())).max() < 1.0


def test_a_bank_chooses_another_preset_of_the_program_for_its_part_alone():
    notes = (Note(0.0, 0.8, 40, 100),)
    parts = [Part(name, 38, False, notes, 0.0) for name in ("one", "two", "three")]
    plain = render_parts(parts, "musescore", 1.0)
    first, second, third = render_parts(parts, "musescore", 1.0, banks=[0, 8, 0])
    # The parts are rendered one after the other: what is left of the second may be heard in the third.
    assert np.array_equal(first, plain[0]) and np.abs(third - plain[2]).max() < 1e-3 * np.abs(third).max()
    assert np.abs(second - plain[1]).max() > 0.1 * np.abs(second).max()
