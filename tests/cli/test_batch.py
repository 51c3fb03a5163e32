"""Several mixes: each has its stem under its own name, whatever becomes of the others."""

import os
import re
import shutil
import signal

import pytest
import torch

from latentstem import StemAccompanimentPipeline, read_audio, write_audio


@pytest.fixture
def songs(tmp_path):
    """A folder of three mixes in three formats, and of what is none."""
    folder = tmp_path / "songs"
    (folder / "live").mkdir(parents=True)
    for number, name in enumerate(("one.wav", "two.flac", "three.OGG", "live/four.wav")):
        noise = torch.rand(2, 9000, generator=torch.Generator().manual_seed(number)) - 0.5
        write_audio(folder / name, noise, 44100)
    (folder / "notes.txt").write_text("not audio")
    (folder / "._one.wav").write_bytes(b"what macOS leaves on foreign disks")
    return folder


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def lines_of(lines, word):
    return [line for line in lines if line.startswith(word)]


def test_every_mix_of_a_folder_has_the_stem_that_it_has_alone(accompany, songs, tmp_path, monkeypatch):
    load, loaded = StemAccompanimentPipeline.from_pretrained, []
    monkeypatch.setattr(
        StemAccompanimentPipeline, "from_pretrained", lambda *args, **kwargs: loaded.append(1) or load(*args, **kwargs)
    )
    code, out, err = accompany("--seed", 3, mix=songs, output=tmp_path / "new" / "stems")
    assert code == 0 and err == [] and len(loaded) == 1
    assert names(tmp_path / "new" / "stems") == ["one.wav", "three.wav", "two.wav"]
    assert len(out) == 3 and all("seed 3" in line for line in out)
    for name in ("one.wav", "two.flac", "three.OGG"):
        assert accompany("--seed", 3, mix=songs / name)[0] == 0
        alone, stem = tmp_path / "bass.wav", tmp_path / "new" / "stems" / f"{name.partition('.')[0]}.wav"
        assert torch.equal(read_audio(alone)[0], read_audio(stem)[0])


def test_files_and_folders_may_be_mixed_and_the_output_folder_may_be_there(accompany, songs, tmp_path):
    stems = tmp_path / "stems"
    stems.mkdir()
    code, _, _ = accompany(songs / "live", songs / "one.wav", mix=songs / "one.wav", output=stems)
    assert code == 0
    assert names(stems) == ["four.wav", "one.wav"]
    code, _, _ = accompany("--format", "flac", "--count", 2, "--preview", mix=songs / "two.flac", output=stems)
    assert code == 0
    assert names(stems)[2:] == [f"two-{k}{end}" for k in (1, 2) for end in ("-with-mix.flac", ".flac", ".png")]


def test_a_bad_file_is_one_line_and_the_others_go_on(accompany, songs, tmp_path):
    (songs / "bad.wav").write_text("not audio\n" * 100)
    code, out, err = accompany(songs / "none.wav", mix=songs, output=tmp_path / "stems")
    assert code == 2
    assert names(tmp_path / "stems") == ["one.wav", "three.wav", "two.wav"] and len(out) == 3
    errors = lines_of(err, "error: ")
    assert len(errors) == 3 and errors[-1] == "error: 2 of 5 mixes have no stem, see above"
    assert "bad.wav: cannot be read" in errors[0] and "none.wav: no such file" in errors[1]


def test_a_failure_is_told_from_bad_input_and_the_others_go_on(accompany, songs, tmp_path, monkeypatch):
    call, calls = StemAccompanimentPipeline.__call__, []

    def fail_once(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("out of\nmemory")
        return call(self, *args, **kwargs)

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", fail_once)
    code, _, err = accompany(mix=songs, output=tmp_path / "stems")
    assert code == 1
    assert names(tmp_path / "stems") == ["one.wav", "two.wav"]
    assert "three.OGG: RuntimeError: out of memory" in err[0]


def test_what_is_there_is_skipped_what_is_missing_is_made(accompany, songs, tmp_path, monkeypatch):
    stems = tmp_path / "stems"
    assert accompany("--preview", mix=songs, output=stems)[0] == 0
    (stems / "two.png").unlink()
    made = {path: path.stat().st_mtime_ns for path in stems.iterdir()}
    code, out, _ = accompany("--preview", mix=songs, output=stems)
    assert code == 0 and len([line for line in out if ": skipped, " in line]) == 2
    again = {path.name for path in stems.iterdir() if made.get(path) != path.stat().st_mtime_ns}
    assert again == {"two.wav", "two-with-mix.wav", "two.png"}
    before = read_audio(stems / "one.wav")[0]
    code, out, _ = accompany("--seed", 1, "--overwrite", mix=songs, output=stems)
    assert code == 0 and not [line for line in out if ": skipped, " in line]
    assert not torch.equal(read_audio(stems / "one.wav")[0], before)


def test_an_interruption_keeps_what_is_whole_and_the_next_run_goes_on(accompany, songs, tmp_path, monkeypatch):
    call, calls = StemAccompanimentPipeline.__call__, []

    def interrupted_at_the_second(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", interrupted_at_the_second)
    code, _, err = accompany(mix=songs, output=tmp_path / "stems")
    assert code == 1 and len(err) == 1 and "interrupted" in err[0]
    assert names(tmp_path / "stems") == ["one.wav"]
    assert accompany(mix=songs, output=tmp_path / "stems")[0] == 0
    assert len(calls) == 4 and names(tmp_path / "stems") == ["one.wav", "three.wav", "two.wav"]


@pytest.mark.parametrize(
    ("arguments", "output", "message"),
    [
        ([], "songs", "is an input and would be overwritten"),
        ([], "bass.wav", "expected a folder"),
        ([], "songs/notes.txt", "expected a folder"),
        (["twin/one.mp3"], "stems", "one.wav: would be written for .*one.wav and for .*one.mp3"),
        (["--init", "songs/one.wav"], "stems", "--init"),
        (["empty"], "stems", "holds no audio files"),
        (["--format", "mp3", "--bits", "16"], "stems", "cannot hold samples of 16 bits"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(
    accompany, songs, tmp_path, monkeypatch, arguments, output, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(StemAccompanimentPipeline, "from_pretrained", None)
    (tmp_path / "twin").mkdir()
    (tmp_path / "empty").mkdir()
    shutil.copy(songs / "one.wav", tmp_path / "twin" / "one.mp3")
    before = names(tmp_path)
    code, out, err = accompany(*arguments, mix="songs", output=output)
    assert code == 2 and out == []
    assert len(err) == 1 and err[0].startswith("error: ")
    assert re.search(message, err[0]), err
    assert names(tmp_path) == before
