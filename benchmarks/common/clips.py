"""Short clips of latents, for distances between distributions without decoding.

The features of a clip are mean and deviation over time of its normalized latents: its sound, and how much it changes.
The true clips are basses of validation songs, rendered with the soundfonts of the training: defaults are chosen by
these distances, so no test song is used.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from latentstem import StemAccompanimentPipeline
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import VALIDATION_SEEDS
from latentstem.evaluation import frechet_distance, kernel_distance
from latentstem.training.latents import cache_latents

FIRST_SONG = 200
"""Index of the first validation seed; those before are used by the trainings."""
DURATION = 20.0
METRICS = {"frechet": "Fréchet distance", "kernel": "kernel distance x 100"}


@dataclass(frozen=True)
class Clips:
    """Aligned clips of mixes and of their basses, `(clips, channels, frames)` each."""

    mixes: torch.Tensor
    stems: torch.Tensor

    @classmethod
    def of_validation_songs(cls, pipe: StemAccompanimentPipeline, count: int, frames: int, cache: Path) -> "Clips":
        """Render, encode and cut as many songs as are needed; earlier ones are read from the cache."""
        clips_per_song = int(DURATION * pipe.sampling_rate) // (pipe.hop_length * frames)
        seeds = VALIDATION_SEEDS[FIRST_SONG : FIRST_SONG - (-count // clips_per_song)]
        folder = cache / f"clips_{FIRST_SONG}_{len(seeds)}"
        write_corpus(folder, seeds, duration=DURATION)
        tracks = cache_latents(folder, "bass", pipe.autoencoder, cache / "clip_latents", submixes=1, seed=0)
        starts = [(latents, frames * index) for latents in tracks for index in range(clips_per_song)][:count]
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
    """Generate clips of latents, with the net in bfloat16 under autocast, which halves the time on a CPU that has it.

    Args:
        pipe: Pipeline to test.
        mixes: Latents of the mixes, `(clips, channels, frames)`; None generates without mixes.
        shape: Number of clips, and frames of each.
        seed: Seed of the noise.
        description: Text of the progress bar.
        batch: Clips at once.
        **call: Further arguments of the pipeline.

    Returns:
        Latents `(clips, channels, frames)`.
    """
    count, frames = shape
    noise = torch.randn(
        (count, pipe.autoencoder.config["latent_channels"], frames), generator=torch.Generator().manual_seed(seed)
    )
    generated = []
    for first in track(range(0, count, batch), description=description):
        members = noise[first : first + batch]
        if mixes is None:
            # One sample less than the end of the last frame: rounding up would give one frame more.
            seconds = (frames * pipe.hop_length - 1) / pipe.sampling_rate
            inputs: dict[str, Any] = {"duration": seconds, "num_waveforms_per_prompt": len(members)}
        else:
            inputs = {"mix_latents": mixes[first : first + batch]}
        with torch.autocast(pipe.device.type, torch.bfloat16):
            generated.append(pipe(**inputs, latents=members, output_type="latent", **call).audios)
    return torch.cat([torch.as_tensor(latents).cpu() for latents in generated])


def clip_features(clips: torch.Tensor) -> np.ndarray:
    """Compute mean and deviation over time of clips `(clips, channels, frames)`: `(clips, 2 * channels)`."""
    return torch.cat([clips.mean(-1), clips.std(-1)], dim=1).double().numpy()


def distances(true: torch.Tensor, generated: torch.Tensor) -> dict[str, float]:
    """Compute Fréchet and kernel distance between two sets of clips."""
    reference, candidates = clip_features(true), clip_features(generated)
    return {"frechet": frechet_distance(reference, candidates), "kernel": kernel_distance(reference, candidates)}


def over_seeds(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Compute mean, minimum and maximum of each distance over runs with different noise."""
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "low": min(run[name] for run in runs),
            "high": max(run[name] for run in runs),
            "seeds": len(runs),
        }
        for name in runs[0]
    }
