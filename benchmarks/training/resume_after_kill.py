"""SIGKILL at random moments of rendering and of both trainings: files on disk after each kill, and the final results.

All must end bit-equal to uninterrupted runs: the rendered songs, the weights that a training publishes, and its
validation curve. For comparison, trainings with other seeds are evaluated on songs that none was trained on. No file
may ever be incomplete under its final name.

Run it as `python -m benchmarks.training.resume_after_kill`.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from torch.nn.functional import mse_loss

from benchmarks.common.kills import curve, killed_at_random, preload, run, training_figures
from benchmarks.common.report import RESULTS, write_report
from latentstem import AutoencoderSpectral, CosineDDIMScheduler, StemAccompanimentPipeline
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import VALIDATION_SEEDS
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.models.latent_scaling import normalize_latents
from latentstem.training import autoencoder, unet
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.unet import UNetTraining

AUTOENCODER = {"latent_channels": 8, "channels": 24, "latent_hidden_channels": 24, "carriers": 64}
UNET = {
    "block_out_channels": (16, 24),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}
VALIDATIONS = 5


def main(
    kills: Annotated[int, typer.Option(min=1, help="Kills of rendering and of each training.")] = 10,
    songs: Annotated[int, typer.Option(min=2, help="Songs of the corpus.")] = 12,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 4.0,
    autoencoder_steps: Annotated[int, typer.Option(min=10, help="Steps of its training.")] = 400,
    unet_steps: Annotated[int, typer.Option(min=10, help="Steps of its training.")] = 1500,
    seeds: Annotated[int, typer.Option(min=2, help="Uninterrupted trainings to compare with.")] = 3,
    soundfont: str = "fluidr3",
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    preload(autoencoder.__name__, unet.__name__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render = partial(write_corpus, seeds=range(songs), soundfonts=(soundfont,), duration=duration, workers=2)
        figures: dict[str, Any] = {"rendering": _rendering(render, folder, kills)}
        stems, held_out = folder / "whole", folder / "held_out"
        render(held_out, seeds=VALIDATION_SEEDS[:3])
        figures["autoencoder"] = training_figures(
            lambda output, seed: partial(
                autoencoder.train,
                AutoencoderTraining(
                    stems,
                    output,
                    mixed_precision="no",
                    validation=held_out,
                    steps=autoencoder_steps,
                    save_minutes=0.02,
                    validations=VALIDATIONS,
                    batch_size=2,
                    crop_frames=4,
                    window_lengths=(512, 2048),
                    learning_rate=3e-3,
                    adversarial_after=0.7,
                    workers=0,
                    seed=seed,
                    model=AUTOENCODER,
                ),
            ),
            partial(_reconstruction_loss, held_out),
            folder / "a",
            kills,
            seeds,
        )
        encoder = folder / "a" / "0" / "autoencoder"
        figures["unet"] = training_figures(
            lambda output, seed: partial(
                unet.train,
                UNetTraining(
                    stems,
                    output,
                    encoder,
                    mixed_precision="no",
                    validation=held_out,
                    steps=unet_steps,
                    save_minutes=0.03,
                    validations=VALIDATIONS,
                    batch_frames=64,
                    crop_frames=(8, 16),
                    learning_rate=3e-3,
                    seed=seed,
                    model=UNET,
                ),
            ),
            partial(_velocity_loss, held_out),
            folder / "u",
            kills,
            seeds,
        )
    table = Table("", "kills", "half-written files", "end", "uninterrupted", title="SIGKILL at random moments")
    for name, figure in figures.items():
        if name == "rendering":
            ends = ("bit-equal" if figure["bit_equal"] else "different", "")
        else:
            others = ", ".join(f"{own['loss']:.4f}" for own in figure["uninterrupted"])
            ends = (f"{figure['killed']['loss']:.4f}, {'bit-equal' if figure['bit_equal'] else 'different'}", others)
        table.add_row(name, str(len(figure["kills"])), str(len(figure["half_written"])), *ends)
    Console().print(table)
    settings = {
        "kills": kills,
        "songs": songs,
        "duration": duration,
        "steps": {"autoencoder": autoencoder_steps, "unet": unet_steps},
        "seeds": seeds,
    }
    write_report("resume_after_kill", settings, figures, plot(figures), results)


def _rendering(render: Callable[..., Any], folder: Path, kills: int) -> dict[str, Any]:
    killed, half_written = folder / "killed", []
    seconds, _ = run(partial(render, folder / "whole"), partial(_unfinished, folder / "whole"))
    whole = _tracks(folder / "whole")

    def inspect() -> None:
        half_written.extend(name for name, files in _tracks(killed).items() if files != whole[name])

    moments = killed_at_random(partial(render, killed), partial(_unfinished, killed), kills, seconds, inspect)
    return {
        "kills": moments,
        "half_written": half_written,
        "bit_equal": _tracks(killed) == whole,
        "left_behind": sorted(path.name for path in killed.iterdir() if path.name not in whole),
        "seconds": seconds,
    }


def _unfinished(root: Path) -> set[Path]:
    return set(root.glob(".song_*"))


def _tracks(root: Path) -> dict[str, dict[str, bytes]]:
    """Read the visible tracks of a corpus."""
    return {track.name: {file.name: file.read_bytes() for file in track.iterdir()} for track in root.glob("song_*")}


def _stems(root: Path, samples: int) -> torch.Tensor:
    folder = StemFolder(root)
    crops = StemCrops(folder, samples, seed=1)
    return torch.stack([torch.stack(crops[index]) for index in range(16)], dim=1)


@torch.inference_mode()
def _reconstruction_loss(stems: Path, output: Path) -> float:
    """Compute the L1 distance of log magnitudes for round trips of fixed crops."""
    model: Any = AutoencoderSpectral.from_pretrained(output / "autoencoder")
    _, audio = _stems(stems, 8 * model.config["hop_length"])
    decoded = model.decode(model.encode(audio).latents)
    return float((decoded.log_magnitude - model.log_magnitude(audio)).abs().mean())


@torch.inference_mode()
def _velocity_loss(stems: Path, output: Path) -> float:
    """Compute the error of the predicted velocity at fixed crops, timesteps and noise."""
    pipe = StemAccompanimentPipeline.from_pretrained(output / "pipeline")
    model, scheduler = pipe.autoencoder, CosineDDIMScheduler()
    mix, stem = (
        normalize_latents(model.encode(audio).latents, model.config)
        for audio in _stems(stems, 16 * model.config["hop_length"])
    )
    generator = torch.Generator().manual_seed(0)
    errors = []
    for timestep in torch.linspace(20, scheduler.config["num_train_timesteps"] - 20, 12).long():
        noise = torch.randn(stem.shape, generator=generator)
        timesteps = timestep.expand(len(stem))
        noisy = scheduler.add_noise(stem, noise, timesteps)
        (predicted,) = pipe.unet(noisy, timesteps, {"mix": mix}, return_dict=False)
        errors.append(float(mse_loss(predicted, scheduler.get_velocity(stem, noise, timesteps))))
    return float(np.mean(errors))


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(10, 3.8), layout="constrained")
    picture.suptitle("Trainings that were killed, and trainings that were not")
    panels: Sequence[Any] = picture.subplots(1, 2)
    for panel, (name, label) in zip(panels, {"autoencoder": "losses", "unet": "velocity error"}.items(), strict=True):
        for index, own in enumerate(figures[name]["uninterrupted"]):
            label_of_run = {0: "uninterrupted, the same seed", 1: "uninterrupted, other seeds"}.get(index)
            panel.plot(*curve(own["history"]), color="black" if index == 0 else "grey", alpha=0.7, label=label_of_run)
        kills = len(figures[name]["kills"])
        # Rings: a line would cover the one that it equals.
        killed = curve(figures[name]["killed"]["history"])
        panel.plot(*killed, "o", markersize=9, fillstyle="none", label=f"killed {kills} times")
        panel.set(title=name, xlabel="step", ylabel=f"{label} on held-out songs")
        panel.legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
