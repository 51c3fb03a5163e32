"""A stem to start from: how much of the sampling it is given (variation), and what of it is to stay (inpainting)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Long enough that two waveforms meet without a click, short against a note.
CROSS_FADE = 0.02

DEFAULT_STRENGTH = 0.6


def check_init_stem(init_stem: Any, strength: float | None, keep: Sequence[tuple[float, float]] | None) -> None:
    """Refuses a strength or ranges to keep that cannot work, whatever the audio.

    Args:
        init_stem: Only whether there is one.
        strength: Share of the steps to run, above 0 and up to 1, or None.
        keep: Pairs (start, end) in seconds, or None.

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
            start, end = (float(seconds) for seconds in pair)
        except (TypeError, ValueError):
            start = end = math.nan
        if not (math.isfinite(start) and math.isfinite(end)):
            raise ValueError(f"keep must hold pairs (start, end) of finite seconds, e.g. [(0.0, 8.0)], got {pair!r}")


def first_step(strength: float, num_inference_steps: int) -> int:
    """Index of the step at which sampling starts, so that only the last `strength` share of the steps is run.

    Args:
        strength: Above 0 and up to 1.
        num_inference_steps: Steps of the whole run; at least the last one is run.

    Returns:
        The index, from 0.
    """
    return num_inference_steps - max(1, round(strength * num_inference_steps))


def kept_samples(keep: Sequence[tuple[float, float]], sampling_rate: int, num_samples: int) -> list[tuple[int, int]]:
    """Turns ranges in seconds into ranges of samples, in order; those that overlap or touch become one.

    Args:
        keep: Pairs (start, end) in seconds.
        sampling_rate: In Hz.
        num_samples: Of the stem.

    Returns:
        Pairs (first sample, sample after the last).

    Raises:
        ValueError: a range is empty or leaves the stem.
    """
    ranges = []
    for start, end in keep:
        first, after = round(start * sampling_rate), round(end * sampling_rate)
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
class KeptAudio:
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
        >>> kept = KeptAudio(torch.ones(1, 1, 8), ranges=[(2, 8)], fade=2)
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

    @property
    def weight(self) -> Tensor:
        """Share of the original in each sample, `(samples,)`."""
        samples = self.audio.shape[-1]
        weight = self.audio.new_zeros(samples)
        for first, after in self.ranges:
            inside = torch.arange(first, after, device=weight.device) + 0.5
            rise = (inside - first) / self.fade if first > 0 else torch.ones_like(inside)
            fall = (after - inside) / self.fade if after < samples else torch.ones_like(inside)
            weight[first:after] = torch.minimum(rise, fall).clamp(max=1)
        return weight

    @property
    def only(self) -> Tensor:
        """The audio with silence outside the ranges."""
        return self.audio * (self.weight > 0)

    def restore(self, generated: Tensor) -> Tensor:
        """Puts the originals in place, after scaling down what is generated where it would leave [-1, 1].

        Args:
            generated: Shaped as the audio, or with a multiple of its items, the copies of an item side by side.

        Returns:
            The stems; bit by bit the originals away from the edges of the ranges.
        """
        weight = self.weight.to(generated.device)
        # Only what is heard counts: a peak under the originals must not make the rest quieter.
        peak = (generated * (weight < 1)).abs().amax(dim=(1, 2), keepdim=True)
        original = self.audio.to(generated).repeat_interleave(len(generated) // len(self.audio), dim=0)
        return weight * original + (1 - weight) * (generated / peak.clamp(min=1.0))
