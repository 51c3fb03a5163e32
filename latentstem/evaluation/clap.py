"""Embeddings by CLAP, a net that has heard much music: what distances of distributions and APA are often taken on.

CLAP (Wu et al. 2023, arXiv 2211.06687) puts sounds and their descriptions into one space; its audio half is used here,
in the implementation of transformers. The weights are the user's own to fetch.
"""

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from latentstem.audio.resampling import resample

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor, ClapModel


class ClapEmbedding:
    """Describes recordings by the audio half of a CLAP model.

    Audio is cut into consecutive windows of the length that the model hears, ten seconds as a rule, and the embeddings
    of the windows are averaged, each weighed by how much audio it holds. So all of the audio counts and the result is
    the same every time, where the feature extractor alone would hear a random excerpt of what is longer. The last
    window is filled up as the extractor fills up what is short: usually by repeating it.

    Args:
        model: A `transformers.ClapModel`; it is put into evaluation mode, and computes on the device it is on.
        feature_extractor: The `transformers.ClapFeatureExtractor` that belongs to it.
        batch_size: Windows at once; only time and memory depend on it.

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
        """Loads model and feature extractor from a folder, or by their name on the Hugging Face hub.

        Args:
            folder_or_name: Such as `"laion/clap-htsat-unfused"`.
            batch_size: Windows at once.
            **options: Passed on to `from_pretrained` of both, such as `local_files_only` or `revision`. Weights are
                read from safetensors alone unless `use_safetensors` says otherwise.

        Returns:
            The embedding, on the CPU; `embedding.model.to("cuda")` moves it.

        Raises:
            ImportError: transformers is not installed.
            OSError: there are no such weights, or none in safetensors.

        Example:
            >>> embed = ClapEmbedding.from_pretrained("laion/clap-htsat-unfused")  # doctest: +SKIP
            >>> embed(basses, sampling_rate=44100).shape  # doctest: +SKIP
            (24, 512)
        """
        try:
            from transformers import ClapFeatureExtractor, ClapModel
        except ImportError as error:
            raise ImportError(
                f"ClapEmbedding needs transformers >=4.57, which cannot be imported ({error}); pip install transformers"
            ) from error
        options = {"use_safetensors": True, **options}
        return cls(
            ClapModel.from_pretrained(folder_or_name, **options),
            ClapFeatureExtractor.from_pretrained(folder_or_name, **options),
            batch_size,
        )

    @torch.no_grad()
    def __call__(self, audio: np.ndarray, sampling_rate: int) -> np.ndarray:
        """Embeds recordings of one length; others of another length take a call of their own.

        Args:
            audio: Mono audio `(items, samples)` of floats in [-1, 1], at a level that is the same for all that is to be
                compared: CLAP hears loudness too.
            sampling_rate: Of `audio`, in Hz; it is brought to the extractor's rate, 48 kHz as a rule.

        Returns:
            Embeddings `(items, projection_dim)`, float64. Each window's is of length one; their mean is shorter the
            more the windows differ.

        Raises:
            ValueError: if the audio has another shape, is empty, not of floats or not finite, or the sampling rate is
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
        extractor = self.feature_extractor
        audio = resample(torch.from_numpy(audio.astype(np.float32)), sampling_rate, extractor.sampling_rate).numpy()
        parts = np.split(audio, range(extractor.nb_max_samples, audio.shape[1], extractor.nb_max_samples), axis=1)
        windows = [window for part in parts for window in part]
        batches = (windows[first : first + self.batch_size] for first in range(0, len(windows), self.batch_size))
        embeddings = np.concatenate([self._embed(batch) for batch in batches]).reshape(len(parts), len(audio), -1)
        return np.average(embeddings, axis=0, weights=[part.shape[1] for part in parts])

    def _embed(self, windows: list[np.ndarray]) -> np.ndarray:
        extractor = self.feature_extractor
        features = extractor(windows, sampling_rate=extractor.sampling_rate, return_tensors="pt")["input_features"]
        # No window is longer than the model hears. The extractor of a model with fusion says so of one at random.
        is_longer = torch.zeros(len(windows), 1, dtype=torch.bool)
        answer: Any = self.model.get_audio_features(
            features.to(self.model.device, self.model.dtype), is_longer=is_longer.to(self.model.device)
        )
        # transformers 4 returns the tensor itself, transformers 5 an output that holds it.
        return getattr(answer, "pooler_output", answer).cpu().double().numpy()
