"""Plot log-frequency spectrograms of several signals, stacked on one time and one pitch axis."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from latentstem.audio.io import write_audio
from latentstem.audio.temporary import TemporaryAudio

_WINDOW = 8192
_COLUMNS = 1200
_LOWEST, _HIGHEST = 32.70, 8372.0  # C1 to C9, eight octaves
_ROWS_PER_OCTAVE = 36
_RANGE_DB = 70.0


def log_frequency_spectrogram(audio: Tensor | TemporaryAudio, sampling_rate: int) -> np.ndarray:
    """Compute the level in dB on a pitch axis from C1 to C9, three rows a semitone, in at most 1200 columns.

    Args:
        audio: Audio `(channels, samples)`, in memory or in a `TemporaryAudio`; the power of the channels is added.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Array `(rows, columns)` in dB, lowest pitch first.

    Example:
        >>> import torch
        >>> from latentstem.plotting.spectrogram import log_frequency_spectrogram
        >>> log_frequency_spectrogram(torch.zeros(1, 44100), 44100).shape
        (288, 44)
    """
    samples = _samples(audio)
    hop = max(1024, -(-samples // _COLUMNS))
    frames = torch.stack([_window_at(audio, centre) for centre in range(0, samples, hop)], dim=1)
    window = torch.hann_window(_WINDOW)
    power = torch.fft.rfft(frames * window / window.sum()).abs().square().sum(0).numpy()
    pitches = _LOWEST * 2 ** (np.arange(_ROWS_PER_OCTAVE * 8) / _ROWS_PER_OCTAVE)
    # Nearest bin below the point where bins are coarser than rows, the greatest of a row's bins above it.
    edges = np.append(pitches, _HIGHEST) * 2 ** (-0.5 / _ROWS_PER_OCTAVE) * _WINDOW / sampling_rate
    first = np.clip(np.round(edges[:-1]).astype(int), 0, power.shape[1] - 1)
    after = np.clip(np.round(edges[1:]).astype(int), first + 1, power.shape[1])
    rows = [power[:, low:high].max(axis=1) for low, high in zip(first, after, strict=True)]
    return 10 * np.log10(np.stack(rows) + 1e-12)


def _samples(audio: Tensor | TemporaryAudio) -> int:
    return audio.samples if isinstance(audio, TemporaryAudio) else audio.shape[-1]


def _window_at(audio: Tensor | TemporaryAudio, centre: int) -> Tensor:
    """Cut a window `(channels, samples)` around a sample, padded with zeros beyond the ends."""
    first = centre - _WINDOW // 2
    if isinstance(audio, TemporaryAudio):
        return audio.read(first, _WINDOW)
    inside = audio[:, max(first, 0) : first + _WINDOW].float()
    before = max(-first, 0)
    return torch.nn.functional.pad(inside, (before, _WINDOW - before - inside.shape[1]))


def plot_spectrograms(
    path: str | os.PathLike[str], signals: Mapping[str, Tensor | TemporaryAudio], sampling_rate: int
) -> None:
    """Write one PNG with a spectrogram of each signal, on shared axes and one colour scale.

    Args:
        path: Path of the PNG.
        signals: Title to audio `(channels, samples)`, in memory or in a `TemporaryAudio`, in the order of the panels.
        sampling_rate: Sampling rate of the signals in Hz.

    Example:
        >>> import tempfile, pathlib, torch
        >>> from latentstem.plotting.spectrogram import plot_spectrograms
        >>> tone = torch.sin(torch.arange(44100) * 0.02)[None]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plot_spectrograms(f"{folder}/tone.png", {"a tone": tone}, 44100)
        ...     pathlib.Path(f"{folder}/tone.png").read_bytes()[1:4]
        b'PNG'
    """
    figure = Figure(figsize=(11, 2.6 * len(signals) + 0.4), layout="constrained")
    panels = figure.subplots(len(signals), 1, sharex=True, squeeze=False)[:, 0]
    levels = [log_frequency_spectrogram(audio, sampling_rate) for audio in signals.values()]
    loudest = max(level.max() for level in levels)
    octaves = np.arange(9)
    for panel, title, audio, level in zip(panels, signals, signals.values(), levels, strict=True):
        image = panel.imshow(
            level,
            origin="lower",
            aspect="auto",
            extent=(0, _samples(audio) / sampling_rate, 0, 8),
            vmin=loudest - _RANGE_DB,
            vmax=loudest,
            cmap="magma",
            interpolation="nearest",
        )
        panel.set_title(title, loc="left")
        panel.set_yticks(octaves[::2], [f"C{octave + 1}" for octave in octaves[::2]])
    panels[-1].set_xlabel("time [s]")
    figure.colorbar(image, ax=list(panels), label="dB", pad=0.01)
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part.png")
    try:
        figure.savefig(partial, format="png", dpi=110)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_preview(path: Path, sounds: dict[str, Tensor], sampling_rate: int) -> None:
    """Write a FLAC of each signal and one PNG with the spectrograms of all.

    Args:
        path: Path of the files without suffix; missing folders are created.
        sounds: Name to audio `(channels, samples)`, all of one length.
        sampling_rate: Sampling rate of the signals in Hz.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_preview(Path(folder) / "a", {"noise": 0.1 * torch.randn(1, 22050)}, 44100)
        ...     sorted(file.name for file in Path(folder).iterdir())
        ['a-noise.flac', 'a.png']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, audio in sounds.items():
        write_audio(Path(f"{path}-{name}.flac"), audio.clamp(-1, 1), sampling_rate)
    plot_spectrograms(f"{path}.png", sounds, sampling_rate)
