"""Spectrograms of a stem while it is sampled."""

import time

from torch import Tensor

from latentstem.pipelines.input_files import EncodedMix
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.pictures import spectrogram_png

_SECONDS = 6.0
_TIME_FRACTION = 0.2


class LivePreview:
    """Draw spectrograms of the clean sample's beginning, as often as that costs little beside the sampling.

    Decoding costs more than a step of the net. So only the first 6 s are decoded, and spectrograms after the first wait
    until all of them together take at most a fifth of the time, whatever the device and the length.

    Args:
        pipe: Pipeline whose autoencoder decodes the sample.
        mix: Mix that the stem accompanies.

    Example:
        >>> preview = LivePreview(pipe, mix)  # doctest: +SKIP
        >>> picture = preview(denoised)  # doctest: +SKIP
    """

    def __init__(self, pipe: StemAccompanimentPipeline, mix: EncodedMix):
        self.pipe, self.mix = pipe, mix
        self._began = time.perf_counter()
        self._spent = self._longest = 0.0

    def __call__(self, denoised: Tensor) -> bytes | None:
        """Draw a spectrogram, unless it would cost too much by now.

        Args:
            denoised: Predicted clean latents `(1, latent_channels, frames)`.

        Returns:
            A PNG, or None.
        """
        began = time.perf_counter()
        if self._spent and self._spent + self._longest > _TIME_FRACTION * (began - self._began):
            return None
        frames = min(denoised.shape[-1], self.pipe.count_frames(round(_SECONDS * self.pipe.sampling_rate)))
        audio = self.pipe.decode_latents(denoised[..., :frames], frames * self.pipe.hop_length, self.mix.gain)
        picture = spectrogram_png(audio[0].cpu(), self.pipe.sampling_rate)
        cost = time.perf_counter() - began
        self._spent, self._longest = self._spent + cost, max(self._longest, cost)
        return picture
