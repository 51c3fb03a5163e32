"""Codec protocol: what the library needs of an autoencoder of audio, and functions that apply it to any.

`AutoencoderSpectral` and `EncodecCodec` are codecs as they are. diffusers' `AutoencoderOobleck`, or a module of your
own whose `config` says the same, becomes one by `as_codec`, which every function here calls by itself. Audio is
`(batch, audio_channels, samples)`, latents are `(batch, latent_channels, frames)`; frame k covers the samples
`[k * hop_length, (k + 1) * hop_length)`. "Normalized" latents have the mean 0 and the deviation 1 that the codec's
`latents_mean` and `latents_std` say, see `latentstem.models.latent_scaling`.
"""

import inspect
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import diffusers
import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from torch import Tensor
from torch.nn.functional import pad

import latentstem.models
from latentstem.models.latent_scaling import denormalize_latents, normalize_latents

FORMAT = ("sampling_rate", "hop_length", "audio_channels", "latent_channels")
"""Properties that say the format of a codec's audio and latents."""


@dataclass
class CodecEncoderOutput(BaseOutput):
    """Output of a codec's `encode`.

    Attributes:
        latents: `(batch, latent_channels, frames)`, unbounded, not normalized.
    """

    latents: Tensor


@dataclass
class CodecDecoderOutput(BaseOutput):
    """Output of a codec's `decode`.

    Attributes:
        sample: `(batch, audio_channels, frames * hop_length)`, not limited to [-1, 1].
    """

    sample: Tensor


class Codec(Protocol):
    """Protocol of an autoencoder of audio with one slow latent sequence.

    A codec that works on pieces of a long file also has `encode_stream(pieces)`, which takes audio
    `(batch, audio_channels, any number of samples)` piece by piece and yields latents, and `decode_stream(pieces)`,
    which takes latents and yields audio: see `AutoencoderSpectral`. Without them files are encoded and decoded whole.

    Example:
        >>> from latentstem import AutoencoderSpectral, Codec
        >>> codec: Codec = AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8)
        >>> codec.sampling_rate, codec.hop_length, codec.audio_channels, codec.latent_channels
        (44100, 4096, 1, 64)
    """

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        ...

    @property
    def hop_length(self) -> int:
        """Samples of a latent frame."""
        ...

    @property
    def audio_channels(self) -> int:
        """Channels of the audio: 1 (mono) or 2 (stereo)."""
        ...

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """Config, which may hold `latents_mean` and `latents_std`, one number a latent channel; 0 and 1 without."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights, and of the latents to decode."""
        ...

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        ...

    def encode(self, audio: Tensor) -> Any:
        """Encode float32 audio of any length; return an object with `latents`, a frame for each hop begun.

        Audio that does not fill its last hop is to be continued with zeros by the codec.
        """
        ...

    def decode(self, latents: Tensor) -> Any:
        """Decode latents of the codec's dtype; return an object with the audio, `sample`."""
        ...


def as_codec(autoencoder: Any) -> Codec:
    """Adapt an autoencoder to the codec protocol.

    Args:
        autoencoder: A `Codec`, which is returned as it is; or a module whose config says `sampling_rate`,
            `audio_channels`, `hop_length` and `latent_channels` (in place of the latter two an attribute `hop_length`
            and, as diffusers' `AutoencoderOobleck` calls it, `decoder_input_channels`), whose `encode` returns
            `latents`, or `latent_dist`, of which the mode is taken, and whose `decode` returns `sample`.

    Returns:
        The codec.

    Raises:
        TypeError: Neither an attribute nor the config says one of the four numbers.

    Example:
        >>> from types import SimpleNamespace
        >>> config = {"sampling_rate": 8000, "audio_channels": 1, "hop_length": 80, "latent_channels": 4}
        >>> as_codec(SimpleNamespace(config=config)).hop_length
        80
    """
    # Statically: diffusers' models answer for the names in their configs too, with a warning.
    if all(inspect.getattr_static(autoencoder, name, None) is not None for name in FORMAT):
        return autoencoder
    return _ConfiguredCodec(autoencoder)


class _ConfiguredCodec:
    """Adapter of a module whose config says the format."""

    def __init__(self, autoencoder: Any):
        self.autoencoder = autoencoder
        self.sampling_rate = self._find("sampling_rate")
        self.hop_length = self._find("hop_length")
        self.audio_channels = self._find("audio_channels")
        self.latent_channels = self._find("latent_channels", "decoder_input_channels")

    @property
    def config(self) -> Mapping[str, Any]:
        return self.autoencoder.config

    @property
    def dtype(self) -> torch.dtype:
        return self.autoencoder.dtype

    @property
    def device(self) -> torch.device:
        return self.autoencoder.device

    def encode(self, audio: Tensor) -> CodecEncoderOutput:
        audio = pad(audio, (0, -audio.shape[-1] % self.hop_length))
        encoded = self.autoencoder.encode(audio.to(self.dtype))
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        return CodecEncoderOutput(latents=latents)

    def decode(self, latents: Tensor) -> Any:
        return self.autoencoder.decode(latents)

    def _find(self, name: str, *others: str) -> int:
        config = getattr(self.autoencoder, "config", {})
        for key in (name, *others):
            if config.get(key) is not None:
                return config[key]
        if inspect.getattr_static(self.autoencoder, name, None) is not None:
            return getattr(self.autoencoder, name)
        raise TypeError(
            f"{type(self.autoencoder).__name__} is no codec: neither an attribute nor the config says its {name}; see "
            "latentstem.Codec"
        )


def encode_raw(autoencoder: Any, audio: Tensor) -> Tensor:
    """Encode audio to latents as the autoencoder makes them, not normalized.

    Args:
        autoencoder: A codec, or what `as_codec` takes.
        audio: `(batch, audio_channels, samples)` float32, at the codec's rate; the last frame is filled up with zeros.

    Returns:
        Latents `(batch, latent_channels, ceil(samples / hop_length))`, float32.

    Raises:
        ValueError: The autoencoder returns another number of frames.
    """
    codec = as_codec(autoencoder)
    latents = codec.encode(audio).latents
    frames = -(-audio.shape[-1] // codec.hop_length)
    if latents.shape[-1] != frames:
        raise ValueError(
            f"{type(autoencoder).__name__} returns {latents.shape[-1]} frames for {audio.shape[-1]} samples, expected "
            f"{frames}, one for each {codec.hop_length} samples of its hop_length"
        )
    return latents.float()


def encode_audio(autoencoder: Any, audio: Tensor) -> Tensor:
    """Encode audio to normalized latents.

    Args:
        autoencoder: A codec, or what `as_codec` takes.
        audio: `(batch, audio_channels, samples)` float32, at the codec's rate; the last frame is filled up with zeros.

    Returns:
        Normalized latents `(batch, latent_channels, ceil(samples / hop_length))`, float32.

    Raises:
        ValueError: The autoencoder returns another number of frames.
    """
    return normalize_latents(encode_raw(autoencoder, audio), autoencoder.config)


def decode_audio(autoencoder: Any, latents: Tensor, num_samples: int) -> Tensor:
    """Decode normalized latents.

    Args:
        autoencoder: A codec, or what `as_codec` takes.
        latents: Normalized latents, `(batch, latent_channels, frames)`.
        num_samples: Number of samples to return: the decoded audio is cut there, or continued with zeros.

    Returns:
        Audio `(batch, audio_channels, num_samples)`, float32.
    """
    codec = as_codec(autoencoder)
    latents = denormalize_latents(latents, codec.config).to(codec.dtype)
    audio = codec.decode(latents).sample[..., :num_samples].float()
    missing = num_samples - audio.shape[-1]
    return pad(audio, (0, missing)) if missing else audio


def encode_pieces(autoencoder: Any, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """Encode audio that comes in pieces to normalized latents.

    The audio is held whole where the autoencoder has no `encode_stream`.

    Args:
        autoencoder: A codec, or what `as_codec` takes.
        pieces: Audio `(batch, audio_channels, any number of samples)` float32, piece after piece.

    Yields:
        Normalized latents `(batch, latent_channels, frames)`, float32; one tile of the stream at a time, or all.
    """
    stream = getattr(autoencoder, "encode_stream", None)
    if stream is None:
        yield encode_audio(autoencoder, torch.cat(list(pieces), dim=-1))
        return
    for latents in stream(pieces):
        yield normalize_latents(latents.float(), autoencoder.config)


def decode_pieces(autoencoder: Any, latents: Tensor, num_samples: int) -> Iterator[Tensor]:
    """Decode normalized latents to audio that comes in pieces, in one where the autoencoder has no `decode_stream`.

    Args:
        autoencoder: A codec, or what `as_codec` takes.
        latents: Normalized latents, `(batch, latent_channels, frames)`.
        num_samples: Number of samples of all pieces together.

    Yields:
        Audio `(batch, audio_channels, samples)`, float32.
    """
    stream = getattr(autoencoder, "decode_stream", None)
    if stream is None:
        yield decode_audio(autoencoder, latents, num_samples)
        return
    for audio in stream([denormalize_latents(latents, autoencoder.config).to(autoencoder.dtype)]):
        yield audio[..., :num_samples].float()
        num_samples = max(0, num_samples - audio.shape[-1])


def load_codec(folder: str | os.PathLike[str], **options: Any) -> Any:
    """Load an autoencoder from a folder, whichever class saved it.

    Args:
        folder: Folder that `save_pretrained` wrote, of a model of this package or of diffusers.
        **options: Options of the class's `from_pretrained`, such as `dtype`.

    Returns:
        The model, in evaluation mode.

    Raises:
        ValueError: The folder holds no config of such a model.

    Example:
        >>> import tempfile
        >>> from latentstem import AutoencoderSpectral
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8).save_pretrained(folder)
        ...     type(load_codec(folder)).__name__
        'AutoencoderSpectral'
    """
    file = Path(folder) / ModelMixin.config_name
    if not file.is_file():
        raise ValueError(f"{folder} holds no {file.name}; expected a folder saved by an autoencoder's save_pretrained")
    config = json.loads(file.read_text(encoding="utf-8"))
    name = str(config.get("_class_name") or "") if isinstance(config, dict) else ""
    model: Any = getattr(latentstem.models, name, None) or getattr(diffusers, name, None)
    if not (isinstance(model, type) and issubclass(model, ModelMixin)):
        raise ValueError(f"{file} is of {name or 'no class'!r}, expected a model of latentstem or diffusers")
    return model.from_pretrained(str(folder), **options).eval()
