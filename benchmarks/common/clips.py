"""Short clips of latents: what distances of distributions are taken on, without any decoding.

A clip is described by the mean and the deviation over time of its normalized latents: its sound, and how much happens
in it. The true clips are basses of validation songs, rendered with the soundfonts of the training: defaults are chosen
by these figures, so no test song is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from rich.progress import track

from latentstem import StemAccompanimentPipeline
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import VALIDATION_SEEDS
from latentstem.evaluation import frechet_distance, kernel_distance
from latentstem.training.latents import cache_latents

FIRST_SONG = 200
"""Of the validation seeds; those before serve the trainings."""
DURATION = 20.0
METRICS = {"frechet": "Fréchet distance", "kernel": "kernel distance x 100"}


@dataclass(frozen=True)
class Clips:
    """Aligned clips of mixes and of the basses that belong to them, `(clips, channels, frames)` each."""

    mixes: torch.Tensor
    stems: torch.Tensor

    @classmethod
    def of_validation_songs(cls, pipe: StemAccompanimentPipeline, count: int, frames: int, cache: Path) -> "Clips":
        """Renders, encodes and cuts as many songs as it takes; those made before are read from the cache."""
        a_song = int(DURATION * pipe.sampling_rate) // (pipe.hop_length * frames)
        seeds = VALIDATION_SEEDS[FIRST_SONG : FIRST_SONG - (-count // a_song)]
        folder = cache / f"clips_{FIRST_SONG}_{len(seeds)}"
        write_corpus(folder, seeds, duration=DURATION)
        tracks = cache_latents(folder, "bass", pipe.autoencoder, cache / "clip_latents", submixes=1, seed=0)
        starts = [(latents, frames * place) for latents in tracks for place in range(a_song)][:count]
        mixes = [latents.mixes[0, :, start : start + frames] for latents, start in starts]
        stems = [latents.stem[:, start : start + frames] for latents, start in starts]
        return cls(torch.stack(mixes), torch.stack(stems))


def draw(
    pipe: StemAccompanimentPipeline,
    mixes: torch.Tensor | None,
    shape: tuple[int, int],
    seed: int,
    description: str,
    batch: int = 128,
    **call: Any,
) -> torch.Tensor:
    """Generates clips of latents, the net in bfloat16 under autocast: it takes half the time on a CPU that has it.

    Args:
        pipe: the pipeline.
        mixes: latents of the mixes, `(clips, channels, frames)`; None generates without any.
        shape: clips and frames.
        seed: of the noise, and always the same noise for it.
        description: for the progress bar.
        batch: clips at once.
        **call: passed on to the pipeline.

    Returns:
        Latents `(clips, channels, frames)`.
    """
    count, frames = shape
    noise = torch.randn(
        (count, pipe.autoencoder.config["latent_channels"], frames), generator=torch.Generator().manual_seed(seed)
    )
    made = []
    for first in track(range(0, count, batch), description=description):
        some = noise[first : first + batch]
        if mixes is None:
            # A little less than the last frame's end, or rounding up asks for one frame more.
            seconds = (frames * pipe.hop_length - 1) / pipe.sampling_rate
            what: dict[str, Any] = {"duration": seconds, "num_waveforms_per_prompt": len(some)}
        else:
            what = {"mix_latents": mixes[first : first + batch]}
        with torch.autocast(pipe.device.type, torch.bfloat16):
            made.append(pipe(**what, latents=some, output_type="latent", **call).audios)
    return torch.cat([torch.as_tensor(latents).cpu() for latents in made])


def described(clips: torch.Tensor) -> np.ndarray:
    """Mean and deviation over time of clips `(clips, channels, frames)`: `(clips, 2 * channels)`."""
    return torch.cat([clips.mean(-1), clips.std(-1)], dim=1).double().numpy()


def distances(true: torch.Tensor, made: torch.Tensor) -> dict[str, float]:
    """Fréchet and kernel distance of two sets of clips."""
    reference, candidates = described(true), described(made)
    return {"frechet": frechet_distance(reference, candidates), "kernel": kernel_distance(reference, candidates)}


def over_seeds(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean, least and greatest of each distance over runs that differ by their noise."""
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "low": min(run[name] for run in runs),
            "high": max(run[name] for run in runs),
            "seeds": len(runs),
        }
        for name in runs[0]
    }


def plot_means(axis: Axes, places: Sequence[float], cells: Sequence[dict[str, float]], **style: Any) -> None:
    """Draws the means of cells as one line, with bars from their low to their high ends."""
    low, means, high = (np.array([cell[end] for cell in cells]) for end in ("low", "mean", "high"))
    axis.errorbar(places, means, yerr=[means - low, high - means], marker="o", capsize=3, **style)
