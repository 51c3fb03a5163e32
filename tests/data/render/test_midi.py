import builtins

import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.render.midi import write_midi
from latentstem.data.score import Note


@given(
    steps=st.lists(
        st.tuples(st.floats(0.0, 2.0), st.floats(0.03, 2.0), st.integers(0, 127), st.integers(1, 127)), max_size=20
    ),
    tempo=st.floats(30.0, 300.0),
)
def test_what_is_written_is_read_back(tmp_path_factory, steps, tempo):
    notes, time = [], 0.0
    for rest, length, pitch, velocity in steps:
        notes.append(Note(time + rest, time + rest + length, pitch, velocity))
        time = notes[-1].end
    path = tmp_path_factory.mktemp("midi") / "bass.mid"
    write_midi(notes, path, tempo)
    score = pretty_midi.PrettyMIDI(str(path))
    (_, (written_tempo,)) = score.get_tempo_changes()
    assert written_tempo == pytest.approx(tempo, rel=1e-3)
    found = [note for instrument in score.instruments for note in instrument.notes]
    assert [(note.pitch, note.velocity) for note in found] == [(note.pitch, note.velocity) for note in notes]
    for one, other in zip(found, notes, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.002)


def test_the_program_is_the_fingered_bass_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "bass.mid"
    path.write_text("older")
    write_midi([Note(0.0, 1.0, 33, 100)], path)
    (instrument,) = pretty_midi.PrettyMIDI(str(path)).instruments
    assert instrument.program == 33 and not instrument.is_drum
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("note", "options", "message"),
    [
        (Note(0.0, 1.0, 33, 100), {"tempo": 0.0}, "tempo 0.0 given"),
        (Note(0.0, 1.0, 33, 100), {"tempo": float("nan")}, "tempo nan given"),
        (Note(0.0, 1.0, 33, 100), {"program": 128}, "program 128 given"),
        (Note(1.0, 1.0, 33, 100), {}, "no MIDI note"),
        (Note(0.0, float("nan"), 33, 100), {}, "no MIDI note"),
        (Note(0.0, 1.0, 128, 100), {}, "no MIDI note"),
        (Note(0.0, 1.0, 33, 0), {}, "no MIDI note"),
    ],
)
def test_what_midi_cannot_hold_is_refused_before_a_file_is_written(tmp_path, note, options, message):
    with pytest.raises(ValueError, match=message):
        write_midi([note], tmp_path / "bass.mid", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pretty_midi":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install pretty_midi"):
        write_midi([], tmp_path / "bass.mid")


def test_pitch_bends_are_written_in_semitones(tmp_path):
    path = tmp_path / "bass.mid"
    write_midi([Note(0.0, 1.0, 33, 100)], path, bends=[(0.0, -2.0), (0.25, 0.5), (0.5, 2.0)])
    (instrument,) = pretty_midi.PrettyMIDI(str(path)).instruments
    assert [(bend.time, bend.pitch) for bend in instrument.pitch_bends] == [
        (pytest.approx(0.0), -8192),
        (pytest.approx(0.25, abs=1e-3), 2048),
        (pytest.approx(0.5, abs=1e-3), 8191),
    ]
    with pytest.raises(ValueError, match=r"pitch bend of 2\.5 semitones"):
        write_midi([], path, bends=[(0.0, 2.5)])
