"""Latents of whole tracks, encoded once and kept on disk: what the denoiser trains on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from latentstem.audio.level import reference_gain
from latentstem.data.production import produce
from latentstem.data.stems import StemFolder, StemTrack
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.sampling.latents import normalize_latents


@dataclass(frozen=True)
class LatentTrack:
    """Normalised latents of one track.

    Attributes:
        name: Name of the track.
        stem: `(channels, frames)`.
        mixes: The sub-mixes it may accompany, `(variants, channels, frames)`.
    """

    name: str
    stem: Tensor
    mixes: Tensor


class LatentBank:
    """Latents of many tracks on one device, from which whole batches of crops are taken at once.

    A batch is one gathering of frames: cut and stacked one by one, its hundreds of crops took as long as a small net's
    step on a GPU.

    Args:
        tracks: Of any lengths, and with any numbers of sub-mixes.
        device: Where they are kept, and the crops come from.

    Attributes:
        frames: How many each track has, an array of integers.
        submixes: Likewise.

    Example:
        >>> import numpy as np, torch
        >>> bank = LatentBank([LatentTrack("song", stem=torch.randn(4, 40), mixes=torch.randn(2, 4, 40))])
        >>> tracks, starts = np.array([0, 0, 0]), np.array([0, 7, 30])
        >>> bank.stems(tracks, starts, 10).shape, bank.mixes(tracks, np.array([1, 0, 1]), starts, 10).shape
        (torch.Size([3, 4, 10]), torch.Size([3, 4, 10]))
    """

    def __init__(self, tracks: Sequence[LatentTrack], device: torch.device | str = "cpu"):
        self.frames = np.array([track.stem.shape[-1] for track in tracks])
        self.submixes = np.array([len(track.mixes) for track in tracks])
        sizes = self.frames * self.submixes
        self._first_stem, self._first_mix = np.cumsum(self.frames) - self.frames, np.cumsum(sizes) - sizes
        self._stems = torch.cat([track.stem.T for track in tracks]).to(device)
        self._mixes = torch.cat([mix.T for track in tracks for mix in track.mixes]).to(device)

    def stems(self, tracks: np.ndarray, starts: np.ndarray, length: int) -> Tensor:
        """Crops of stems, `(batch, channels, length)`.

        Args:
            tracks: Their places in the list, `(batch,)`.
            starts: First frame of each, `(batch,)`.
            length: Frames of all.
        """
        return _gathered(self._stems, self._first_stem[tracks] + starts, length)

    def mixes(self, tracks: np.ndarray, submixes: np.ndarray, starts: np.ndarray, length: int) -> Tensor:
        """Crops of sub-mixes, `(batch, channels, length)`.

        Args:
            tracks: Their places in the list, `(batch,)`.
            submixes: Which of each track's, `(batch,)`.
            starts: First frame of each, `(batch,)`.
            length: Frames of all.
        """
        return _gathered(self._mixes, self._first_mix[tracks] + submixes * self.frames[tracks] + starts, length)


def _gathered(latents: Tensor, first: np.ndarray, length: int) -> Tensor:
    places = torch.from_numpy(first).to(latents.device)[:, None] + torch.arange(length, device=latents.device)
    return latents[places].transpose(1, 2)


def cache_latents(
    root: Path,
    target: str,
    autoencoder: AutoencoderSpectral,
    cache: Path,
    submixes: int,
    seed: int,
    production: float = 0.0,
    workers: int = 0,
) -> list[LatentTrack]:
    """Encode every track under a folder, or read what was encoded before.

    The first sub-mix is the whole accompaniment; the others hold one to all of the other stems at random gains, and
    some are lightly produced. Mix and stem are brought to the reference loudness first, as the pipeline does it.

    Args:
        root: Folder of tracks.
        target: Name of the stem.
        autoencoder: With latent statistics; its encoder's weights are part of the cache's key.
        cache: Folder of the cache, made if absent.
        submixes: Sub-mixes a track.
        seed: Of the sub-mixes.
        production: Probability that a sub-mix other than the first goes through `latentstem.data.production.produce`.
        workers: Processes that read and mix beside this one, which produces and encodes.

    Returns:
        One entry a track.
    """
    key = hashlib.sha256(f"{target} {submixes} {seed} {production}".encode())
    for name, weight in autoencoder.state_dict().items():
        # A decoder that goes on training leaves the latents as they are.
        if name.startswith("encoder_"):
            key.update(name.encode())
            key.update(weight.detach().cpu().float().numpy().tobytes())
    folder = cache / key.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    tracks = StemFolder(root, target).tracks
    files = [folder / f"{track.name}.safetensors" for track in tracks]
    missing = [order for order, file in enumerate(files) if not file.is_file()]
    sounds = TrackSounds(tracks, target, submixes, seed)
    # A generator of its own: the loader would draw from the random state of the training.
    loader = DataLoader(sounds, None, sampler=missing, num_workers=workers, generator=torch.Generator())
    for order, sound in zip(missing, tqdm(loader, desc="latents", mininterval=5, disable=not missing), strict=True):
        stem, mixes = sound.to(autoencoder.device).split([1, submixes])
        latents = _encode(autoencoder, torch.cat([stem, _produced(mixes, production, (seed, order, 1))]))
        partial = files[order].with_suffix(".partial")
        save_file({"latents": latents}, partial)
        partial.rename(files[order])
    encoded = [normalize_latents(load_file(file)["latents"].float(), autoencoder.config) for file in files]
    return [
        LatentTrack(track.name, stem=latents[0], mixes=latents[1:])
        for track, latents in zip(tracks, encoded, strict=True)
    ]


def cache_for_training(
    settings: Any, autoencoder: AutoencoderSpectral, accelerator: Accelerator
) -> tuple[list[LatentTrack], list[LatentTrack]]:
    """Encode what a training hears and what it is validated on, once for all of its processes.

    Args:
        settings: Of a training on latents: a `UNetTraining` or a `ContrastiveTraining`.
        autoencoder: As for `cache_latents`; it is moved to the accelerator's device.
        accelerator: Of the training.

    Returns:
        The training tracks and those of `settings.validation`, these with their whole accompaniments alone.
    """
    autoencoder.to(accelerator.device)  # pyright: ignore[reportArgumentType]
    cache, target = settings.latents or settings.output / "latents", settings.target
    with accelerator.main_process_first():
        tracks = cache_latents(
            settings.data,
            target,
            autoencoder,
            cache,
            settings.submixes,
            settings.seed,
            settings.production,
            settings.workers,
        )
        validation = []
        if settings.validation is not None:
            folder = cache / "validation"
            validation = cache_latents(settings.validation, target, autoencoder, folder, submixes=1, seed=0)
    return tracks, validation


@dataclass(frozen=True)
class TrackSounds(Dataset[Tensor]):
    """The stem of each track and its random sub-mixes, in the order of the tracks.

    Each is `(1 + submixes, samples)`, mono, and a function of the seed and its place.

    Args:
        tracks: Of one folder.
        target: Name of the stem.
        submixes: How many; the first is the whole accompaniment.
        seed: Of the sub-mixes.

    Example:
        >>> stem, mix = TrackSounds(StemFolder("stems").tracks, "bass", submixes=1)[0]  # doctest: +SKIP
    """

    tracks: Sequence[StemTrack]
    target: str
    submixes: int = 0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, order: int) -> Tensor:
        rng, track = np.random.default_rng((self.seed, order)), self.tracks[order]
        mixes = (self._submix(track, rng, variant == 0) for variant in range(self.submixes))
        return torch.stack([track.read(self.target), *mixes])

    def _submix(self, track: StemTrack, rng: np.random.Generator, whole: bool) -> Tensor:
        others = [name for name in track.files if name != self.target]
        chosen = others if whole else rng.permutation(others)[: rng.integers(1, len(others) + 1)]
        return sum((rng.uniform(0.5, 1.0) * track.read(name) for name in chosen), torch.zeros(track.samples))


def _produced(mixes: Tensor, production: float, seed: tuple[int, ...]) -> Tensor:
    """Mixes `(variants, samples)`, some of them produced; the first, the whole accompaniment, stays clean."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    chosen = torch.from_numpy(rng.random(len(mixes)) < production)
    chosen[0] = False
    chosen = chosen.to(mixes.device)
    mixes[chosen] = produce(mixes[chosen][:, None], generator)[:, 0]
    return mixes


@torch.inference_mode()
def _encode(autoencoder: AutoencoderSpectral, sounds: Tensor) -> Tensor:
    """Latents of mono sounds `(n, samples)`, each at the reference loudness, in half precision on the CPU."""
    audio = sounds[:, None]
    audio = audio * reference_gain(audio)[:, None, None]
    channels = autoencoder.config["audio_channels"]
    (latents,) = autoencoder.encode(audio.expand(-1, channels, -1), return_dict=False)
    return latents.cpu().half()
