"""Carriers: what lets a decoder of slow latents hold a steady pitch.

A decoder that is convolutional over latents of hop H answers a constant latent with a signal of period H: it can only
sound multiples of sampling_rate / H: at 4096 samples a multiple of 10.8 Hz, where a low E needs 41.2. Either every
latent carries the phase its oscillations have reached, and whoever generates latents has to keep count, or the decoder
is told the time. `CarrierBank` tells it: sinusoids of fixed frequencies, a fraction of a semitone apart, run through
absolute time, and the net only weighs them. What a carrier does to the bins of an STFT frame is known in closed form
(the transform of the window, shifted to the carrier: Rodet and Depalle's inverse-FFT synthesis, 1992), so it is not
learned.

Angles are counted in integers (a phase accumulator, as in a digital oscillator): exact at any time, on any device, and
equal for a tile and for the whole.
"""

import torch
from torch import Tensor, nn

TURN = 1 << 20  # one full turn of the accumulator: a resolution of 1e-4 Hz at 86 frames a second


class CarrierBank(nn.Module):
    """Complex STFT frames of a bank of steady sinusoids whose amplitudes follow the hidden states.

    `X_b(t) = sum_i exp(g_i(t)) R_bi exp(2 pi j f_i t)`, with the log-amplitudes g a linear map of the hidden states and
    R_bi the response of bin b of a Hann window to a sinusoid at f_i, of magnitude one at its peak.

    Args:
        channels: Width of the hidden states.
        sampling_rate: In Hz.
        window_length: Window of the STFT in samples.
        hop_length: Hop of the STFT in samples.
        count: Number of carriers.
        per_octave: Carriers an octave; 48 leaves at most 12.5 cents to the nearest.
        lowest: Frequency of the first carrier in Hz: 27.5 is the lowest A of a piano, so that notes in concert pitch
            lie on carriers.

    Shape:
        `(batch, frames, channels)` to real and imaginary parts `(2, batch, frames, bins)`, float32, of the lowest
        `bins` bins: those the carriers reach.

    Example:
        >>> import torch
        >>> carriers = CarrierBank(16, 44100, window_length=2048, hop_length=512)
        >>> whole = carriers(torch.ones(1, 10, 16))
        >>> whole.shape
        torch.Size([2, 1, 10, 53])
        >>> bool(torch.allclose(carriers(torch.ones(1, 4, 16), start_frame=6), whole[:, :, 6:], atol=1e-4))
        True
    """

    def __init__(
        self,
        channels: int,
        sampling_rate: int,
        window_length: int,
        hop_length: int,
        count: int = 256,
        per_octave: int = 48,
        lowest: float = 27.5,
    ):
        super().__init__()
        frequencies = lowest * 2 ** (torch.arange(count, dtype=torch.float64) / per_octave)
        self.highest = float(frequencies[-1])
        steps = (frequencies * hop_length / sampling_rate * TURN).round().to(torch.int64)
        spacing = sampling_rate / window_length
        # The main lobe of a Hann window is two bins wide on each side.
        bins = min(int(frequencies[-1] / spacing) + 3, window_length // 2 + 1)
        offset = frequencies - spacing * torch.arange(bins, dtype=torch.float64)[:, None]
        time = torch.arange(window_length, dtype=torch.float64) / sampling_rate
        window = torch.hann_window(window_length, dtype=torch.float64) * (2 / window_length)
        response = torch.stack(
            [torch.exp(2j * torch.pi * row[:, None] * time) @ window.to(torch.complex128) for row in offset]
        )
        self.register_buffer("steps", steps, persistent=False)
        self.register_buffer("response", torch.stack([response.real, response.imag]).float(), persistent=False)
        self.amplitude = nn.Linear(channels, count)
        nn.init.constant_(self.amplitude.bias, -8.0)  # quiet, for many carriers share a bin

    def forward(self, hidden_states: Tensor, start_frame: int = 0) -> Tensor:
        """Weigh the carriers.

        Args:
            hidden_states: `(batch, frames, channels)`.
            start_frame: Absolute index of the first frame, for tiles and streams.

        Returns:
            `(2, batch, frames, bins)`.
        """
        log_amplitude = self.amplitude(hidden_states).float()
        index = start_frame + torch.arange(hidden_states.shape[1], device=hidden_states.device)
        angle = (index[:, None] * self.get_buffer("steps") % TURN) * (2 * torch.pi / TURN)
        real_response, imaginary_response = self.get_buffer("response").float()
        with torch.autocast(hidden_states.device.type, enabled=False):
            amplitude = bounded_exp(log_amplitude)
            real, imaginary = amplitude * angle.cos(), amplitude * angle.sin()
            return torch.stack(
                [
                    real @ real_response.T - imaginary @ imaginary_response.T,
                    real @ imaginary_response.T + imaginary @ real_response.T,
                ]
            )

    @torch.no_grad()
    def set_spectrum(self, magnitude: Tensor) -> None:
        """Set the biases so that the bank alone has about this spectrum.

        Args:
            magnitude: Of each bin, `(at least bins,)`.
        """
        strength = self.get_buffer("response").square().sum(0)
        # Carriers that share a bin add up as noise does: by power.
        shared = strength / strength.sum(1, keepdim=True)
        nearest = strength.argmax(0)
        power = magnitude[: len(strength)].square()[nearest] * shared[nearest, torch.arange(len(nearest))]
        self.amplitude.bias.copy_(0.5 * torch.log(power + 1e-10))


def bounded_exp(logarithm: Tensor, limit: float = 1.0) -> Tensor:
    """Exponential up to the limit, its tangent beyond.

    A full-scale sinusoid has logarithm zero, so nothing real lies beyond the limit; what strays there must neither
    overflow nor, as behind a clamp, lose its gradient.
    """
    return torch.exp(logarithm.clamp(max=limit)) * (1 + (logarithm - limit).clamp(min=0))
