"""--midi: the notes of the stem, at the seconds where they sound in the audio beside them."""

import builtins
import sys

import numpy as np
import pretty_midi
import pytest
import torch

from latentstem import StemAccompanimentPipeline, StemPipelineOutput, read_audio, write_audio
from latentstem.evaluation import transcribe

LINE = [(0.25, 0.6, 33), (0.75, 1.0, 40), (1.25, 1.6, 36), (1.75, 2.4, 28)]  # start and end in seconds, pitch


@pytest.fixture
def echoing(monkeypatch):
    """Nets that give back the mix itself as its stem."""

    def echo(self, mix_latents, **kwargs):
        return StemPipelineOutput(audios=mix_latents, sampling_rate=44100)

    def encode(self, blocks, gain, frames):
        return torch.cat(list(blocks), dim=1)[None] * gain

    def decode(self, latents, num_samples, gain):
        return iter((latents[0] / gain).split(10_000, dim=1))

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", echo)
    monkeypatch.setattr(StemAccompanimentPipeline, "encode_stream", encode)
    monkeypatch.setattr(StemAccompanimentPipeline, "decode_stream", decode)


def played(rate):
    time = torch.arange(round(2.5 * rate), dtype=torch.float64) / rate
    audio = torch.zeros_like(time)
    for start, end, pitch in LINE:
        gate = (time >= start) * ((end - time) / 0.01).clamp(0, 1) * torch.exp(-3 * (time - start).clamp(min=0))
        for partial in range(1, 5):
            phase = 2 * np.pi * partial * 440 * 2 ** ((pitch - 69) / 12) * (time - start)
            audio += 0.2 / partial * torch.sin(phase) * gate
    return audio.float()[None]


@pytest.mark.parametrize(
    ("rate", "tempo", "suffix"), [(44100, 120, ".wav"), (48000, 93.5, ".flac"), (22050, 60, ".mp3")]
)
def test_the_notes_begin_where_they_are_heard(accompany, echoing, tmp_path, rate, tempo, suffix):
    write_audio(tmp_path / "line.wav", played(rate), rate)
    words = ["--midi", *(["--tempo", tempo] if tempo != 120 else [])]
    code, out, err = accompany(*words, mix=tmp_path / "line.wav", output=tmp_path / f"bass{suffix}")
    assert code == 0 and err == []
    assert len(out) == 2 and out[0].startswith(f"{tmp_path / 'bass'}{suffix}: seed 0")
    assert out[1] == f"{tmp_path / 'bass.mid'}: 4 notes"
    score = pretty_midi.PrettyMIDI(str(tmp_path / "bass.mid"))
    assert score.get_tempo_changes()[1] == pytest.approx([tempo], rel=1e-3)
    notes = sorted((note for one in score.instruments for note in one.notes), key=lambda note: note.start)
    assert [note.pitch for note in notes] == [pitch for _, _, pitch in LINE]
    assert [note.start for note in notes] == pytest.approx([start for start, _, _ in LINE], abs=0.005)
    stem, _ = read_audio(tmp_path / f"bass{suffix}")
    transcribed = transcribe(stem[0].numpy(), rate)
    half_a_tick = 30 / tempo / 960 + 1e-9
    for one, other in zip(notes, transcribed, strict=True):
        assert one.pitch == other.pitch and one.velocity == other.velocity
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=half_a_tick)


def test_each_candidate_has_its_notes_and_one_command_writes_everything(accompany, mix, tmp_path):
    assert accompany("--midi", "--count", 2)[0] == 0
    assert accompany("--midi", "--preview", "--style", mix)[0] == 0
    written = sorted(path.name for path in tmp_path.glob("bass*"))
    both = ["bass-1.mid", "bass-1.wav", "bass-2.mid", "bass-2.wav"]
    assert written == [*both, "bass-with-mix.wav", "bass.mid", "bass.png", "bass.wav"]


def test_a_missing_package_is_one_line_that_names_the_extras(accompany, tmp_path, monkeypatch):
    monkeypatch.setattr(StemAccompanimentPipeline, "from_pretrained", None)
    monkeypatch.setitem(sys.modules, "pretty_midi", None)
    code, out, err = accompany("--midi")
    assert code == 2 and out == []
    assert len(err) == 1 and err[0].startswith("error: --midi needs")
    assert "pretty_midi" in err[0] and 'pip install "latentstem[data,evaluation]"' in err[0]
    assert not (tmp_path / "bass.wav").exists()


def test_without_midi_neither_librosa_nor_pretty_midi_is_needed(accompany, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] in ("librosa", "pretty_midi", "mir_eval", "sklearn"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = accompany("--preview")
    assert code == 0, err


@pytest.mark.parametrize("tempo", ["0", "nan", "1e9"])
def test_a_tempo_that_midi_cannot_hold_is_refused(accompany, tempo):
    code, out, err = accompany("--midi", "--tempo", tempo)
    assert code == 2 and out == [] and len(err) == 1
