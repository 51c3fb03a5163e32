"""Every song has instruments of its own, drawn from its seed alone."""

import json
from dataclasses import replace

import pytest

from latentstem.data.compose.composer import compose
from latentstem.data.compose.timbre_pairs import PAIRED_PART, compose_timbre_pair
from latentstem.data.render import instruments
from latentstem.data.render.instruments import ENGINES, FontPreset, describe, draw_instruments, kind_of
from latentstem.data.render.presets import Preset
from latentstem.data.score import Part


@pytest.fixture(autouse=True)
def soundfonts(monkeypatch):
    """Presets as a soundfont would list them, so that no soundfont is needed to draw one."""
    monkeypatch.setattr(
        instruments,
        "variations",
        lambda soundfont, program, is_drum=False: (Preset(0, program, "first"), Preset(8, program, "second")),
    )


def test_a_song_has_the_instruments_of_its_seed_and_of_no_other():
    songs = [compose(seed, 5.0) for seed in range(12)]
    drawn = [draw_instruments(song) for song in songs]
    assert drawn == [draw_instruments(song) for song in songs]
    for song, mine in zip(songs, drawn, strict=True):
        assert mine.keys() == {part.name for part in song.parts}
    synthesized = [repr(mine["bass"]) for mine in drawn if not isinstance(mine["bass"], FontPreset)]
    assert len(set(synthesized)) == len(synthesized) > 4


def test_each_kind_of_part_has_an_engine_that_plays_it():
    song = compose(3, 5.0)
    for part in song.parts:
        kind = kind_of(part, song)
        assert kind in ENGINES and (part.is_drum or part.name.startswith(kind))
        engine = draw_instruments(song, unseen=True)[part.name]
        assert type(engine) in ENGINES[kind]


def test_the_basses_of_a_timbre_pair_are_two_and_the_first_is_that_of_the_song():
    song, pair = compose(5, 5.0), compose_timbre_pair(5, 5.0)
    drawn = draw_instruments(pair)
    assert drawn["bass"] == draw_instruments(song)["bass"] != drawn[PAIRED_PART]
    assert kind_of(pair.part(PAIRED_PART), pair) == "bass"


def test_parts_of_other_songs_have_instruments_that_play_several_notes_at_once():
    song = compose(2, 5.0)
    assert kind_of(replace(song.part("chords1"), name="part7"), song) == "chords"
    assert kind_of(Part("part8", 0, True, (), 0.0), song) == "drums"


def test_instruments_for_tests_share_no_main_parameter_with_those_for_training():
    song = compose(2, 5.0)
    assert draw_instruments(song, unseen=True) != draw_instruments(song)
    assert not any(isinstance(drawn, FontPreset) for drawn in draw_instruments(song, unseen=True).values())


def test_an_annotation_holds_every_parameter():
    for seed in range(6):
        for drawn in draw_instruments(compose(seed, 5.0)).values():
            text = json.dumps(describe(drawn))
            assert ("engine" in json.loads(text)) != ("soundfont" in json.loads(text))
