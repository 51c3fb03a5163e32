"""A global condition on sound or words: embeddings by CLAP (Wu et al. 2023, arXiv 2211.06687).

CLAP maps audio and text descriptions to one space, so that a denoiser that is trained on the embeddings of its audio
can be asked for a sound in words, as LADMG does. CLAP is the implementation of transformers, whose weights are not part
of latentstem.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from latentstem._transformers import load_pretrained
from latentstem.audio.level import normalize_level

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor, ClapModel, PreTrainedTokenizerBase


class ClapCondition:
    """Embed audio or words as a global condition of a denoiser.

    Embeddings have length one. The denoiser is given them by name: `StemUNet1DModel(global_conditions={"clap":
    condition.channels})` and `pipe(conditions={"clap": condition.embed_text("a deep sub bass")})`.

    Args:
        model: A `transformers.ClapModel`; it is put into evaluation mode and stays on its device.
        feature_extractor: The `transformers.ClapFeatureExtractor` of the model.
        tokenizer: The tokenizer of the model's text encoder; None reads no words.

    Example:
        >>> condition = ClapCondition.from_pretrained("laion/clap-htsat-unfused")  # doctest: +SKIP
        >>> condition.embed_text(["a deep sub bass", "a picked bass guitar"]).shape  # doctest: +SKIP
        torch.Size([2, 512])

        Audio with a tiny model of random weights, and no words:

        >>> from transformers import ClapConfig, ClapFeatureExtractor, ClapModel
        >>> heads = {"depths": [1] * 4, "num_attention_heads": [1] * 4}
        >>> sound = {"patch_embeds_hidden_size": 4, "hidden_size": 32, **heads}
        >>> text = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 4}
        >>> model = ClapModel(ClapConfig(text_config=text, audio_config=sound, projection_dim=16))
        >>> condition = ClapCondition(model, ClapFeatureExtractor(truncation="rand_trunc"), tokenizer=None)
        >>> condition.channels, condition.embed_audio(torch.randn(2, 1, 44100), sampling_rate=44100).shape
        (16, torch.Size([2, 16]))
    """

    def __init__(
        self,
        model: "ClapModel",
        feature_extractor: "ClapFeatureExtractor",
        tokenizer: "PreTrainedTokenizerBase | None",
    ):
        self.model = model.eval()
        self.feature_extractor = feature_extractor
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(
        cls, folder_or_name: str | os.PathLike[str], local_files_only: bool = True, **options: Any
    ) -> Self:
        """Load model, feature extractor and tokenizer from a folder, or by their name on the Hugging Face hub.

        Args:
            folder_or_name: Folder or name, for example `"laion/clap-htsat-unfused"`.
            local_files_only: Whether a name must be in the local cache of the hub; False downloads what is missing.
            **options: Further options of transformers' `from_pretrained`, for example `revision`. Weights are read from
                safetensors alone unless `use_safetensors` says otherwise.

        Returns:
            The condition, on the CPU; `condition.model.to("cuda")` moves it.

        Raises:
            ImportError: If transformers is not installed.
            OSError: If a part is neither in the folder nor, by that name, where it may be looked for.
        """
        kinds = ("ClapModel", "ClapFeatureExtractor", "AutoTokenizer")
        options["local_files_only"] = local_files_only
        model, extractor, tokenizer = load_pretrained(folder_or_name, *kinds, extra="clap", **options)
        # Where the files of a tokenizer are missing, transformers makes one without words.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise OSError(
                f"found no words of a tokenizer under {os.fspath(folder_or_name)!r}; save the tokenizer of the model "
                "into the folder, or build ClapCondition with tokenizer=None for audio alone"
            )
        return cls(model, extractor, tokenizer)

    @property
    def channels(self) -> int:
        """Length of an embedding, for the denoiser's `global_conditions`."""
        return self.model.config.projection_dim

    @torch.no_grad()
    def embed_audio(self, audio: Tensor, sampling_rate: int) -> Tensor:
        """Embed recordings of one length.

        CLAP depends on loudness, which is to be no condition: all audio is brought to the reference loudness first.

        Args:
            audio: Floats in [-1, 1] at any level, `(batch, channels, samples)`; CLAP takes the mean of the channels.
            sampling_rate: Sampling rate of `audio` in Hz; audio is resampled to CLAP's.

        Returns:
            `(batch, channels)` of `condition.channels`, float32, on the model's device.

        Raises:
            ValueError: If the audio has another shape, is empty, not of floats or not finite, or the sampling rate is
                not positive.
        """
        if audio.ndim != 3 or not audio.numel() or not audio.is_floating_point() or not audio.isfinite().all():
            raise ValueError(
                f"got {audio.dtype} audio of shape {tuple(audio.shape)}, expected finite floats (batch, channels, "
                "samples), not empty; add missing dimensions with audio[None]"
            )
        mono = normalize_level(audio.mean(dim=1, keepdim=True).float())[:, 0]
        embeddings = clap_audio_embeddings(self.model, self.feature_extractor, mono, sampling_rate)
        return torch.nn.functional.normalize(embeddings, dim=-1).float().to(self.model.device)

    @torch.no_grad()
    def embed_text(self, text: str | Sequence[str]) -> Tensor:
        """Embed descriptions in words.

        Args:
            text: One description or several. CLAP reads the beginning of one that is too long for it.

        Returns:
            `(descriptions, channels)` of `condition.channels`, float32, on the model's device.

        Raises:
            ValueError: If there is no description, one is empty, or the condition has no tokenizer.
        """
        texts = [text] if isinstance(text, str) else list(text)
        if not texts or not all(isinstance(each, str) and each.strip() for each in texts):
            raise ValueError(f"got {text!r}, expected a description or several, none empty; leave the condition out")
        if self.tokenizer is None:
            raise ValueError("this ClapCondition has no tokenizer to read words; load one with from_pretrained")
        config: Any = self.model.config
        limit = config.text_config.max_position_embeddings - 2  # positions of RoBERTa begin after padding
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        features: Any = self.model.get_text_features(tokens["input_ids"], attention_mask=tokens["attention_mask"])
        return torch.nn.functional.normalize(_tensor(features).float(), dim=-1)


@torch.no_grad()
def clap_audio_embeddings(
    model: "ClapModel",
    feature_extractor: "ClapFeatureExtractor",
    audio: Tensor,
    sampling_rate: int,
    batch_size: int = 16,
) -> Tensor:
    """Embed recordings of one length by the audio encoder of a CLAP model.

    Audio is cut into consecutive windows of the model's input length, ten seconds as a rule, and the embeddings of the
    windows are averaged, weighted by their length. So all of the audio counts and the result is deterministic, where
    the feature extractor alone would take a random excerpt of longer audio. The last window is padded by the
    extractor's rule for short audio: usually by repeating it.

    Args:
        model: A `transformers.ClapModel` in evaluation mode.
        feature_extractor: The `transformers.ClapFeatureExtractor` of the model.
        audio: Mono audio of floats, `(items, samples)`, not empty.
        sampling_rate: Sampling rate of `audio` in Hz; audio is resampled to the extractor's.
        batch_size: Windows in one forward pass; only time and memory depend on it.

    Returns:
        `(items, projection_dim)`, float64, on the CPU. The embedding of each window has length one; their mean is
        shorter the more the windows differ.

    Raises:
        ValueError: If the sampling rate is not positive.
    """
    from latentstem.audio.resampling import resample  # here, because it needs more than torch

    audio = resample(audio.float().cpu(), sampling_rate, feature_extractor.sampling_rate)
    parts = audio.split(feature_extractor.nb_max_samples, dim=-1)
    windows = [window.numpy() for part in parts for window in part]
    batches = (windows[first : first + batch_size] for first in range(0, len(windows), batch_size))
    embeddings = torch.cat([_embed_windows(model, feature_extractor, batch) for batch in batches])
    lengths = torch.tensor([part.shape[-1] for part in parts], dtype=torch.float64)
    by_part = embeddings.unflatten(0, (len(parts), len(audio)))
    return (by_part * lengths[:, None, None]).sum(dim=0) / lengths.sum()


def _embed_windows(model: "ClapModel", feature_extractor: "ClapFeatureExtractor", windows: list[np.ndarray]) -> Tensor:
    """Embed windows that are no longer than the model's input."""
    rate = feature_extractor.sampling_rate
    features = feature_extractor(windows, sampling_rate=rate, return_tensors="pt")["input_features"]
    # The extractor of a model with fusion marks one window at random as longer than the input.
    is_longer = torch.zeros(len(windows), 1, dtype=torch.bool)
    output: Any = model.get_audio_features(features.to(model.device, model.dtype), is_longer=is_longer.to(model.device))
    return _tensor(output).cpu().double()


def _tensor(output: Any) -> Tensor:
    """Return embeddings: transformers 4 has them as they are, transformers 5 in an output."""
    return getattr(output, "pooler_output", output)
