"""`latentstem accompany` with bad audio, options, weights and adapters: one line, exit code 2, nothing written."""

import os
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from latentstem import write_audio


def write_float(path, samples, sampling_rate=44100):
    soundfile.write(path, np.asarray(samples), sampling_rate, subtype="FLOAT")


def text_named_wav(path):
    path.write_text("not audio\n" * 500)


def truncated(path):
    write_audio(path, torch.rand(2, 20_000) - 0.5, 44100)
    path.write_bytes(path.read_bytes()[:30_000])


def days_in_a_flac(path):
    soundfile.write(path, np.zeros(8000), 8000, format="FLAC")
    content = bytearray(path.read_bytes())
    content[22:26] = struct.pack(">I", 8000 * 86400 * 3)
    path.write_bytes(content)


BAD_MIXES = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "text": text_named_wav,
    "truncated": truncated,
    "empty": lambda path: write_float(path, np.zeros((0, 1))),
    "nan": lambda path: write_float(path, [0.0, np.nan]),
    "inf": lambda path: write_float(path, [0.0, np.inf]),
    "three channels": lambda path: write_float(path, np.zeros((100, 3))),
    "days in a flac": days_in_a_flac,
    "anti-phase": lambda path: write_float(path, np.linspace(-0.5, 0.5, 5000)[:, None] * [1, -1]),
}


@pytest.mark.parametrize("kind", BAD_MIXES)
@pytest.mark.parametrize("role", ["mix", "style", "init"])
def test_bad_audio_is_one_line_and_exit_code_2(accompany, mix, tmp_path, kind, role, is_one_error):
    BAD_MIXES[kind](tmp_path / "bad.wav")
    before = sorted(tmp_path.iterdir())
    if role == "mix":
        code, out, err = accompany(mix=tmp_path / "bad.wav")
    else:
        code, out, err = accompany(f"--{role}", tmp_path / "bad.wav")
    assert code == 2
    assert is_one_error(err), err
    assert out == []
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--steps", "0"],
        ["--steps", "-3"],
        ["--steps", "many"],
        ["--count", "0"],
        ["--keep-best", "0"],
        ["--keep-best", "3", "--count", "2"],
        ["--strength", "0.5"],
        ["--keep", "0:0.1"],
        ["--init", "none.wav"],
        ["--init", "mix.wav", "--strength", "0"],
        ["--init", "mix.wav", "--strength", "nan"],
        ["--init", "mix.wav", "--keep", "0.1"],
        ["--init", "mix.wav", "--keep", "soon:later"],
        ["--init", "mix.wav", "--keep", "0:nan"],
        ["--init", "mix.wav", "--keep", "0:60"],
        ["--init", "mix.wav", "--keep", "0.3:0.1"],
        ["--init", "mix.wav", "--keep", "-0.1:"],
        ["--redo", "0:0.1"],
        ["--init", "mix.wav", "--redo", "0:0.1", "--keep", "0.2:"],
        ["--init", "mix.wav", "--redo", "soon:later"],
        ["--init", "mix.wav", "--redo", "0.3:0.1"],
        ["--init", "mix.wav", "--redo", "60:"],
        ["--init", "mix.wav", "--redo", ":"],
        ["--init", "mix.wav", "--bars", "1:2"],
        ["--init", "mix.wav", "--bpm", "120", "--bars", "0:2"],
        ["--init", "mix.wav", "--bpm", "120", "--bars", "2:1"],
        ["--init", "mix.wav", "--bpm", "120", "--bars", "9"],
        ["--guidance-scale", "nan"],
        ["--guidance-scale", "inf"],
        ["--guidance-rescale", "nan"],
        ["--guidance-rescale", "1.5"],
        ["--style-strength", "nan"],
        ["--max-duration", "0"],
        ["--max-duration", "nan"],
        ["--max-duration", "0.1"],
        ["--device", "cuda:99"],
        ["--device", "abacus"],
        ["--seed", "-1"],
        ["--weights", "tuba-gm"],
        ["-o", "mix.wav/bass.wav"],
        ["-o", "mix.wav/deep/bass.wav"],
        ["-o", "new/bass.aiff"],
        ["-o", "bass.aiff"],
        ["--no-such-option"],
        ["a-second-mix.wav"],
    ],
    ids=" ".join,
)
def test_bad_options_are_one_line_and_exit_code_2(accompany, tmp_path, monkeypatch, arguments, is_one_error):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, err = accompany(*arguments)
    assert code == 2
    assert is_one_error(err), err
    assert out == []
    assert sorted(tmp_path.iterdir()) == before


def test_the_mix_is_never_overwritten(accompany, mix, tmp_path, is_one_error):
    before = mix.read_bytes()
    (tmp_path / "link.wav").symlink_to(mix)
    for output in (mix, tmp_path / "link.wav"):
        code, _, err = accompany(output=output)
        assert code == 2 and is_one_error(err)
        assert mix.read_bytes() == before
    for role in ("--style", "--init"):
        shutil.copy(mix, tmp_path / "bass-2.wav")
        code, _, err = accompany(role, tmp_path / "bass-2.wav", "--count", 2)
        assert code == 2 and is_one_error(err) and "overwritten" in err[0]
    other = shutil.copy(mix, tmp_path / "bass-with-mix.wav")
    code, _, err = accompany("--preview", mix=other)
    assert code == 2 and is_one_error(err)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_a_tensor(file):
    tensors = load_file(file)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, file, metadata={"format": "pt"})


def of_another_shape(file):
    tensors = load_file(file)
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name] = tensors[name].flatten()[:-1].clone()
    save_file(tensors, file, metadata={"format": "pt"})


def garbled(file):
    file.write_bytes(os.urandom(1000))


def a_pickle(file):
    torch.save({"weight": torch.zeros(1)}, file.with_name("diffusion_pytorch_model.bin"))
    file.unlink()


@pytest.mark.parametrize("damage", [cut, without_a_tensor, of_another_shape, garbled, a_pickle])
@pytest.mark.parametrize("component", ["unet", "autoencoder"])
def test_damaged_weights_are_one_line_and_exit_code_2(accompany, weights, tmp_path, damage, component, is_one_error):
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    damage(copy / component / "diffusion_pytorch_model.safetensors")
    code, out, err = accompany(weights=copy)
    assert code == 2
    assert is_one_error(err), err
    assert str(copy) in err[0]
    assert out == [] and not (tmp_path / "bass.wav").exists()


def test_damaged_weights_are_one_line_in_a_process_of_their_own(weights, mix, tmp_path, is_one_error):
    # In here a library's log may go to a stream that no test looks at.
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    a_pickle(copy / "unet" / "diffusion_pytorch_model.safetensors")
    command = [sys.executable, "-m", "latentstem", "accompany", mix, "--weights", copy, "-o", tmp_path / "bass.wav"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and is_one_error(done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])
@pytest.mark.parametrize("content", [None, "{", "[1, 2]"])
def test_damaged_configs_are_one_line_and_exit_code_2(accompany, weights, tmp_path, name, content, is_one_error):
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_text(content)
    code, _, err = accompany(weights=copy)
    assert code == 2
    assert is_one_error(err), err


def test_weights_that_give_nan_write_nothing(accompany, weights, tmp_path, is_one_error):
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor * torch.nan for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    code, _, err = accompany(weights=copy)
    assert code == 2
    assert is_one_error(err) and "NaN" in err[0], err
    assert not (tmp_path / "bass.wav").exists()


@pytest.mark.parametrize("folder", ["run/adapter", "run"])
def test_an_adapter_given_as_weights_is_told_where_it_goes(accompany, adapter, tmp_path, folder, is_one_error):
    code, _, err = accompany(weights=tmp_path / folder)
    assert code == 2 and is_one_error(err) and f"--adapter {adapter}" in err[0]


def test_no_adapter_and_another_nets_adapter_are_refused(accompany, adapter, tmp_path, is_one_error):
    code, _, err = accompany("--adapter", tmp_path / "run")
    assert code == 2 and is_one_error(err) and "expected the folder `adapter`" in err[0]
    (adapter / "pytorch_lora_weights.safetensors").write_bytes(b"no tensors")
    code, _, err = accompany("--adapter", adapter)
    assert code == 2 and is_one_error(err) and "--weights" in err[0]
    assert not (tmp_path / "bass.wav").exists()
