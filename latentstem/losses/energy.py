"""Distances in bands: of the energy that a sound has for a moment, and of how tonal it is, whatever single bins do.

The single bins of a noise are random, and a loss on their logarithms is least at their median, below their mean: a
decoder that cannot know them learns to be too quiet. Here the power is averaged over a band and a latent frame before
the logarithm is taken, so that noise of the right level costs little and noise of another level costs its decibels.

Energy does not tell a tone from a noise of equal level, and a decoder that does not know the frequencies of the upper
partials to a few Hz is better off, by distances of single bins, with a noise. Spectral flatness, the geometric mean of
the power of the bins of a band over its arithmetic mean (Gray and Markel 1974), tells the two apart wherever in the
band the partials lie.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentstem._checks import check_finite
from latentstem.audio.fourier import stft
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.losses.spectral import log_frequency_bands

RESOLUTIONS = ((1024, 4), (4096, 5))
"""Window lengths in samples and bands an octave of the two analyses."""
_SILENCE = 1e-12  # power below which nothing has a flatness, where a full-scale sinusoid has power one


class _BandDistance(nn.Module):
    """L1 distance of what a subclass measures in the bands of each of its windows."""

    window_lengths: tuple[int, ...]
    multiple: int
    """Number of samples that the audio is padded to a multiple of."""

    def measure(self, audio: Tensor, window: int) -> Tensor:
        """Measure audio `(batch, channels, samples)` through a window, in any shape."""
        raise NotImplementedError

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
        missing = -estimate.shape[-1] % self.multiple
        estimate, target = (F.pad(audio.float(), (0, missing)) for audio in (estimate, target))
        distances = [
            (self.measure(estimate, window) - self.measure(target, window)).abs().mean()
            for window in self.window_lengths
        ]
        distance = torch.stack(distances).mean()
        check_finite("the distance", distance, {"estimate": estimate, "target": target})
        return distance


class BandEnergyDistance(_BandDistance):
    """Measure the L1 distance of the logarithms of the power in bands of equal width in octaves.

    `mean |log(E + eps) - log(E' + eps)| / 2`, with E the power of an STFT averaged over a band and over a span of time;
    spans overlap by half. In nepers: 0.115 is one decibel.

    Args:
        sampling_rate: Sampling rate of the audio in Hz.
        span: Length in samples over which the power is averaged, a multiple of every window's half.
        resolutions: Window length in samples, whose hop is a quarter of it, and bands an octave of each analysis.
        lowest: Centre of the lowest band in Hz.
        epsilon: Floor of the power, where a full-scale sinusoid has power one: what tells basses apart above 1 kHz lies
            60 to 100 dB under it.

    Raises:
        ValueError: The span is no multiple of half of a window.

    Example:
        >>> import torch
        >>> noise, other = 0.1 * torch.randn(2, 1, 1, 65536)
        >>> distance = BandEnergyDistance()
        >>> float(distance(noise, noise)), bool(distance(noise, other) < distance(noise, 0.7 * noise))
        (0.0, True)
    """

    def __init__(
        self,
        sampling_rate: int = SAMPLING_RATE,
        span: int = 4096,
        resolutions: tuple[tuple[int, int], ...] = RESOLUTIONS,
        lowest: float = 80.0,
        epsilon: float = 1e-10,
    ):
        super().__init__()
        self.span = self.multiple = span
        self.epsilon = epsilon
        self.window_lengths = tuple(window for window, _ in resolutions)
        for window, per_octave in resolutions:
            if span % (window // 2):
                raise ValueError(f"got span={span}; expected a multiple of half of the window of {window}")
            bands = log_frequency_bands(window, sampling_rate, per_octave, lowest)
            self.register_buffer(f"bands_{window}", bands, persistent=False)

    def measure(self, audio: Tensor, window: int) -> Tensor:
        """Half the logarithm of the power, `(batch, channels, spans, bands)`."""
        hop = window // 4
        power = _power(audio, window, hop)
        # Averaged over time first, which leaves the fewest products.
        power = F.avg_pool1d(power, self.span // hop, self.span // hop // 2)
        with torch.autocast(audio.device.type, enabled=False):
            energy = power.mT @ self.get_buffer(f"bands_{window}").T
        return 0.5 * torch.log(energy + self.epsilon)


class BandFlatnessDistance(_BandDistance):
    """Measure the L1 distance of the spectral flatness in bands of equal width in octaves.

    `mean |F - F'| / 2`, with `F = mean log(P + f M) - log mean(P + f M)` over the power P of the bins of a band in one
    frame of an STFT, M its mean: about -0.58 for noise, far below for a tone. The floor f M keeps what nobody hears
    from counting. In nepers, as `BandEnergyDistance`; gains do not change it.

    Args:
        sampling_rate: Sampling rate of the audio in Hz.
        window_lengths: Lengths of the Hann windows in samples, whose hop is half; long enough to resolve the partials.
        bands_per_octave: Number of bands an octave.
        lowest: Centre of the lowest band in Hz.
        floor: Power, as a fraction of the mean of its band, from which on that of a bin counts.

    Example:
        >>> import torch
        >>> noise = 0.1 * torch.randn(1, 1, 65536)
        >>> tone = 0.1 * torch.sin(0.05 * torch.arange(65536.0))[None, None]
        >>> distance = BandFlatnessDistance()
        >>> bool(distance(noise, 0.5 * noise) < 0.01), bool(distance(noise, tone) > 0.3)
        (True, True)
    """

    def __init__(
        self,
        sampling_rate: int = SAMPLING_RATE,
        window_lengths: tuple[int, ...] = (4096, 8192),
        bands_per_octave: int = 3,
        lowest: float = 160.0,
        floor: float = 1e-4,
    ):
        super().__init__()
        self.window_lengths, self.floor = tuple(window_lengths), floor
        self.multiple = max(self.window_lengths) // 2
        for window in self.window_lengths:
            bands = log_frequency_bands(window, sampling_rate, bands_per_octave, lowest)
            self.register_buffer(f"bands_{window}", bands, persistent=False)

    def measure(self, audio: Tensor, window: int) -> Tensor:
        """Half the logarithm of the flatness, `(batch * channels, frames, bands)`."""
        power = _power(audio, window, window // 2).mT
        bands = self.get_buffer(f"bands_{window}").T
        with torch.autocast(audio.device.type, enabled=False):
            mean = (power @ bands) @ (bands / bands.sum(1, keepdim=True).clamp(min=1e-9)).T  # back on the bins
            power = power + self.floor * mean + _SILENCE
            return 0.5 * (power.log() @ bands - (power @ bands).log())


def _power(audio: Tensor, window: int, hop: int) -> Tensor:
    """Power of the bins of an STFT, `(batch * channels, bins, frames)`."""
    spectrum = stft(audio, window, hop)
    return (spectrum.real.square() + spectrum.imag.square()).flatten(0, 1)
