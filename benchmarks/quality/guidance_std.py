"""Deviation of the latents with guidance, and the fraction that rescaling removes (w and phi of arXiv 2402.01412).

Run it as `python -m benchmarks.quality.guidance_std`.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.common.generation import encode, generate, load_pipeline, weights_folder
from benchmarks.common.plotting import plot_songs, role_colors
from benchmarks.common.report import RESULTS, format_interval, interval, mean, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, unseen_songs


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=1, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    scale: Annotated[float, typer.Option(help="Guidance scale w, compared with 1.")] = 4.0,
    rescale: Annotated[float, typer.Option(min=0.0, max=1.0, help="Rescaling phi, compared with 0.")] = 0.4,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    pipe = load_pipeline(weights, device)
    names = ("w = 1", f"w = {scale:g}, phi = 0", f"w = {scale:g}, phi = {rescale:g}")
    deviations = {"true bass": [float(encode(pipe.autoencoder, song.stem).std()) for song in unseen]}
    for name, (w, phi) in zip(names, ((1.0, 0.0), (scale, 0.0), (scale, rescale)), strict=True):
        latents = generate(
            pipe,
            unseen,
            batch,
            name,
            num_inference_steps=steps,
            guidance_scale=w,
            guidance_rescale=phi,
            output_type="latent",
        )
        deviations[name] = [float(value) for value in latents.std(axis=(1, 2))]

    plain, guided, rescaled = (deviations[name] for name in names)
    figures = {
        "standard_deviation": {name: interval(values) for name, values in deviations.items()},
        "guided_over_plain": interval(guided, plain, statistic=_ratio),
        "rescaled_over_plain": interval(rescaled, plain, statistic=_ratio),
        "excess_taken_away": interval(plain, guided, rescaled, statistic=_removed_fraction),
    }
    rows = [
        [f"std of latents, {name}", format_interval(value)] for name, value in figures["standard_deviation"].items()
    ]
    rows.append([f"ratio of {names[1]} to {names[0]}", format_interval(figures["guided_over_plain"])])
    rows.append([f"ratio of {names[2]} to {names[0]}", format_interval(figures["rescaled_over_plain"])])
    rows.append(["share of the excess taken away", format_interval(figures["excess_taken_away"])])
    print_table("Guidance and the deviation of latents", ["", "figure"], rows)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "guidance_scale": scale,
        "guidance_rescale": rescale,
    }
    figures["songs"] = [
        {"seed": song.song.seed} | {name: values[index] for name, values in deviations.items()}
        for index, song in enumerate(unseen)
    ]
    write_report("guidance_std", settings, figures, plot(figures), results)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return mean(over) / mean(under)


def _removed_fraction(plain: np.ndarray, guided: np.ndarray, rescaled: np.ndarray) -> np.ndarray:
    excess = mean(guided) - mean(plain)
    # Without an excess nothing is removed.
    return np.where(excess != 0, (mean(guided) - mean(rescaled)) / np.where(excess != 0, excess, 1.0), 0.0)


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(6, 3.6), layout="constrained")
    axis = picture.subplots()
    cases = list(figures["standard_deviation"])
    plot_songs(
        axis,
        {case: [song[case] for song in figures["songs"]] for case in cases},
        role_colors(cases, set(cases) - {"true bass"}, ["true bass"]),
    )
    axis.set_xticks(range(len(cases)), cases)
    axis.set(ylabel="standard deviation", title="Deviation of the final latents, one dot a song")
    return picture


if __name__ == "__main__":
    typer.run(main)
