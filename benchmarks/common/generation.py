"""The pipeline under test: loaded once, and run on the mixes of unseen songs in batches, one seed a song."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

import latentstem
from benchmarks.common.songs import SAMPLING_RATE, RenderedSong, normalize_level
from latentstem import AutoencoderSpectral, StemAccompanimentPipeline
from latentstem.models.latent_scaling import normalize_latents


def weights_folder(weights: Path | None) -> Path:
    """Return the folder given, or that of the shipped weights."""
    return weights or Path(latentstem.pretrained_path("bass"))


def load_pipeline(weights: Path | None, device: str) -> StemAccompanimentPipeline:
    """Load the weights in a folder, or the shipped ones."""
    pipe = StemAccompanimentPipeline.from_pretrained(str(weights_folder(weights))).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_autoencoder(weights: Path | None, device: str) -> AutoencoderSpectral:
    """Load the autoencoder of a saved pipeline, or the one saved in the folder itself."""
    folder = weights_folder(weights)
    inside = folder / "autoencoder"
    return AutoencoderSpectral.from_pretrained(str(inside if inside.is_dir() else folder)).to(device).eval()


def generate(
    pipe: StemAccompanimentPipeline,
    songs: Sequence[RenderedSong],
    batch: int,
    description: str,
    seed: int = 0,
    conditions: Mapping[str, torch.Tensor] | None = None,
    **call: Any,
) -> np.ndarray:
    """Generate one stem a song, always from the same noise, so that two calls differ by their settings alone.

    Args:
        pipe: Pipeline to test.
        songs: Songs of one length.
        batch: Songs at once.
        description: Text of the progress bar.
        seed: Seed of the noise, combined with that of each song.
        conditions: Conditions besides the mix by name, `(songs, channels, frames)` or `(songs, channels)`.
        **call: Further arguments of the pipeline.

    Returns:
        Stems `(songs, samples)`, or with `output_type="latent"` latents `(songs, channels, frames)`.
    """
    call = {"output_type": "np", **call}
    generated = []
    for first in track(range(0, len(songs), batch), description=description):
        members = songs[first : first + batch]
        mixes = torch.from_numpy(np.stack([song.mix for song in members]))[:, None]
        given = {name: values[first : first + batch] for name, values in (conditions or {}).items()}
        seeds = [torch.Generator().manual_seed(song.song.seed + 1_000_003 * seed) for song in members]
        generated.append(
            np.asarray(
                pipe(mixes, sampling_rate=SAMPLING_RATE, generator=seeds, conditions=given or None, **call).audios
            )
        )
    stems = np.concatenate(generated)
    return stems if call["output_type"] == "latent" else stems.mean(axis=1)


@torch.no_grad()
def encode(autoencoder: AutoencoderSpectral, audio: np.ndarray) -> np.ndarray:
    """Encode mono audio `(samples,)`, at the reference loudness, to normalized latents `(channels, frames)`."""
    sound = _batch(autoencoder, normalize_level(audio))
    return normalize_latents(autoencoder.encode(sound).latents.float(), autoencoder.config)[0].cpu().numpy()


@torch.no_grad()
def reconstruct(autoencoder: AutoencoderSpectral, audio: np.ndarray) -> np.ndarray:
    """Encode and decode mono audio `(samples,)`, at equal length."""
    return autoencoder(_batch(autoencoder, audio)).sample[0].float().mean(dim=0).cpu().numpy()


@torch.no_grad()
def decode_with_mean(autoencoder: AutoencoderSpectral, audio: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Decode mono audio `(samples,)` from its latents with the time-mean of another recording, at equal length."""
    latents, others = (autoencoder.encode(_batch(autoencoder, sound)).latents for sound in (audio, other))
    moved = latents - latents.mean(-1, keepdim=True) + others.mean(-1, keepdim=True)
    return autoencoder.decode(moved, num_samples=len(audio)).sample[0].float().mean(dim=0).cpu().numpy()


def _batch(autoencoder: AutoencoderSpectral, audio: np.ndarray) -> torch.Tensor:
    sound = torch.from_numpy(audio).expand(1, autoencoder.config.audio_channels, -1)
    return sound.to(autoencoder.device, autoencoder.dtype)
