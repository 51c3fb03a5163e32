"""A classifier of instruments that met no net: linear discriminant analysis of MFCCs.

The features are mean and deviation over windows of one second, in two bands: up to 4.4 kHz, where most of a bass is,
and up to 11 kHz, with spectral contrast too (Jiang, Lu, Zhang, Tao and Cai, ICME 2002). The covariance that all
instruments share is shrunk as in Ledoit and Wolf, "Honey, I shrunk the sample covariance matrix" (2004).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import librosa
import numpy as np
import soxr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.common.songs import SAMPLING_RATE, normalize_level
from latentstem.evaluation import sounding_frames

FRAMES_PER_SECOND = 43


@dataclass(frozen=True)
class Band:
    """A band from 0 Hz up to half a sampling rate, and the features of the sound in it.

    Attributes:
        sampling_rate: Sampling rate in Hz, at which the sound is analyzed.
        window_length: Samples of a frame.
        mel_bands: Number of mel bands.
        coefficients: Number of MFCCs, without the first, the level.
        contrast: Whether spectral contrast is taken too.
    """

    sampling_rate: int
    window_length: int
    mel_bands: int
    coefficients: int
    contrast: bool

    def features(self, audio: np.ndarray) -> np.ndarray:
        """Compute mean and deviation of the features over each second that sounds, every half second.

        Args:
            audio: Mono audio at 44.1 kHz, `(samples,)`, any level.

        Returns:
            `(windows, features)`; silence between notes is cut out before.
        """
        audio = soxr.resample(normalize_level(audio), SAMPLING_RATE, self.sampling_rate)
        rate, window, hop = self.sampling_rate, self.window_length, round(self.sampling_rate / FRAMES_PER_SECOND)
        frames = librosa.feature.mfcc(
            y=audio, sr=rate, n_mfcc=self.coefficients + 1, n_mels=self.mel_bands, n_fft=window, hop_length=hop
        )[1:]
        if self.contrast:
            contrast = librosa.feature.spectral_contrast(y=audio, sr=rate, n_fft=window, hop_length=hop)
            frames = np.concatenate([frames, contrast])
        sounding = sounding_frames(audio, hop)
        if sounding.any():
            frames = frames[:, : len(sounding)][:, sounding]
        frames = np.pad(frames, ((0, 0), (0, max(0, FRAMES_PER_SECOND - frames.shape[1]))), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(frames, FRAMES_PER_SECOND, axis=1)
        windows = windows[:, :: FRAMES_PER_SECOND // 2]
        return np.concatenate([windows.mean(-1), windows.std(-1)]).T


BANDS = {
    "up to 4.4 kHz": Band(8820, 1024, mel_bands=40, coefficients=13, contrast=False),
    "up to 11 kHz": Band(22050, 2048, mel_bands=64, coefficients=19, contrast=True),
}


class InstrumentClassifier:
    """A classifier of instruments by the features of their sound.

    Args:
        learned: Features `(windows, features)` of each of at least two instruments, by its name.
    """

    def __init__(self, learned: Mapping[str, np.ndarray]):
        everything = np.concatenate(list(learned.values()))
        labels = np.repeat(list(learned), [len(windows) for windows in learned.values()])
        # All are equally likely, however much of the lines each of them sounds.
        priors = np.full(len(learned), 1 / len(learned))
        discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
        self.discriminant = discriminant.fit(everything, labels)
        self.centres = {name: windows.mean(axis=0) for name, windows in learned.items()}
        self.spread = everything.std(axis=0)

    def name(self, windows: np.ndarray) -> str:
        """Name the instrument that is most probable in the mean over the windows of a recording."""
        probabilities = self.discriminant.predict_proba(windows).mean(axis=0)
        return str(self.discriminant.classes_[probabilities.argmax()])

    def distance(self, windows: np.ndarray, name: str) -> float:
        """Compute the distance of the mean of a recording from that of an instrument, in standard deviations."""
        return float(np.linalg.norm((windows.mean(axis=0) - self.centres[name]) / self.spread))
