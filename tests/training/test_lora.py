"""Adapters on a tiny net and synthetic stems: they alone move, they come back from their folder, training resumes."""

import dataclasses
import shutil

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from latentstem import AutoencoderSpectral, StemUNet1DModel
from latentstem.cli import main
from latentstem.training.engine.run import TrainingRun
from latentstem.training.lora import add_lora
from latentstem.training.unet import UNetTraining, train


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> UNetTraining:
    """Two tracks, an untrained codec, and a denoiser whose output depends on every layer."""
    root = tmp_path_factory.mktemp("given")
    rng, time = np.random.default_rng(0), np.arange(3 * 44100) / 44100
    for name, frequency in (("one", 55.0), ("two", 73.4)):
        (root / "stems" / name).mkdir(parents=True)
        for stem, sound in {
            "bass": 0.2 * np.sin(2 * np.pi * frequency * time),
            "drums": 0.1 * rng.standard_normal(len(time)),
        }.items():
            soundfile.write(root / "stems" / name / f"{stem}.wav", sound, 44100)
    torch.manual_seed(0)
    AutoencoderSpectral(
        latent_channels=4,
        channels=8,
        latent_hidden_channels=8,
        carriers=4,
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[0.5, 0.6, 0.4, 0.5],
    ).save_pretrained(root / "autoencoder")
    unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=(1, 1),
        attention_head_dim=8,
        attention_levels=(False, True),
        embedding_dim=16,
    )
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    unet.save_pretrained(root / "unet")
    return UNetTraining(
        root / "stems",
        root / "run",
        root / "autoencoder",
        steps=6,
        batch_frames=64,
        crop_frames=(8, 16),
        submixes=2,
        production=0.0,
        learning_rate=1e-2,
        mixed_precision="no",
        ema_decay=0.5,
        init_from=root / "unet",
        lora_rank=3,
    )


@pytest.fixture(scope="module")
def adapter(settings):
    AcceleratorState._reset_state(reset_partial_state=True)
    return train(settings)


@torch.no_grad()
def output(unet):
    generator = torch.Generator().manual_seed(5)
    noisy, mix = torch.randn(2, 2, 4, 11, generator=generator)
    return unet.eval()(noisy, 300, {"mix": mix}).sample


def base(settings):
    # Frozen, as beside an adapter: torch multiplies by frozen weights another way, to the last bit.
    return StemUNet1DModel.from_pretrained(settings.init_from).requires_grad_(False)


def adapted(settings, folder):
    unet = base(settings)
    unet.load_lora_adapter(folder)
    return unet


def test_only_adapters_move_and_the_net_itself_keeps_every_bit(settings, adapter):
    before = load_file(settings.init_from / "diffusion_pytorch_model.safetensors")
    state = load_file(settings.output / "state" / "model.safetensors")
    adapters = {name for name in state if ".lora_" in name}
    after = {name.replace(".base_layer.", "."): state[name] for name in state.keys() - adapters}
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    # B starts at zero: every adapter of attention and convolutions has been moved.
    moved = {name for name in adapters if ".lora_B." in name and state[name].abs().min() > 0}
    assert len(moved) == len(adapters) / 2
    assert {name.split(".lora_B.")[0].rpartition(".")[2] for name in moved} == {
        "to_q",
        "to_k",
        "to_v",
        "to_out",
        "taps",
    }


def test_the_published_adapter_is_the_moving_average_to_the_bit(settings, adapter, monkeypatch):
    """What `train` validates last, after its last step, is what returns from the folder."""
    seen, checkpoint = {}, TrainingRun.checkpoint
    monkeypatch.setattr(TrainingRun, "checkpoint", lambda run, *a: (seen.update(run=run), checkpoint(run, *a)))
    train(dataclasses.replace(settings, output=adapter.parent.parent / "again"))
    with seen["run"].averaged() as averaged:
        expected = output(averaged)
        averaged.disable_adapters()
        assert torch.equal(output(averaged), output(base(settings)))
        averaged.enable_adapters()
    moving = output(seen["run"].accelerator.unwrap_model(seen["run"].model))
    assert (expected - output(base(settings))).abs().max() > 1e-3
    assert (expected - moving).abs().max() > 1e-4
    for folder in (adapter, adapter.parent.parent / "again" / "adapter"):  # the same seed, the same steps
        assert torch.equal(output(adapted(settings, folder)), expected)


def test_the_adapter_folder_is_small_and_nothing_else_is_published(settings, adapter):
    assert adapter == settings.output / "adapter"
    assert [path.name for path in adapter.iterdir()] == ["pytorch_lora_weights.safetensors"]
    assert not (settings.output / "pipeline").exists() and not list(settings.output.glob("*.partial"))


def test_a_scale_of_zero_is_the_net_itself_and_a_fused_adapter_the_adapter(settings, adapter):
    unet = base(settings)
    unet.load_lora_adapter(adapter, adapter_name="mine")
    outputs = {}
    for scale in (0.0, 0.5, 1.0):
        unet.set_adapters("mine", weights=scale)
        outputs[scale] = output(unet)
    assert torch.equal(outputs[0.0], output(base(settings)))
    assert torch.equal(outputs[1.0], output(adapted(settings, adapter)))
    distances = [(outputs[scale] - outputs[0.0]).norm() for scale in (0.5, 1.0)]
    assert 0.1 < distances[0] / distances[1] < 0.9
    unet.fuse_lora()
    torch.testing.assert_close(output(unet), outputs[1.0], rtol=0, atol=1e-5)


def test_a_training_stopped_half_way_goes_on_from_its_state(settings, adapter, tmp_path, monkeypatch):
    """Kept from its last good state: six steps in two stretches are six steps, and the moving average goes on."""
    stopped = dataclasses.replace(settings, output=tmp_path / "run", save_minutes=0.0)
    saves, steps = [], []

    checkpoint = TrainingRun.checkpoint

    def die(run, *arguments):
        steps.append(run.budget.step)
        if run.budget.step == 4 and not saves:
            saves.append(run)
            raise KeyboardInterrupt
        checkpoint(run, *arguments)

    monkeypatch.setattr(TrainingRun, "checkpoint", die)
    with pytest.raises(KeyboardInterrupt):
        train(stopped)
    kept = load_file(stopped.output / "state" / "model.safetensors")
    AcceleratorState._reset_state(reset_partial_state=True)
    folder = train(stopped)
    assert steps == [1, 2, 3, 4, 4, 5, 6]
    finished = load_file(stopped.output / "state" / "model.safetensors")
    assert kept.keys() == finished.keys()
    assert all(torch.equal(kept[name], finished[name]) != (".lora_B." in name) for name in kept if "lora_A" not in name)
    assert (output(adapted(settings, folder)) - output(base(settings))).abs().max() > 1e-3


@pytest.mark.parametrize("rank", [0, 5])
def test_the_state_of_another_net_is_refused(settings, adapter, tmp_path, rank):
    shutil.copytree(settings.output / "state", tmp_path / "state")
    with pytest.raises(ValueError, match="state of another net"):
        train(dataclasses.replace(settings, output=tmp_path, lora_rank=rank))
    assert not (tmp_path / "adapter").exists()


def test_an_adapter_needs_a_trained_net_and_a_rank(settings, tmp_path):
    with pytest.raises(ValueError, match="init_from"):
        train(dataclasses.replace(settings, output=tmp_path, init_from=None))
    with pytest.raises(ValueError, match="rank of -1"):
        train(dataclasses.replace(settings, output=tmp_path, lora_rank=-1))
    assert not list(tmp_path.iterdir())


def test_the_command_line_takes_the_rank(settings, tmp_path, capsys):
    names = ("data", "autoencoder", "init_from")
    words = [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(settings, name)))]
    words += ["--output", str(tmp_path), "--lora-rank", "2", "--steps", "1", "--batch-frames", "16"]
    assert main(["train", "unet", *words, *"--crop-frames 8 8 --submixes 1 --mixed-precision no".split()]) == 0
    assert f"{tmp_path / 'adapter'}: trained weights" in capsys.readouterr().out
    assert (
        load_file(tmp_path / "adapter" / "pytorch_lora_weights.safetensors")["conv_in.taps.lora_A.weight"].shape[0] == 2
    )


def test_it_learns_a_shift_of_the_target_with_few_numbers():
    """A frozen net whose answer is zero, and a constant to answer: the adapter alone finds it."""
    unet = StemUNet1DModel(
        latent_channels=4, block_out_channels=(8,), layers_per_block=(1,), attention_levels=(False,), embedding_dim=16
    )
    add_lora(unet, rank=2)
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1)
    target = torch.tensor([1.0, -2.0, 0.5, 0.0])[:, None]
    for _ in range(50):
        noisy, mix = torch.randn(2, 4, 4, 6)
        loss = (unet(noisy, 500, {"mix": mix}).sample - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * target.square().mean()
