"""Latents of whole tracks, encoded once and kept on disk: what the denoiser trains on."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.effects import apply_random_effects
from latentstem.data.stems.folder import StemFolder, StemTrack
from latentstem.models.codec import as_codec, encode_raw
from latentstem.models.latent_scaling import normalize_latents

TrackCondition = Callable[[StemTrack, int], Tensor]
"""Makes a condition from a track and its number of latent frames: `(channels, frames)`, or `(channels,)` of a global
one."""


@dataclass(frozen=True)
class LatentTrack:
    """Normalized latents of one track's stem, and what a denoiser is conditioned on when it learns to make them.

    Attributes:
        name: Name of the track.
        stem: `(channels, frames)`.
        frames: Frame and control conditions by name, `(variants, channels, frames)`; under `"mix"` the latents of the
            sub-mixes that the stem may accompany, the whole accompaniment first.
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
    """Latents and conditions of many tracks on one device, from which whole batches of crops are taken at once.

    A batch is one gathering of frames: cut and stacked one by one, its hundreds of crops took as long as a small net's
    step on a GPU.

    Args:
        tracks: Of any lengths and numbers of variants; all with the same conditions.
        device: Where they are kept, and the crops come from.

    Attributes:
        frames: How many each track has, an array of integers.

    Raises:
        ValueError: There are no tracks, or one has other conditions than the first.

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
        self.frames = np.array([track.stem.shape[-1] for track in tracks])
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
            tracks: Places of the tracks in the list, `(batch,)`.
            starts: First frame of each crop, `(batch,)`.
            length: Frames of all crops.
            rng: Draws the variant of each condition of each crop.

        Returns:
            Stems `(batch, channels, length)`, and the conditions by name, `(batch, channels, length)` or `(batch,
            channels)` of global ones.
        """
        conditions = {
            name: rows.crops(tracks, rng.integers(rows.variants[tracks]), starts, length)
            for name, rows in self._conditions.items()
        }
        chosen = torch.from_numpy(tracks)
        conditions |= {name: values[chosen.to(values.device)] for name, values in self._vectors.items()}
        return self.stems(tracks, starts, length), conditions

    def stems(self, tracks: np.ndarray, starts: np.ndarray, length: int) -> Tensor:
        """Cut crops of stems alone, `(batch, channels, length)`; the arguments are those of `crops`."""
        return self._stems.crops(tracks, np.zeros_like(tracks), starts, length)


class _Rows:
    """Sequences `(variants, channels, frames)` of many tracks, frame after frame in one tensor."""

    def __init__(self, sequences: Sequence[Tensor], device: torch.device | str):
        self.variants = np.array([len(sequence) for sequence in sequences])
        self._frames = np.array([sequence.shape[-1] for sequence in sequences])
        sizes = self.variants * self._frames
        self._first = np.cumsum(sizes) - sizes
        self._rows = torch.cat([variant.T for sequence in sequences for variant in sequence]).to(device)

    def crops(self, tracks: np.ndarray, variants: np.ndarray, starts: np.ndarray, length: int) -> Tensor:
        first = self._first[tracks] + variants * self._frames[tracks] + starts
        places = torch.from_numpy(first).to(self._rows.device)[:, None] + torch.arange(length, device=self._rows.device)
        return self._rows[places].transpose(1, 2)


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
    """Encode every track under a folder, or read what was encoded before.

    The first sub-mix is the whole accompaniment; the others hold one to all of the other stems at random gains, and
    some are lightly produced. Mix and stem are brought to the reference loudness first, as the pipeline does it.

    Args:
        root: Folder of tracks.
        target: Name of the stem.
        autoencoder: An `AutoencoderSpectral`, or what `latentstem.models.as_codec` takes. The tracks are read at its
            rate, in its channels; its encoder's weights are part of the cache's key.
        cache: Folder of the cache, made if absent.
        submixes: Sub-mixes a track.
        seed: Of the sub-mixes.
        production: Probability that a sub-mix other than the first goes through
            `latentstem.data.render.effects.produce`.
        workers: Processes that read and mix beside this one, which produces and encodes.
        conditions: What else a denoiser is to be conditioned on, by name; made anew each time, and not kept on disk.

    Returns:
        One entry a track.
    """
    codec = as_codec(autoencoder)
    channels, rate = codec.audio_channels, codec.sampling_rate
    key = hashlib.sha256(f"{target} {submixes} {seed} {production} {rate} {channels} {codec.hop_length}".encode())
    for name, weight in autoencoder.state_dict().items():
        # A decoder that goes on training leaves the latents as they are.
        if not name.startswith("decoder"):
            key.update(name.encode())
            key.update(weight.detach().cpu().float().numpy().tobytes())
    folder = cache / key.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    tracks = StemFolder(root, target, channels=channels, sampling_rate=rate).tracks
    files = [folder / f"{track.name}.safetensors" for track in tracks]
    missing = [order for order, file in enumerate(files) if not file.is_file()]
    sounds = TrackSounds(tracks, target, submixes, seed, channels, rate)
    # A generator of its own: the loader would draw from the random state of the training.
    loader = DataLoader(sounds, None, sampler=missing, num_workers=workers, generator=torch.Generator())
    for order, sound in zip(missing, tqdm(loader, desc="latents", mininterval=5, disable=not missing), strict=True):
        stem, mixes = sound.to(autoencoder.device).split([1, submixes])
        mixes = _produced(mixes, production, (seed, order, 1), rate)
        latents = _encode(autoencoder, torch.cat([stem, mixes]))
        partial = files[order].with_suffix(".partial")
        save_file({"latents": latents}, partial)
        partial.rename(files[order])
    encoded = [normalize_latents(load_file(file)["latents"].float(), autoencoder.config) for file in files]
    return [
        _with_conditions(LatentTrack(track.name, stem=latents[0], frames={"mix": latents[1:]}), track, conditions or {})
        for track, latents in zip(tracks, encoded, strict=True)
    ]


def _with_conditions(latents: LatentTrack, track: StemTrack, conditions: Mapping[str, TrackCondition]) -> LatentTrack:
    values = {name: condition(track, latents.stem.shape[-1]) for name, condition in conditions.items()}
    frames = {name: value[None] for name, value in values.items() if value.ndim == 2}
    vectors = {name: value for name, value in values.items() if value.ndim == 1}
    return replace(latents, frames=latents.frames | frames, vectors=vectors)


def cache_for_training(
    settings: Any,
    autoencoder: Any,
    accelerator: Accelerator,
    conditions: Mapping[str, TrackCondition] | None = None,
) -> tuple[list[LatentTrack], list[LatentTrack]]:
    """Encode what a training hears and what it is validated on, once for all of its processes.

    Args:
        settings: Of a training on latents: a `UNetTraining` or a `ContrastiveTraining`.
        autoencoder: As for `cache_latents`; it is moved to the accelerator's device.
        accelerator: Of the training.
        conditions: As for `cache_latents`.

    Returns:
        The training tracks and those of `settings.validation`, these with their whole accompaniments alone.
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
            conditions,
        )
        validation = []
        if settings.validation is not None:
            folder = cache / "validation"
            validation = cache_latents(
                settings.validation, target, autoencoder, folder, submixes=1, seed=0, conditions=conditions
            )
    return tracks, validation


@dataclass(frozen=True)
class TrackSounds(Dataset[Tensor]):
    """The stem of each track and its random sub-mixes, in the order of the tracks.

    Each is `(1 + submixes, channels, samples)`, and a function of the seed and its place.

    Args:
        tracks: Of one folder.
        target: Name of the stem.
        submixes: How many; the first is the whole accompaniment.
        seed: Of the sub-mixes.
        channels: To read the stems in, 1 or 2; see `StemTrack.read`.
        sampling_rate: To read the stems at, in Hz.

    Example:
        >>> stem, mix = TrackSounds(StemFolder("stems").tracks, "bass", submixes=1)[0]  # doctest: +SKIP
    """

    tracks: Sequence[StemTrack]
    target: str
    submixes: int = 0
    seed: int = 0
    channels: int = 1
    sampling_rate: int = SAMPLING_RATE

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, order: int) -> Tensor:
        rng, track = np.random.default_rng((self.seed, order)), self.tracks[order]
        mixes = (self._submix(track, rng, variant == 0) for variant in range(self.submixes))
        return torch.stack([self._read(track, self.target), *mixes])

    def _read(self, track: StemTrack, name: str) -> Tensor:
        return track.read(name, channels=self.channels, sampling_rate=self.sampling_rate)

    def _submix(self, track: StemTrack, rng: np.random.Generator, whole: bool) -> Tensor:
        others = [name for name in track.files if name != self.target]
        chosen = others if whole else rng.permutation(others)[: rng.integers(1, len(others) + 1)]
        silence = torch.zeros(self.channels, track.length(self.sampling_rate))
        return sum((rng.uniform(0.5, 1.0) * self._read(track, name) for name in chosen), silence)


def _produced(mixes: Tensor, production: float, seed: tuple[int, ...], sampling_rate: int) -> Tensor:
    """Mixes `(variants, channels, samples)`, some of them produced; the first, the whole accompaniment, stays clean."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    chosen = torch.from_numpy(rng.random(len(mixes)) < production)
    chosen[0] = False
    chosen = chosen.to(mixes.device)
    mixes[chosen] = apply_random_effects(mixes[chosen], generator, sampling_rate=sampling_rate)
    return mixes


@torch.inference_mode()
def _encode(autoencoder: Any, audio: Tensor) -> Tensor:
    """Latents of sounds `(n, channels, samples)`, each at the reference loudness, in half precision on the CPU."""
    return encode_raw(autoencoder, audio * reference_gain(audio)[:, None, None]).cpu().half()
