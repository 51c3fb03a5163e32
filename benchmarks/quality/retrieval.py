"""Does each generated bass fit its own mix best: figure 3 of arXiv 2402.01412.

The judge of the weights, which has chosen none of these basses, scores 25 test mixes against 25 basses. The songs are
in one metre and one band of tempos, so that tempo alone tells no pair. Generated basses stand beside the true ones, the
ceiling, and beside true basses dealt out at random, the floor. Their sound is decoded, levelled and encoded again
before it is judged.

Run it as `python -m benchmarks.quality.retrieval`.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import encode, generate, load_pipeline, weights_folder
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, unseen_songs_at
from latentstem.evaluation import prompt_adherence, ranks, soft_assignments

TEMPOS = (100.0, 130.0)


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 25,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    seeds: Annotated[int, typer.Option(min=1, help="Basses generated for each mix.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 5,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe = load_pipeline(weights, device)
    model: Any = pipe.reranker
    if model is None:
        raise typer.BadParameter(f"{weights_folder(weights)} has no judge: `latentstem train reranker` makes one")
    unseen = unseen_songs_at(TEMPOS, songs, duration, cache)

    def latents(sounds: Any, description: str) -> torch.Tensor:
        return torch.from_numpy(
            np.stack([encode(pipe.autoencoder, sound) for sound in track(list(sounds), description=description)])
        )

    with torch.inference_mode():
        mixes = model.embed_mix(latents((song.mix for song in unseen), "mixes"))
        basses = {"true bass": [model.embed_stem(latents((song.stem for song in unseen), "true basses"))]}
        basses["shuffled"] = [basses["true bass"][0][_dealt(songs, seed)] for seed in range(seeds)]
        basses["generated"] = []
        for seed in range(seeds):
            stems = generate(pipe, unseen, batch, f"basses, seed {seed}", seed=seed, num_inference_steps=steps)
            basses["generated"].append(model.embed_stem(latents(stems, "generated basses")))
        scores = {name: [model.compare(mixes, some).numpy() for some in sets] for name, sets in basses.items()}
        pairs = {name: [_described(mixes, some) for some in sets] for name, sets in basses.items()}

    aligned = pairs["true bass"][0]
    misaligned = _described(mixes, basses["true bass"][0].roll(1, dims=0))
    rows = {
        name: {
            **_figures(some),
            "adherence": float(np.mean([prompt_adherence(found, aligned, misaligned) for found in pairs[name]])),
        }
        for name, some in scores.items()
    }
    header = ["basses", "own bass first", "among five", "mean diagonal", "adherence"]
    keys = ("top_1", "top_5", "mean_diagonal")
    print_table(
        f"{songs} mixes and {songs} basses; chance is {1 / songs:.2f}",
        header,
        [[name, *(format_interval(row[key]) for key in keys), f"{row['adherence']:.3f}"] for name, row in rows.items()],
    )
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "seeds": seeds,
        "tempos": TEMPOS,
    }
    ratio = rows["generated"]["top_1"]["mean"] / max(rows["true bass"]["top_1"]["mean"], 1e-9)
    figures = {"basses": rows, "top_1_over_that_of_true_basses": ratio, "seeds": [song.song.seed for song in unseen]}
    write_report("retrieval", settings, figures, _picture(scores), results)


def _dealt(songs: int, seed: int) -> torch.Tensor:
    """An order in which every song has another one's bass."""
    order = np.random.default_rng(seed).permutation(songs)
    dealt = np.empty(songs, dtype=int)
    dealt[order] = np.roll(order, 1)
    return torch.from_numpy(dealt)


def _described(mixes: torch.Tensor, stems: torch.Tensor) -> np.ndarray:
    """Pairs as vectors in which fit shows: the product of both embeddings, averaged over time."""
    return (mixes * stems).mean(1).double().numpy()


def _figures(scores: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Every mix counts once, with its mean over the seeds."""
    places = np.stack([ranks(some) for some in scores])
    diagonals = np.stack([np.diag(soft_assignments(some)) for some in scores])
    return {
        "top_1": interval((places < 1).mean(0)),
        "top_5": interval((places < 5).mean(0)),
        "mean_diagonal": interval(diagonals.mean(0)),
    }


def _picture(scores: dict[str, list[np.ndarray]]) -> Figure:
    picture = Figure(figsize=(13, 4.4), layout="constrained")
    axes = picture.subplots(1, len(scores))
    for axis, (name, some) in zip(axes, scores.items(), strict=True):
        image = axis.imshow(soft_assignments(some[0]), vmin=0.0, vmax=1.0, cmap="magma")
        axis.set(title=name, xlabel="bass", ylabel="mix")
    picture.colorbar(image, ax=axes, label="probability that the bass is the mix's own")
    return picture


if __name__ == "__main__":
    typer.run(main)
