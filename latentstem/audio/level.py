"""Loudness of the part that sounds: the one measure by which every level of the project is set.

Silence between notes must not change how loud an instrument counts as, so the root mean square is taken over
the blocks within 40 dB of the loudest block only.
"""

import torch

REFERENCE_RMS = 0.1
"""The level, -20 dB below full scale, at which the nets hear mixes and stems."""

BLOCK = 4096
RANGE_DB = 40.0


def sounding_rms(audio: torch.Tensor) -> torch.Tensor:
    """Root mean square over the blocks of 4096 samples within 40 dB of the loudest block.

    Args:
        audio: `(batch, channels, samples)`; samples after the last whole block count as a shorter block.

    Returns:
        `(batch,)`, 0 where the audio is silent or empty.

    Example:
        >>> tone = torch.cat([torch.full((1, 1, 8192), 0.5), torch.zeros(1, 1, 81920)], dim=-1)
        >>> sounding_rms(tone)
        tensor([0.5000])
    """
    batch, _, samples = audio.shape
    if samples == 0:
        return audio.new_zeros(batch)
    blocks = -(-samples // BLOCK)
    squares = torch.nn.functional.pad(audio.float().square().mean(dim=1), (0, blocks * BLOCK - samples))
    energy = squares.reshape(batch, blocks, BLOCK).sum(dim=-1)
    counts = torch.full((blocks,), BLOCK, dtype=torch.float32, device=audio.device)
    counts[-1] = samples - (blocks - 1) * BLOCK
    power = energy / counts
    sounding = (power > 0) & (power >= power.amax(dim=-1, keepdim=True) * 10 ** (-RANGE_DB / 10))
    total = (counts * sounding).sum(dim=-1)
    return torch.where(total > 0, (energy * sounding).sum(dim=-1) / total.clamp(min=1), 0.0).sqrt()
