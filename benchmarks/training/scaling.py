"""What more parameters and what more songs are worth: a cross of five short U-Net trainings on the same latents.

Three sizes on all songs, and the middle one on a half and a quarter of them, each for the same minutes. The nets are
compared by the error of their predicted velocity on validation songs, at fixed noise, so that they differ by what they
learned and not by luck: differences are taken song by song. Chord share stands beside it, and is far noisier. No size
is beyond the budget of 11 MFLOP a latent frame; the question is which of them makes the most of given minutes.

Run it as `python -m benchmarks.training.scaling --output runs/scaling`, two hours with the default minutes; a run that
is finished, or interrupted, is taken up where it stands. The trainings take a GPU wherever there is one.
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
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from latentstem import AutoencoderSpectral, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.stems.folder import StemFolder
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.unet import UNetTraining, train
from latentstem.training.unet_validation import accompany, chord_shares, prediction_errors

WIDTHS = {"small": (128, 192, 224), "shipped": (160, 256, 320), "large": (256, 384, 448)}
"""Size -> widths. The large one has twice the parameters of the shipped one, the small one six tenths."""
REFERENCE = "shipped"
"""The size that is trained on fewer songs too, and with which, on all songs, every run is compared."""
BANDS = {"0-255": (64, 192), "256-511": (320, 448), "512-767": (576, 704), "768-1023": (832, 960)}
"""Quarter of the schedule -> timesteps at which its error is taken."""
HIGH = "768-1023"
FRAMES = 646
"""A minute: the length for which the budget is stated."""
BATCH = 8


@dataclass(frozen=True)
class Case:
    """One run of the cross: a size, and how many of the songs it sees."""

    size: str
    part: str
    songs: int

    @property
    def name(self) -> str:
        """Of its folder, and in the report."""
        return f"{self.size} size, {self.part} songs"


def main(
    output: Annotated[Path, typer.Option(help="Folder of the runs; what is finished there is not run again.")],
    corpus: Annotated[
        Path | None, typer.Option(help="Folder with train/ and validation/, filled if songs are missing.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of a pipeline, whose autoencoder serves; the shipped one if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=4, help="Songs to train on, where it is all of them.")] = 1000,
    minutes: Annotated[float, typer.Option(min=0.0, help="Minutes a run.")] = 20.0,
    validation_songs: Annotated[int, typer.Option(min=2, help="Songs to judge on.")] = 24,
    batch_frames: Annotated[int, typer.Option(min=64, help="Latent frames a step.")] = 6144,
    device: Annotated[str, typer.Option(help="Where the nets are judged.")] = "cpu",
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
            judged = {"asked": asked, **_training_figures(stored.parent), **judge(pipe, validation, latents)}
            partial = stored.with_suffix(".partial")
            partial.write_text(json.dumps(judged))
            partial.rename(stored)
        figures[case.name] = json.loads(stored.read_text())
        if figures[case.name]["asked"] != asked:
            raise typer.BadParameter(
                f"{stored.parent} was made with {figures[case.name]['asked']}, expected {asked}; name another --output"
            )

    rows = summaries(figures)
    _print(rows, minutes)
    settings = {
        "songs": songs,
        "minutes": minutes,
        "batch_frames": batch_frames,
        "weights": weights_folder(weights).name,
    }
    write_report("scaling", settings, {"runs": rows, "by_song": figures}, _picture(rows, minutes), results)


def cases(songs: int) -> list[Case]:
    """The five runs, from the least net to the greatest and then from half to a quarter of the songs."""
    by_size = [Case(size, "all", songs) for size in WIDTHS]
    return [*by_size, Case(REFERENCE, "half of the", songs // 2), Case(REFERENCE, "a quarter of the", songs // 4)]


def judge(pipe: StemAccompanimentPipeline, validation: Path, latents: list[LatentTrack]) -> dict[str, Any]:
    """What a trained net reaches, song by song.

    Args:
        pipe: With the trained net.
        validation: Folder of annotated songs.
        latents: Their latents.

    Returns:
        `velocity_error`: hearing -> band of timesteps -> one figure a song; `chord_share`: one a song; `parameters`
        and `mflop` of the net.
    """
    timesteps = [timestep for band in BANDS.values() for timestep in band]
    errors = prediction_errors(pipe.unet.eval(), pipe.scheduler, latents, timesteps)
    tracks = StemFolder(validation).tracks
    shares = []
    for first in range(0, len(tracks), BATCH):
        some = tracks[first : first + BATCH]
        _, stems = accompany(pipe, some, "bass")
        shares += chord_shares(stems, pipe.sampling_rate, validation, some)
    return {
        "velocity_error": {
            hearing: {
                band: by_timestep[[timesteps.index(timestep) for timestep in asked]].mean(0).tolist()
                for band, asked in BANDS.items()
            }
            for hearing, by_timestep in errors.items()
        },
        "chord_share": shares,
        "parameters": pipe.unet.num_parameters(),
        "mflop": mflop(StemUNet1DModel.from_config(pipe.unet.config)),
    }


def mflop(unet: Any) -> float:
    """Million operations a latent frame and forward over a minute, multiplications and additions counted apart."""
    sample = torch.zeros(1, unet.config["latent_channels"], FRAMES)
    with FlopCounterMode(display=False) as counter:  # gradients on: attention is spelled out, so it is counted
        unet(sample, 7, {"mix": sample})
    return counter.get_total_flops() / FRAMES / 1e6


def summaries(figures: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Means and intervals over songs of every run, and its error less that of the reference."""
    reference = _over_bands(figures[Case(REFERENCE, "all", 0).name])
    return {
        name: {
            **{key: figure[key] for key in ("parameters", "mflop", "steps", "seconds")},
            "songs": figure["asked"]["songs"],
            "velocity_error": {
                hearing: {band: interval(errors) for band, errors in by_band.items()}
                for hearing, by_band in figure["velocity_error"].items()
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


def _high(figure: dict[str, Any], hearing: str) -> np.ndarray:
    return np.array(figure["velocity_error"][hearing][HIGH])


def _training_figures(run: Path) -> dict[str, float]:
    record = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    return {"steps": record["step"], "seconds": record["seconds"], "training_loss": record["loss"]}


def _fill(folder: Path, seeds: range, duration: float) -> None:
    """Render what is missing; a folder that holds as many songs is taken as it is."""
    if len(list(folder.glob("*/song.json"))) < len(seeds):
        write_corpus(folder, seeds, duration=duration)


def _first_songs(folder: Path, songs: int, chosen: Path) -> Path:
    """A folder of links to the first songs by name, whose latents are the same whichever part of them is asked for."""
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
    for hearing in ("mix", "none", "swapped"):
        cells = [
            [name, *(format_interval(row["velocity_error"][hearing][band]) for band in BANDS)]
            for name, row in rows.items()
        ]
        print_table(f"Velocity error by timestep, {hearing}", ["run", *BANDS], cells)


def _picture(rows: dict[str, dict[str, Any]], minutes: float) -> Figure:
    picture = Figure(figsize=(11, 7.5), layout="constrained")
    picture.suptitle(f"{minutes:g} minutes a run; intervals over validation songs")
    axes: Any = picture.subplots(2, 2, sharex="col")
    sizes = [row for name, row in rows.items() if "all songs" in name]
    amounts = sorted((row for name, row in rows.items() if name.startswith(REFERENCE)), key=lambda row: row["songs"])
    for (error, share), points, key, unit, label in (
        (axes[:, 0], sizes, "parameters", 1e6, "million parameters, all songs"),
        (axes[:, 1], amounts, "songs", 1, f"songs, {REFERENCE} size"),
    ):
        places = [point[key] / unit for point in points]
        for hearing in ("mix", "none", "swapped"):
            high = [point["velocity_error"][hearing][HIGH]["mean"] for point in points]
            error.plot(places, high, "o--", label=f"timesteps {HIGH}, {hearing}")
        middle = [point["velocity_error_over_bands"]["mean"] for point in points]
        # Absolute errors differ more from song to song than from net to net: the bars are those of the differences.
        bars = [
            [abs(point["less_reference"]["mean"] - point["less_reference"][end]) for point in points]
            for end in ("low", "high")
        ]
        name = f"all timesteps, mix (bars: less {REFERENCE} size)"
        error.errorbar(places, middle, yerr=bars, fmt="ko-", capsize=3, label=name)
        shares = [point["chord_share"] for point in points]
        bars = [[abs(point["mean"] - point[end]) for point in shares] for end in ("low", "high")]
        share.errorbar(places, [point["mean"] for point in shares], yerr=bars, fmt="o-", capsize=3)
        error.set(ylabel="error of the velocity")
        share.set(ylabel="chord share", xlabel=label, ylim=(0, 1.02))
        for axis in (error, share):
            axis.grid(alpha=0.3)
    picture.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    return picture


if __name__ == "__main__":
    typer.run(main)
