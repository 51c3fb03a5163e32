"""Temporal multi-resolution of BassNet (Grachten et al. 2020, section 4.3): windows that are fine in the middle.

A window of many steps is kept as several channels of few steps: its centre at full resolution, twice as much around the
centre at half the resolution, and so on. What a net predicts in this form is expanded and crossfaded to a whole track.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MultiResolutionWindows:
    """Cut a track into overlapping windows, compress and expand them, and join them again.

    Windows of b steps start every b / 2 steps, the first one b / 2 before the track, so that every step lies in two.
    Outside, the track continues with its first and last step. `log2(b / a) + 1` channels of a steps hold a window:
    channel k has the `a * 2 ** k` steps in its middle, averaged over groups of `2 ** k`. A track of constant values
    survives all of it unchanged, and with `compressed == expanded` every track does.

    A track that does not fit in memory goes through `latentstem.audio.tile_stream` with tiles of a multiple of `hop`
    steps and `hop` steps of context.

    Args:
        compressed: Steps of a compressed window, a; even.
        expanded: Steps of a window, b: `compressed` times a power of two.

    Raises:
        ValueError: The lengths do not fit each other.

    Example:
        >>> import torch
        >>> windows = MultiResolutionWindows(compressed=4, expanded=16)
        >>> windows.channels, windows.hop
        (3, 8)
        >>> windows.compress(torch.arange(16.0)[None]).squeeze()
        tensor([[ 6.0000,  7.0000,  8.0000,  9.0000],
                [ 4.5000,  6.5000,  8.5000, 10.5000],
                [ 1.5000,  5.5000,  9.5000, 13.5000]])
        >>> windows.expand(windows.compress(torch.arange(16.0)[None]))
        tensor([[ 1.5000,  1.5000,  1.5000,  1.5000,  4.5000,  4.5000,  6.0000,  7.0000,
                  8.0000,  9.0000, 10.5000, 10.5000, 13.5000, 13.5000, 13.5000, 13.5000]])
        >>> track = torch.randn(264, 100)
        >>> compressed = windows.compress(windows.cut(track))
        >>> compressed.shape, windows.overlap_add(windows.expand(compressed), steps=100).shape
        (torch.Size([14, 3, 264, 4]), torch.Size([264, 100]))
    """

    compressed: int = 40
    expanded: int = 640

    def __post_init__(self):
        ratio, rest = divmod(self.expanded, self.compressed) if self.compressed > 0 else (0, 0)
        if self.compressed % 2 or rest or ratio < 1 or ratio & (ratio - 1):
            raise ValueError(
                f"got windows of {self.expanded} steps compressed to {self.compressed}; expected an even number of at "
                "least 2, times a power of two"
            )

    @property
    def channels(self) -> int:
        """Number of resolutions, `log2(expanded / compressed) + 1`."""
        return (self.expanded // self.compressed).bit_length()

    @property
    def hop(self) -> int:
        """Distance of neighbouring windows in steps, half of `expanded`."""
        return self.expanded // 2

    def count(self, steps: int) -> int:
        """Return the number of windows over a track of so many steps."""
        return -(-steps // self.hop) + 1

    def cut(self, track: Tensor) -> Tensor:
        """Cut a track into windows.

        Args:
            track: Values a step, `(..., features, steps)`.

        Returns:
            Windows `(..., count, features, expanded)`; the m-th one starts at step `(m - 1) * hop`.

        Raises:
            ValueError: There are no steps, or no axis of features.
        """
        if track.ndim < 2 or track.shape[-1] == 0:
            raise ValueError(
                f"got a track of shape {tuple(track.shape)}; expected (..., features, steps) with at least one step"
            )
        steps = track.shape[-1]
        index = torch.arange(-self.hop, self.count(steps) * self.hop, device=track.device)
        padded = track[..., index.clamp(0, steps - 1)]
        return padded.unfold(-1, self.expanded, self.hop).movedim(-2, -3)

    def compress(self, windows: Tensor) -> Tensor:
        """Compress windows to a few steps at several resolutions.

        Args:
            windows: Values a step, `(..., features, expanded)`.

        Returns:
            `(..., channels, features, compressed)`, the finest resolution first: as images, what a `Conv2d` takes.

        Raises:
            ValueError: The length is not `expanded`.
        """
        if windows.ndim < 2 or windows.shape[-1] != self.expanded:
            raise ValueError(f"got windows of shape {tuple(windows.shape)}; expected (..., features, {self.expanded})")
        channels = []
        for channel in range(self.channels):
            margin = (windows.shape[-1] - self.compressed) // 2
            channels.append(windows[..., margin : margin + self.compressed])
            if channel < self.channels - 1:
                # Halved again and again, not averaged at once: sums of two equal numbers are exact.
                windows = windows.unflatten(-1, (-1, 2)).mean(-1)
        return torch.stack(channels, dim=-3)

    def expand(self, compressed: Tensor) -> Tensor:
        """Expand compressed windows: the coarsest resolution everywhere, finer ones written over its middle.

        Args:
            compressed: Values a step, `(..., channels, features, compressed)`, the finest resolution first.

        Returns:
            Windows `(..., features, expanded)`, in the middle the values of the finest resolution.

        Raises:
            ValueError: The shape is not as above.
        """
        if compressed.ndim < 3 or compressed.shape[-3::2] != (self.channels, self.compressed):
            raise ValueError(
                f"got compressed windows of shape {tuple(compressed.shape)}; expected (..., {self.channels}, features, "
                f"{self.compressed})"
            )
        finer = compressed[..., 0, :, :]
        for channel in range(1, self.channels):
            coarse = compressed[..., channel, :, :].repeat_interleave(2**channel, dim=-1)
            margin = (coarse.shape[-1] - finer.shape[-1]) // 2
            finer = torch.cat([coarse[..., :margin], finer, coarse[..., -margin:]], dim=-1)
        return finer

    def overlap_add(self, windows: Tensor, steps: int) -> Tensor:
        """Join windows to a track, weighted by a periodic Hann window, which sums to one at this hop.

        Args:
            windows: Windows as `cut` places them, `(..., count, features, expanded)`.
            steps: Steps of the track.

        Returns:
            Track `(..., features, steps)`.

        Raises:
            ValueError: There are not `count(steps)` windows, or their length is not `expanded`.
        """
        if windows.ndim < 3 or windows.shape[-3::2] != (self.count(steps), self.expanded):
            raise ValueError(
                f"got windows of shape {tuple(windows.shape)}; expected (..., {self.count(steps)}, features, "
                f"{self.expanded}) for {steps} steps"
            )
        # Half a window apart, the sum is a crossfade of each window with the next: exact where both agree.
        precision = torch.promote_types(windows.dtype, torch.float32)
        angle = torch.arange(self.hop, device=windows.device, dtype=precision) * (math.pi / self.expanded)
        leaving, entering = windows[..., :-1, :, self.hop :], windows[..., 1:, :, : self.hop]
        blocks = torch.lerp(leaving, entering, angle.sin().square().to(windows.dtype))
        return blocks.movedim(-3, -2).flatten(-2)[..., :steps]
