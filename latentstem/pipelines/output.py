"""Output of pipelines that generate stems."""

import re
from dataclasses import dataclass
from typing import Any

from diffusers.utils.outputs import BaseOutput


@dataclass
class StemPipelineOutput(BaseOutput):
    """Stems, as long as the mixes they accompany.

    Attributes:
        audios: Stems `(batch, channels, samples)` in [-1, 1], a tensor or an array as `output_type` says; with
            `output_type="latent"` normalized latents `(batch, latent_channels, frames)`.
        sampling_rate: Sampling rate of the audio in Hz.
        scores: How well each stem fits its mix, `(batch,)`, from the reranker; None without `keep_best`.

    Example:
        >>> import torch
        >>> out = StemPipelineOutput(audios=torch.zeros(1, 1, 44100), sampling_rate=44100)
        >>> out.audios.shape[-1] / out.sampling_rate
        1.0
    """

    audios: Any  # which of two it is depends on a value: a union would make every caller tell
    sampling_rate: int
    scores: Any = None


def check_target(target: str) -> None:
    """Refuse the name of a stem that no file could have.

    Args:
        target: Name of the stem, such as "bass".

    Raises:
        ValueError: The name is empty, begins with a dot, or holds other characters than letters, digits, blanks and
            `_.+-`.
    """
    if not re.fullmatch(r"\w[\w .+-]*", target):
        raise ValueError(f"target is {target!r}, expected the name of a stem, of letters and digits, e.g. 'bass'")
