"""The pipeline under test: loaded once, and run on the mixes of unseen songs in batches, one seed a song."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

import latentstem
from benchmarks.common.songs import SAMPLING_RATE, RenderedSong, leveled
from latentstem import AutoencoderSpectral, StemAccompanimentPipeline
from latentstem.models.latent_scaling import normalize_latents


def weights_folder(weights: Path | None) -> Path:
    """The folder given, or that of the shipped weights."""
    return weights or Path(latentstem.pretrained_path("bass-gm"))


def load_pipeline(weights: Path | None, device: str) -> StemAccompanimentPipeline:
    """Loads the weights in a folder, or the shipped ones."""
    pipe = StemAccompanimentPipeline.from_pretrained(str(weights_folder(weights))).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_autoencoder(weights: Path | None, device: str) -> AutoencoderSpectral:
    """Loads the autoencoder of a saved pipeline, or the one saved in the folder itself."""
    folder = weights_folder(weights)
    inside = folder / "autoencoder"
    return AutoencoderSpectral.from_pretrained(str(inside if inside.is_dir() else folder)).to(device).eval()


def generate(
    pipe: StemAccompanimentPipeline,
    songs: Sequence[RenderedSong],
    batch: int,
    description: str,
    seed: int = 0,
    **call: Any,
) -> np.ndarray:
    """Generates one stem a song, always from the same noise, so that two calls differ by their settings alone.

    Args:
        pipe: the pipeline.
        songs: of one length.
        batch: songs at once.
        description: for the progress bar.
        seed: of the noise, beside the songs' own.
        **call: passed on to the pipeline.

    Returns:
        Stems `(songs, samples)`, or with `output_type="latent"` latents `(songs, channels, frames)`.
    """
    call = {"output_type": "np", **call}
    made = []
    for first in track(range(0, len(songs), batch), description=description):
        some = songs[first : first + batch]
        mixes = torch.from_numpy(np.stack([song.mix for song in some]))[:, None]
        seeds = [torch.Generator().manual_seed(song.song.seed + 1_000_003 * seed) for song in some]
        made.append(np.asarray(pipe(mixes, sampling_rate=SAMPLING_RATE, generator=seeds, **call).audios))
    stems = np.concatenate(made)
    return stems if call["output_type"] == "latent" else stems.mean(axis=1)


@torch.no_grad()
def encode(autoencoder: AutoencoderSpectral, audio: np.ndarray) -> np.ndarray:
    """Normalized latents `(channels, frames)` of mono audio `(samples,)`, which is levelled first."""
    sound = _batch(autoencoder, leveled(audio))
    return normalize_latents(autoencoder.encode(sound).latents.float(), autoencoder.config)[0].cpu().numpy()


@torch.no_grad()
def round_tripped(autoencoder: AutoencoderSpectral, audio: np.ndarray) -> np.ndarray:
    """Mono audio `(samples,)` through encoder and decoder, as long as it came."""
    return autoencoder(_batch(autoencoder, audio)).sample[0].float().mean(dim=0).cpu().numpy()


@torch.no_grad()
def decoded_with_mean(autoencoder: AutoencoderSpectral, audio: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mono audio `(samples,)` decoded from its latents with the time-mean of another's, as long as it came."""
    latents, others = (autoencoder.encode(_batch(autoencoder, sound)).latents for sound in (audio, other))
    asked = latents - latents.mean(-1, keepdim=True) + others.mean(-1, keepdim=True)
    return autoencoder.decode(asked, num_samples=len(audio)).sample[0].float().mean(dim=0).cpu().numpy()


def _batch(autoencoder: AutoencoderSpectral, audio: np.ndarray) -> torch.Tensor:
    sound = torch.from_numpy(audio).expand(1, autoencoder.config.audio_channels, -1)
    return sound.to(autoencoder.device, autoencoder.dtype)
