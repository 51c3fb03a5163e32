"""Plot of a song: complete, labelled, and without overlapping text."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from latentstem.data.compose.composer import compose
from latentstem.plotting.song import plot_song


@pytest.fixture(scope="module")
def song():
    return compose(1, 24.0)


@pytest.mark.parametrize(("seed", "duration"), [(1, 24.0), (2, 24.0), (4, 60.0), (6, 2.0)])
def test_no_text_lies_on_another_or_beyond_its_strip(seed, duration):
    figure = plot_song(compose(seed, duration))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for panel in figure.axes[:3]:
        frame = panel.get_window_extent(renderer)
        boxes = [text.get_window_extent(renderer) for text in panel.texts]
        for box in boxes:
            assert frame.y0 <= box.y0 and box.y1 <= frame.y1 and frame.x0 - 3 <= box.x0 and box.x1 <= frame.x1 + 3
        assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))


def test_all_notes_of_all_pitched_parts_are_drawn_and_every_section_is_named(song):
    figure = plot_song(song)
    sections, keys, chords, roll, _ = figure.axes
    drawn = sum(len(collection.get_paths()) for collection in roll.collections if collection.get_zorder() >= 2)
    assert drawn == sum(len(part.notes) for part in song.parts if not part.is_drum)
    assert [text.get_text() for text in sections.texts] == [section.name for section in song.sections]
    assert [text.get_text() for text in keys.texts] == ["D minor"]
    assert {text.get_text() for text in chords.texts} == {chord.symbol for chord in song.chords}


def test_audio_adds_a_spectrogram_each(song):
    audio = np.random.default_rng(0).normal(size=24 * 44100).astype(np.float32)
    assert len(plot_song(song, mix=audio).axes) == 6
    figure = plot_song(song, mix=audio, stem=audio)
    assert [panel.get_ylabel() for panel in figure.axes[5:]] == ["mix", "bass"]
    assert all(panel.get_xlim() == (0, 24.0) for panel in figure.axes)


def test_audio_must_have_one_channel(song):
    with pytest.raises(ValueError, match=r"mix has shape \(2, 10\), expected \(samples,\)"):
        plot_song(song, mix=np.zeros((2, 10), dtype=np.float32))
