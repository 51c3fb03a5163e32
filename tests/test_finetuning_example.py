"""The example of fine-tuning: its bass plays the notes it is given, and its folder of stems is one to train on."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import latentstem
from latentstem.data.score import Note
from latentstem.data.stems.check import check_folder
from latentstem.evaluation import track_pitch

EXAMPLE = Path(latentstem.__file__).parents[1] / "examples" / "finetune_lora.py"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


def test_the_synthesised_bass_plays_its_notes_and_rests_between_them(example):
    notes = [Note(0.5, 1.5, 40, 100), Note(2.0, 3.0, 47, 60), Note(3.0, 9.0, 33, 100)]
    audio = example["frequency_modulated_bass"](notes, 4.0)
    assert audio.shape == (4 * 44100,) and np.abs(audio).max() <= 1.0
    assert not audio[: 44100 // 2].any() and not audio[int(1.5 * 44100) : 2 * 44100].any()
    track = track_pitch(audio, 44100)
    for note in notes:
        inside = track.voiced & (track.times > note.start + 0.1) & (track.times < min(note.end, 4.0) - 0.1)
        expected = 440 * 2 ** ((note.pitch - 69) / 12)
        assert inside.sum() > 20
        assert np.median(np.abs(track.frequency_hz[inside] / expected - 1)) < 0.01


@pytest.mark.fluidsynth
def test_the_stems_are_usable_and_only_the_bass_is_replaced(example, tmp_path):
    example["write_stems"](tmp_path, 1, 4.0)
    report = check_folder(tmp_path, "bass")
    assert (report.usable, report.tracks) == (1, 1)
    (folder,) = tmp_path.iterdir()
    song = example["compose"](example["VALIDATION_SEEDS"][0], 4.0)
    given = example["render_song"](song, example["SOUNDFONT"])
    for name, audio in given.items():
        read = latentstem.read_audio(folder / f"{name}.wav")[0][0].numpy()
        assert (np.abs(read - audio).max() < 1e-3) == (name != "bass"), name
