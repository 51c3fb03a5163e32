"""Tiny weights, a mix, and the command run on them."""

import pytest
import torch

from latentstem import StemAccompanimentPipeline, write_audio
from latentstem.cli import main


@pytest.fixture(scope="session")
def weights(build_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    build_pipeline(carriers=8).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reranker_weights(build_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("with-reranker")
    build_pipeline(carriers=8, with_reranker=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def band_weights(build_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("band")
    build_pipeline(carriers=8, targets=["bass", "drums", "chords1"]).save_pretrained(folder)
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


@pytest.fixture(scope="session")
def is_one_error():
    """Whether what stands on stderr is one line, for people."""

    def check(lines):
        return len(lines) == 1 and lines[0].startswith("error: ") and "Traceback" not in lines[0]

    return check


@pytest.fixture
def adapter(weights, tmp_path):
    """An adapter of the tiny weights that changes their output."""
    pytest.importorskip("peft")
    from latentstem.training.lora import add_lora, save_lora

    unet = StemAccompanimentPipeline.from_pretrained(weights).unet
    torch.manual_seed(0)
    add_lora(unet, rank=2)
    with torch.no_grad():
        for parameter in unet.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    save_lora(unet, tmp_path / "run" / "adapter")
    return tmp_path / "run" / "adapter"
