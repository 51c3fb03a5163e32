"""Recorded instruments play the notes that are written; a folder that is not one of instruments is named."""

import json

import numpy as np
import pytest
import torch

from benchmarks.common.instruments import SampledInstrument, instrument_sets, recorded_instruments
from latentstem import write_audio
from latentstem.data.score import Note

RATE = 44_100


def tone(pitch, seconds=1.0):
    """A decaying tone with three partials."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    partials = sum(np.sin(2 * np.pi * hertz * number * time) / number for number in (1, 2, 3))
    return (0.3 * np.exp(-time) * partials).astype(np.float32)


@pytest.fixture(scope="module")
def instrument():
    return SampledInstrument({pitch: tone(pitch) for pitch in (33.0, 36.1, 40.0)})


def strongest_pitch(audio):
    """The pitch of the strongest partial, which is the first."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * RATE))
    return 69 + 12 * np.log2(spectrum.argmax() / 8 / 440)


@pytest.mark.parametrize(
    ("written", "sounding"), [(33, 33), (34, 34), (36, 36), (41, 41), (31, 31), (29, 41), (45, 33), (21, 33)]
)
def test_a_note_sounds_at_its_pitch_or_octaves_from_it_where_nothing_was_recorded(instrument, written, sounding):
    audio = instrument([Note(0.0, 0.8, written, 100)], 1.0)
    assert strongest_pitch(audio) == pytest.approx(sounding, abs=0.15)


def test_a_note_begins_and_ends_where_it_is_written_and_follows_its_velocity(instrument):
    loud, soft = (instrument([Note(0.5, 1.0, 36, velocity)], 2.0) for velocity in (100, 50))
    sounding = np.flatnonzero(np.abs(loud) > 1e-4) / RATE
    assert (sounding[0], sounding[-1]) == (pytest.approx(0.5, abs=0.01), pytest.approx(1.06, abs=0.01))
    before, last = (np.abs(loud[round(end * RATE) - 500 : round(end * RATE)]).max() for end in (1.0, 1.06))
    assert last < 0.3 * before  # it fades
    np.testing.assert_allclose(soft, loud / 2, atol=1e-6)


def test_notes_add_up_and_are_cut_at_the_end(instrument):
    notes = [Note(0.0, 1.0, 33, 100), Note(0.5, 3.0, 40, 100), Note(2.0, 3.0, 36, 100)]
    alone = sum(instrument([note], 1.0) for note in notes[:2])
    np.testing.assert_allclose(instrument(notes, 1.0), alone, atol=1e-6)


def write_instrument(folder, name, pitches, rate=RATE, cut=0):
    samples = [tone(pitch, 0.5) for pitch in pitches]
    places = {str(pitch): [index * len(samples[0]), len(samples[0])] for index, pitch in enumerate(pitches)}
    audio = np.concatenate(samples)
    write_audio(folder / f"{name}.flac", torch.from_numpy(audio[: len(audio) - cut])[None], rate)
    (folder / f"{name}.json").write_text(json.dumps(places))


def test_a_folder_of_recorded_instruments_is_read(tmp_path):
    write_instrument(tmp_path, "finger", [33.02, 40.0])
    write_instrument(tmp_path, "pick", [36.0])
    assert list(instrument_sets()) == ["timgm6mb", "engines"]
    instruments = instrument_sets(tmp_path)["recorded"]
    assert list(instruments) == ["finger", "pick"]
    assert strongest_pitch(instruments["finger"]([Note(0.0, 0.5, 40, 100)], 0.5)) == pytest.approx(40, abs=0.15)


def test_what_is_no_folder_of_instruments_is_named(tmp_path):
    write_instrument(tmp_path, "finger", [33.0, 40.0])
    with pytest.raises(ValueError, match=r"has 1 files NAME.json with their NAME.flac, expected at least 2"):
        recorded_instruments(tmp_path)
    write_instrument(tmp_path, "pick", [33.0], cut=10)
    with pytest.raises(ValueError, match=r"pick.flac has 22040 samples at 44100 Hz, expected at least 22050 at 44100"):
        recorded_instruments(tmp_path)
    write_instrument(tmp_path, "pick", [33.0], rate=48_000)
    with pytest.raises(ValueError, match=r"pick.flac has 22050 samples at 48000 Hz"):
        recorded_instruments(tmp_path)
