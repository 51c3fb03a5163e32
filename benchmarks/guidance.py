"""How much guidance spreads the latents, and how much of that rescaling takes back (w and phi of arXiv 2402.01412).

Run it as `python benchmarks/guidance.py`.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from generation import encoded, generate, load_pipeline, weights_folder
from matplotlib.figure import Figure
from report import RESULTS, interval, mean, print_table, shown, write_report
from songs import DEFAULT_CACHE, unseen_songs


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=1, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    scale: Annotated[float, typer.Option(help="The guidance scale w held against 1.")] = 4.0,
    rescale: Annotated[float, typer.Option(min=0.0, max=1.0, help="The rescaling phi held against 0.")] = 0.7,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    pipe = load_pipeline(weights, device)
    names = ("w = 1", f"w = {scale:g}, phi = 0", f"w = {scale:g}, phi = {rescale:g}")
    spread = {"true bass": [float(encoded(pipe.autoencoder, song.stem).std()) for song in unseen]}
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
        spread[name] = [float(value) for value in latents.std(axis=(1, 2))]

    plain, guided, rescaled = (spread[name] for name in names)
    figures = {
        "standard_deviation": {name: interval(values) for name, values in spread.items()},
        "guided_over_plain": interval(guided, plain, statistic=_ratio),
        "rescaled_over_plain": interval(rescaled, plain, statistic=_ratio),
        "excess_taken_away": interval(plain, guided, rescaled, statistic=_taken_away),
    }
    rows = [[f"std of latents, {name}", shown(value)] for name, value in figures["standard_deviation"].items()]
    rows.append([f"ratio of {names[1]} to {names[0]}", shown(figures["guided_over_plain"])])
    rows.append([f"ratio of {names[2]} to {names[0]}", shown(figures["rescaled_over_plain"])])
    rows.append(["share of the excess taken away", shown(figures["excess_taken_away"])])
    print_table("Guidance and the spread of latents", ["", "figure"], rows)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "guidance_scale": scale,
        "guidance_rescale": rescale,
    }
    by_song = [
        {"seed": song.song.seed} | {name: values[number] for name, values in spread.items()}
        for number, song in enumerate(unseen)
    ]
    write_report("guidance", settings, {**figures, "songs": by_song}, _picture(spread), results)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return mean(over) / mean(under)


def _taken_away(plain: np.ndarray, guided: np.ndarray, rescaled: np.ndarray) -> np.ndarray:
    excess = mean(guided) - mean(plain)
    # Without an excess there is nothing to take away.
    return np.where(excess != 0, (mean(guided) - mean(rescaled)) / np.where(excess != 0, excess, 1.0), 0.0)


def _picture(spread: dict[str, list[float]]) -> Figure:
    picture = Figure(figsize=(6, 3.6))
    axis = picture.subplots()
    axis.boxplot(list(spread.values()))
    axis.set_xticks(range(1, len(spread) + 1), list(spread))
    axis.set(ylabel="standard deviation", title="final latents, one value a song")
    return picture


if __name__ == "__main__":
    typer.run(main)
