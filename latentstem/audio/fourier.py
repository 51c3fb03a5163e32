"""Short-time Fourier transform and its inverse on a grid that tiles: frame m is centred on the m-th hop.

The signal is padded with (window - hop) / 2 zeros on both sides and analysed without centring, so that N samples
(a multiple of the hop) give exactly N / hop frames, and a frame depends on its own neighbourhood only. torch's own
``center=True`` reflects the ends, which makes the edges of two neighbouring tiles differ.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def check_window(window_length: int, hop_length: int) -> int:
    """Refuse a window that does not fit the hop.

    Args:
        window_length: Length of the window in samples.
        hop_length: Distance of neighbouring frames in samples.

    Returns:
        Number of zeros that `stft` adds on each side of a signal.

    Raises:
        ValueError: The window is shorter than two hops, or the difference between them is odd.
    """
    if hop_length < 1 or window_length < 2 * hop_length or (window_length - hop_length) % 2:
        raise ValueError(
            f"got window_length={window_length}, hop_length={hop_length}; expected a window of at least two hops "
            "with an even difference between them"
        )
    return (window_length - hop_length) // 2


def _window(window_length: int, device: torch.device) -> Tensor:
    return torch.hann_window(window_length, periodic=True, dtype=torch.float32, device=device)


def stft(audio: Tensor, window_length: int, hop_length: int) -> Tensor:
    """Analyse audio into complex frames, scaled so that a full-scale sinusoid has a magnitude near one.

    Always computed in float32, whatever the dtype or autocast of the caller.

    Args:
        audio: Real signal, `(..., samples)`, samples a multiple of `hop_length`.
        window_length: Length of the periodic Hann window in samples.
        hop_length: Distance of neighbouring frames in samples.

    Returns:
        Complex64 spectrum, `(..., window_length // 2 + 1, samples // hop_length)`.

    Raises:
        ValueError: The sample count is no positive multiple of the hop, or the window does not fit the hop.

    Example:
        >>> import torch
        >>> stft(torch.zeros(1, 4096), window_length=2048, hop_length=512).shape
        torch.Size([1, 1025, 8])
    """
    padding = check_window(window_length, hop_length)
    samples = audio.shape[-1]
    if samples == 0 or samples % hop_length:
        raise ValueError(f"got {samples} samples; expected a positive multiple of the hop of {hop_length}: zero-pad it")
    with torch.autocast(audio.device.type, enabled=False):
        padded = F.pad(audio.float(), (padding, padding))
        frames = padded.unfold(-1, window_length, hop_length) * _window(window_length, audio.device)
        return torch.fft.rfft(frames).transpose(-1, -2) * (4 / window_length)


def istft(spectrum: Tensor, window_length: int, hop_length: int) -> Tensor:
    """Overlap-add frames into audio: the least-squares inverse of `stft`.

    Args:
        spectrum: Complex spectrum, `(..., window_length // 2 + 1, frames)`.
        window_length: Length of the periodic Hann window that `stft` was given, in samples.
        hop_length: Distance of neighbouring frames in samples.

    Returns:
        Float32 signal, `(..., frames * hop_length)`.

    Raises:
        ValueError: The bins do not belong to `window_length`, or the window does not fit the hop.

    Example:
        >>> import torch
        >>> audio = torch.randn(2, 4096)
        >>> bool(torch.allclose(istft(stft(audio, 2048, 512), 2048, 512), audio, atol=1e-5))
        True
    """
    padding = check_window(window_length, hop_length)
    *batch, bins, frames = spectrum.shape
    if bins != window_length // 2 + 1:
        raise ValueError(f"got {bins} bins; expected {window_length // 2 + 1} for a window of {window_length}")
    with torch.autocast(spectrum.device.type, enabled=False):
        window = _window(window_length, spectrum.device)
        pieces = torch.fft.irfft(spectrum.transpose(-1, -2), n=window_length) * (window * (window_length / 4))
        summed = overlap_add(pieces.reshape(-1, frames, window_length), hop_length)
        weight = overlap_add((window**2).expand(1, frames, window_length), hop_length)
        kept = slice(padding, padding + frames * hop_length)
        return (summed[:, kept] / weight[:, kept]).reshape(*batch, frames * hop_length)


def overlap_add(pieces: Tensor, hop_length: int) -> Tensor:
    """Sum overlapping pieces.

    Args:
        pieces: Windowed pieces of a signal, `(batch, frames, window_length)`.
        hop_length: Distance of neighbouring pieces in samples.

    Returns:
        `(batch, (frames - 1) * hop_length + window_length)`.

    Example:
        >>> import torch
        >>> overlap_add(torch.ones(1, 3, 4), hop_length=2)
        tensor([[1., 1., 2., 2., 2., 2., 1., 1.]])
    """
    batch, frames, window_length = pieces.shape
    # Cut the pieces into hops: the j-th hop of every piece lands on one contiguous stretch, j hops later.
    blocks = -(-window_length // hop_length)
    pieces = F.pad(pieces, (0, blocks * hop_length - window_length)).view(batch, frames, blocks, hop_length)
    out = pieces.new_zeros(batch, frames + blocks - 1, hop_length)
    for j in range(blocks):
        out[:, j : j + frames] += pieces[:, :, j]
    return out.reshape(batch, -1)[:, : (frames - 1) * hop_length + window_length]
