"""Two processes train together on the CPU: crops of their own, one gradient, one set of weights.

The test launches this file, so what follows `main` runs in each of the two processes.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from latentstem.training import autoencoder, unet
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder_losses import AutoencoderLosses
from latentstem.training.engine import run as loop
from latentstem.training.engine.run import TrainingRun
from latentstem.training.unet import UNetTraining

AUTOENCODER = {"latent_channels": 4, "channels": 8, "latent_hidden_channels": 8, "carriers": 16}
UNET = {
    "block_out_channels": (8,),
    "layers_per_block": (1,),
    "attention_levels": (False,),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}
STEPS = 3


def trainings(root: Path):
    """Both trainings, the first with an adversary, both with a save at every step by the clock of one process."""
    stems = root / "stems"
    common = {"steps": STEPS, "mixed_precision": "no", "save_minutes": 0.001}
    yield (
        autoencoder,
        AutoencoderTraining(
            stems,
            root / "a",
            **common,
            batch_size=2,
            crop_frames=4,
            window_lengths=(512,),
            adversarial_after=0.0,
            gain_range=0.0,  # what is drawn on top of a crop would hide that two are the same
            equalizer_range=0.0,
            varispeed=0,
            workers=0,
            model=AUTOENCODER,
        ),
    )
    yield (
        unet,
        UNetTraining(
            stems, root / "u", root / "a" / "autoencoder", **common, batch_frames=32, crop_frames=(8, 8), model=UNET
        ),
    )


@pytest.mark.slow
def test_two_processes_draw_their_own_crops_and_share_their_gradients(tmp_path):
    rng = np.random.default_rng(0)
    for track in ("one", "two"):
        (tmp_path / "stems" / track).mkdir(parents=True)
        for stem in ("bass", "drums"):
            noise = 0.1 * rng.standard_normal(2 * 44100)
            soundfile.write(tmp_path / "stems" / track / f"{stem}.wav", noise, 44100)
    # `accelerate launch --cpu --num_processes 2` starts a single process: it counts on MPI for more.
    launcher = "torch.distributed.run --standalone --nproc-per-node 2".split()
    command = [sys.executable, "-m", *launcher, __file__, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]

    assert (tmp_path / "a" / "autoencoder" / "diffusion_pytorch_model.safetensors").is_file()
    assert (tmp_path / "u" / "pipeline" / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    for name in ("a", "u"):
        first, second = (load_file(tmp_path / f"{name}-{rank}.safetensors") for rank in (0, 1))
        for step in range(STEPS):
            assert not torch.equal(first[f"crops{step}"], second[f"crops{step}"])
            assert not torch.equal(first[f"own{step}"], second[f"own{step}"])
            # Averaged, not summed, and over both processes.
            mean = (first[f"own{step}"] + second[f"own{step}"]) / 2
            for shared in (first[f"shared{step}"], second[f"shared{step}"]):
                assert torch.allclose(shared, mean, rtol=1e-4, atol=1e-5 * float(mean.abs().max()))
        assert torch.equal(first["weights"], second["weights"])
        assert not (tmp_path / name / "state.partial").exists()


def main(root: Path) -> None:
    if os.environ["RANK"] == "1":  # its clock stands still: by itself it would never save, while the other waits for it
        loop.time = SimpleNamespace(monotonic=lambda: 0.0)
    for module, settings in trainings(root):
        seen: dict[str, torch.Tensor] = {}
        runs: list[TrainingRun] = []
        module.TrainingRun = SimpleNamespace(of=partial(_spied, runs, seen))
        if module is autoencoder:
            module.AutoencoderLosses = partial(_NotingLoss, seen, runs)
        else:
            module.denoising_loss = partial(_noting_crops, module.denoising_loss, seen)
        module.train(settings)
        (run,) = runs
        assert run.accelerator.num_processes == 2
        seen["weights"] = torch.cat([p.detach().flatten() for p in run.model.parameters()])
        save_file(seen, root / f"{settings.output.name}-{run.accelerator.process_index}.safetensors")


def _noting_crops(measure, seen, run, *rest):
    _note_crops(seen, run, next(value for value in rest if isinstance(value, torch.Tensor)))
    return measure(run, *rest)


class _NotingLoss(AutoencoderLosses):
    """A loss that notes the crops of each step."""

    def __init__(self, seen, runs, *arguments, **options):
        super().__init__(*arguments, **options)
        self.seen, self.runs = seen, runs

    def __call__(self, net, audio, *arguments, **options):
        _note_crops(self.seen, self.runs[0], audio)
        return super().__call__(net, audio, *arguments, **options)


def _note_crops(seen, run, crops):
    seen[f"crops{run.budget.step}"] = crops.detach().clone(memory_format=torch.contiguous_format)


def _spied(runs, seen, *arguments):
    """A run that notes the gradient of this process alone beside the one that the optimiser gets."""
    run = TrainingRun.of(*arguments)
    update, clip = run.update, run.accelerator.clip_grad_norm_

    def noting_update(loss):
        trained = [p for p in run.model.parameters() if p.requires_grad]
        own = torch.autograd.grad(loss, trained, retain_graph=True)  # goes past the hooks that average
        seen[f"own{run.budget.step}"] = torch.cat([gradient.flatten() for gradient in own])
        update(loss)

    def noting_clip(parameters, max_norm):
        parameters = list(parameters)
        seen[f"shared{run.budget.step}"] = torch.cat([p.grad.flatten() for p in parameters if p.requires_grad])
        return clip(parameters, max_norm)

    run.update, run.accelerator.clip_grad_norm_ = noting_update, noting_clip
    runs.append(run)
    return run


if __name__ == "__main__":
    main(Path(sys.argv[1]))
