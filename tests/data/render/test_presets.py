"""The presets of a soundfont are those that its file lists."""

import struct

import pytest

from latentstem.data.render import presets
from latentstem.data.render.fluidsynth import SynthesisError
from latentstem.data.render.presets import Preset, read_presets, variations

LISTED = [
    (0, 32, "Acoustic Bass"),
    (0, 33, "Fingered Bass"),
    (8, 33, "Old Bass"),
    (17, 33, "Bass Expr."),
    (128, 0, "Standard"),
    (128, 3, "Standard 3"),
    (128, 8, "Room"),
]


@pytest.fixture
def soundfont(tmp_path, monkeypatch):
    """Write a soundfont that has the list alone, after a sample that looks like one."""
    records = b"".join(
        struct.pack("<20sHHHIII", name.encode(), program, bank, 0, 0, 0, 0)
        for bank, program, name in [*LISTED, (0, 0, "EOP")]
    )
    path = tmp_path / "some.sf2"
    path.write_bytes(b"RIFF....sfbksmpl phdr sample" + b"phdr" + struct.pack("<I", len(records)) + records + b"pbag")
    monkeypatch.setattr(presets, "soundfont_path", lambda name: path)
    read_presets.cache_clear()
    yield path
    read_presets.cache_clear()


def test_all_presets_are_read_but_the_end_mark(soundfont):
    assert read_presets("some") == tuple(Preset(*preset) for preset in LISTED)


def test_variations_have_the_program_in_any_bank_and_sound_without_a_controller(soundfont):
    assert [preset.name for preset in variations("some", 33)] == ["Fingered Bass", "Old Bass"]
    assert [preset.name for preset in variations("some", 0, is_drum=True)] == ["Standard", "Standard 3"]


def test_what_the_soundfont_lacks_is_played_by_its_first(soundfont):
    assert [preset.name for preset in variations("some", 70)] == ["Acoustic Bass"]
    assert [preset.name for preset in variations("some", 40, is_drum=True)] == ["Standard"]


def test_a_file_without_a_list_is_refused(soundfont):
    soundfont.write_bytes(b"RIFF")
    with pytest.raises(SynthesisError, match="lists no presets"):
        read_presets("some")


@pytest.mark.fluidsynth
def test_installed_soundfonts_have_the_programs_of_general_midi():
    read_presets.cache_clear()
    for name in ("fluidr3", "musescore", "timgm6mb"):
        assert {preset.program for preset in read_presets(name) if preset.bank == 0} == set(range(128))
