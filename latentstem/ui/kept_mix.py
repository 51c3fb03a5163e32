"""The mix of a visitor of the pad, analysed once and kept in files for line after line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.image import imsave
from torch import Tensor

from latentstem.data.line import HOP
from latentstem.pipelines.bassnet import BassNetPipeline
from latentstem.pipelines.bassnet_files import MeasuredMix
from latentstem.pipelines.input_files import check_level

_PIECE = 800  # steps that are read at once
_COLUMNS = 1200
_RANGE = 3.5  # of the spectrogram's unit of 17 dB


@dataclass(frozen=True)
class KeptMix:
    """A mix and its constant-Q spectrogram, which is kept in a file: visitors cost no memory.

    Attributes:
        measured: The mix.
        spectrogram: File of the spectrogram, float32, step after step.
        bins: Number of bins of each step.
        picture: PNG of the spectrogram, of as many rows as bins, lowest pitch at the bottom.

    Example:
        >>> import tempfile
        >>> from latentstem import BassNetModel, write_audio
        >>> pipe = BassNetPipeline(BassNetModel(steps=10, channels=8, blocks=2, control_blocks=1).eval())
        >>> with tempfile.TemporaryDirectory() as name:
        ...     write_audio(f"{name}/mix.wav", 0.1 * torch.randn(1, 88200), 44100)
        ...     mix = KeptMix.analyse(pipe, Path(name, "mix.wav"), Path(name), 900.0, lambda: None)
        ...     mix.steps, [piece.shape for piece in mix.spectrograms()]
        (200, [torch.Size([264, 200])])
    """

    measured: MeasuredMix
    spectrogram: Path
    bins: int
    picture: Path

    @classmethod
    def analyse(
        cls, pipe: BassNetPipeline, path: Path, folder: Path, max_duration: float, check: Callable[[], None]
    ) -> "KeptMix":
        """Analyse the mix in a file.

        Args:
            pipe: Pipeline that the spectrogram is for.
            path: File of the mix.
            folder: Existing folder for the files.
            max_duration: Longest file that is read, in seconds.
            check: Called between pieces; an error that it raises ends the work.

        Raises:
            latentstem.AudioError: The file cannot be used, or is silent.
            ValueError: It is stereo and its channels cancel.
        """
        measured = MeasuredMix.read(path, max_duration)
        check_level(str(path), measured.level)
        spectrogram, bins = folder / "spectrogram.f32", 0
        with spectrogram.open("wb") as file:
            for piece in measured.spectrograms(pipe):
                check()
                bins = len(piece)
                file.write(np.ascontiguousarray(piece.T.cpu().numpy(), np.float32).tobytes())
        mix = cls(measured, spectrogram, bins, folder / "spectrogram.png")
        mix._draw()
        return mix

    @property
    def steps(self) -> int:
        """Number of steps of the spectrogram."""
        return self.spectrogram.stat().st_size // (4 * self.bins)

    @property
    def seconds(self) -> float:
        """Length in seconds of the spectrogram, which ends with a whole step."""
        return self.steps * HOP

    def spectrograms(self) -> Iterator[Tensor]:
        """Yield the spectrogram, piece after piece, `(bins, steps)`."""
        with self.spectrogram.open("rb") as file:
            while values := file.read(4 * self.bins * _PIECE):
                yield torch.from_numpy(np.frombuffer(values, np.float32).reshape(-1, self.bins).T.copy())

    def _draw(self) -> None:
        """Draw the greatest of the steps of each column, so that short notes are seen in a long mix."""
        levels = np.memmap(self.spectrogram, np.float32, "r").reshape(-1, self.bins)
        starts = np.unique(np.linspace(0, len(levels), min(_COLUMNS, len(levels)), endpoint=False).astype(int))
        columns = np.maximum.reduceat(levels, starts, axis=0).T
        loudest = columns.max()
        imsave(self.picture, columns, vmin=loudest - _RANGE, vmax=loudest, cmap="magma", origin="lower", format="png")
