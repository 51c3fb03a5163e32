"""Training of `StyleEncoder`: codes of one instrument agree, whatever it plays, and those of others differ.

A batch holds two instruments a track, each playing two lines: the notes of the track, which both play, and others. So
instruments that play the same notes are the hardest negatives, and a code that tells notes loses. Pieces of the latents
are put in random order besides: what is left is sound.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import IterableDataset

from latentstem.data.compose.timbre_pairs import PAIRED_PART
from latentstem.evaluation.retrieval import top_k
from latentstem.losses.contrastive import supervised_contrastive
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.style_encoder import StyleEncoder
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.options import RunOptions
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latents import LatentTrack, cache_latents

PIECE_FRAMES = (2, 4)
"""Least and greatest length in latent frames of the pieces whose order is drawn."""


@dataclass(frozen=True)
class StyleEncoderTraining(RunOptions):
    """Settings of a training of `StyleEncoder`.

    The other options are described at `latentstem.training.engine.options.RunOptions`.

    Args:
        data: Folder of timbre pairs, as `compose_timbre_pair` makes them.
        references: Folder of other notes on the instruments of these pairs, as `compose_references` makes them.
        output: Folder for the training state, the logs and, in `style_encoder/`, the trained weights.
        validation: Folder of other timbre pairs; without it nothing is validated.
        validation_references: Folder of their references.
        autoencoder: Folder of the trained autoencoder, of any class that `latentstem.models.as_codec` takes.
        latents: Folder of the cached latents; without it they go to `latents/` in the output folder.
        model: Keyword arguments of `StyleEncoder` that differ from the defaults, as a JSON object.
        latent_noise: Greatest standard deviation of the noise added to the latents, whose own is about one.
        batch_size: Tracks per step, two instruments each.
        crop_frames: Latent frames per crop.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "data": "Data",
        "model": "Model",
        "latent_noise": "Objective",
        "batch_size": "Optimisation",
    }

    data: Path
    references: Path
    autoencoder: Path
    _: KW_ONLY
    validation_references: Path | None = None
    latents: Path | None = None
    model: dict[str, Any] | None = None
    latent_noise: float = 0.2
    batch_size: int = 24
    crop_frames: int = 64


@dataclass(frozen=True)
class StyleTrack:
    """Latents of two instruments, each in two lines.

    Attributes:
        name: Name of the track.
        lines: Normalized latents of the two instruments playing one line, `(2, channels, frames)`.
        references: The same instruments in the same order, playing other lines, `(2, channels, frames)`.
    """

    name: str
    lines: Tensor
    references: Tensor


class StyleCrops(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches of crops of instruments, with the number of its instrument for each.

    Each batch is a function of `(seed, step)` alone, so a resumed training continues with the batches it has not seen.

    Args:
        tracks: Instruments.
        batch_size: Tracks per batch, all different; at most all tracks.
        crop_frames: Frames per crop; of shorter tracks all.
        seed: Seed of tracks, positions and orders.
        first_step: Step of the first batch.
        device: Device of the crops.

    Raises:
        ValueError: If there are fewer than two tracks.

    Example:
        >>> import torch
        >>> tracks = [StyleTrack(name, torch.randn(2, 4, 30), torch.randn(2, 4, 30)) for name in "ab"]
        >>> crops, instruments = next(iter(StyleCrops(tracks, batch_size=2, crop_frames=8)))
        >>> crops.shape, sorted(instruments.tolist())
        (torch.Size([8, 4, 8]), [0, 0, 1, 1, 2, 2, 3, 3])
    """

    def __init__(
        self,
        tracks: Sequence[StyleTrack],
        batch_size: int,
        crop_frames: int,
        seed: int = 0,
        first_step: int = 0,
        device: torch.device | str = "cpu",
    ):
        if len(tracks) < 2:
            raise ValueError(f"got {len(tracks)} tracks; expected at least two, to tell their instruments apart")
        self.tracks, self.batch_size = tracks, min(batch_size, len(tracks))
        shortest = min(min(track.lines.shape[-1], track.references.shape[-1]) for track in tracks)
        self.crop_frames = min(crop_frames, shortest)
        self.seed, self.first_step, self.device = seed, first_step, device

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            crops, instruments = [], []
            for number, index in enumerate(rng.choice(len(self.tracks), self.batch_size, replace=False)):
                track = self.tracks[index]
                for latents in (track.lines, track.references):
                    start = int(rng.integers(latents.shape[-1] - self.crop_frames + 1))
                    # One place and one order for both instruments: of equal lines nothing but the sound differs.
                    order = torch.from_numpy(start + shuffled_pieces(self.crop_frames, rng))
                    crops.append(latents[..., order])
                    instruments += [2 * number, 2 * number + 1]
            yield torch.cat(crops).to(self.device), torch.tensor(instruments, device=self.device)


def shuffled_pieces(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Order frames so that short pieces stay whole and their order is random.

    Args:
        frames: Number of frames.
        rng: Generator of lengths and order.

    Returns:
        Indices of the frames, a permutation, `(frames,)`.
    """
    least, greatest = PIECE_FRAMES
    lengths = rng.integers(least, greatest + 1, size=-(-frames // least))
    pieces = np.split(np.arange(frames), np.cumsum(lengths))
    return np.concatenate([pieces[index] for index in rng.permutation(len(pieces))])


def train(settings: StyleEncoderTraining) -> Path:
    """Train a style encoder, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.

    Returns:
        Folder of the published weights: the moving average that validated best.

    Raises:
        latentstem.data.stems.layouts.StemError: If a folder holds no usable track.
        ValueError: If pairs and references share fewer than two tracks, or the output folder holds another net's state.
    """
    set_seed(settings.seed)
    autoencoder = load_codec(settings.autoencoder)
    model = StyleEncoder(latent_channels=as_codec(autoencoder).latent_channels, **(settings.model or {}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=1e-2, fused=True)
    run = TrainingRun.of(model, [optimizer], settings)
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    autoencoder.to(run.accelerator.device)
    cache = settings.latents or settings.output / "latents"
    with run.accelerator.main_process_first():
        tracks = cache_styles(settings.data, settings.references, autoencoder, cache, settings.workers)
        validation = []
        if settings.validation is not None and settings.validation_references is not None:
            validation = cache_styles(settings.validation, settings.validation_references, autoencoder, cache)
    run.resume()  # the minutes are counted from here: the tracks are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other crops
    size, frames = settings.batch_size, settings.crop_frames
    batches = iter(StyleCrops(tracks, size, frames, seed, run.budget.step, run.accelerator.device))
    target = settings.output / "style_encoder"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        crops, instruments = next(batches)
        deviation = settings.latent_noise * torch.rand(len(crops), 1, 1, device=crops.device)
        with run.accelerator.autocast():
            codes = run.model(crops + deviation * torch.randn_like(crops))
        loss = supervised_contrastive(codes, instruments)
        run.update(loss)
        run.report(bar, {"loss": loss})
        run.checkpoint(
            lambda averaged: retrieve_instruments(averaged, validation),
            "missed",
            lambda averaged, folder: averaged.save_pretrained(folder),
            target,
        )
    bar.close()
    return target


def cache_styles(pairs: Path, references: Path, autoencoder: Any, cache: Path, workers: int = 0) -> list[StyleTrack]:
    """Encode timbre pairs and their references, or read the latents from the cache.

    Args:
        pairs: Folder of timbre pairs.
        references: Folder of their references.
        autoencoder: Any codec that `latentstem.models.as_codec` takes.
        cache: Folder of the cache, created if absent.
        workers: Number of processes that read audio.

    Returns:
        The tracks that are in both folders, in order of name.

    Raises:
        latentstem.data.stems.layouts.StemError: If a folder holds no usable track.
    """
    folders = [
        {
            track.name: _instruments(track)
            for track in cache_latents(folder, PAIRED_PART, autoencoder, cache, submixes=1, seed=0, workers=workers)
        }
        for folder in (pairs, references)
    ]
    shared = [name for name in folders[0] if name in folders[1]]
    return [StyleTrack(name, folders[0][name], folders[1][name]) for name in shared]


def _instruments(track: LatentTrack) -> Tensor:
    """The part, which is the whole accompaniment of its twin, and the twin, `(2, channels, frames)`."""
    return torch.stack([track.mixes[0], track.stem])


@torch.no_grad()
def retrieve_instruments(model: StyleEncoder, tracks: Sequence[StyleTrack]) -> dict[str, float]:
    """Find the instrument of each line among those of all references.

    Args:
        model: Encoder in evaluation mode.
        tracks: Instruments.

    Returns:
        `top_1`, the share of the lines whose nearest reference is of their instrument; `twin_told`, the share of those
        whose own reference is nearer than that of the instrument that plays the same notes; and `missed`, 1 - `top_1`.
        Empty with fewer than two tracks.
    """
    if len(tracks) < 2:
        return {}
    lines, references = (
        torch.cat([torch.nn.functional.normalize(model(part.to(model.device)).float(), dim=-1) for part in parts])
        for parts in ([track.lines for track in tracks], [track.references for track in tracks])
    )
    cosines = (lines @ references.T).cpu().numpy()
    own = np.arange(len(cosines))
    told = float((cosines[own, own] > cosines[own, own ^ 1]).mean())
    found = top_k(cosines, 1)
    return {"top_1": found, "twin_told": told, "missed": 1 - found}


if __name__ == "__main__":
    print(f"{train(parse_settings(StyleEncoderTraining))}: trained weights")
