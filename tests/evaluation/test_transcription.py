import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem.evaluation import transcribe

RATE = 44100
given_play = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=10, deadline=None
)
# Length of each note, of the rest after it, and its pitch; neighbours may share a pitch.
NOTES = st.lists(
    st.tuples(st.floats(0.15, 0.6), st.one_of(st.just(0.02), st.floats(0.02, 0.4)), st.integers(28, 55)),
    min_size=1,
    max_size=8,
)


def placed(lengths):
    start, notes = 0.1, []
    for length, rest, pitch in lengths:
        notes.append((start, start + length, pitch))
        start += length + rest
    return notes, start + 0.3


@given_play
@given(lengths=NOTES, partials=st.sampled_from([2, 6]))
def test_every_note_is_written_down(play, lengths, partials):
    notes, duration = placed(lengths)
    found = transcribe(play(notes, duration, partials=partials), RATE)
    assert [note.pitch for note in found] == [pitch for _, _, pitch in notes]
    assert np.abs([note.start - start for note, (start, _, _) in zip(found, notes, strict=True)]).max() < 0.005
    assert np.abs([note.end - end for note, (_, end, _) in zip(found, notes, strict=True)]).max() < 0.08


def test_a_repeated_note_is_told_from_a_held_one(play):
    repeated = [(0.1 + 0.3 * k, 0.39 + 0.3 * k, 33) for k in range(5)]
    assert [note.pitch for note in transcribe(play(repeated, 2.0), RATE)] == [33] * 5
    assert len(transcribe(play([(0.1, 1.6, 33)], 2.0), RATE)) == 1


def test_a_slide_begins_a_note_and_vibrato_does_not():
    time = np.arange(2 * RATE) / RATE

    def sung(semitones):
        phase = 2 * np.pi * np.cumsum(55.0 * 2 ** (semitones / 12)) / RATE
        return sum(np.sin(partial * phase) / partial for partial in range(1, 6)) * (time > 0.2)

    slide = transcribe(sung(np.clip((time - 1.0) / 0.05, 0, 1) * 5), RATE)
    assert [note.pitch for note in slide] == [33, 38]
    assert slide[1].start == pytest.approx(1.025, abs=0.05)
    assert [note.pitch for note in transcribe(sung(0.3 * np.sin(2 * np.pi * 5 * time)), RATE)] == [33]


def test_velocity_follows_the_level_and_nothing_else_does(play):
    notes = [(0.2, 0.6, 33), (0.8, 1.2, 40), (1.4, 1.8, 33)]
    audio = play(notes, 2.0)
    audio[round(0.7 * RATE) : round(1.3 * RATE)] *= 0.25
    found = transcribe(audio, RATE)
    assert [note.velocity for note in found] == pytest.approx([127, 64, 127], abs=6)
    assert [(note.pitch, note.velocity) for note in transcribe(1e-2 * audio, RATE)] == [
        (note.pitch, note.velocity) for note in found
    ]


def test_other_rates_find_the_same_notes(play):
    notes = [(0.2, 0.6, 33), (0.8, 1.2, 40)]
    once, again = (transcribe(play(notes, 2.0, rate=rate), rate) for rate in (44100, 22050))
    assert [note.pitch for note in once] == [note.pitch for note in again]
    assert [note.start for note in once] == pytest.approx([note.start for note in again], abs=2e-3)


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
