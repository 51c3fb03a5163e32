"""A stem to start from: how much of the sampling it is given (variation), and what of it is to stay (inpainting)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from latentstem.audio.level import SILENCE_RMS, active_rms, reference_gain

# Long enough that two waveforms meet without a click, short against a note.
CROSS_FADE = 0.02

DEFAULT_STRENGTH = 0.6

Ranges = Sequence[tuple[float, float | None]]
"""Pairs (start, end) in seconds; an end of None is that of the stem."""


def check_init_stem(init_stem: Any, strength: float | None, keep: Ranges | None) -> None:
    """Refuses a strength or ranges to keep that cannot work, whatever the audio.

    Args:
        init_stem: Only whether there is one.
        strength: Share of the steps to run, above 0 and up to 1, or None.
        keep: Ranges to keep, or None.

    Raises:
        ValueError: with what was got, what was expected, and the fix.
    """
    if init_stem is None and keep is not None:
        raise ValueError("got keep without init_stem; pass the stem of which to keep the ranges as init_stem")
    if init_stem is None and strength is not None:
        raise ValueError("got strength without init_stem; pass the stem to vary as init_stem")
    if strength is not None and not 0 < strength <= 1:
        raise ValueError(f"strength must be above 0 and at most 1, got {strength}")
    if keep is None:
        return
    if len(keep) == 0:
        raise ValueError("keep is empty; pass pairs (start, end) in seconds, or leave it out")
    for pair in keep:
        try:
            start, end = pair
            usable = math.isfinite(start) and (end is None or math.isfinite(end))
        except (TypeError, ValueError):
            usable = False
        if not usable:
            raise ValueError(
                "keep must hold pairs (start, end) of finite seconds, e.g. [(0.0, 8.0)], or with None for the end of "
                f"the stem, got {pair!r}"
            )


def first_step(strength: float, num_inference_steps: int) -> int:
    """Index of the step at which sampling starts, so that only the last `strength` share of the steps is run.

    Args:
        strength: Above 0 and up to 1.
        num_inference_steps: Steps of the whole run; at least the last one is run.

    Returns:
        The index, from 0.
    """
    return num_inference_steps - max(1, round(strength * num_inference_steps))


def kept_samples(keep: Ranges, sampling_rate: int, num_samples: int) -> list[tuple[int, int]]:
    """Turns ranges in seconds into ranges of samples, in order; those that overlap or touch become one.

    Args:
        keep: Pairs (start, end) in seconds, or with None for the end of the stem.
        sampling_rate: In Hz.
        num_samples: Of the stem.

    Returns:
        Pairs (first sample, sample after the last).

    Raises:
        ValueError: a range is empty or leaves the stem.
    """
    ranges = []
    for start, end in keep:
        first = round(start * sampling_rate)
        after = num_samples if end is None else round(end * sampling_rate)
        if not 0 <= first < after <= num_samples:
            raise ValueError(
                f"keep must hold ranges with 0 <= start < end <= {num_samples / sampling_rate:.6g} seconds, the "
                f"length of the stem, got {(start, end)}"
            )
        ranges.append((first, after))
    merged: list[tuple[int, int]] = []
    for first, after in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(after, merged[-1][1]))
        else:
            merged.append((first, after))
    return merged


@dataclass(frozen=True)
class KeptRegions:
    """Original samples to return in place of generated ones, cross-faded on the inside of their ranges.

    Args:
        audio: The stem they are of, `(batch, channels, samples)`.
        ranges: Pairs (first sample, sample after the last), in order and apart, as `kept_samples` returns them.
        fade: Samples of a cross-fade; where a range is shorter than two of them, it is nowhere the original alone. A
            range that begins or ends with the stem has no edge there.

    Raises:
        ValueError: what is to be kept leaves [-1, 1].

    Example:
        >>> import torch
        >>> kept = KeptRegions(torch.ones(1, 1, 8), ranges=[(2, 8)], fade=2)
        >>> kept.restore(torch.zeros(1, 1, 8))
        tensor([[[0.0000, 0.0000, 0.2500, 0.7500, 1.0000, 1.0000, 1.0000, 1.0000]]])
    """

    audio: Tensor
    ranges: list[tuple[int, int]]
    fade: int

    def __post_init__(self):
        peak = float(self.only.abs().max())
        if peak > 1:
            raise ValueError(
                f"init_stem reaches {peak:.4g} in the ranges to keep, and stems stay within [-1, 1]; scale it down, "
                "e.g. init_stem / abs(init_stem).max()"
            )

    def weight(self, first: int = 0, samples: int | None = None) -> Tensor:
        """Share of the original in each of so many samples from `first` on, `(samples,)`; in all of them by default."""
        whole = self.audio.shape[-1]
        place = torch.arange(first, whole if samples is None else first + samples, device=self.audio.device)
        weight = torch.zeros(len(place), device=place.device)
        for start, after in self.ranges:
            rise = (place - start + 0.5) / self.fade if start > 0 else torch.ones_like(weight)
            fall = (after - place - 0.5) / self.fade if after < whole else torch.ones_like(weight)
            weight = torch.maximum(weight, torch.minimum(rise, fall).clamp(0, 1))
        return weight

    @property
    def only(self) -> Tensor:
        """The audio with silence outside the ranges."""
        return self.audio * (self.weight() > 0)

    def heard(self, generated: Tensor, first: int = 0) -> Tensor:
        """What will be heard of a piece of what is generated: the piece with silence under the originals.

        Args:
            generated: `(batch, channels, samples)`, from sample `first` of the stem on.
            first: Where the piece lies.

        Returns:
            The piece, shaped as it came.
        """
        return generated * (self.weight(first, generated.shape[-1]).to(generated.device) < 1)

    def blend(self, generated: Tensor, first: int = 0) -> Tensor:
        """Puts the originals in place in a piece of what is generated.

        Args:
            generated: `(batch, channels, samples)` within [-1, 1], from sample `first` of the stem on; as many items as
                the audio has or a multiple of them, the copies of an item side by side.
            first: Where the piece lies.

        Returns:
            The piece, shaped as it came; bit by bit the originals away from the edges of the ranges.
        """
        samples = generated.shape[-1]
        weight = self.weight(first, samples).to(generated.device)
        original = self.audio[..., first : first + samples].to(generated)
        original = original.repeat_interleave(len(generated) // len(self.audio), dim=0)
        return weight * original + (1 - weight) * generated

    def restore(self, generated: Tensor) -> Tensor:
        """Puts the originals in place, after scaling down what is generated where it would leave [-1, 1].

        Args:
            generated: Whole stems, as for `blend`, of any level.

        Returns:
            The stems; bit by bit the originals away from the edges of the ranges.
        """
        # Only what is heard counts: a peak under the originals must not make the rest quieter.
        peak = self.heard(generated).abs().amax(dim=(1, 2), keepdim=True)
        return self.blend(generated / peak.clamp(min=1.0))


@dataclass(frozen=True)
class InitStem:
    """A stem to start from, and what is to become of it.

    Args:
        audio: `(batch, channels, samples)`.
        strength: Share of the steps to run, above 0 and up to 1.
        kept: What of it stays; None where nothing does.

    Example:
        >>> import torch
        >>> tone = torch.full((1, 1, 10), 0.5)
        >>> InitStem.prepare(tone, sampling_rate=10).strength
        0.6
        >>> opening = InitStem.prepare(tone, sampling_rate=10, keep=[(0.0, 0.4)])
        >>> opening.strength, opening.heard
        (1.0, tensor([[[0.5000, 0.5000, 0.5000, 0.5000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000]]]))
    """

    audio: Tensor
    strength: float
    kept: KeptRegions | None

    @classmethod
    def prepare(
        cls, audio: Tensor, sampling_rate: int, strength: float | None = None, keep: Ranges | None = None
    ) -> Self:
        """Reads strength and ranges as the pipeline's call means them.

        Args:
            audio: `(batch, channels, samples)`.
            sampling_rate: Of the audio, in Hz.
            strength: Share of the steps to run; None: 0.6, or 1 with `keep`.
            keep: Pairs (start, end) in seconds, or with None for the end of the stem; None keeps nothing.

        Returns:
            The stem.

        Raises:
            ValueError: a range is empty or leaves the stem, or what is to be kept leaves [-1, 1].
        """
        if keep is None:
            return cls(audio, DEFAULT_STRENGTH if strength is None else strength, None)
        ranges = kept_samples(keep, sampling_rate, audio.shape[-1])
        kept = KeptRegions(audio, ranges, fade=round(CROSS_FADE * sampling_rate))
        return cls(audio, 1.0 if strength is None else strength, kept)

    @property
    def heard(self) -> Tensor:
        """The audio without what is neither varied nor kept, of which nothing may be known."""
        return self.audio if self.kept is None or self.strength < 1 else self.kept.only

    def gain(self, otherwise: Tensor) -> Tensor:
        """What brings each stem to the reference loudness, `(batch,)`; new ones, decoded with it, are as loud.

        Args:
            otherwise: What to take for a stem that is silent, such as the gain of its mix, `(batch,)`.
        """
        own = reference_gain(self.heard)
        return torch.where(active_rms(self.heard) > SILENCE_RMS, own, otherwise.to(own))
