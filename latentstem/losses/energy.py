"""Distance of the energy in bands: the level that a sound has in a band for a moment, whatever its single bins do.

The single bins of a noise are random, and a loss on their logarithms is least at their median, below their mean: a
decoder that cannot know them learns to be too quiet. Here the power is averaged over a band and a latent frame before
the logarithm is taken, so that noise of the right level costs little and noise of another level costs its decibels.
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


class BandEnergyDistance(nn.Module):
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
        self.span, self.epsilon = span, epsilon
        self.window_lengths = tuple(window for window, _ in resolutions)
        for window, per_octave in resolutions:
            if span % (window // 2):
                raise ValueError(f"got span={span}; expected a multiple of half of the window of {window}")
            bands = log_frequency_bands(window, sampling_rate, per_octave, lowest)
            self.register_buffer(f"bands_{window}", bands, persistent=False)

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
        missing = -estimate.shape[-1] % self.span
        estimate, target = (F.pad(audio.float(), (0, missing)) for audio in (estimate, target))
        distances = [
            (self._levels(estimate, window) - self._levels(target, window)).abs().mean()
            for window in self.window_lengths
        ]
        distance = torch.stack(distances).mean()
        check_finite("the distance", distance, {"estimate": estimate, "target": target})
        return distance

    def _levels(self, audio: Tensor, window: int) -> Tensor:
        """Half the logarithm of the power, `(batch, channels, spans, bands)`."""
        hop = window // 4
        spectrum = stft(audio, window, hop)
        power = (spectrum.real.square() + spectrum.imag.square()).flatten(0, 1)
        # Averaged over time first, which leaves the fewest products.
        power = F.avg_pool1d(power, self.span // hop, self.span // hop // 2)
        with torch.autocast(audio.device.type, enabled=False):
            energy = power.mT @ self.get_buffer(f"bands_{window}").T
        return 0.5 * torch.log(energy + self.epsilon)
