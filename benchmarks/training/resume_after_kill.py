"""SIGKILL at random moments of rendering and of both trainings: files on disk after each kill, and the final results.

All must end bit-equal to uninterrupted runs: the rendered songs, the weights that a training publishes, and its
validation curve. For comparison, trainings with other seeds are evaluated on songs that none was trained on. No file
may ever be incomplete under its final name.

Run it as `python -m benchmarks.training.resume_after_kill`.
"""

import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import torch
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch.nn.functional import mse_loss

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

CONTEXT = multiprocessing.get_context("forkserver")
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
    # By name: Python before 3.12.8 does not find "__main__", and each start would import everything anew.
    CONTEXT.set_forkserver_preload([autoencoder.__name__, unet.__name__])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render = partial(write_corpus, seeds=range(songs), soundfonts=(soundfont,), duration=duration, workers=2)
        figures: dict[str, Any] = {"rendering": _rendering(render, folder, kills)}
        stems, held_out = folder / "whole", folder / "held_out"
        render(held_out, seeds=VALIDATION_SEEDS[:3])
        figures["autoencoder"] = _training(
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
        figures["unet"] = _training(
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
            others = ", ".join(f"{run['loss']:.4f}" for run in figure["uninterrupted"])
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
    seconds, _ = _run(partial(render, folder / "whole"), partial(_unfinished, folder / "whole"))
    whole = _tracks(folder / "whole")

    def inspect() -> None:
        half_written.extend(name for name, files in _tracks(killed).items() if files != whole[name])

    moments = _killed_at_random(partial(render, killed), partial(_unfinished, killed), kills, seconds, inspect)
    return {
        "kills": moments,
        "half_written": half_written,
        "bit_equal": _tracks(killed) == whole,
        "left_behind": sorted(path.name for path in killed.iterdir() if path.name not in whole),
        "seconds": seconds,
    }


def _training(
    prepared: Callable[[Path, int], Callable[[], Any]],
    measure: Callable[[Path], float],
    folder: Path,
    kills: int,
    seeds: int,
) -> dict[str, Any]:
    uninterrupted = []
    for seed in range(seeds):
        seconds, _ = _run(prepared(folder / str(seed), seed), partial(_logs, folder / str(seed)))
        uninterrupted.append({"loss": measure(folder / str(seed)), "history": _history(folder / str(seed))})
    killed = folder / "killed"
    half_written, seen = [], []

    def inspect() -> None:
        half_written.extend(_damaged(killed))
        seen.append(_history(killed))

    moments = _killed_at_random(prepared(killed, 0), partial(_logs, killed), kills, seconds, inspect)
    history = _history(killed)
    losses = [run["loss"] for run in uninterrupted]
    return {
        "kills": moments,
        "half_written": half_written,
        "bit_equal": _weights(killed) == _weights(folder / "0"),
        "same_curve": _curve(history) == _curve(uninterrupted[0]["history"]),
        "killed": {"loss": measure(killed), "history": history},
        "uninterrupted": uninterrupted,
        "mean_of_seeds": float(np.mean(losses)),
        "deviation_of_seeds": float(np.std(losses, ddof=1)),
        # What was there at a kill is there at the end, and steps only grow.
        "history_kept": all(history[: len(records)] == records for records in seen),
        "history_ordered": bool((np.diff([record["step"] for record in history]) > 0).all()),
    }


def _run(work: Callable[[], Any], signs: Callable[[], set[Path]], limit: float | None = None) -> tuple[float, bool]:
    """Run in a new process; kill it `limit` seconds after the first new file of its work.

    Returns:
        Seconds since that file, and whether the process was killed.
    """
    before = signs()
    process = CONTEXT.Process(target=work)
    process.start()
    while process.is_alive() and signs() <= before:
        time.sleep(0.005)
    start = time.monotonic()
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
        return time.monotonic() - start, True
    if process.exitcode != 0:
        raise RuntimeError(f"a run ended by itself with exit code {process.exitcode}: see its message above")
    return time.monotonic() - start, False


def _killed_at_random(
    work: Callable[[], Any], signs: Callable[[], set[Path]], kills: int, seconds: float, inspect: Callable[[], None]
) -> list[float]:
    """Start work repeatedly, kill it at random moments, inspect its files, and let the last run finish.

    One moment is drawn from each of as many equal parts of the `seconds` of an uninterrupted run, and none from one
    part more, the last: a run may be faster than that one was. Each run goes from one moment to the next.

    Returns:
        The seconds after which each run was killed; fewer than requested if one finished before.
    """
    draws = random.Random(0)
    whole = [(part + draws.random()) * seconds / (kills + 1) for part in range(kills)]
    moments: list[float] = []
    for last, following in pairwise([0.0, *whole]):
        moment, killed = _run(work, signs, following - last)
        if not killed:
            break
        moments.append(round(moment, 3))
        inspect()
    _run(work, signs)
    return moments


def _unfinished(root: Path) -> set[Path]:
    return set(root.glob(".song_*"))


def _logs(output: Path) -> set[Path]:
    """List the log files; each start of a training opens a new one."""
    return set((output / "logs").glob("events*"))


def _tracks(root: Path) -> dict[str, dict[str, bytes]]:
    """Read the visible tracks of a corpus."""
    return {track.name: {file.name: file.read_bytes() for file in track.iterdir()} for track in root.glob("song_*")}


def _weights(output: Path) -> dict[str, bytes]:
    """Read the published weights of a training."""
    published = output / ("pipeline" if (output / "pipeline").is_dir() else "autoencoder")
    return {str(file.relative_to(published)): file.read_bytes() for file in published.rglob("*.safetensors")}


def _history(output: Path) -> list[dict[str, float]]:
    file = output / "history.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def _damaged(output: Path) -> list[str]:
    """List files of a training, under their final names, that cannot be read completely."""
    readers = {
        ".safetensors": load_file,
        ".json": lambda path: json.loads(path.read_text()),
        ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
        ".flac": soundfile.read,
    }
    damaged = []
    for path in sorted(output.rglob("*")) if output.is_dir() else []:
        parts = path.relative_to(output).parts
        # Temporary names, and what is being removed.
        if path.suffix in readers and not any(
            ".part" in part or part.endswith((".previous", ".old")) for part in parts
        ):
            try:
                readers[path.suffix](path)
            except Exception as error:
                damaged.append(f"{'/'.join(parts)}: {error}")
    return damaged


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
        for index, run in enumerate(figures[name]["uninterrupted"]):
            label_of_run = {0: "uninterrupted, the same seed", 1: "uninterrupted, other seeds"}.get(index)
            panel.plot(*_curve(run["history"]), color="black" if index == 0 else "grey", alpha=0.7, label=label_of_run)
        kills = len(figures[name]["kills"])
        # Rings: a line would cover the one that it equals.
        killed = _curve(figures[name]["killed"]["history"])
        panel.plot(*killed, "o", markersize=9, fillstyle="none", label=f"killed {kills} times")
        panel.set(title=name, xlabel="step", ylabel=f"{label} on held-out songs")
        panel.legend()
    return picture


def _curve(history: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    """Return the steps of the validations and their results."""
    figure = next(name for name in ("prediction_error", "velocity_error", "validation_loss") if name in history[0])
    return [record["step"] for record in history], [record[figure] for record in history]


if __name__ == "__main__":
    typer.run(main)
