"""Tiny weights, a mix, and the command run on them."""

import pytest
import torch

from latentstem import write_audio
from latentstem.cli import main


@pytest.fixture(scope="session")
def weights(build_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    build_pipeline(carriers=8).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def judged_weights(build_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    build_pipeline(carriers=8, judged=True).save_pretrained(folder)
    return folder


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "mix.wav"
    write_audio(path, torch.rand(2, 12_345) - 0.5, 22050)
    return path


@pytest.fixture
def accompany(weights, mix, tmp_path, capfd):
    """Run `latentstem accompany` and return (exit code, lines on stdout, lines on stderr)."""

    def run(*arguments, mix=mix, weights=weights, output=tmp_path / "bass.wav"):
        words = ["accompany", mix, "--weights", weights, "--steps", 2, "--device", "cpu", "-o", output, *arguments]
        code = main([str(word) for word in words])
        printed = capfd.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run
