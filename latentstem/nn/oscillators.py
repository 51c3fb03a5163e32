"""Oscillator bank: inverse-FFT synthesis (Rodet and Depalle 1992) that lets a decoder of slow latents hold a pitch.

A decoder that is convolutional over latents of hop H answers a constant latent with a signal of period H: it can only
produce multiples of sampling_rate / H: at 4096 samples a multiple of 10.8 Hz, where a low E needs 41.2. Either every
latent carries the phase that its oscillations have reached, and a net that generates latents has to keep count, or the
decoder is given the time. `OscillatorBank` gives it: sinusoids of fixed frequencies, a fraction of a semitone apart,
run through absolute time, and the net predicts their amplitudes only. What a sinusoid adds to the bins of an STFT frame
is known in closed form (the transform of the window, shifted to its frequency), so it is not learned.

That a tone has partials is not learned either: the net predicts pitches and the strengths of their partials, and apart
from them the level of the noise. Amplitudes predicted one by one learn each partial of each pitch alone, and the low
ones, which an STFT frame resolves little, stay blurred over several semitones. The pitch is worth a loss of its own
(`latentstem.losses.pitch_cross_entropy`): with a spectral distance alone, the net makes a tone of many pitches of one
partial each, and blurs as before (both measured: see the design notes).

Angles are counted in integers (a phase accumulator, as in a digital oscillator): exact at any time, on any device, and
equal for a tile and for the whole.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

PHASE_STEPS = 1 << 20
"""Steps of the phase accumulator in one period: a resolution of 1e-4 Hz at 86 frames a second."""


class OscillatorBank(nn.Module):
    """Complex STFT frames of a bank of steady sinusoids whose amplitudes follow the hidden states.

    `X_b(t) = sum_i A_i(t) R_bi exp(2 pi j f_i t)`, with R_bi the response of bin b of a Hann window to a sinusoid at
    f_i, of magnitude one at its peak, and amplitudes `A_i = sum_vh exp(g_vh) s_v(i - o_h) + exp(n_i)`: voice v spreads
    its unit power over pitches by s_v, a softmax scaled to unit norm; its partial h, `o_h` oscillators above the pitch,
    has strength exp(g_vh); n is the noise, predicted four times an octave and interpolated. All of s, g and n are
    linear maps of the hidden states. The first voice starts louder than the others, so that it learns the main pitch.

    With smoothing, `g_vh` is the sum of a map averaged over time and of one that is not and that all partials of a
    voice share. Strengths that jump from frame to frame, as those of a net that unfolds slow latents do, put sidebands
    beside every partial and fill the spectrum between them.

    Args:
        channels: Width of the hidden states.
        sampling_rate: Sampling rate of the audio in Hz.
        window_length: Window of the STFT in samples.
        hop_length: Hop of the STFT in samples.
        count: Number of oscillators.
        per_octave: Number of oscillators an octave: at 72, every note of concert pitch lies on one, and of the first
            sixteen partials of a pitch all but the thirteenth within 5 cents of one.
        lowest: Frequency of the first oscillator in Hz: 27.5 is the lowest A of a piano.
        pitches: Number of oscillators that may be a pitch, from the lowest up.
        voices: Number of pitches that may sound at once.
        partials: Number of partials of a voice.
        smoothing: Number of frames, odd, over which the strengths of the partials are averaged (by a Hann window); 1
            leaves them as they are.

    Shape:
        `(batch, frames, channels)` to real and imaginary parts `(2, batch, frames, bins)`, of the lowest `bins` bins,
        those that the oscillators reach; and to the logits of the pitches, `(batch, frames, voices, pitches)`, which
        lie at the first `frequencies`. Both float32.

    Example:
        >>> import torch
        >>> bank = OscillatorBank(16, 44100, window_length=2048, hop_length=512)
        >>> whole, pitch = bank(torch.ones(1, 10, 16))
        >>> whole.shape, pitch.shape
        (torch.Size([2, 1, 10, 53]), torch.Size([1, 10, 2, 324]))
        >>> piece, _ = bank(torch.ones(1, 4, 16), start_frame=6)
        >>> bool(torch.allclose(piece, whole[:, :, 6:], atol=1e-4))
        True
    """

    def __init__(
        self,
        channels: int,
        sampling_rate: int,
        window_length: int,
        hop_length: int,
        count: int = 384,
        per_octave: int = 72,
        lowest: float = 27.5,
        pitches: int = 324,
        voices: int = 2,
        partials: int = 32,
        smoothing: int = 1,
    ):
        super().__init__()
        frequencies = lowest * 2 ** (torch.arange(count, dtype=torch.float64) / per_octave)
        self.highest = float(frequencies[-1])
        self.voices, self.pitches = voices, min(pitches, count)
        offsets = (per_octave * torch.log2(torch.arange(1, partials + 1))).round().to(torch.int64)
        self.offsets = [int(offset) for offset in offsets if offset < count]
        steps = (frequencies * hop_length / sampling_rate * PHASE_STEPS).round().to(torch.int64)
        spacing = sampling_rate / window_length
        # The main lobe of a Hann window is two bins wide on each side.
        bins = min(int(self.highest / spacing) + 3, window_length // 2 + 1)
        offset = frequencies - spacing * torch.arange(bins, dtype=torch.float64)[:, None]
        response = _hann_transform(2 * torch.pi * offset / sampling_rate, window_length)
        self.transform_length = _fast_length(count + self.pitches - 1)
        turns = torch.tensor(self.offsets)[:, None] * torch.arange(self.transform_length // 2 + 1)
        shift = -2 * torch.pi * (turns % self.transform_length).double() / self.transform_length
        self.register_buffer("shifts", torch.stack([shift.cos(), shift.sin()]).float(), persistent=False)
        self.register_buffer("frequencies", frequencies.float(), persistent=False)
        self.register_buffer("steps", steps, persistent=False)
        self.register_buffer("response", torch.stack([response.real, response.imag]).float(), persistent=False)
        self.pitch = nn.Linear(channels, self.voices * self.pitches)
        self.partial = nn.Linear(channels, self.voices * len(self.offsets))
        self.gain = None
        if smoothing > 1:
            window = torch.hann_window(smoothing + 2, periodic=False)[1:-1]
            self.register_buffer("smoothing", window / window.sum(), persistent=False)
            self.gain = nn.Linear(channels, self.voices)
            nn.init.zeros_(self.gain.weight)
            nn.init.zeros_(self.gain.bias)
        self.noise = nn.Linear(channels, 2 + 4 * count // per_octave)
        nn.init.constant_(self.partial.bias, -8.0)
        nn.init.constant_(self.partial.bias[: len(self.offsets)], -4.0)
        nn.init.constant_(self.noise.bias, -8.0)  # quiet, because many oscillators add up in a bin

    def forward(self, hidden_states: Tensor, start_frame: int = 0) -> tuple[Tensor, Tensor]:
        """Synthesize STFT frames.

        Args:
            hidden_states: `(batch, frames, channels)`.
            start_frame: Absolute index of the first frame, where the frames are a piece of a longer sequence.

        Returns:
            STFT frames `(2, batch, frames, bins)` and logits `(batch, frames, voices, pitches)`.
        """
        pitch = rearrange(self.pitch(hidden_states).float(), "b t (v p) -> b t v p", v=self.voices)
        amplitude = self._amplitudes(hidden_states, pitch)
        index = start_frame + torch.arange(hidden_states.shape[1], device=hidden_states.device)
        angle = (index[:, None] * self.get_buffer("steps") % PHASE_STEPS) * (2 * torch.pi / PHASE_STEPS)
        real_response, imaginary_response = self.get_buffer("response").float()
        with torch.autocast(hidden_states.device.type, enabled=False):
            real, imaginary = amplitude * angle.cos(), amplitude * angle.sin()
            frames = torch.stack(
                [
                    real @ real_response.T - imaginary @ imaginary_response.T,
                    real @ imaginary_response.T + imaginary @ real_response.T,
                ]
            )
        return frames, pitch

    def _amplitudes(self, hidden_states: Tensor, pitch: Tensor) -> Tensor:
        partial = self.partial(hidden_states).float()
        if self.gain is not None:
            partial = self._smooth(partial)
        partial = rearrange(partial, "b t (v h) -> b t v h", v=self.voices)
        if self.gain is not None:
            partial = partial + self.gain(hidden_states).float()[..., None]
        salience = torch.exp(pitch - 0.5 * torch.logsumexp(2 * pitch, -1, keepdim=True))
        strength = bounded_exp(partial)
        count = len(self.get_buffer("steps"))
        noise = F.interpolate(self.noise(hidden_states).float(), count, mode="linear", align_corners=True)
        # Each voice's pitches moved to each of its partials: a convolution over the oscillators, by Fourier transform.
        # Partial by partial, reading and writing all amplitudes each time, it takes a quarter longer and many more
        # calls.
        with torch.autocast(hidden_states.device.type, enabled=False):
            real, imaginary = self.get_buffer("shifts").float()
            comb = torch.complex(strength @ real, strength @ imaginary)
            spectrum = (comb * torch.fft.rfft(salience, self.transform_length)).sum(2)
            tones = torch.fft.irfft(spectrum, self.transform_length)[..., :count]
        return bounded_exp(noise) + tones

    def _smooth(self, values: Tensor) -> Tensor:
        """Average `(batch, frames, values)` over time; beyond both ends the first and the last frame go on."""
        window = self.get_buffer("smoothing").float()
        rows = rearrange(values, "b t n -> (b n) 1 t")
        rows = F.pad(rows, (len(window) // 2, len(window) // 2), mode="replicate")
        with torch.autocast(values.device.type, enabled=False):
            smooth = F.conv1d(rows, window[None, None])
        return rearrange(smooth, "(b n) 1 t -> b t n", b=len(values))

    @torch.no_grad()
    def take_over(self, other: "OscillatorBank") -> None:
        """Copy the weights of a bank that has fewer oscillators or partials, or as many.

        Further partials start as the last one that the other bank has, the higher the quieter; further noise is quiet.

        Args:
            other: Bank with the same lowest oscillator, spacing, voices and pitches.

        Raises:
            ValueError: It has more oscillators or partials, or other voices or pitches.

        Example:
            >>> small = OscillatorBank(16, 44100, 2048, 512)
            >>> OscillatorBank(16, 44100, 2048, 512, count=540, partials=96).take_over(small)
        """
        before, now = len(other.offsets), len(self.offsets)
        if (other.voices, other.pitches) != (self.voices, self.pitches) or before > now:
            raise ValueError(
                f"got a bank of {other.voices} voices of {other.pitches} pitches and {before} partials; expected "
                f"{self.voices}, {self.pitches} and at most {now}"
            )
        self.pitch.load_state_dict(other.pitch.state_dict())
        if self.gain is not None and other.gain is not None:
            self.gain.load_state_dict(other.gain.state_dict())
        fall = torch.linspace(0.0, -2.0, now - before + 1)[1:]
        for name, value in other.partial.state_dict().items():
            voices = value.unflatten(0, (self.voices, before))
            further = voices[:, -1:].repeat_interleave(now - before, 1)
            if name == "bias":
                further = further + fall
            self.partial.state_dict()[name].copy_(torch.cat([voices, further], 1).flatten(0, 1))
        nn.init.zeros_(self.noise.weight)
        for name, value in other.noise.state_dict().items():
            self.noise.state_dict()[name][: len(value)] = value

    @torch.no_grad()
    def set_spectrum(self, magnitude: Tensor) -> None:
        """Set the biases so that the noise has about a given spectrum.

        Args:
            magnitude: Magnitude of each bin, `(at least bins,)`.
        """
        strength = self.get_buffer("response").square().sum(0)
        # Oscillators in one bin add up as noise does: by power.
        fraction = strength / strength.sum(1, keepdim=True)
        nearest = strength.argmax(0)
        power = magnitude[: len(strength)].square()[nearest] * fraction[nearest, torch.arange(len(nearest))]
        indices = torch.linspace(0, len(nearest) - 1, len(self.noise.bias)).round().long()
        self.noise.bias.copy_(0.5 * torch.log(power + 1e-10)[indices])


def _fast_length(least: int) -> int:
    """Return the next power of two, or five, six or seven eighths of it: a length without large prime factors."""
    step = max(1, (1 << (least - 1).bit_length()) // 8)
    return -(-least // step) * step


def _hann_transform(angle: Tensor, length: int) -> Tensor:
    """`2 / N sum_n hann_n exp(j angle n)`: the periodic Hann window is three exponentials, each a geometric series."""
    step = 2 * torch.pi / length

    def series(angle: Tensor) -> Tensor:
        still = angle.abs() < 1e-9
        turn = torch.exp(1j * torch.where(still, 1.0, angle))
        return torch.where(still, length, (1 - turn**length) / (1 - turn))

    return (series(angle) - 0.5 * series(angle + step) - 0.5 * series(angle - step)) / length


def bounded_exp(logarithm: Tensor, limit: float = 1.0) -> Tensor:
    """Compute the exponential up to a limit, and its tangent beyond.

    A full-scale sinusoid has logarithm zero, so nothing real lies beyond the limit; what a net emits there must neither
    overflow nor, as behind a clamp, lose its gradient.

    Args:
        logarithm: Exponents, of any shape.
        limit: Greatest exponent that is followed exactly.

    Returns:
        Positive values, shaped like `logarithm`.
    """
    return torch.exp(logarithm.clamp(max=limit)) * (1 + (logarithm - limit).clamp(min=0))
