"""Retrieval of a mix's own bass by the reranker: figure 3 of arXiv 2402.01412.

The reranker of the weights, which chose none of these basses, scores 25 test mixes against 25 basses. The songs are
in one time signature and one range of tempos, so that tempo alone identifies no pair. Generated basses are compared
with the true ones, the ceiling, and with true basses assigned to wrong mixes, the floor. They are decoded, brought to
the reference loudness and encoded again before they are scored.

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
        raise typer.BadParameter(f"{weights_folder(weights)} has no reranker: `latentstem train reranker` trains one")
    unseen = unseen_songs_at(TEMPOS, songs, duration, cache)

    def latents(sounds: Any, description: str) -> torch.Tensor:
        return torch.from_numpy(
            np.stack([encode(pipe.autoencoder, sound) for sound in track(list(sounds), description=description)])
        )

    with torch.inference_mode():
        mixes = model.embed_mix(latents((song.mix for song in unseen), "mixes"))
        basses = {"true bass": [model.embed_stem(latents((song.stem for song in unseen), "true basses"))]}
        basses["shuffled"] = [basses["true bass"][0][_derangement(songs, seed)] for seed in range(seeds)]
        basses["generated"] = []
        for seed in range(seeds):
            stems = generate(pipe, unseen, batch, f"basses, seed {seed}", seed=seed, num_inference_steps=steps)
            basses["generated"].append(model.embed_stem(latents(stems, "generated basses")))
        scores = {name: [model.compare(mixes, stems).numpy() for stems in sets] for name, sets in basses.items()}
        pairs = {name: [_pair_features(mixes, stems) for stems in sets] for name, sets in basses.items()}

    aligned = pairs["true bass"][0]
    misaligned = _pair_features(mixes, basses["true bass"][0].roll(1, dims=0))
    rows = {
        name: {
            **_figures(of_seeds),
            "adherence": float(np.mean([prompt_adherence(pair, aligned, misaligned) for pair in pairs[name]])),
        }
        for name, of_seeds in scores.items()
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


def _derangement(songs: int, seed: int) -> torch.Tensor:
    """Return an order in which every song has the bass of another."""
    order = np.random.default_rng(seed).permutation(songs)
    assigned = np.empty(songs, dtype=int)
    assigned[order] = np.roll(order, 1)
    return torch.from_numpy(assigned)


def _pair_features(mixes: torch.Tensor, stems: torch.Tensor) -> np.ndarray:
    """Compute the features of pairs: the product of both embeddings, averaged over time."""
    return (mixes * stems).mean(1).double().numpy()


def _figures(scores: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Summarize scores; every mix counts once, with its mean over the seeds."""
    rank = np.stack([ranks(of_seed) for of_seed in scores])
    diagonals = np.stack([np.diag(soft_assignments(of_seed)) for of_seed in scores])
    return {
        "top_1": interval((rank < 1).mean(0)),
        "top_5": interval((rank < 5).mean(0)),
        "mean_diagonal": interval(diagonals.mean(0)),
    }


def _picture(scores: dict[str, list[np.ndarray]]) -> Figure:
    picture = Figure(figsize=(13, 4.4), layout="constrained")
    axes = picture.subplots(1, len(scores))
    for axis, (name, of_seeds) in zip(axes, scores.items(), strict=True):
        image = axis.imshow(soft_assignments(of_seeds[0]), vmin=0.0, vmax=1.0, cmap="magma")
        axis.set(title=name, xlabel="bass", ylabel="mix")
    picture.colorbar(image, ax=axes, label="probability that the bass is the mix's own")
    return picture


if __name__ == "__main__":
    typer.run(main)
