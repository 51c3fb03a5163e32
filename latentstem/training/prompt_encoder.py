"""Training of `PromptEncoder`: a caption is near every sound that it is true of, and crops of one loop are together.

Several loops of a batch may fit one caption, so the target of the softmax is spread over all of them, where CLIP
(Radford et al. 2021, arXiv 2103.00020) takes one alone. Pieces of the latents are put in random order: a code that
tells the notes would let a denoiser copy them from a reference.
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

from latentstem.data.words import WORDS
from latentstem.evaluation.retrieval import top_k
from latentstem.losses.contrastive import supervised_contrastive
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.prompt_encoder import PromptEncoder
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latents import LatentOptions, LatentTrack, cache_for_training
from latentstem.training.prompts import draw_captions, fits, word_condition
from latentstem.training.style_encoder import shuffled_pieces


@dataclass(frozen=True)
class PromptEncoderTraining(LatentOptions):
    """Settings of a training of `PromptEncoder`.

    The other options are described at `latentstem.training.latents.LatentOptions` and
    `latentstem.training.engine.options.RunOptions`.

    Args:
        target: Name of the stem that holds a loop.
        output: Folder for the training state, the logs and, in `prompt_encoder/`, the trained weights.
        submixes: Number of random sub-mixes encoded per track; a loop has none.
        model: Keyword arguments of `PromptEncoder` that differ from the defaults, as a JSON object.
        latent_noise: Greatest standard deviation of the noise added to the latents, whose own is about one.
        sound_weight: Weight of the loss that keeps two crops of one loop together.
        batch_size: Loops per step, two crops each.
        crop_frames: Latent frames per crop.
    """

    GROUPS: ClassVar[dict[str, str]] = {"model": "Model", "latent_noise": "Objective", "batch_size": "Optimisation"}

    _: KW_ONLY
    target: str = "loop"
    submixes: int = 0
    model: dict[str, Any] | None = None
    latent_noise: float = 0.5
    sound_weight: float = 0.5
    batch_size: int = 64
    crop_frames: int = 64


class LoopCrops(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches of two crops a loop, with the words of each loop.

    Each batch is a function of `(seed, step)` alone, so a resumed training continues with the batches it has not seen.

    Args:
        tracks: Latents of loops, with the vector "words".
        batch_size: Loops per batch, all different; at most all loops.
        crop_frames: Frames per crop; of shorter loops all.
        seed: Seed of loops, positions and orders.
        first_step: Step of the first batch.

    Example:
        >>> import torch
        >>> tracks = [LatentTrack(name, torch.randn(4, 30), {}, {"words": torch.ones(5)}) for name in "abc"]
        >>> crops, words = next(iter(LoopCrops(tracks, batch_size=2, crop_frames=8)))
        >>> crops.shape, words.shape
        (torch.Size([4, 4, 8]), torch.Size([2, 5]))
    """

    def __init__(
        self, tracks: Sequence[LatentTrack], batch_size: int, crop_frames: int, seed: int = 0, first_step: int = 0
    ):
        self.tracks, self.batch_size = tracks, min(batch_size, len(tracks))
        self.crop_frames = min(crop_frames, *(track.stem.shape[-1] for track in tracks))
        self.seed, self.first_step = seed, first_step

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            chosen = [self.tracks[index] for index in rng.choice(len(self.tracks), self.batch_size, replace=False)]
            crops = [self._crop(track.stem, rng) for _ in range(2) for track in chosen]
            yield torch.stack(crops), torch.stack([track.vectors["words"] for track in chosen])

    def _crop(self, latents: Tensor, rng: np.random.Generator) -> Tensor:
        start = int(rng.integers(latents.shape[-1] - self.crop_frames + 1))
        return latents[:, torch.from_numpy(start + shuffled_pieces(self.crop_frames, rng))]


def train(settings: PromptEncoderTraining) -> Path:
    """Train a prompt encoder, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.

    Returns:
        Folder of the published weights: the moving average that validated best.

    Raises:
        latentstem.data.stems.layouts.StemError: If a folder holds no usable track.
        ValueError: If a track is not annotated, or the output folder holds the state of another net.
    """
    set_seed(settings.seed)
    autoencoder = load_codec(settings.autoencoder)
    codec = as_codec(autoencoder)
    words = {word: list(others) for word, others in WORDS.words.items()}
    model = PromptEncoder(words, latent_channels=codec.latent_channels, **(settings.model or {}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=1e-2, fused=True)
    run = TrainingRun.of(model, [optimizer], settings)
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    conditions = {"words": word_condition(settings.target, codec)}
    tracks, validation = cache_for_training(settings, autoencoder, run.accelerator, conditions)
    run.resume()  # the minutes are counted from here: the tracks are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other crops
    batches = iter(LoopCrops(tracks, settings.batch_size, settings.crop_frames, seed, run.budget.step))
    target = settings.output / "prompt_encoder"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        crops, truth = (part.to(run.accelerator.device) for part in next(batches))
        deviation = settings.latent_noise * torch.rand(len(crops), 1, 1, device=crops.device)
        captions = draw_captions(truth)
        with run.accelerator.autocast():
            logits, _, sounds = run.model(captions, crops + deviation * torch.randn_like(crops))
        losses = {
            "words": word_loss(logits, fits(captions, truth).repeat(1, 2)),
            "sound": settings.sound_weight
            * supervised_contrastive(sounds, torch.arange(len(truth), device=truth.device).repeat(2)),
        }
        run.update(torch.stack(list(losses.values())).sum())
        run.report(bar, losses)
        run.checkpoint(
            lambda averaged: validate(averaged, validation),
            "missed",
            lambda averaged, folder: averaged.save_pretrained(folder),
            target,
        )
    bar.close()
    return target


def word_loss(logits: Tensor, fitting: Tensor) -> Tensor:
    """Compute the cross entropies of the sounds of each caption and of the captions of each sound.

    Args:
        logits: `(captions, sounds)`.
        fitting: Which captions are true of which sounds, bool `(captions, sounds)`; each caption of at least one.

    Returns:
        A scalar, the mean of both.

    Example:
        >>> word_loss(torch.zeros(2, 2), torch.eye(2, dtype=torch.bool)).round(decimals=4)
        tensor(0.6931)
    """
    losses = []
    for scores, wanted in ((logits, fitting), (logits.T, fitting.T)):
        rows = wanted.any(dim=-1)
        shares = scores.log_softmax(dim=-1).masked_fill(~wanted, 0.0).sum(-1) / wanted.sum(-1).clamp(min=1)
        losses.append(-shares[rows].mean())
    return torch.stack(losses).mean()


@torch.no_grad()
def validate(model: PromptEncoder, tracks: Sequence[LatentTrack]) -> dict[str, float]:
    """Tell the words of loops by their codes, and find a loop's first half among all by its second.

    Args:
        model: Encoder in evaluation mode.
        tracks: Loops with their words.

    Returns:
        `told`, the balanced accuracy of "WORD" against "no WORD", averaged over the words that some loops have and
        others have not; `top_1`, the share of the second halves whose nearest first half is of their loop; and
        `missed`, 1 minus the mean of both. Empty with fewer than two loops.
    """
    if len(tracks) < 2:
        return {}
    truth = torch.stack([track.vectors["words"] for track in tracks]).to(model.device)
    stems = [track.stem.to(model.device) for track in tracks]
    sounds = torch.cat([model.embed_sound(stem[None]) for stem in stems])
    each = torch.eye(truth.shape[1], device=model.device)
    right = sounds @ (model.embed_words(each) - model.embed_words(-each)).T * truth > 0
    shares = [(right & of).sum(0) / of.sum(0) for of in (truth > 0, truth < 0)]
    told = float(torch.stack(shares).mean(0).nanmean())
    firsts, seconds = (
        torch.cat([model.embed_sound(half[None]) for half in halves])
        for halves in zip(*(stem.tensor_split(2, dim=-1) for stem in stems), strict=True)
    )
    top_1 = top_k((seconds @ firsts.T).cpu().numpy(), 1)
    return {"told": round(told, 4), "top_1": round(top_1, 4), "missed": round(1 - (told + top_1) / 2, 4)}


if __name__ == "__main__":
    print(f"{train(parse_settings(PromptEncoderTraining))}: trained weights")
