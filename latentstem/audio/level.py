"""Active level of audio: the root mean square over the blocks that sound, by which every level of the project is set.

Silence between notes must not change how loud an instrument counts as, so the root mean square is taken over
the blocks within 40 dB of the loudest block only.
"""

import torch

from latentstem.audio.errors import AudioContentError
from latentstem.audio.limits import LOUDEST

REFERENCE_RMS = 0.1
"""The level, -20 dB below full scale, at which the nets are given mixes and stems."""

SILENCE_RMS = 1e-6
"""The level, -120 dB below full scale, up to which audio is silence: there is no loudness to bring up."""

BLOCK = 4096
ACTIVITY_RANGE_DB = 40.0


def active_rms(audio: torch.Tensor) -> torch.Tensor:
    """Compute the root mean square over the blocks of 4096 samples within 40 dB of the loudest block.

    Args:
        audio: `(batch, channels, samples)`; samples after the last whole block count as a shorter block.

    Returns:
        `(batch,)`, 0 where the audio is silent or empty.

    Raises:
        AudioContentError: The audio is not finite, or over 1e12.

    Example:
        >>> tone = torch.cat([torch.full((1, 1, 8192), 0.5), torch.zeros(1, 1, 81920)], dim=-1)
        >>> active_rms(tone)
        tensor([0.5000])
    """
    level = ActiveLevelMeter()
    level.update(audio)
    return level.rms


def reference_gain(audio: torch.Tensor) -> torch.Tensor:
    """Compute the factor that brings audio to the reference loudness, 0.1 by `active_rms`.

    Args:
        audio: `(batch, channels, samples)`.

    Returns:
        `(batch,)`, 1 where the audio is silent, that is at most 120 dB below full scale, or empty.

    Raises:
        AudioContentError: The audio is not finite, or over 1e12.

    Example:
        >>> reference_gain(torch.stack([torch.full((1, 8192), 0.5), torch.zeros(1, 8192)]))
        tensor([0.2000, 1.0000])
    """
    level = ActiveLevelMeter()
    level.update(audio)
    return level.gain


def normalize_level(audio: torch.Tensor) -> torch.Tensor:
    """Bring audio to the reference loudness, 0.1 by `active_rms`.

    Args:
        audio: `(batch, channels, samples)`.

    Returns:
        Each item times its `reference_gain`, in the shape of `audio`; silence stays silence.

    Raises:
        AudioContentError: The audio is not finite, or over 1e12.

    Example:
        >>> normalize_level(torch.stack([torch.full((1, 8192), 0.5), torch.zeros(1, 8192)])).amax(dim=(1, 2))
        tensor([0.1000, 0.0000])
    """
    return (audio.float() * reference_gain(audio)[:, None, None]).to(audio.dtype)


class ActiveLevelMeter:
    """Measure the active level of audio that comes in pieces, however it is divided.

    Example:
        >>> level = ActiveLevelMeter()
        >>> for piece in torch.cat([torch.full((1, 1, 8192), 0.5), torch.zeros(1, 1, 81920)], dim=-1).split(5000, -1):
        ...     level.update(piece)
        >>> level.rms
        tensor([0.5000])
    """

    def __init__(self):
        # Energies of whole blocks, one list an item. Plain numbers: small tensors between the large ones that come and
        # go would keep the freed memory of these from being used again (tried: 8 MB a minute).
        self._energies: list[list[float]] = []
        self._rest: torch.Tensor | None = None  # squares of the samples after them, (batch, samples)

    def update(self, audio: torch.Tensor) -> None:
        """Add the next piece, `(batch, channels, samples)`.

        Raises:
            AudioContentError: The audio is not finite, or over 1e12.
        """
        if audio.ndim != 3:
            raise AudioContentError(f"got audio of shape {tuple(audio.shape)}; expected (batch, channels, samples)")
        squares = audio.float().square().mean(dim=1)
        if squares.numel() and not squares.max() <= LOUDEST**2:
            raise AudioContentError(
                f"the audio reaches {audio.abs().max().item():.3g}; expected finite samples in [-1, 1], or at most "
                f"{LOUDEST:g}: scale it down"
            )
        if self._rest is not None:
            squares = torch.cat([self._rest, squares], dim=-1)
        blocks = squares.shape[-1] // BLOCK
        self._energies = self._energies or [[] for _ in squares]
        for energies, item in zip(self._energies, squares[:, : blocks * BLOCK], strict=True):
            energies.extend(item.unflatten(-1, (blocks, BLOCK)).sum(dim=-1).tolist())
        self._rest = squares[:, blocks * BLOCK :].clone()

    @property
    def rms(self) -> torch.Tensor:
        """Level of all pieces together, `(batch,)`, as `active_rms` measures it.

        Raises:
            ValueError: No piece was added.
        """
        if self._rest is None:
            raise ValueError("got no audio to measure the level of, expected at least one piece")
        whole = torch.tensor(self._energies, dtype=self._rest.dtype, device=self._rest.device)
        energy = torch.cat([whole, self._rest.sum(dim=-1, keepdim=True)], dim=-1)
        counts = torch.full(energy.shape[-1:], BLOCK, dtype=torch.float32, device=energy.device)
        counts[-1] = self._rest.shape[-1]
        power = energy / counts.clamp(min=1)
        sounding = (power > 0) & (power >= power.amax(dim=-1, keepdim=True) * 10 ** (-ACTIVITY_RANGE_DB / 10))
        total = (counts * sounding).sum(dim=-1)
        return torch.where(total > 0, (energy * sounding).sum(dim=-1) / total.clamp(min=1), 0.0).sqrt()

    @property
    def gain(self) -> torch.Tensor:
        """Gain of all pieces together, `(batch,)`, as `reference_gain` computes it."""
        return torch.where(self.rms > SILENCE_RMS, REFERENCE_RMS / self.rms.clamp(min=SILENCE_RMS), 1.0)
