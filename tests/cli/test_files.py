"""What the files of a stem hold besides the stem: bits, tags and a remix at one level with it."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile
import torch

import latentstem
from latentstem import read_audio, write_audio
from latentstem.audio import AudioReader, AudioWriter, active_rms
from latentstem.cli import main

TAGS = {"title": "A song", "artist": "Somebody", "album": "Something", "date": "2024", "genre": "Jazz", "comment": "Hm"}


@pytest.mark.parametrize(
    ("name", "words", "subtype"),
    [
        ("bass.wav", [], "PCM_24"),
        ("bass.wav", ["--bits", 16], "PCM_16"),
        ("bass.wav", ["--bits", "32f"], "FLOAT"),
        ("bass.flac", ["--bits", 16], "PCM_16"),
    ],
)
def test_stem_and_remix_have_the_bits_that_are_asked_for(accompany, tmp_path, name, words, subtype):
    assert accompany("--preview", *words, output=tmp_path / name)[0] == 0
    for path in (tmp_path / name, tmp_path / name.replace("bass", "bass-with-mix")):
        assert soundfile.info(path).subtype == subtype


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_the_tags_of_the_mix_are_those_of_the_stem_and_the_remix(accompany, tmp_path, suffix):
    with AudioWriter(tmp_path / "song.flac", 44100, 2, tags={**TAGS, "software": "another"}) as writer:
        writer.write(torch.rand(2, 9000) - 0.5)
    assert accompany("--preview", mix=tmp_path / "song.flac", output=tmp_path / f"bass{suffix}")[0] == 0
    for name in ("bass", "bass-with-mix"):
        tags = AudioReader(tmp_path / f"{name}{suffix}").tags
        assert tags.pop("software", f"latentstem {latentstem.__version__}").startswith(
            f"latentstem {latentstem.__version__}"
        )
        assert tags == TAGS


@pytest.mark.parametrize(
    "words",
    [
        ["--bits", "8"],
        ["--bits", "32f", "-o", "bass.flac"],
        ["--bits", "16", "-o", "bass.mp3"],
        ["--format", "flac"],
        ["--format", "aiff"],
    ],
    ids=" ".join,
)
def test_what_a_file_cannot_be_is_refused(accompany, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = accompany(*words)
    assert code == 2 and out == []
    assert len(err) == 1 and err[0].startswith("error: ")


@pytest.fixture
def strings(weights, tmp_path):
    """Weights of another stem than the bass."""
    shutil.copytree(weights, tmp_path / "strings-weights")
    index = tmp_path / "strings-weights" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "target": "strings"}))
    return index.parent


def test_files_are_named_after_what_the_weights_make(strings, weights, mix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = weights / "model_index.json"
    saved = json.loads(index.read_text())
    assert saved["target"] == "bass"
    old = tmp_path / "old"
    shutil.copytree(weights, old)
    (old / "model_index.json").write_text(
        json.dumps({name: value for name, value in saved.items() if name != "target"})
    )
    for folder, name in ((strings, "strings"), (weights, "bass"), (old, "bass")):
        words = ["accompany", mix, "--weights", folder, "--steps", 1, "--device", "cpu", "--midi"]
        assert main([str(word) for word in words]) == 0
        assert [Path(f"{name}{suffix}").is_file() for suffix in (".wav", ".mid")] == [True, True]
        for suffix in (".wav", ".mid"):
            Path(f"{name}{suffix}").unlink()
        shutil.copy(mix, "other.wav")
        assert main([str(word) for word in ["accompany", mix, "other.wav", *words[2:-1]]]) == 0
        assert sorted(path.name for path in Path(name).iterdir()) == ["mix.wav", "other.wav"]
        shutil.rmtree(name)


def test_a_target_that_leaves_the_folder_is_refused(strings, mix, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    index = strings / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "target": "../strings"}))
    assert main(["accompany", str(mix), "--weights", str(strings), "--steps", "1"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and "target is '../strings'" in line
    assert not list(tmp_path.parent.glob("strings*.wav"))


def test_minutes_are_not_taken_for_seconds_unnoticed(accompany, mix, tmp_path):
    code, _, err = accompany("--init", mix, "--keep", "0:0.2", "--keep", "0.3:")
    assert code == 0
    assert err == [
        f"note: {mix} stays as it is from 0 s to 0.2 s",
        f"note: {mix} stays as it is from 0.3 s to the end",
    ]
    assert read_audio(tmp_path / "bass.wav")[0].shape[1] == 12_345


@pytest.mark.parametrize("level", [1.0, 0.02])
def test_the_shipped_weights_play_as_loud_as_the_mix_and_the_remix_adds_them(accompany, tmp_path, level):
    audio, rate = read_audio(Path(latentstem.__file__).parents[1] / "examples" / "audio" / "mix-1.flac")
    audio = level * audio[:, : 6 * rate]
    write_audio(tmp_path / "song.wav", audio, rate)
    words = ["--steps", 8, "--quality", "fast", "--preview"]
    assert accompany(*words, mix=tmp_path / "song.wav", weights="bass-gm")[0] == 0
    stem, remix = (read_audio(tmp_path / name)[0] for name in ("bass.wav", "bass-with-mix.wav"))
    decibels = 20 * torch.log10(active_rms(stem[None]) / active_rms(audio[None]))
    assert abs(decibels.item()) < 4
    total = audio + stem
    torch.testing.assert_close(remix, total / total.abs().max().clamp(min=1), rtol=0, atol=2**-20)
