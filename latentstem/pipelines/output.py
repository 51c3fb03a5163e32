"""What pipelines that make stems return."""

import re
from dataclasses import dataclass

import numpy as np
from diffusers.utils.outputs import BaseOutput
from torch import Tensor


@dataclass
class StemPipelineOutput(BaseOutput):
    """Stems, as long as the mixes they accompany.

    Attributes:
        audios: `(batch, channels, samples)` in [-1, 1], a tensor or an array as `output_type` says; with
            `output_type="latent"` the normalized latents `(batch, latent_channels, frames)`.
        sampling_rate: Of the audio, in Hz.
        scores: How well each fits its mix, `(batch,)`, as the judge that chose it has it; None where none chose.

    Example:
        >>> import torch
        >>> out = StemPipelineOutput(audios=torch.zeros(1, 1, 44100), sampling_rate=44100)
        >>> out.audios.shape[-1] / out.sampling_rate
        1.0
    """

    audios: Tensor | np.ndarray
    sampling_rate: int
    scores: Tensor | None = None


def check_target(target: str) -> None:
    """Refuse the name of a stem that no file could have.

    Raises:
        ValueError: It is empty, begins with a dot or holds other signs than letters, digits, blanks and `_.+-`.
    """
    if not re.fullmatch(r"\w[\w .+-]*", target):
        raise ValueError(f"target is {target!r}, expected the name of a stem, of letters and digits, e.g. 'bass'")
