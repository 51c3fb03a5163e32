"""Inpainting and continuation: known frames are kept while the others are sampled, by an edit of the clean sample.

    x0 <- mask * known + (1 - mask) * x0

With the noise re-derived, a frame that is kept from the first step on goes straight from its noise to the known frame,
`x_t = a * known + b * noise`: at every step the net is given it at the noise level of the frames that it fills in. That
serves every solver, and the borders are as smooth as with the noise kept, or smoother: with the weights "bass-gm",
over eight borders in a stem of twelve seconds, the mean squared step from frame to frame is 1.2 to 1.3 times that
elsewhere, against 1.3 with the noise kept and 1.1 in the stem as it was.
"""

from collections.abc import Sequence
from math import inf
from typing import Any, Self

import torch
from torch import Tensor

from latentstem._checks import check_finite
from latentstem.sampling.hooks import DenoisedStep, NoiseMode


def open_ends(
    ranges: Sequence[tuple[float, float]], length: float, loop: bool = False, rounding: float = 0.0
) -> list[tuple[float, float]]:
    """Move those edges of ranges to infinity that are none: where a range begins or ends with the whole.

    The end of a loop goes on with its beginning: a range that ends there has an edge, unless another begins behind it;
    then the two are one, which is returned once at either end.

    Args:
        ranges: Pairs (start, end); those of a loop are apart from each other.
        length: Length of the whole, in the unit of the ranges.
        loop: Whether the whole is one turn of a loop.
        rounding: Distance from the end below which a range ends with the whole.

    Returns:
        Pairs (start, end) in order; those of a loop may begin before 0 or end after `length`.

    Example:
        >>> open_ends([(0.0, 2.0), (4.0, 5.0)], length=9.0)
        [(-inf, 2.0), (4.0, 5.0)]
        >>> open_ends([(0.0, 2.0), (4.0, 5.0)], length=9.0, loop=True)
        [(0.0, 2.0), (4.0, 5.0)]
        >>> open_ends([(0.0, 2.0), (4.0, 9.0)], length=9.0, loop=True)
        [(-5.0, 2.0), (4.0, 11.0)]
    """
    edges = sorted(ranges)
    begins = [start <= 0 for start, _ in edges]
    ends = [end >= length or end > length - rounding for _, end in edges]
    if not loop:
        return [
            (-inf if opens else start, inf if closes else end)
            for (start, end), opens, closes in zip(edges, begins, ends, strict=True)
        ]
    if not edges or not (begins[0] and ends[-1]):
        return edges
    if len(edges) == 1:
        return [(-inf, inf)]
    (_, after), (before, _) = edges[0], edges[-1]
    return [(before - length, after), *edges[1:-1], (before, after + length)]


class InpaintRegions:
    """A denoised hook that keeps known latents where a mask is set.

    Args:
        latents: Known latents, `(channels, frames)` for all items or `(batch, channels, frames)` with one an item;
            normalized latents where the sampler works on those.
        mask: Weights of the known frames, `(frames,)`: 1 keeps a frame, 0 lets the net fill it in, values between blend
            the two.
        noise: Treatment of the noise, `"rederive"` or `"keep"`, see `latentstem.on_denoised`; holds where the caller
            does not say.

    Raises:
        ValueError: The latents are not finite or of another number of dimensions, or the mask does not fit them or
            leaves 0 to 1.

    Example:
        >>> import torch
        >>> from latentstem import CosineDDIMScheduler, on_denoised
        >>> scheduler = CosineDDIMScheduler()
        >>> scheduler.set_timesteps(4)
        >>> known, sample = torch.randn(2, 1, 3, 50)
        >>> with on_denoised(scheduler, InpaintRegions(known, mask=(torch.arange(50) < 20).float())):
        ...     for timestep in scheduler.timesteps:
        ...         sample = scheduler.step(torch.randn(1, 3, 50), timestep, sample).prev_sample
        >>> torch.allclose(sample[..., :20], known[..., :20], atol=1e-5)
        True
    """

    def __init__(self, latents: Tensor, mask: Tensor, noise: NoiseMode = "rederive"):
        if latents.ndim not in (2, 3) or not torch.isfinite(latents).all():
            raise ValueError(
                "latents must be finite, of shape (channels, frames) or (batch, channels, frames), got "
                f"{tuple(latents.shape)}"
            )
        if mask.shape != latents.shape[-1:] or not ((mask >= 0) & (mask <= 1)).all():
            raise ValueError(
                f"mask must hold a number from 0 to 1 for each of the {latents.shape[-1]} frames, got shape "
                f"{tuple(mask.shape)}"
            )
        self.latents = latents
        self.mask = mask
        self.noise: NoiseMode = noise

    @classmethod
    def from_ranges(
        cls,
        latents: Tensor,
        ranges: Sequence[tuple[float, float]],
        frame_rate: float,
        fade: float = 1.0,
        loop: bool = False,
        **options: Any,
    ) -> Self:
        """Build the hook with a mask of ranges in seconds, which rises from 0 to 1 on the inside of their edges.

        Inside, because the last frames before an edge depend on what lies beyond it: an encoder's context is longer
        than a frame.
        With "bass-gm" the last whole frame is off by 8 percent of the variance where silence follows, the one
        before by less than a thousandth, and a frame cut in its middle by all of it.

        Args:
            latents: Known latents, `(channels, frames)` or `(batch, channels, frames)`.
            ranges: Pairs (start, end) in seconds. One that begins at 0 or ends within the last frame has no edge there,
                but see `loop`.
            frame_rate: Latent frames a second, `sampling_rate / hop_length`.
            fade: Number of frames over which the mask rises, measured at the frames' middles.
            loop: Whether the latents are one turn of a loop, whose end goes on with its beginning; its ranges are apart
                from each other.
            **options: Further arguments of the class.

        Returns:
            The hook.

        Example:
            >>> import torch
            >>> InpaintRegions.from_ranges(torch.zeros(64, 6), [(0.0, 1.0), (2.0, 2.5)], frame_rate=2.0).mask
            tensor([1.0000, 0.5000, 0.0000, 0.0000, 0.5000, 0.0000])
        """
        frames = latents.shape[-1]
        middles = torch.arange(frames, device=latents.device) + 0.5
        mask = torch.zeros(frames, device=latents.device)
        in_frames = [(start * frame_rate, end * frame_rate) for start, end in ranges]
        # A stem may end within its last frame; a turn of a loop is a whole number of frames.
        for first, last in open_ends(in_frames, frames, loop, rounding=1e-3 if loop else 1.0):
            inside = torch.minimum(middles - first, last - middles)
            mask = torch.maximum(mask, (inside / fade).clamp(0, 1))
        return cls(latents, mask, **options)

    def __call__(self, denoised: Tensor, step: DenoisedStep) -> Tensor:
        """Return `denoised`, `(batch, channels, frames)`, with the known frames in it."""
        if self.latents.shape[-2:] != denoised.shape[-2:]:
            raise ValueError(
                f"the latents to keep are of {tuple(self.latents.shape[-2:])} channels and frames and those sampled "
                f"of {tuple(denoised.shape[-2:])}; encode audio as long as the stem with the pipeline's autoencoder"
            )
        known, mask = self.latents.to(denoised), self.mask.to(denoised)
        filled = mask * known + (1 - mask) * denoised
        check_finite("the sample with kept frames", filled, {"denoised": denoised})
        return filled
