"""Names of files that are not UTF-8 work like others; those that no file can have are refused in one line."""

import os
import subprocess
import sys

import pytest
import torch

from latentstem import AudioError, read_audio, write_audio

LONG_NAME, LONG_PATH, ZERO = "n" * 300 + ".wav", "/".join(["folder" * 30] * 40) + "/n.wav", "a\0b.wav"
NOT_UTF8 = os.fsdecode(b"m\xefx-\xff\xfe.wav")

posix = pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")


@posix
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_names_that_are_not_utf8_are_written_and_read(tmp_path, suffix):
    path = tmp_path / NOT_UTF8.replace(".wav", suffix)
    write_audio(path, torch.rand(1, 3000) - 0.5, 44100)
    assert read_audio(path)[0].shape == (1, 3000)
    assert list(map(os.fsencode, tmp_path.iterdir())) == [os.fsencode(path)]


@pytest.mark.parametrize("name", [LONG_NAME, LONG_PATH, ZERO], ids=["name", "path", "zero"])
def test_names_that_no_file_can_have_are_refused(tmp_path, name):
    for call in (lambda path: read_audio(path), lambda path: write_audio(path, torch.zeros(1, 100), 44100)):
        with pytest.raises(AudioError, match="choose another name"):
            call(f"{tmp_path}/{name}")


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny.save_pretrained(folder)
    return folder


@pytest.fixture
def accompany(saved, tmp_path, capfd):
    """Run `latentstem accompany` and return its exit code and both streams, as bytes would be printed."""
    from latentstem.cli import main

    def run(mix, output, *words):
        common = ["--weights", str(saved), "--steps", "1", "--device", "cpu"]
        code = main(["accompany", str(mix), "-o", str(output), *common, *words])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


@posix
def test_the_command_takes_names_that_are_not_utf8(accompany, tmp_path):
    mix, stem = tmp_path / NOT_UTF8, tmp_path / os.fsdecode(b"b\xe4ss.wav")
    write_audio(mix, torch.rand(2, 9000) - 0.5, 44100)
    code, out, err = accompany(mix, stem, "--preview", "--json")
    assert code == 0 and "Traceback" not in err, err
    code, out, err = accompany(mix, stem)
    assert code == 0 and r"b\udce4ss.wav: seed 0" in out, (out, err)
    assert stem.exists()


@pytest.mark.parametrize("name", [LONG_NAME, LONG_PATH], ids=["name", "path"])
@pytest.mark.parametrize("role", ["mix", "output", "--style", "--init", "--weights", "--adapter"])
def test_the_command_refuses_long_names_in_one_line(accompany, tmp_path, role, name):
    mix, long = tmp_path / "mix.wav", f"{tmp_path}/{name}"
    write_audio(mix, torch.rand(1, 9000) - 0.5, 44100)
    words = [] if role in ("mix", "output") else [role, long]
    code, out, err = accompany(long if role == "mix" else mix, long if role == "output" else tmp_path / "b.wav", *words)
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err, err
    assert [file.name for file in tmp_path.iterdir()] == ["mix.wav"]


@posix
def test_a_name_that_only_the_remix_makes_too_long_is_refused_before_the_work(accompany, tmp_path):
    mix = tmp_path / "mix.wav"
    write_audio(mix, torch.rand(1, 9000) - 0.5, 44100)
    code, _, err = accompany(mix, tmp_path / ("n" * 250 + ".wav"), "--preview")
    assert code == 2 and err.count("\n") == 1 and "-with-mix" in err


@posix
@pytest.mark.slow
def test_a_process_prints_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / NOT_UTF8
    path.write_bytes(b"no audio")
    command = [sys.executable, "-m", "latentstem", "accompany", path, "-o", tmp_path / "bass.wav"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and done.stderr.startswith(b"error: "), done.stderr
