"""EnCodec (Défossez et al. 2022, arXiv 2210.13438) without its quantizer, as a codec of continuous latents.

The latents are the output of the encoder before it is quantized: continuous, unbounded, `hidden_size` channels. Encoder
and decoder are causal and recurrent, so files are encoded and decoded whole, never in tiles.
"""

from typing import TYPE_CHECKING, Any, Self

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor
from torch.nn.functional import pad

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_tensors
from latentstem.models.codec import CodecDecoderOutput, CodecEncoderOutput
from latentstem.models.config_bounds import check_encodec, check_statistics

if TYPE_CHECKING:
    from transformers import EncodecModel


class EncodecCodec(ModelMixin, ConfigMixin):
    """Encode and decode audio by EnCodec without its quantizer.

    `EncodecCodec.wrap` takes trained weights. A denoiser has to be trained on the latents that it is to generate, and
    its training needs their mean and deviation near 0 and 1: give `latents_mean` and `latents_std` as measured on the
    training data. Needs transformers, `pip install "latentstem[encodec]"`.

    Args:
        encodec: Arguments of transformers' `EncodecConfig` that differ from its defaults (the model at 24 kHz).
        latents_mean: Mean of the latents over the training data, one number a channel; None counts as 0.
        latents_std: Standard deviation of the latents over the training data, one number a channel; None counts as 1.

    Raises:
        ImportError: The package transformers is not installed.
        ValueError: The settings are of a model that normalizes audio or cuts it into chunks, as the one at 48 kHz; or
            one is out of bounds, or the statistics do not fit the latents.

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

    @register_to_config
    def __init__(
        self,
        encodec: dict[str, Any] | None = None,
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
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
        if settings.normalize or settings.chunk_length_s is not None:
            raise ValueError(
                f"got an EnCodec with normalize={settings.normalize}, chunk_length_s={settings.chunk_length_s}, which "
                "works chunk by chunk, each at a level of its own; expected one that takes audio whole, as at 24 kHz"
            )
        check_encodec(settings)
        check_statistics(self.config, settings.hidden_size)
        net = EncodecModel(settings)
        self.encoder, self.decoder, self.settings = net.encoder, net.decoder, settings

    @classmethod
    def wrap(
        cls, net: "EncodecModel", latents_mean: list[float] | None = None, latents_std: list[float] | None = None
    ) -> Self:
        """Build the codec of a model of transformers, whose weights are copied.

        Args:
            net: Trained model, e.g. `EncodecModel.from_pretrained("facebook/encodec_24khz")`.
            latents_mean: Mean of the latents over the training data, one number a channel; None counts as 0.
            latents_std: Standard deviation of the latents over the training data, one number a channel; None counts
                as 1.

        Returns:
            The codec, in evaluation mode.

        Raises:
            ValueError: The model normalizes audio or cuts it into chunks.
        """
        codec = cls(net.config.to_diff_dict(), latents_mean, latents_std)
        codec.encoder.load_state_dict(net.encoder.state_dict())
        codec.decoder.load_state_dict(net.decoder.state_dict())
        return codec.eval()

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
        return self.settings.hidden_size

    @apply_forward_hook
    def encode(self, audio: Tensor) -> CodecEncoderOutput:
        """Encode `(batch, audio_channels, samples)`; the last frame is filled up with zeros."""
        _check_shape("audio", audio, self.audio_channels)
        latents = self.encoder(pad(audio, (0, -audio.shape[-1] % self.hop_length)).to(self.dtype))
        check_finite("the encoding", latents, {"audio": audio})
        return CodecEncoderOutput(latents=latents)

    @apply_forward_hook
    def decode(self, latents: Tensor) -> CodecDecoderOutput:
        """Decode `(batch, latent_channels, frames)` to `(batch, audio_channels, frames * hop_length)`."""
        _check_shape("latents", latents, self.latent_channels)
        sample = self.decoder(latents)
        check_finite("the decoded audio", sample, {"latents": latents})
        return CodecDecoderOutput(sample=sample)

    def forward(self, audio: Tensor) -> CodecDecoderOutput:
        """Encode and decode `(batch, audio_channels, samples)`, filled up with zeros to whole frames."""
        return self.decode(self.encode(audio).latents.to(self.dtype))


def _check_shape(name: str, value: Tensor, channels: int) -> None:
    check_tensors(**{name: value})
    if value.ndim != 3 or value.shape[1] != channels or not value.shape[2]:
        raise ValueError(
            f"got {name} of shape {tuple(value.shape)}; expected (batch, {channels}, length), a length of at least 1"
        )
