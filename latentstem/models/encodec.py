"""EnCodec (Défossez et al. 2022, arXiv 2210.13438) as a codec of continuous latents, one a frame of the audio.

The latents are the output of the encoder, or, as in LADMG, the vectors of the codebooks that it is quantized to. The
model at 24 kHz is causal and recurrent: files are encoded and decoded whole. The one at 48 kHz takes audio in chunks of
a second, each at a level of its own, which becomes one more channel of the latents.
"""

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor
from torch.nn.functional import pad

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_tensors
from latentstem._transformers import load_pretrained
from latentstem.models.codec import CodecDecoderOutput, CodecEncoderOutput
from latentstem.models.config_bounds import check_encodec, check_statistics
from latentstem.models.encodec_chunks import Chunks

if TYPE_CHECKING:
    from transformers import EncodecModel

LEAST_LEVEL = 1e-4
"""Root mean square up to which a chunk is not amplified to the level that the encoder expects: 80 dB below 1."""


class EncodecCodec(ModelMixin, ConfigMixin):
    """Encode and decode audio by EnCodec, at 24 kHz or at 48 kHz.

    `EncodecCodec.from_transformers` loads trained weights, `EncodecCodec.wrap` takes a model that is loaded already. A
    denoiser has to be trained on the latents that it is to generate, and its training needs their mean and deviation
    near 0 and 1: give `latents_mean` and `latents_std` as measured on the training data, or have `fit_pca` measure
    them. Needs transformers, `pip install "latentstem[encodec]"`.

    Chunks of the model at 48 kHz overlap by whole frames here, so that a latent frame is a frame of the audio wherever
    it lies; the last of the latent channels is the logarithm of the level of the frame's chunk.

    Args:
        encodec: Arguments of transformers' `EncodecConfig` that differ from its defaults (the model at 24 kHz).
        latents_mean: Mean of the latents over the training data, one number a channel; None counts as 0.
        latents_std: Standard deviation of the latents over the training data, one number a channel; None counts as 1.
        bandwidth: Rate in kbit/s of the codes that latents are quantized to and taken back from, one of EnCodec's
            `target_bandwidths`; None leaves them as they come from the encoder.
        pca_channels: Number of principal components that latents are reduced to, see `fit_pca`; None leaves them.

    Raises:
        ImportError: The package transformers is not installed.
        ValueError: A chunk of the model is not a whole number of frames, it has no such bandwidth, there are fewer
            latent channels than `pca_channels`, a setting is out of bounds, or the statistics do not fit the latents.

    Example:
        >>> import tempfile, torch
        >>> from transformers import EncodecConfig, EncodecModel
        >>> net = EncodecModel(EncodecConfig(num_filters=4, hidden_size=16, codebook_size=16, codebook_dim=16))
        >>> codec = EncodecCodec.wrap(net, latents_mean=[0.5] * 16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     codec.save_pretrained(folder)
        ...     codec = EncodecCodec.from_pretrained(folder)
        >>> codec.sampling_rate, codec.hop_length, codec.config.latents_mean[:2]
        (24000, 320, [0.5, 0.5])
        >>> latents = codec.encode(torch.randn(1, 1, 1000)).latents
        >>> latents.shape, codec.decode(latents).sample.shape
        (torch.Size([1, 16, 4]), torch.Size([1, 1, 1280]))
    """

    quantizer: Any  # the first codebooks of transformers' EncodecResidualVectorQuantizer
    pca_mean: Tensor
    pca_components: Tensor

    @register_to_config
    def __init__(
        self,
        encodec: dict[str, Any] | None = None,
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
        bandwidth: float | None = None,
        pca_channels: int | None = None,
    ):
        super().__init__()
        try:
            from transformers import EncodecConfig, EncodecModel
        except ImportError as error:
            raise ImportError(
                f'EncodecCodec needs transformers, which is not there ({error}); pip install "latentstem[encodec]"'
            ) from error
        try:
            settings = EncodecConfig(**(encodec or {}))
        except Exception as error:  # transformers checks types by an exception of its own
            raise ValueError(f"got settings that EncodecConfig refuses: {' '.join(str(error).split())}") from error
        check_encodec(settings)
        self.chunks = Chunks.of(settings)
        net = EncodecModel(settings)
        self.encoder, self.decoder, self.settings = net.encoder, net.decoder, settings
        if bandwidth is not None:
            if bandwidth not in settings.target_bandwidths:
                raise ValueError(
                    f"got bandwidth={bandwidth}, expected one of {list(settings.target_bandwidths)} kbit/s, or None "
                    "for latents that are not quantized"
                )
            # Without the codebooks beyond the bandwidth: what the latents depend on is the weights, then, by which
            # caches of latents are told apart.
            self.quantizer = net.quantizer
            self.quantizer.layers = self.quantizer.layers[: net.quantizer.get_num_quantizers_for_bandwidth(bandwidth)]
        if pca_channels is not None:
            if not 1 <= pca_channels <= settings.hidden_size:
                raise ValueError(f"got pca_channels={pca_channels}, expected 1 to {settings.hidden_size}")
            self.register_buffer("pca_mean", torch.zeros(settings.hidden_size, 1))
            self.register_buffer("pca_components", torch.eye(pca_channels, settings.hidden_size))
        check_statistics(self.config, self.latent_channels)

    @classmethod
    def from_transformers(
        cls, folder_or_name: str | PathLike[str], local_files_only: bool = True, **options: Any
    ) -> Self:
        """Load the weights of a model of transformers.

        Args:
            folder_or_name: Folder of a saved `EncodecModel`, or its name on the Hugging Face hub:
                `"facebook/encodec_24khz"` or `"facebook/encodec_48khz"`.
            local_files_only: Whether a name must be in the local cache of the hub; False downloads what is missing.
            **options: Further arguments of `wrap`.

        Returns:
            The codec, in evaluation mode.

        Raises:
            ImportError: The package transformers is not installed.
            OSError: There are no weights in safetensors in the folder or, by that name, where they may be looked for.

        Example:
            >>> codec = EncodecCodec.from_transformers("facebook/encodec_48khz", bandwidth=6.0)  # doctest: +SKIP
        """
        (net,) = load_pretrained(folder_or_name, "EncodecModel", extra="encodec", local_files_only=local_files_only)
        return cls.wrap(net, **options)

    @classmethod
    def wrap(
        cls,
        net: "EncodecModel",
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
        bandwidth: float | None = None,
    ) -> Self:
        """Build the codec of a model of transformers, whose weights are copied.

        Args:
            net: Trained model, e.g. `EncodecModel.from_pretrained("facebook/encodec_24khz")`.
            latents_mean: Mean of the latents over the training data, one number a channel; None counts as 0.
            latents_std: Standard deviation of the latents over the training data, one number a channel; None counts
                as 1.
            bandwidth: Rate in kbit/s of the codes that latents are quantized to and taken back from; None leaves them
                as they come from the encoder.

        Returns:
            The codec, in evaluation mode.

        Raises:
            ValueError: A chunk of the model is not a whole number of frames, or it has no such bandwidth.
        """
        codec = cls(net.config.to_diff_dict(), latents_mean, latents_std, bandwidth)
        wanted = codec.state_dict().keys()
        codec.load_state_dict({name: weight for name, weight in net.state_dict().items() if name in wanted})
        return codec.eval()

    @torch.no_grad()
    def fit_pca(self, recordings: Iterable[Tensor], channels: int) -> Self:
        """Build the codec whose latents are principal components of the latents of this one.

        Args:
            recordings: Audio to fit the components on, each `(batch, audio_channels, samples)`, together of more frames
                than latents have channels.
            channels: Number of components, those of most variance.

        Returns:
            A codec with copies of these weights, `pca_channels` set, and the mean and the deviation of its latents over
            the recordings as `latents_mean` and `latents_std`.

        Raises:
            ValueError: This codec has components already, there are no recordings, or there are fewer latent channels
                than `channels`.
        """
        if self.config["pca_channels"] is not None:
            raise ValueError("this codec has principal components already; fit those of the codec without them")
        count, total, products = 0, torch.zeros(()), torch.zeros(())
        for audio in recordings:
            frames = self.encode(audio.to(self.device)).latents.double().movedim(1, 0).flatten(1).cpu()
            count += frames.shape[1]
            total, products = total + frames.sum(dim=1), products + frames @ frames.T
        if count == 0:
            raise ValueError("got no recordings to fit principal components on, expected at least one")
        mean = total / count
        covariance = products / count - mean.outer(mean)
        size = self.settings.hidden_size
        variances, vectors = torch.linalg.eigh(covariance[:size, :size])  # in ascending order
        spread = torch.cat([variances.flip(0)[:channels], covariance.diagonal()[size:]]).clamp(min=1e-12).sqrt()
        fitted: Any = type(self)(
            self.config["encodec"],
            latents_mean=[0.0] * channels + mean[size:].tolist(),
            latents_std=spread.tolist(),
            bandwidth=self.config["bandwidth"],
            pca_channels=channels,
        )
        components = {"pca_mean": mean[:size, None], "pca_components": vectors.T.flip(0)[:channels]}
        fitted.load_state_dict({**self.state_dict(), **components})
        return fitted.to(device=self.device, dtype=self.dtype).eval()

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        return self.settings.sampling_rate

    @property
    def hop_length(self) -> int:
        """Samples of a latent frame."""
        return self.settings.hop_length

    @property
    def audio_channels(self) -> int:
        """Channels of the audio: 1 (mono) or 2 (stereo)."""
        return self.settings.audio_channels

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return (self.config["pca_channels"] or self.settings.hidden_size) + self.settings.normalize

    @apply_forward_hook
    def encode(self, audio: Tensor) -> CodecEncoderOutput:
        """Encode `(batch, audio_channels, samples)`; the last frame is filled up with zeros."""
        _check_shape("audio", audio, self.audio_channels)
        padded = pad(audio, (0, -audio.shape[-1] % self.hop_length))
        chunks = self.chunks.split(padded.to(self.dtype), self.hop_length)
        latents = self.chunks.join_frames([self._encode_chunk(chunk) for chunk in chunks])
        check_finite("the encoding", latents, {"audio": audio})
        return CodecEncoderOutput(latents=latents)

    @apply_forward_hook
    def decode(self, latents: Tensor) -> CodecDecoderOutput:
        """Decode `(batch, latent_channels, frames)` to `(batch, audio_channels, frames * hop_length)`."""
        _check_shape("latents", latents, self.latent_channels)
        own = self.chunks.own_frames(latents.shape[-1])
        audio = [
            self._decode_chunk(chunk, frames) for chunk, frames in zip(self.chunks.split(latents), own, strict=True)
        ]
        sample = self.chunks.cross_fade(audio, self.hop_length)
        check_finite("the decoded audio", sample, {"latents": latents})
        return CodecDecoderOutput(sample=sample)

    def forward(self, audio: Tensor) -> CodecDecoderOutput:
        """Encode and decode `(batch, audio_channels, samples)`, filled up with zeros to whole frames."""
        return self.decode(self.encode(audio).latents.to(self.dtype))

    def _encode_chunk(self, audio: Tensor) -> Tensor:
        level = torch.ones_like(audio[:, :1, :1])
        if self.settings.normalize:
            level = audio.mean(dim=1, keepdim=True).square().mean(dim=-1, keepdim=True).sqrt().clamp(min=LEAST_LEVEL)
        latents = self.encoder(audio / level)
        if self.config["bandwidth"] is not None:
            latents = self.quantizer.decode(self.quantizer.encode(latents))
        if self.config["pca_channels"] is not None:
            latents = self.pca_components @ (latents - self.pca_mean)
        if self.settings.normalize:
            latents = torch.cat([latents, level.log().expand(-1, 1, latents.shape[-1])], dim=1)
        return latents

    def _decode_chunk(self, latents: Tensor, own: slice) -> Tensor:
        """Decode a chunk, at the mean level of the frames that it does not share with its neighbours."""
        level = torch.ones_like(latents[:, :1, :1])
        if self.settings.normalize:
            level = latents[:, -1:, own].mean(dim=-1, keepdim=True).exp()
            latents = latents[:, :-1]
        if self.config["pca_channels"] is not None:
            latents = self.pca_components.T @ latents + self.pca_mean
        return self.decoder(latents) * level


def _check_shape(name: str, value: Tensor, channels: int) -> None:
    check_tensors(**{name: value})
    if value.ndim != 3 or value.shape[1] != channels or not value.shape[2]:
        raise ValueError(
            f"got {name} of shape {tuple(value.shape)}; expected (batch, {channels}, length), a length of at least 1"
        )
