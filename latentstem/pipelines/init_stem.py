"""A stem to start from: the strength of a variation (SDEdit, arXiv 2108.01073) and the ranges kept by inpainting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from latentstem.audio.level import SILENCE_RMS, active_rms, reference_gain
from latentstem.guidance.inpainting import open_ends
from latentstem.pipelines.errors import ArgumentError

# Long enough that two waveforms meet without a click, short against a note.
CROSS_FADE = 0.02

DEFAULT_STRENGTH = 0.6

Ranges = Sequence[tuple[float, float | None]]
"""Pairs (start, end) in seconds; an end of None is the end of the stem."""


def default_strength(keep: Ranges | None) -> float:
    """Return the strength where none is given: all of the way where parts stay, less for a variation.

    Args:
        keep: Ranges that stay, or None.

    Example:
        >>> default_strength(None), default_strength([(0.0, 8.0)])
        (0.6, 1.0)
    """
    return DEFAULT_STRENGTH if keep is None else 1.0


def first_step(strength: float, num_inference_steps: int) -> int:
    """Return the index of the step at which sampling starts, so that only the last `strength` of the steps is run.

    Args:
        strength: Fraction of the steps to run, above 0 and up to 1.
        num_inference_steps: Number of steps of the whole schedule; at least the last one is run.

    Returns:
        The index, from 0.
    """
    return num_inference_steps - max(1, round(strength * num_inference_steps))


def kept_samples(keep: Ranges, sampling_rate: int, num_samples: int) -> list[tuple[int, int]]:
    """Convert ranges in seconds to ranges of samples, in order; those that overlap or touch become one.

    Args:
        keep: Pairs (start, end) in seconds, or with None for the end of the stem.
        sampling_rate: Sampling rate of the stem in Hz.
        num_samples: Length of the stem in samples.

    Returns:
        Pairs (first sample, sample after the last).

    Raises:
        ArgumentError: A range is empty or leaves the stem.
    """
    ranges = []
    for start, end in keep:
        first = round(start * sampling_rate)
        after = num_samples if end is None else round(end * sampling_rate)
        if not 0 <= first < after <= num_samples:
            raise ArgumentError(
                "{keep} must hold ranges with 0 <= start < end <= {length} seconds, the length of the stem, got {got}",
                length=f"{num_samples / sampling_rate:.6g}",
                got=(start, end),
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
    """Original samples that replace generated ones, cross-faded on the inside of their ranges.

    Args:
        audio: Stems that hold the original samples, `(batch, channels, samples)`.
        ranges: Pairs (first sample, sample after the last), in order and apart, as `kept_samples` returns them.
        fade: Length of a cross-fade in samples; a range shorter than two of them is nowhere the original alone. A
            range that begins or ends with the stem has no edge there, but see `loop`.
        loop: Whether the stems are one turn of a loop, whose end goes on with its beginning.

    Raises:
        ArgumentError: The samples to keep leave [-1, 1].

    Example:
        >>> import torch
        >>> kept = KeptRegions(torch.ones(1, 1, 8), ranges=[(2, 8)], fade=2)
        >>> kept.restore(torch.zeros(1, 1, 8))
        tensor([[[0.0000, 0.0000, 0.2500, 0.7500, 1.0000, 1.0000, 1.0000, 1.0000]]])
    """

    audio: Tensor
    ranges: list[tuple[int, int]]
    fade: int
    loop: bool = False

    def __post_init__(self):
        peak = float(self.only.abs().max())
        if peak > 1:
            raise ArgumentError(
                "the stem to start from reaches {peak} in the ranges to keep, and stems stay within [-1, 1]; scale "
                "it down to a peak of 1",
                peak=f"{peak:.4g}",
            )

    def weight(self, first: int = 0, samples: int | None = None) -> Tensor:
        """Return the weight of the original in each sample, from 0 to 1.

        Args:
            first: Index of the first sample.
            samples: Number of samples; None goes on to the end of the stem.

        Returns:
            Weights `(samples,)`.
        """
        whole = self.audio.shape[-1]
        index = torch.arange(first, whole if samples is None else first + samples, device=self.audio.device)
        weight = torch.zeros(len(index), device=index.device)
        for start, after in open_ends(self.ranges, whole, self.loop):
            inside = torch.minimum(index - start, after - 1 - index) + 0.5
            weight = torch.maximum(weight, (inside / self.fade).clamp(0, 1))
        return weight

    @property
    def only(self) -> Tensor:
        """Audio with silence outside the ranges."""
        return self.audio * (self.weight() > 0)

    def mute(self, generated: Tensor, first: int = 0) -> Tensor:
        """Silence generated samples where the originals replace them.

        Args:
            generated: A piece of the generated stems, `(batch, channels, samples)`.
            first: Index of the piece's first sample in the stem.

        Returns:
            The piece `(batch, channels, samples)`.
        """
        return generated * (self.weight(first, generated.shape[-1]).to(generated.device) < 1)

    def blend(self, generated: Tensor, first: int = 0) -> Tensor:
        """Put the originals in place in a piece of the generated stems.

        Args:
            generated: The piece, `(batch, channels, samples)` within [-1, 1]; as many items as the audio has, or a
                multiple of them with the copies of an item side by side.
            first: Index of the piece's first sample in the stem.

        Returns:
            The piece `(batch, channels, samples)`; bit by bit the originals away from the edges of the ranges.
        """
        samples = generated.shape[-1]
        weight = self.weight(first, samples).to(generated.device)
        original = self.audio[..., first : first + samples].to(generated)
        original = original.repeat_interleave(len(generated) // len(self.audio), dim=0)
        return weight * original + (1 - weight) * generated

    def restore(self, generated: Tensor) -> Tensor:
        """Scale generated stems down where they would leave [-1, 1], and put the originals in place.

        Args:
            generated: Whole stems of any level, `(batch, channels, samples)`; as many items as the audio has, or a
                multiple of them with the copies of an item side by side.

        Returns:
            The stems `(batch, channels, samples)`; bit by bit the originals away from the edges of the ranges.
        """
        # A peak under the originals must not make the rest quieter.
        peak = self.mute(generated).abs().amax(dim=(1, 2), keepdim=True)
        return self.blend(generated / peak.clamp(min=1.0))


@dataclass(frozen=True)
class InitStem:
    """A stem to start from, with the strength of the variation and the regions to keep.

    Args:
        audio: The stem, `(batch, channels, samples)`.
        strength: Fraction of the steps to run, above 0 and up to 1.
        kept: Regions to keep; None keeps nothing.

    Example:
        >>> import torch
        >>> tone = torch.full((1, 1, 10), 0.5)
        >>> InitStem.prepare(tone, sampling_rate=10).strength
        0.6
        >>> opening = InitStem.prepare(tone, sampling_rate=10, keep=[(0.0, 0.4)])
        >>> opening.strength, opening.condition
        (1.0, tensor([[[0.5000, 0.5000, 0.5000, 0.5000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000]]]))
    """

    audio: Tensor
    strength: float
    kept: KeptRegions | None

    @classmethod
    def prepare(
        cls,
        audio: Tensor,
        sampling_rate: int,
        strength: float | None = None,
        keep: Ranges | None = None,
        loop: bool = False,
    ) -> Self:
        """Apply the defaults of the pipeline's call, and convert ranges to samples.

        Args:
            audio: The stem, `(batch, channels, samples)`.
            sampling_rate: Sampling rate of the audio in Hz.
            strength: Fraction of the steps to run; None is 0.6, or 1 with `keep`.
            keep: Pairs (start, end) in seconds, or with None for the end of the stem; None keeps nothing.
            loop: Whether the stem is one turn of a loop.

        Returns:
            The stem to start from.

        Raises:
            ArgumentError: A range is empty or leaves the stem, or the samples to keep leave [-1, 1].
        """
        strength = default_strength(keep) if strength is None else strength
        if keep is None:
            return cls(audio, strength, None)
        ranges = kept_samples(keep, sampling_rate, audio.shape[-1])
        kept = KeptRegions(audio, ranges, fade=round(CROSS_FADE * sampling_rate), loop=loop)
        return cls(audio, strength, kept)

    @property
    def condition(self) -> Tensor:
        """Audio that sampling may depend on: silent where the stem is neither varied nor kept."""
        return self.audio if self.kept is None or self.strength < 1 else self.kept.only

    def gain(self, otherwise: Tensor) -> Tensor:
        """Return the gain that brings each stem to the reference loudness; new stems decoded with it are as loud.

        Args:
            otherwise: Gain to return for a silent stem, such as the gain of its mix, `(batch,)`.

        Returns:
            Gains `(batch,)`.
        """
        own = reference_gain(self.condition)
        return torch.where(active_rms(self.condition) > SILENCE_RMS, own, otherwise.to(own))
