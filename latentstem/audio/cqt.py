"""Constant-Q transform (Brown 1991), computed octave by octave at a falling rate (Schörkhuber and Klapuri 2010).

Windows are cut from the signal and multiplied by all kernels of an octave in one matrix product. Each octave takes the
lowest rate, the given one halved again and again, that leaves room around its highest bin, so kernels of all octaves
are about equally short. Lengths of windows, their scale and their phase are those of ``librosa.cqt``; the frames are
those of the other analyses of this room, centred on the middle of their hop.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem.audio.tiling import tile_stream, whole_frames

FILTER_TAPS = 129
"""Length of the half-band filter: flat to 0.22 and 120 dB down from 0.28 of the rate before, by Kaiser's formula."""

FILTER_BETA = 12.3
"""Shape of the Kaiser window of the half-band filter, for 120 dB."""

HIGHEST = 0.28
"""Highest frequency of an octave as a fraction of its rate, well inside the 0.44 that the half-band filter leaves."""

OUTPUTS = 32
"""Samples that one row of the product with the half-band filter gives."""

ELEMENTS = 1 << 18
"""Elements of the windows that are multiplied at once: few enough for a cache, enough for a fast product."""


class Octave(NamedTuple):
    """Kernels of an octave: column pairs (real, imaginary) over the samples from `before` ahead of a frame's centre."""

    halvings: int
    before: int
    kernels: Tensor


@dataclass(frozen=True)
class ConstantQ:
    """Analyse audio into bins of equal width in octaves, each with a window of the same number of periods.

    Bin k has the frequency `f = lowest * 2 ** (k / bins_per_octave)` and a Hann window of Q periods,
    `N = Q * sampling_rate / f` samples. Its coefficient is the mean of `audio * exp(-2 pi j f t)` weighted by the
    window, times `sqrt(N)`: a sinusoid of amplitude A at f has a magnitude of `A / 2 * sqrt(N)`, and white noise has
    the same level in all bins. Frame m is centred on the middle of its hop of samples, as in `latentstem.audio.stft`
    and `latentstem.audio.yin`.

    With an even hop, the magnitude is that of `librosa.cqt(np.pad(audio, (hop_length // 2, 0)), window="hann", norm=1,
    scale=True, sparsity=0, pad_mode="constant")` from its second frame on: equal to 1e-4 of the greatest magnitude
    where audio begins and ends in silence. Where it does not, librosa lacks what its resampling puts beyond the ends,
    and differs by up to a few percent there. Where librosa computes octaves at other rates (some sampling rates, hops
    and numbers of bins), it rounds the lengths of windows otherwise, and differs by less than a percent.

    There are no weights: an instance is a plain value that works on the device of the audio, always in float32.

    Args:
        sampling_rate: Sampling rate of the audio in Hz.
        hop_length: Distance of neighbouring frames in samples. An octave is computed at a lower rate as long as the hop
            can be halved: odd hops are slow.
        lowest: Frequency of the first bin in Hz.
        bins: Number of bins.
        bins_per_octave: Number of bins an octave.
        filter_scale: Factor of the lengths of all windows: below 1, time is resolved more finely and frequency less.

    Raises:
        ValueError: A number is not positive, or the highest bin reaches beyond half the sampling rate.

    Example:
        >>> import torch
        >>> cqt = ConstantQ()
        >>> tone = torch.sin(2 * torch.pi * 110.0 * torch.arange(16000) / 16000)
        >>> cqt(tone).shape, int(cqt(tone)[:, 50].abs().argmax()), round(float(cqt.frequencies[72]), 2)
        (torch.Size([264, 100]), 72, 110.0)
    """

    sampling_rate: int = 16000
    hop_length: int = 160
    lowest: float = 27.5
    bins: int = 264
    bins_per_octave: int = 36
    filter_scale: float = 1.0

    def __post_init__(self):
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"got {name}={value}; expected a positive number")
        most = max(0, math.floor(self.bins_per_octave * math.log2(self.sampling_rate / 2 / self._edge(0))) + 1)
        if self.bins > most:
            raise ValueError(
                f"got {self.bins} bins from {self.lowest} Hz; expected at most {most} to stay below half the sampling "
                f"rate of {self.sampling_rate} Hz"
            )

    def __call__(self, audio: Tensor) -> Tensor:
        """Analyse whole signals.

        Args:
            audio: Real signal, `(..., samples)`, of any length but 0; it counts as zero outside.

        Returns:
            Complex64 coefficients `(..., bins, ceil(samples / hop_length))`; `abs()` is the magnitude, `log_magnitude`
            its logarithm. The phase is relative to the centre of each frame.

        Raises:
            ValueError: There are no samples.
        """
        samples = audio.shape[-1]
        if samples == 0:
            raise ValueError("got audio of 0 samples; expected at least one")
        with torch.autocast(audio.device.type, enabled=False):
            coefficients = self._analyse(audio.float().reshape(-1, samples), -(-samples // self.hop_length))
        return coefficients.reshape(*audio.shape[:-1], *coefficients.shape[1:])

    def stream(self, pieces: Iterable[Tensor], tile_frames: int = 2048) -> Iterator[Tensor]:
        """Analyse a signal that comes and leaves in pieces; together they equal the analysis of the whole.

        Args:
            pieces: Real signal `(..., any number of samples)`, piece after piece.
            tile_frames: Frames that are analysed at once, besides `context_frames` on both sides.

        Yields:
            Complex64 coefficients `(..., bins, tile_frames)`, the last one of what remains.

        Example:
            >>> import torch
            >>> audio = torch.randn(40000)
            >>> whole, pieces = ConstantQ()(audio), ConstantQ().stream(audio.split(999), tile_frames=100)
            >>> bool(torch.allclose(torch.cat(list(pieces), dim=-1), whole, atol=1e-4))
            True
        """
        frames = whole_frames(pieces, self.hop_length)
        return tile_stream(lambda tile, _: self(tile), frames, tile_frames, self.context_frames, (self.hop_length, 1))

    @property
    def frequencies(self) -> Tensor:
        """Frequencies of the bins in Hz, `(bins,)` float32."""
        return self._frequencies().float()

    @property
    def context_frames(self) -> int:
        """Number of frames on each side of a frame, beyond which no sample has an influence on it."""
        octaves = _octaves(self, torch.device("cpu"))
        reach = max((len(kernels) // 2 + FILTER_TAPS // 2) << halvings for halvings, _, kernels in octaves)
        return -(-reach // self.hop_length)

    @property
    def _quality(self) -> float:
        """Periods in a window, Q."""
        ratio = 4 ** (1 / self.bins_per_octave)
        return self.filter_scale * (ratio + 1) / (ratio - 1)

    def _frequencies(self) -> Tensor:
        return self.lowest * 2 ** (torch.arange(self.bins, dtype=torch.float64) / self.bins_per_octave)

    def _edge(self, index: int) -> float:
        """Upper edge in Hz of a bin, half the noise bandwidth of a Hann window above its frequency."""
        return self.lowest * 2 ** (index / self.bins_per_octave) * (1 + 0.75 / self._quality)

    def _analyse(self, audio: Tensor, frames: int) -> Tensor:
        # Enough zeros in front and behind for all windows of all octaves, so that the centre of the first frame lies at
        # a multiple of the hop, which stays a whole number of samples when the rate is halved.
        lead = (self.context_frames + 1) * self.hop_length
        front = lead - self.hop_length // 2
        signal = F.pad(audio, (front, 2 * lead + frames * self.hop_length - front - audio.shape[1]))
        octaves, halved, parts = _octaves(self, audio.device), 0, []
        for halvings, before, kernels in octaves:
            while halved < halvings:
                signal, halved = _halve_rate(signal), halved + 1
            start = (lead >> halved) - before
            parts.append(_window_products(signal[:, start:], kernels, self.hop_length >> halved, frames))
        values = torch.cat(parts[::-1], dim=-1)
        return torch.view_as_complex(values.unflatten(-1, (self.bins, 2))).transpose(-1, -2)


def constant_q(
    audio: Tensor,
    sampling_rate: int = 16000,
    hop_length: int = 160,
    lowest: float = 27.5,
    bins: int = 264,
    bins_per_octave: int = 36,
    filter_scale: float = 1.0,
) -> Tensor:
    """Compute the coefficients of `ConstantQ` without building one.

    Args:
        audio: Real signal, `(..., samples)`, of any length but 0; it counts as zero outside.
        sampling_rate: Sampling rate of the audio in Hz.
        hop_length: Distance of neighbouring frames in samples; odd hops are slow.
        lowest: Frequency of the first bin in Hz.
        bins: Number of bins.
        bins_per_octave: Number of bins an octave.
        filter_scale: Factor of the lengths of all windows.

    Returns:
        Complex64 coefficients `(..., bins, ceil(samples / hop_length))`.

    Raises:
        ValueError: There are no samples, a number is not positive, or the highest bin reaches beyond half the sampling
            rate.

    Example:
        >>> import torch
        >>> constant_q(torch.zeros(2, 1, 16000)).shape
        torch.Size([2, 1, 264, 100])
    """
    return ConstantQ(sampling_rate, hop_length, lowest, bins, bins_per_octave, filter_scale)(audio)


def log_magnitude(coefficients: Tensor, floor: float = 1e-5) -> Tensor:
    """Compute `log(|X| + floor)`, the input of BassNet (Grachten et al. 2020, section 4.1).

    Args:
        coefficients: Complex coefficients of `ConstantQ`, or their magnitudes, any shape.
        floor: Magnitude that is added: by default about that of the noise of 16-bit audio in every bin.

    Returns:
        Natural logarithms, float32, shaped like `coefficients`.

    Example:
        >>> import torch
        >>> log_magnitude(torch.tensor([0j, 1j]))
        tensor([-1.1513e+01,  1.0014e-05])
    """
    return torch.log(coefficients.abs().float() + floor)


@functools.lru_cache(maxsize=8)
def _octaves(transform: ConstantQ, device: torch.device) -> tuple[Octave, ...]:
    """Build the kernels of a transform, from the highest octave down."""
    octaves = []
    # A tensor made in inference mode could never take part in training; these are kept for both.
    with torch.inference_mode(False), torch.no_grad():
        for stop in range(transform.bins, 0, -transform.bins_per_octave):
            frequencies = transform._frequencies()[max(0, stop - transform.bins_per_octave) : stop]
            room = math.floor(math.log2(HIGHEST * transform.sampling_rate / transform._edge(stop - 1)))
            halvings = min(max(0, room), _halvings(transform.hop_length))
            before, kernels = _kernels(frequencies / transform.sampling_rate, transform._quality, halvings)
            octaves.append(Octave(halvings, before, kernels.float().to(device)))
    return tuple(octaves)


def _halvings(number: int) -> int:
    """Return how many times a number can be halved."""
    return (number & -number).bit_length() - 1


def _kernels(frequencies: Tensor, quality: float, halvings: int) -> tuple[int, Tensor]:
    """Build kernels for frequencies in cycles a sample of the full rate, `(samples, 2 * frequencies)`."""
    lengths = quality / frequencies
    # As in librosa: a periodic window of an odd number of samples, the first of which is zero, half a sample late.
    half = (lengths / 2 ** (halvings + 1)).floor().clamp(min=1)
    before = int(half.max()) - 1
    offset = torch.arange(-before, before + 2, dtype=torch.float64)[:, None]
    turn = ((offset + half) / (2 * half + 1)).clamp(0, 1)
    weight = torch.sin(math.pi * turn).square() * (2 / (2 * half + 1)) * lengths.sqrt()
    angle = -2 * math.pi * frequencies * 2**halvings * offset
    return before, torch.stack([weight * angle.cos(), weight * angle.sin()], dim=-1).flatten(1)


@functools.lru_cache(maxsize=8)
def _half_band_filter(device: torch.device) -> Tensor:
    """Return the half-band filter, once a column, two samples later from column to column."""
    with torch.inference_mode(False), torch.no_grad():
        offset = torch.arange(FILTER_TAPS, dtype=torch.float64) - FILTER_TAPS // 2
        taps = torch.kaiser_window(FILTER_TAPS, periodic=False, beta=FILTER_BETA, dtype=torch.float64)
        taps = taps * torch.sinc(offset / 2)
        taps = F.pad(taps / taps.sum(), (0, 2 * (OUTPUTS - 1)))
        columns = [taps.roll(2 * column) for column in range(OUTPUTS)]
        return torch.stack(columns, dim=1).float().to(device)


def _halve_rate(signal: Tensor) -> Tensor:
    """Halve the rate of signals `(items, samples)`: sample n of the result lies where sample 2 n was."""
    matrix = _half_band_filter(signal.device)
    count = -(-signal.shape[1] // (2 * OUTPUTS))
    half = FILTER_TAPS // 2
    padded = F.pad(signal, (half, 2 * OUTPUTS * count + half - signal.shape[1]))
    return _window_products(padded, matrix, 2 * OUTPUTS, count).flatten(1)[:, : -(-signal.shape[1] // 2)]


def _window_products(signal: Tensor, matrix: Tensor, hop_length: int, count: int) -> Tensor:
    """Multiply windows of signals `(items, samples)` by a matrix `(window, n)`: `(items, count, n)`.

    A matrix product, and no convolution: that one is up to a thousand times slower on a CPU (a filter alone), and on
    CUDA it rounds to TF32 unless told otherwise.
    """
    windows = signal.unfold(-1, len(matrix), hop_length)[:, :count]
    rows = 1 + ELEMENTS // (max(1, len(signal)) * len(matrix))
    return torch.cat([some @ matrix for some in windows.split(rows, dim=1)], dim=1)
