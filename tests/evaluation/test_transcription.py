"""Transcription: notes of known lines, in blocks as in the whole, from files and at any rate."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import AudioError, write_audio
from latentstem.evaluation import transcribe, transcribe_file, transcription
from latentstem.evaluation.note_decoding import NoteDecodingConfig

RATE = 44100
given_synthesize = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=10, deadline=None
)
# Limits within which `transcribe` finds the pitch: periods of a note, and seconds of rest at a leap of over a fifth.
PERIODS, FIFTH, REST = 8, 7, 0.12
# Length of each note, of the rest after it, and its pitch; neighbours may share a pitch.
NOTES = st.lists(
    st.tuples(st.floats(0.15, 0.6), st.one_of(st.just(0.02), st.floats(0.02, 0.4)), st.integers(28, 55)),
    min_size=1,
    max_size=8,
)


def placed(lengths):
    start, notes = 0.1, []
    following = [pitch for _, _, pitch in lengths[1:]] + [lengths[-1][2]]
    for (length, rest, pitch), next_pitch in zip(lengths, following, strict=True):
        rest = rest if abs(next_pitch - pitch) <= FIFTH else max(rest, REST)
        length = max(length, PERIODS / (440.0 * 2.0 ** ((pitch - 69) / 12)))
        notes.append((start, start + length, pitch))
        start += length + rest
    return notes, start + 0.3


@given_synthesize
@given(lengths=NOTES, partials=st.sampled_from([2, 6]))
def test_every_note_is_found(synthesize, lengths, partials):
    notes, duration = placed(lengths)
    found = transcribe(synthesize(notes, duration, partials=partials), RATE)
    assert [note.pitch for note in found] == [pitch for _, _, pitch in notes]
    assert np.abs([note.start - start for note, (start, _, _) in zip(found, notes, strict=True)]).max() < 0.005
    assert np.abs([note.end - end for note, (_, end, _) in zip(found, notes, strict=True)]).max() < 0.08


def test_a_repeated_note_is_told_from_a_held_one(synthesize):
    repeated = [(0.1 + 0.3 * k, 0.39 + 0.3 * k, 33) for k in range(5)]
    assert [note.pitch for note in transcribe(synthesize(repeated, 2.0), RATE)] == [33] * 5
    assert len(transcribe(synthesize([(0.1, 1.6, 33)], 2.0), RATE)) == 1


def test_a_slide_begins_a_note_and_vibrato_does_not():
    time = np.arange(2 * RATE) / RATE

    def sung(semitones):
        phase = 2 * np.pi * np.cumsum(55.0 * 2 ** (semitones / 12)) / RATE
        return sum(np.sin(partial * phase) / partial for partial in range(1, 6)) * (time > 0.2)

    slide = transcribe(sung(np.clip((time - 1.0) / 0.05, 0, 1) * 5), RATE)
    assert [note.pitch for note in slide] == [33, 38]
    assert slide[1].start == pytest.approx(1.025, abs=0.05)
    assert [note.pitch for note in transcribe(sung(0.3 * np.sin(2 * np.pi * 5 * time)), RATE)] == [33]


def test_velocity_follows_the_level_and_nothing_else_does(synthesize):
    notes = [(0.2, 0.6, 33), (0.8, 1.2, 40), (1.4, 1.8, 33)]
    audio = synthesize(notes, 2.0)
    audio[round(0.7 * RATE) : round(1.3 * RATE)] *= 0.25
    found = transcribe(audio, RATE)
    assert [note.velocity for note in found] == pytest.approx([127, 64, 127], abs=6)
    assert [(note.pitch, note.velocity) for note in transcribe(1e-2 * audio, RATE)] == [
        (note.pitch, note.velocity) for note in found
    ]


def test_other_rates_find_the_same_notes(synthesize):
    notes = [(0.2, 0.6, 33), (0.8, 1.2, 40)]
    once, again = (transcribe(synthesize(notes, 2.0, rate=rate), rate) for rate in (44100, 22050))
    assert [note.pitch for note in once] == [note.pitch for note in again]
    assert [note.start for note in once] == pytest.approx([note.start for note in again], abs=2e-3)


def test_the_cost_of_a_new_note_decides_whether_a_repeated_note_is_one(synthesize):
    audio = synthesize([(0.1, 0.6, 33), (0.6, 1.2, 33)], 1.5)
    counts = [len(transcribe(audio, RATE, NoteDecodingConfig(new_note_cost=cost))) for cost in (3.0, 10.0)]
    assert counts == [2, 1]


@pytest.mark.parametrize("samples", [1, 100, RATE])
def test_silence_has_no_notes(samples):
    assert transcribe(np.zeros(samples), RATE) == []


def test_noise_and_short_audio_are_taken():
    noise = np.random.default_rng(0).standard_normal(RATE)
    for audio in (noise, noise[:300], np.ones(RATE)):
        for note in transcribe(audio, RATE):
            assert 0 <= note.start < note.end <= 1.0


@pytest.mark.parametrize("shape", [(2, 100), (0,)])
def test_what_is_not_mono_audio_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(samples,\)"):
        transcribe(np.zeros(shape), RATE)


def random_line(seconds, seed):
    """Notes of all lengths, some repeated, some apart, louder and softer."""
    draw, notes, time = np.random.default_rng(seed), [], 0.05
    while time < seconds - 1.0:
        length = float(draw.choice([0.12, 0.25, 0.5, 1.4]))
        notes.append((time, time + 0.95 * length, int(draw.integers(28, 50))))
        time += length * float(draw.choice([1.0, 1.0, 1.5]))
    return notes


def assert_same(found, expected):
    assert [(note.pitch, note.velocity) for note in found] == [(note.pitch, note.velocity) for note in expected]
    assert [note.start for note in found] == pytest.approx([note.start for note in expected], abs=1e-6)
    assert [note.end for note in found] == pytest.approx([note.end for note in expected], abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blocks_find_what_the_whole_has(synthesize, monkeypatch, seed):
    audio = synthesize(random_line(20.0, seed), 20.0)
    level = np.repeat(np.random.default_rng(seed).uniform(0.1, 1.0, 10), len(audio) // 10)
    audio = audio * level + 1e-4 * np.random.default_rng(seed).standard_normal(len(audio))
    whole = transcribe(audio, RATE)
    assert len(whole) > 20
    lengths, decode = [], transcription.decode_notes
    monkeypatch.setattr(
        transcription, "decode_notes", lambda audio, *rest: lengths.append(len(audio)) or decode(audio, *rest)
    )
    monkeypatch.setattr(transcription, "BLOCK", 3 * 43 * 512)
    monkeypatch.setattr(transcription, "CONTEXT", 2 * 43 * 512)
    assert_same(transcribe(audio, RATE), whole)
    assert len(lengths) == 7 and max(lengths) == 7 * 43 * 512


def test_a_note_that_lasts_over_many_blocks_is_one(synthesize, monkeypatch):
    audio = synthesize([(0.5, 11.0, 33), (11.5, 12.0, 40)], 12.5, decay=0.05)
    whole = transcribe(audio, RATE)
    monkeypatch.setattr(transcription, "BLOCK", 43 * 512)
    monkeypatch.setattr(transcription, "CONTEXT", 43 * 512)
    assert [note.pitch for note in whole] == [33, 40]
    assert_same(transcribe(audio, RATE), whole)


def test_a_file_has_the_notes_of_its_samples(synthesize, tmp_path, monkeypatch):
    monkeypatch.setattr(transcription, "BLOCK", 3 * 43 * 512)
    monkeypatch.setattr(transcription, "CONTEXT", 2 * 43 * 512)
    audio = 0.5 * torch.from_numpy(synthesize(random_line(8.0, 5), 8.0, rate=48000))
    write_audio(tmp_path / "bass.wav", torch.stack([1.5 * audio, 0.5 * audio]), 48000, "32f")
    progress = []
    found = transcribe_file(tmp_path / "bass.wav", on_progress=progress.append)
    assert_same(found, transcribe(audio.numpy(), 48000))
    assert progress == sorted(progress) and progress[-1] == 1.0 and len(progress) == 3
    with pytest.raises(AudioError, match="over the limit of 5 s"):
        transcribe_file(tmp_path / "bass.wav", max_duration=5.0)
