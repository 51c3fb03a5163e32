"""Multi-scale spectral distance of waveforms, on linear bins and on bands of equal width in octaves.

The multi-scale spectral distance sums over several windows a spectral convergence on linear bins and an L1 distance of
log magnitudes pooled to bands of equal width in octaves (Yamamoto et al. 2020 give the two terms on linear bins). Why
pooled: a bass below 500 Hz fills 2 % of the linear bins, so a distance that weighs all bins alike can fall while the
notes are wrong; a log-frequency axis gives every octave the same weight.
"""

import math

import torch
from torch import Tensor, nn

from latentstem._checks import check_finite
from latentstem.audio.fourier import stft
from latentstem.audio.rate import SAMPLING_RATE

WINDOW_LENGTHS = (256, 512, 1024, 2048, 4096, 8192)


def log_magnitude_distance(estimate: Tensor, target: Tensor) -> Tensor:
    """Compute the L1 distance of two log-magnitude spectrograms, the reconstruction loss of arXiv 2402.01412.

    Args:
        estimate: Log magnitudes, any shape.
        target: Log magnitudes, shaped like `estimate`.

    Returns:
        A scalar.

    Raises:
        ValueError: Magnitudes or distance are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> log_magnitude_distance(torch.zeros(1, 3), torch.ones(1, 3))
        tensor(1.)
    """
    distance = (estimate - target).abs().mean()
    check_finite("the distance", distance, {"estimate": estimate, "target": target})
    return distance


def log_frequency_bands(
    window_length: int, sampling_rate: int, bands_per_octave: int = 24, lowest: float = 27.5
) -> Tensor:
    """Build triangular filters of equal width in octaves, each summing to one over the linear bins.

    Below the resolution of the window a band interpolates its two nearest bins.

    Args:
        window_length: Length of the analysis window in samples.
        sampling_rate: Sampling rate of the audio in Hz.
        bands_per_octave: Number of bands an octave.
        lowest: Centre of the lowest band in Hz.

    Returns:
        `(bands, window_length // 2 + 1)`.

    Example:
        >>> bands = log_frequency_bands(2048, 44100)
        >>> bool((bands.sum(1) - 1).abs().max() < 1e-5)
        True
    """
    count = int(bands_per_octave * math.log2(0.45 * sampling_rate / lowest))
    spacing = sampling_rate / window_length
    centres = lowest * 2 ** (torch.arange(count, dtype=torch.float64) / bands_per_octave)
    half_widths = (centres * (2 ** (1 / bands_per_octave) - 1)).clamp(min=spacing)
    bins = torch.arange(window_length // 2 + 1, dtype=torch.float64) * spacing
    weights = (1 - (bins - centres[:, None]).abs() / half_widths[:, None]).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


class MultiScaleSpectralDistance(nn.Module):
    """Measure the distance of two waveforms over several windows, on linear bins and on a log-frequency axis.

    For each window: `||S - S'|| / ||S||` over the linear bins of the batch, plus the mean of
    `|log(P S + eps) - log(P S' + eps)|` with P the pooling of `log_frequency_bands`. The sum is divided by the number
    of windows. It is zero for equal waveforms, and does not depend on phase at scales longer than
    a window.

    Args:
        sampling_rate: Sampling rate of the audio in Hz.
        window_lengths: Lengths of the Hann windows in samples; the hop is half of each.
        bands_per_octave: Number of bands an octave of the log-frequency axis.
        epsilon: Floor inside the logarithm, where a full-scale sinusoid has magnitude one.

    Example:
        >>> import torch
        >>> distance = MultiScaleSpectralDistance(44100, window_lengths=(512, 1024))
        >>> tone = torch.sin(torch.arange(4096) * 0.05)[None, None]
        >>> float(distance(tone, tone)), bool(distance(tone, 0.5 * tone) > 0.3)
        (0.0, True)
    """

    def __init__(
        self,
        sampling_rate: int = SAMPLING_RATE,
        window_lengths: tuple[int, ...] = WINDOW_LENGTHS,
        bands_per_octave: int = 24,
        epsilon: float = 1e-2,
    ):
        super().__init__()
        self.window_lengths = tuple(window_lengths)
        self.epsilon = epsilon
        for window_length in self.window_lengths:
            bands = log_frequency_bands(window_length, sampling_rate, bands_per_octave)
            self.register_buffer(f"bands_{window_length}", bands, persistent=False)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Compare two waveforms.

        Args:
            estimate: Audio to compare, `(batch, channels, samples)`.
            target: Audio to compare with, `(batch, channels, samples)`.

        Returns:
            A scalar.

        Raises:
            ValueError: The shapes differ; or audio or distance are not finite, where no gradient is recorded.
        """
        if estimate.shape != target.shape:
            raise ValueError(f"got shapes {tuple(estimate.shape)} and {tuple(target.shape)}; expected equal ones")
        missing = -estimate.shape[-1] % (max(self.window_lengths) // 2)
        total = estimate.new_zeros((), dtype=torch.float32)
        for window_length in self.window_lengths:
            # One after the other: of both stacked the gradient would be taken for both, and thrown away for one.
            estimated, expected = (
                self._magnitude(nn.functional.pad(audio.float(), (0, missing)), window_length)
                for audio in (estimate, target)
            )
            total = total + self._convergence(estimated, expected) + self._pooled(estimated, expected, window_length)
        check_finite("the distance", total, {"estimate": estimate, "target": target})
        return total / len(self.window_lengths)

    def _magnitude(self, audio: Tensor, window_length: int) -> Tensor:
        spectrum = stft(audio, window_length, window_length // 2)
        # |X| has no gradient at zero; the square root of a floored power has, and its floor is 20 dB below epsilon.
        return (spectrum.real**2 + spectrum.imag**2 + (0.1 * self.epsilon) ** 2).sqrt()

    @staticmethod
    def _convergence(estimate: Tensor, target: Tensor) -> Tensor:
        # One ratio for the whole batch: item by item, those that happen to be silent would dominate the gradient. The
        # floor serves a batch that is silent altogether.
        scale = torch.linalg.vector_norm(target) + 1e-3 * target.numel() ** 0.5
        return torch.linalg.vector_norm(estimate - target) / scale

    def _pooled(self, estimate: Tensor, target: Tensor, window_length: int) -> Tensor:
        bands = self.get_buffer(f"bands_{window_length}")
        with torch.autocast(estimate.device.type, enabled=False):
            # Frames as rows fold into one matrix product. With bands as rows every item is a product of its own, whose
            # backward is slow where a long window leaves few frames: 0.42 s for 0.03 s at 32768, no difference at 2048.
            pooled = [torch.log(magnitude.mT @ bands.T + self.epsilon) for magnitude in (estimate, target)]
        return log_magnitude_distance(*pooled)


def multi_scale_spectral_distance(
    estimate: Tensor,
    target: Tensor,
    sampling_rate: int = SAMPLING_RATE,
    window_lengths: tuple[int, ...] = WINDOW_LENGTHS,
    bands_per_octave: int = 24,
    epsilon: float = 1e-2,
) -> Tensor:
    """Compute the distance of `MultiScaleSpectralDistance` without building a module.

    Args:
        estimate: Audio to compare, `(batch, channels, samples)`.
        target: Audio to compare with, `(batch, channels, samples)`.
        sampling_rate: Sampling rate of the audio in Hz.
        window_lengths: Lengths of the Hann windows in samples; the hop is half of each.
        bands_per_octave: Number of bands an octave of the log-frequency axis.
        epsilon: Floor inside the logarithm, where a full-scale sinusoid has magnitude one.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> float(multi_scale_spectral_distance(torch.zeros(1, 1, 4096), torch.zeros(1, 1, 4096)))
        0.0
    """
    distance = MultiScaleSpectralDistance(sampling_rate, window_lengths, bands_per_octave, epsilon)
    return distance.to(estimate.device)(estimate, target)
