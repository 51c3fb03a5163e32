"""Latents of whole tracks, encoded once and cached on disk, for the trainings of denoiser and reranker."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from latentstem.audio.level import normalize_level
from latentstem.data.render.random_effects import apply_random_effects
from latentstem.data.stems.folder import StemFolder, StemTrack
from latentstem.data.stems.submix import TrackSubmixes
from latentstem.models.codec import as_codec, encode_raw
from latentstem.models.latent_scaling import normalize_latents
from latentstem.training.engine.options import RunOptions

SUBMIX_VERSION = 2
"""Part of a cache's key, to be raised whenever one seed draws other sub-mixes than before."""

TrackCondition = Callable[[StemTrack, int], Tensor]
"""Function from a track and its number of latent frames to a condition: `(channels, frames)` of a control condition,
`(channels,)` of a global one. Latent frame k covers `hop_length` samples of the codec from `k * hop_length` on."""


@dataclass(frozen=True)
class LatentTrack:
    """Normalized latents of the stem of one track, and the conditions under which a denoiser learns to generate them.

    Attributes:
        name: Name of the track.
        stem: Latents of the stem, `(channels, frames)`.
        frames: Frame and control conditions by name, `(variants, channels, frames)`; `"mix"` holds the latents of the
            sub-mixes, the whole accompaniment first.
        vectors: Global conditions by name, `(channels,)`.
    """

    name: str
    stem: Tensor
    frames: dict[str, Tensor]
    vectors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def mixes(self) -> Tensor:
        """Latents of the sub-mixes, `(variants, channels, frames)`."""
        return self.frames["mix"]


class LatentBank:
    """Latents and conditions of many tracks on one device, from which batches of crops are gathered.

    A batch is one indexing operation: hundreds of crops that are cut and stacked one by one take as long as a step of a
    small net on a GPU.

    Args:
        tracks: Latents of tracks of any lengths and numbers of variants, all with equal names of conditions.
        device: Device of the latents and of the crops.

    Attributes:
        lengths: Number of frames of each track, an array of integers.

    Raises:
        ValueError: If there are no tracks, or the tracks have conditions of different names.

    Example:
        >>> import numpy as np, torch
        >>> bank = LatentBank([LatentTrack("song", torch.randn(4, 40), frames={"mix": torch.randn(2, 4, 40)})])
        >>> stem, conditions = bank.crops(np.array([0, 0]), np.array([0, 30]), 10, np.random.default_rng(0))
        >>> stem.shape, conditions["mix"].shape
        (torch.Size([2, 4, 10]), torch.Size([2, 4, 10]))
    """

    def __init__(self, tracks: Sequence[LatentTrack], device: torch.device | str = "cpu"):
        if not tracks:
            raise ValueError("got no tracks; expected at least one")
        for track in tracks:
            if (track.frames.keys(), track.vectors.keys()) != (tracks[0].frames.keys(), tracks[0].vectors.keys()):
                raise ValueError(
                    f"{track.name} has the conditions {[*track.frames, *track.vectors]} and {tracks[0].name} has "
                    f"{[*tracks[0].frames, *tracks[0].vectors]}; encode all tracks with the same conditions"
                )
        self.lengths = np.array([track.stem.shape[-1] for track in tracks])
        self._stems = _Rows([track.stem[None] for track in tracks], device)
        self._conditions = {name: _Rows([track.frames[name] for track in tracks], device) for name in tracks[0].frames}
        self._vectors = {
            name: torch.stack([track.vectors[name] for track in tracks]).to(device) for name in tracks[0].vectors
        }

    def crops(
        self, tracks: np.ndarray, starts: np.ndarray, length: int, rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cut crops of stems and of their conditions.

        Args:
            tracks: Indices of the tracks, `(batch,)`.
            starts: First frame of each crop, `(batch,)`.
            length: Number of frames of every crop.
            rng: Generator that draws a variant of each condition for each crop.

        Returns:
            Latents of stems, `(batch, channels, length)`, and the conditions by name, `(batch, channels, length)` or,
            if they are global, `(batch, channels)`.
        """
        conditions = {
            name: rows.crops(tracks, rng.integers(rows.variants[tracks]), starts, length)
            for name, rows in self._conditions.items()
        }
        chosen = torch.from_numpy(tracks)
        conditions |= {name: values[chosen.to(values.device)] for name, values in self._vectors.items()}
        return self.stems(tracks, starts, length), conditions

    def stems(self, tracks: np.ndarray, starts: np.ndarray, length: int) -> Tensor:
        """Cut crops of stems without conditions.

        Args:
            tracks: Indices of the tracks, `(batch,)`.
            starts: First frame of each crop, `(batch,)`.
            length: Number of frames of every crop.

        Returns:
            Latents of stems, `(batch, channels, length)`.
        """
        return self._stems.crops(tracks, np.zeros_like(tracks), starts, length)


class _Rows:
    """Sequences `(variants, channels, frames)` of many tracks, concatenated along time in one tensor."""

    def __init__(self, sequences: Sequence[Tensor], device: torch.device | str):
        self.variants = np.array([len(sequence) for sequence in sequences])
        self._frames = np.array([sequence.shape[-1] for sequence in sequences])
        sizes = self.variants * self._frames
        self._first = np.cumsum(sizes) - sizes
        self._rows = torch.cat([variant.T for sequence in sequences for variant in sequence]).to(device)

    def crops(self, tracks: np.ndarray, variants: np.ndarray, starts: np.ndarray, length: int) -> Tensor:
        first = self._first[tracks] + variants * self._frames[tracks] + starts
        indices = torch.from_numpy(first)[:, None] + torch.arange(length)
        return self._rows[indices.to(self._rows.device)].transpose(1, 2)


@dataclass(frozen=True)
class LatentOptions(RunOptions):
    """Options of every training on cached latents.

    Args:
        autoencoder: Folder of the trained autoencoder, of any class that `latentstem.models.as_codec` takes.
        latents: Folder of the cached latents, which trainings on the same tracks may share; without it they go to
            `latents/` in the output folder.
        submixes: Number of random sub-mixes encoded per track; 0 for tracks without a mix.
        production: Fraction of the sub-mixes, apart from the whole accompaniment, with random production effects.
    """

    GROUPS: ClassVar[dict[str, str]] = {"data": "Data"}

    data: Path
    autoencoder: Path
    _: KW_ONLY
    latents: Path | None = None
    submixes: int = 3
    production: float = 0.5


def cache_latents(
    root: Path,
    target: str,
    autoencoder: Any,
    cache: Path,
    submixes: int,
    seed: int,
    production: float = 0.0,
    workers: int = 0,
    conditions: Mapping[str, TrackCondition] | None = None,
) -> list[LatentTrack]:
    """Encode every track under a folder, or read the latents from the cache.

    The first sub-mix holds all stems but the target, the others one to all of them, at random gains; random production
    effects are applied to some. Mix and stem are level-matched to the reference loudness first, as in the pipeline.

    Args:
        root: Folder of tracks.
        target: Name of the stem.
        autoencoder: Any codec that `latentstem.models.as_codec` takes. The tracks are read at the sampling rate and in
            the channels of the codec, and the weights of its encoder are part of the key of the cache.
        cache: Folder of the cache, created if absent; latents of several folders of tracks may lie in it.
        submixes: Number of sub-mixes per track; with 0 there is no condition "mix", and a track needs no other stem.
        seed: Seed of the sub-mixes.
        production: Probability that `latentstem.data.render.random_effects.apply_random_effects` is applied to a
            sub-mix other than the first.
        workers: Number of processes that read and mix; this process applies effects and encodes.
        conditions: Functions that make further conditions, by name; computed at every call and not cached.

    Returns:
        Latents of each track, in order of name.
    """
    codec = as_codec(autoencoder)
    channels, rate = codec.audio_channels, codec.sampling_rate
    # Tracks of one name in two folders are two tracks.
    words = (root.resolve(), SUBMIX_VERSION, target, submixes, seed, production, rate, channels, codec.hop_length)
    key = hashlib.sha256(" ".join(map(str, words)).encode())
    for name, weight in autoencoder.state_dict().items():
        # Latents do not depend on the decoder, which may be trained further.
        if not name.startswith("decoder"):
            key.update(name.encode())
            key.update(weight.detach().cpu().float().numpy().tobytes())
    folder = cache / key.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    tracks = StemFolder(root, target, None if submixes else (), channels, rate).tracks
    files = [folder / f"{track.name}.safetensors" for track in tracks]
    missing = [index for index, file in enumerate(files) if not file.is_file()]
    audio = TrackSubmixes(tracks, target, submixes, seed, channels, rate)
    # With a generator, or the loader would draw from the random state of the training.
    loader = DataLoader(audio, None, sampler=missing, num_workers=workers, generator=torch.Generator())
    for index, stems in zip(missing, tqdm(loader, desc="latents", mininterval=5, disable=not missing), strict=True):
        stem, mixes = stems.to(autoencoder.device).split([1, submixes])
        if submixes:
            mixes = _apply_effects(mixes, production, (seed, index, 1), rate)
        latents = _encode(autoencoder, torch.cat([stem, mixes]))
        partial = files[index].with_suffix(".partial")
        save_file({"latents": latents}, partial)
        partial.rename(files[index])
    encoded = [normalize_latents(load_file(file)["latents"].float(), autoencoder.config) for file in files]
    return [
        _add_conditions(
            LatentTrack(track.name, latents[0], {"mix": latents[1:]} if submixes else {}), track, conditions or {}
        )
        for track, latents in zip(tracks, encoded, strict=True)
    ]


def _add_conditions(latents: LatentTrack, track: StemTrack, conditions: Mapping[str, TrackCondition]) -> LatentTrack:
    values = {name: condition(track, latents.stem.shape[-1]) for name, condition in conditions.items()}
    frames = {name: value[None] for name, value in values.items() if value.ndim == 2}
    vectors = {name: value for name, value in values.items() if value.ndim == 1}
    return replace(latents, frames=latents.frames | frames, vectors=vectors)


def cache_for_training(
    settings: LatentOptions,
    autoencoder: Any,
    accelerator: Accelerator,
    conditions: Mapping[str, TrackCondition] | None = None,
    labels: Mapping[str, TrackCondition] | None = None,
) -> tuple[list[LatentTrack], list[LatentTrack]]:
    """Encode the tracks for training and validation, once for all processes of a training.

    Args:
        settings: Settings of the training.
        autoencoder: Any codec that `latentstem.models.as_codec` takes; moved to the device of the accelerator.
        accelerator: Accelerator of the training.
        conditions: Functions that make further conditions, by name.
        labels: Functions that make what is learned of the training tracks besides, by name; among their conditions,
            and not among those of the validation tracks.

    Returns:
        Latents of the training tracks, and of the validation tracks with the whole accompaniment as their one mix.
    """
    autoencoder.to(accelerator.device)
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
            {**(conditions or {}), **(labels or {})},
        )
        validation = []
        if settings.validation is not None:
            folder = cache / "validation"
            validation = cache_latents(
                settings.validation, target, autoencoder, folder, min(settings.submixes, 1), 0, conditions=conditions
            )
    return tracks, validation


def _apply_effects(mixes: Tensor, production: float, seed: tuple[int, ...], sampling_rate: int) -> Tensor:
    """Apply random effects to some of the mixes `(variants, channels, samples)`, never to the first, the whole one."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    chosen = torch.from_numpy(rng.random(len(mixes)) < production)
    chosen[0] = False
    chosen = chosen.to(mixes.device)
    mixes[chosen] = apply_random_effects(mixes[chosen], generator, sampling_rate=sampling_rate)
    return mixes


@torch.inference_mode()
def _encode(autoencoder: Any, audio: Tensor) -> Tensor:
    """Latents of level-matched audio `(batch, channels, samples)`, in half precision on the CPU."""
    return encode_raw(autoencoder, normalize_level(audio)).cpu().half()
