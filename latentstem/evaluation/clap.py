"""Audio embeddings by CLAP (Wu et al. 2023, arXiv 2211.06687), on which Fréchet distances and APA are often taken.

CLAP maps audio and text descriptions to one space; its audio encoder is used here, in the implementation of
transformers. The weights are not part of latentstem.
"""

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from latentstem._transformers import load_pretrained
from latentstem.conditioning.clap import clap_audio_embeddings

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor, ClapModel


class ClapEmbedding:
    """Embedding of recordings by the audio encoder of a CLAP model.

    Audio is embedded as `latentstem.conditioning.clap.clap_audio_embeddings` says, in windows of the model's input
    length, so that all of it counts and the result is deterministic.

    Args:
        model: A `transformers.ClapModel`; it is put into evaluation mode and stays on its device.
        feature_extractor: The `transformers.ClapFeatureExtractor` of the model.
        batch_size: Windows in one forward pass; only time and memory depend on it.

    Example:
        >>> from transformers import ClapConfig, ClapFeatureExtractor, ClapModel
        >>> heads = {"depths": [1] * 4, "num_attention_heads": [1] * 4}
        >>> sound = {"patch_embeds_hidden_size": 4, "hidden_size": 32, **heads}
        >>> text = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 4}
        >>> model = ClapModel(ClapConfig(text_config=text, audio_config=sound, projection_dim=16))
        >>> embed = ClapEmbedding(model, ClapFeatureExtractor(truncation="rand_trunc"))
        >>> embed(np.zeros((2, 44100)), 44100).shape
        (2, 16)
    """

    def __init__(self, model: "ClapModel", feature_extractor: "ClapFeatureExtractor", batch_size: int = 16):
        self.model = model.eval()
        self.feature_extractor = feature_extractor
        self.batch_size = batch_size

    @classmethod
    def from_pretrained(cls, folder_or_name: str | os.PathLike[str], batch_size: int = 16, **options: Any) -> Self:
        """Load model and feature extractor from a folder, or by their name on the Hugging Face hub.

        Args:
            folder_or_name: Folder or name, for example `"laion/clap-htsat-unfused"`.
            batch_size: Windows in one forward pass.
            **options: Options of `from_pretrained` of the model and the feature extractor, for example
                `local_files_only` or `revision`. Weights are read from safetensors alone unless `use_safetensors` says
                otherwise.

        Returns:
            The embedding, on the CPU; `embedding.model.to("cuda")` moves it.

        Raises:
            ImportError: If transformers is not installed.
            OSError: If there are no weights of that name, or none in safetensors.

        Example:
            >>> embed = ClapEmbedding.from_pretrained("laion/clap-htsat-unfused")  # doctest: +SKIP
            >>> embed(basses, sampling_rate=44100).shape  # doctest: +SKIP
            (24, 512)
        """
        options = {"local_files_only": False, **options}
        model, extractor = load_pretrained(folder_or_name, "ClapModel", "ClapFeatureExtractor", extra="clap", **options)
        return cls(model, extractor, batch_size)

    def __call__(self, audio: np.ndarray, sampling_rate: int) -> np.ndarray:
        """Embed recordings of one length.

        Args:
            audio: Mono audio `(items, samples)` of floats in [-1, 1]. Recordings to be compared should be
                level-matched, since CLAP depends on loudness.
            sampling_rate: Sampling rate of `audio` in Hz; audio is resampled to the extractor's rate, 48 kHz as a rule.

        Returns:
            Embeddings `(items, projection_dim)`, float64. The embedding of each window has length one; their mean is
            shorter the more the windows differ.

        Raises:
            ValueError: If the audio has another shape, is empty, not of floats or not finite, or the sampling rate is
                not positive.
        """
        audio = np.asarray(audio)
        if audio.ndim != 2 or not audio.size or not np.issubdtype(audio.dtype, np.floating):
            raise ValueError(
                f"got {audio.dtype} audio of shape {audio.shape}, expected floats (items, samples), not empty: "
                "take the mean of the channels, stack the items, and scale integers to [-1, 1]"
            )
        if not np.isfinite(audio).all():
            bad = int(np.argmin(np.isfinite(audio).all(axis=1)))
            raise ValueError(f"got NaN or Inf, first in item {bad}; expected finite samples, export it again")
        embeddings = clap_audio_embeddings(
            self.model,
            self.feature_extractor,
            torch.from_numpy(audio.astype(np.float32)),
            sampling_rate,
            self.batch_size,
        )
        return embeddings.numpy()
