"""Predictions over overlapping windows of a long sequence, blended at every step (MultiDiffusion, arXiv 2302.08113).

Attention costs the square of the length, and a net may fail at lengths far beyond those of its training; windows bound
both. They are blended at every step and not once at the end (Bar-Tal et al. 2023), so that neighbours agree on their
overlap early in the sampling. Two predictions for the same noisy sample give
clean samples `A * x_t + B * output` with the same A and B: a weighted mean of outputs, the weights of which sum to
one, is that of the clean samples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OverlappingWindows:
    """Cut a sequence into overlapping windows, and blend predictions for them.

    Args:
        frames: Length of a window in frames.
        overlap: Number of frames of the overlap of two windows, over which they are crossfaded; at most half of
            `frames`.

    Raises:
        ValueError: The lengths do not fit each other.

    Example:
        >>> windows = OverlappingWindows(frames=8, overlap=4)
        >>> windows.spans(15)
        [slice(0, 8, None), slice(4, 12, None), slice(8, 15, None)]
        >>> windows.blend(lambda span: torch.ones(1, 1, span.stop - span.start), 15).unique()
        tensor([1.])
    """

    frames: int = 1024
    overlap: int = 128

    def __post_init__(self):
        if not 0 <= 2 * self.overlap <= self.frames or self.frames < 1:
            raise ValueError(
                f"got windows of {self.frames} frames with an overlap of {self.overlap}; expected at least one frame "
                "and an overlap of 0 to half of them"
            )

    def spans(self, length: int) -> list[slice]:
        """Return the windows over a sequence of `length` frames; one where it is no longer than a window."""
        starts = range(0, max(1, length - self.overlap), self.frames - self.overlap)
        return [slice(start, min(start + self.frames, length)) for start in starts]

    def blend(self, predict: Callable[[slice], Tensor], length: int) -> Tensor:
        """Evaluate window by window and blend.

        Args:
            predict: Function from the slice of a window to its prediction, `(..., frames of the window)`.
            length: Number of frames of the sequence.

        Returns:
            Blended prediction `(..., length)`; where one window covers the sequence, the prediction for it.
        """
        spans = self.spans(length)
        first = predict(spans[0])
        if len(spans) == 1:
            return first
        blended = first.new_zeros(*first.shape[:-1], length)
        for index, span in enumerate(spans):
            prediction = first if index == 0 else predict(span)
            blended[..., span] += prediction * self._weights(span, length).to(prediction)
        return blended

    def _weights(self, span: slice, length: int) -> Tensor:
        """Return weights of one, rising and falling linearly where the window overlaps another."""
        weights = torch.ones(span.stop - span.start)
        if not self.overlap:
            return weights
        ramp = (torch.arange(self.overlap) + 0.5) / self.overlap
        if span.start > 0:
            weights[: self.overlap] = ramp[: len(weights)]
        if span.stop < length:
            weights[-self.overlap :] = ramp.flip(0)
        return weights
