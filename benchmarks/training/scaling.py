"""Effect of the number of parameters and of songs: five short U-Net trainings on the same latents.

Three sizes on all songs, and the middle one on a half and a quarter of them, each for the same minutes. The nets are
compared by the error of their predicted velocity on validation songs, at fixed noise, song by song, which removes the
variance of noise and songs. Chord share is reported too, and is far noisier. All sizes are within the budget of 11
MFLOP a latent frame; the question is which learns most in given minutes.

Run it as `python -m benchmarks.training.scaling --output runs/scaling`, two hours with the default minutes; a run that
is finished is skipped, and one that was interrupted resumes. The trainings use a GPU if there is one.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common.generation import weights_folder
from benchmarks.common.plotting import error_bars, plot_means
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from latentstem import AutoencoderSpectral, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.stems.folder import StemFolder
from latentstem.training.engine.history import read_history
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.unet import UNetTraining, train
from latentstem.training.unet_validation import accompany, chord_shares, prediction_errors

WIDTHS = {"small": (128, 192, 224), "shipped": (160, 256, 320), "large": (256, 384, 448)}
"""Widths of each size. The large net has twice the parameters of the shipped one, the small net six tenths."""
REFERENCE = "shipped"
"""Size that is also trained on fewer songs; on all songs, every run is compared with it."""
BANDS = {"0-255": (64, 192), "256-511": (320, 448), "512-767": (576, 704), "768-1023": (832, 960)}
"""Timesteps at which the error is taken, for each quarter of the schedule."""
HIGH = "768-1023"
FRAMES = 646
"""Frames of a minute, the length for which the budget is stated."""
BATCH = 8


@dataclass(frozen=True)
class Case:
    """One run: a size, and the number of songs to train on."""

    size: str
    part: str
    songs: int

    @property
    def name(self) -> str:
        """Name of the folder, and of the run in the report."""
        return f"{self.size} size, {self.part} songs"


def main(
    output: Annotated[Path, typer.Option(help="Folder of the runs; what is finished there is not run again.")],
    corpus: Annotated[
        Path | None, typer.Option(help="Folder with train/ and validation/, filled if songs are missing.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of a pipeline whose autoencoder is used; the shipped one if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=4, help="Songs to train on, of the runs with all songs.")] = 1000,
    minutes: Annotated[float, typer.Option(min=0.0, help="Minutes a run.")] = 20.0,
    validation_songs: Annotated[int, typer.Option(min=2, help="Songs to evaluate on.")] = 24,
    batch_frames: Annotated[int, typer.Option(min=64, help="Latent frames a step.")] = 6144,
    device: Annotated[str, typer.Option(help="Device of the evaluation.")] = "cpu",
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    corpus = corpus or output / "corpus"
    _fill(corpus / "train", TRAIN_SEEDS[:songs], 20.0)
    _fill(corpus / "validation", VALIDATION_SEEDS[:validation_songs], 20.0)
    autoencoder = weights_folder(weights) / "autoencoder"
    encoder: Any = AutoencoderSpectral.from_pretrained(autoencoder).eval()
    encoder.to(device)
    cache = output / "latents"
    validation = _first_songs(corpus / "validation", validation_songs, output / "songs" / "validation")
    latents = cache_latents(validation, "bass", encoder, cache / "validation", submixes=1, seed=0)

    figures = {}
    for case in cases(songs):
        asked = {
            "widths": list(WIDTHS[case.size]),
            "songs": case.songs,
            "minutes": minutes,
            "batch": batch_frames,
            "validation": validation_songs,
        }
        stored = output / case.name / "figures.json"
        if not stored.is_file():
            settings = UNetTraining(
                data=_first_songs(corpus / "train", case.songs, output / "songs" / str(case.songs)),
                output=stored.parent,
                autoencoder=autoencoder,
                latents=cache,
                minutes=minutes,
                batch_frames=batch_frames,
                save_minutes=5.0,
                model={"dropout": 0.1, "block_out_channels": WIDTHS[case.size]},
            )
            pipe = StemAccompanimentPipeline.from_pretrained(train(settings)).to(device)
            measured = {"asked": asked, **_training_figures(stored.parent), **evaluate(pipe, validation, latents)}
            partial = stored.with_suffix(".partial")
            partial.write_text(json.dumps(measured))
            partial.rename(stored)
        figures[case.name] = json.loads(stored.read_text())
        if figures[case.name]["asked"] != asked:
            raise typer.BadParameter(
                f"{stored.parent} was run with {figures[case.name]['asked']}, expected {asked}; name another --output"
            )

    rows = summaries(figures)
    _print(rows, minutes)
    settings = {
        "songs": songs,
        "minutes": minutes,
        "batch_frames": batch_frames,
        "weights": weights_folder(weights).name,
    }
    written = {"runs": rows, "by_song": figures}
    write_report("scaling", settings, written, plot(written), results)


def cases(songs: int) -> list[Case]:
    """List the five runs, from the smallest net to the largest and then from half to a quarter of the songs."""
    by_size = [Case(size, "all", songs) for size in WIDTHS]
    return [*by_size, Case(REFERENCE, "half of the", songs // 2), Case(REFERENCE, "a quarter of the", songs // 4)]


def evaluate(pipe: StemAccompanimentPipeline, validation: Path, latents: list[LatentTrack]) -> dict[str, Any]:
    """Evaluate a trained net, song by song.

    Args:
        pipe: Pipeline with the trained net.
        validation: Folder of annotated songs.
        latents: Latents of these songs.

    Returns:
        `velocity_error`, by mix and band of timesteps one value a song; `chord_share`, one value a song; `parameters`
        and `mflop` of the net.
    """
    timesteps = [timestep for band in BANDS.values() for timestep in band]
    errors = prediction_errors(pipe.unet.eval(), pipe.scheduler, latents, timesteps)
    tracks = StemFolder(validation).tracks
    shares = []
    for first in range(0, len(tracks), BATCH):
        members = tracks[first : first + BATCH]
        _, stems = accompany(pipe, members, "bass")
        shares += chord_shares(stems, pipe.sampling_rate, validation, members)
    return {
        "velocity_error": {
            mix: {
                band: by_timestep[[timesteps.index(timestep) for timestep in asked]].mean(0).tolist()
                for band, asked in BANDS.items()
            }
            for mix, by_timestep in errors.items()
        },
        "chord_share": shares,
        "parameters": pipe.unet.num_parameters(),
        "mflop": mflop(StemUNet1DModel.from_config(pipe.unet.config)),
    }


def mflop(unet: Any) -> float:
    """Count million operations a latent frame of a forward over a minute, multiplications and additions."""
    sample = torch.zeros(1, unet.config["latent_channels"], FRAMES)
    with FlopCounterMode(display=False) as counter:  # with gradients attention is not fused: it is counted
        unet(sample, 7, {"mix": sample})
    return counter.get_total_flops() / FRAMES / 1e6


def summaries(figures: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Compute means and intervals over songs of every run, and its error less that of the reference."""
    reference = _over_bands(figures[Case(REFERENCE, "all", 0).name])
    return {
        name: {
            **{key: figure[key] for key in ("parameters", "mflop", "steps", "seconds")},
            "songs": figure["asked"]["songs"],
            "velocity_error": {
                mix: {band: interval(errors) for band, errors in by_band.items()}
                for mix, by_band in figure["velocity_error"].items()
            },
            "velocity_error_over_bands": interval(_over_bands(figure)),
            "less_reference": interval(_over_bands(figure) - reference),
            "heard": interval(_high(figure, "swapped") - _high(figure, "mix")),
            "chord_share": interval(figure["chord_share"]),
        }
        for name, figure in figures.items()
    }


def _over_bands(figure: dict[str, Any]) -> np.ndarray:
    return np.mean(list(figure["velocity_error"]["mix"].values()), axis=0)


def _high(figure: dict[str, Any], mix: str) -> np.ndarray:
    return np.array(figure["velocity_error"][mix][HIGH])


def _training_figures(run: Path) -> dict[str, float]:
    record = read_history(run / "history.jsonl")[-1]
    return {"steps": record["step"], "seconds": record["seconds"], "training_loss": record["loss"]}


def _fill(folder: Path, seeds: range, duration: float) -> None:
    """Render missing songs; a folder with enough songs is used as it is."""
    if len(list(folder.glob("*/song.json"))) < len(seeds):
        write_corpus(folder, seeds, duration=duration)


def _first_songs(folder: Path, songs: int, chosen: Path) -> Path:
    """Make a folder of links to the first songs by name; a song has the same latents in every such folder."""
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    for song in sorted(path for path in folder.iterdir() if (path / "song.json").is_file())[:songs]:
        (chosen / song.name).symlink_to(song.resolve(), target_is_directory=True)
    return chosen


def _print(rows: dict[str, dict[str, Any]], minutes: float) -> None:
    less = f"less {REFERENCE} size"
    header = ["run", "M parameters", "MFLOP a frame", "steps", "velocity error", less, "chord share"]
    cells = [
        [
            name,
            f"{row['parameters'] / 1e6:.1f}",
            f"{row['mflop']:.1f}",
            str(row["steps"]),
            format_interval(row["velocity_error_over_bands"], digits=4),
            format_interval(row["less_reference"], digits=4),
            format_interval(row["chord_share"], digits=2),
        ]
        for name, row in rows.items()
    ]
    print_table(f"{minutes:g} minutes a run, validation songs", header, cells)
    for mix in ("mix", "none", "swapped"):
        cells = [
            [name, *(format_interval(row["velocity_error"][mix][band]) for band in BANDS)] for name, row in rows.items()
        ]
        print_table(f"Velocity error by timestep, {mix}", ["run", *BANDS], cells)


def plot(figures: dict[str, Any]) -> Figure:
    rows = figures["runs"]
    picture = Figure(figsize=(11, 7.5), layout="constrained")
    minutes = max(row["seconds"] for row in rows.values()) / 60
    picture.suptitle(f"Nets and corpora of several sizes, {minutes:.0f} minutes each; intervals over validation songs")
    axes: Any = picture.subplots(2, 2, sharex="col")
    sizes = [row for name, row in rows.items() if "all songs" in name]
    amounts = sorted((row for name, row in rows.items() if name.startswith(REFERENCE)), key=lambda row: row["songs"])
    for (error, share), points, key, unit, label in (
        (axes[:, 0], sizes, "parameters", 1e6, "million parameters, all songs"),
        (axes[:, 1], amounts, "songs", 1, f"songs, {REFERENCE} size"),
    ):
        positions = [point[key] / unit for point in points]
        for mix in ("mix", "none", "swapped"):
            high = [point["velocity_error"][mix][HIGH]["mean"] for point in points]
            error.plot(positions, high, "o--", label=f"timesteps {HIGH}, {mix}")
        middle = [point["velocity_error_over_bands"]["mean"] for point in points]
        # Absolute errors differ more from song to song than from net to net: the bars are those of the differences.
        _, bars = error_bars([point["less_reference"] for point in points])
        name = f"all timesteps, mix (bars: less {REFERENCE} size)"
        error.errorbar(positions, middle, yerr=bars, fmt="ko-", capsize=3, label=name)
        plot_means(share, positions, [point["chord_share"] for point in points])
        error.set(ylabel="error of the velocity")
        share.set(ylabel="chord share", xlabel=label, ylim=(0, 1.02))
        for axis in (error, share):
            axis.grid(alpha=0.3)
    picture.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    return picture


if __name__ == "__main__":
    typer.run(main)
