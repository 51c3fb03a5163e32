"""Spectral autoencoder (arXiv 2402.01412): log magnitudes to slow unbounded latents to magnitudes and phases.

A single encoder and decoder are trained end to end; the decoder emits a magnitude and a phase spectrogram that an
inverse STFT turns into audio. Phase leaves the net as a pair of maps a bin, normalized to unit length, as in Vocos
(Siuzdak 2023, arXiv 2306.00814). Three things differ from the paper: the encoder is given the low bins through a
second, longer window too, oscillators (see `latentstem.nn.oscillators`) give the decoder the time, and everything is
local in time, so that tiles equal the whole. The layers stand in `spectral_encoder.py` and `spectral_decoder.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils.accelerate_utils import apply_forward_hook
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_tensors
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.audio.tiling import tile_stream, whole_frames
from latentstem.models.config_bounds import check_autoencoder
from latentstem.models.spectral_decoder import SpectralDecoder
from latentstem.models.spectral_encoder import SpectralEncoder
from latentstem.models.spectral_scale import log_spectrogram

DEFAULT_TILE_FRAMES = 192
"""Latent frames of a tile: what is longer, 18 s, is encoded and decoded in tiles unless told otherwise."""


@dataclass
class AutoencoderSpectralEncoderOutput(BaseOutput):
    """Output of `AutoencoderSpectral.encode`.

    Attributes:
        latents: `(batch, latent_channels, frames)`, unbounded, not normalized.
    """

    latents: Tensor


@dataclass
class AutoencoderSpectralDecoderOutput(BaseOutput):
    """Output of `AutoencoderSpectral.decode`.

    Attributes:
        sample: `(batch, audio_channels, samples)`.
        log_magnitude: Log-magnitude spectrogram that the decoder emitted, `(batch, audio_channels, bins,
            stft_frames)`, which the reconstruction loss compares; None when tiled.
        pitch: Pitch logits of the oscillators' first voice, `(batch, stft_frames, pitches)`, which
            `latentstem.losses.pitch_cross_entropy` compares; None when tiled, or without oscillators.
        latents: Latents that were decoded, `(batch, latent_channels, frames)`; None where the caller gave them.
    """

    sample: Tensor
    log_magnitude: Tensor | None = None
    pitch: Tensor | None = None
    latents: Tensor | None = None


class AutoencoderSpectral(SpectralEncoder, SpectralDecoder):
    """Encode audio to 10.8 latents a second, and decode them.

    Frame k of the latents covers samples `[k * hop_length, (k + 1) * hop_length)`. Audio that does not fill its last
    frame is continued with zeros.

    Args:
        sampling_rate: Sampling rate of the audio in Hz.
        audio_channels: Channels of the audio: 1 (mono) or 2 (stereo).
        latent_channels: Channels of the latents.
        hop_length: Samples of a latent frame.
        window_length: Hann window of the decoder's STFT in samples.
        encoder_window_length: Hann window of the encoder's STFT in samples.
        low_window_length: Longer Hann window in samples, through which the encoder is given the bins up to
            `low_highest` once more, twice a latent frame: neighbouring low notes, 2.4 Hz apart at the lowest E, look so
            alike through 2048 samples that the net learns them timbre by timbre. 0 leaves it out.
        low_highest: Highest frequency in Hz that is analysed through the longer window.
        stft_hop_length: Hop of the STFT in samples; divides `hop_length`.
        channels: Width of the layers at the STFT's frame rate.
        latent_hidden_channels: Width of the layers at the latents' rate.
        encoder_layers: Number of blocks at the STFT's rate in the encoder.
        decoder_layers: Number of blocks at the STFT's rate in the decoder.
        latent_layers: Number of blocks at the latents' rate, in encoder and decoder each.
        carriers: Number of oscillators of the decoder, 72 an octave from 27.5 Hz, which the audio channels share; 0
            leaves them out.
        carrier_partials: Number of partials of a tone that the oscillators play.
        carrier_smoothing: Number of STFT frames, odd, over which the strengths of a tone's partials are averaged; 1
            leaves them as they are.
        noise_bands: Number of bands of the decoder's filtered noise; 0 leaves it out.
        quiet_magnitudes: Whether the decoder's magnitudes fall without end, instead of to zero at 60 dB under full
            scale: what tells basses apart above 1 kHz lies 60 to 100 dB under it.
        levels_per_octave: Number of bands an octave whose levels, down to 100 dB under full scale, the encoder is given
            beside the bins, which it is given down to 60 dB; 0 leaves them out.
        latents_mean: Mean of each latent channel over the training data, for pipelines to normalize with.
        latents_std: Standard deviation of each latent channel over the training data, for pipelines to normalize with.
        style_readout: Matrix `(numbers, latent_channels)` that reads the instrument from a stem's mean latent; see
            `latentstem.StyleSpace`.
        style_directions: Matrix `(numbers, latent_channels)` of the latent directions that change the instrument; see
            `latentstem.StyleSpace`.

    Raises:
        ValueError: A number is out of bounds, the hop of the STFT does not divide the latents' hop, or statistics or
            style space are not finite or do not fit the latents.

    Example:
        >>> import torch
        >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8).eval()
        >>> audio = torch.randn(1, 1, 10_000)
        >>> latents = model.encode(audio).latents
        >>> latents.shape, model.decode(latents, num_samples=10_000).sample.shape
        (torch.Size([1, 64, 3]), torch.Size([1, 1, 10000]))
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ["ConvNeXtBlock1D"]
    _repeated_blocks = ["ConvNeXtBlock1D"]

    @register_to_config
    def __init__(
        self,
        sampling_rate: int = SAMPLING_RATE,
        audio_channels: int = 1,
        latent_channels: int = 64,
        hop_length: int = 4096,
        window_length: int = 2048,
        encoder_window_length: int = 2048,
        low_window_length: int = 8192,
        low_highest: float = 1000.0,
        stft_hop_length: int = 512,
        channels: int = 384,
        latent_hidden_channels: int = 512,
        encoder_layers: int = 2,
        decoder_layers: int = 3,
        latent_layers: int = 3,
        carriers: int = 384,
        carrier_partials: int = 32,
        carrier_smoothing: int = 1,
        noise_bands: int = 0,
        quiet_magnitudes: bool = False,
        levels_per_octave: int = 0,
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
        style_readout: list[list[float]] | None = None,
        style_directions: list[list[float]] | None = None,
    ):
        super().__init__()
        if audio_channels not in (1, 2):
            raise ValueError(f"got audio_channels={audio_channels}; expected 1 (mono) or 2 (stereo)")
        check_autoencoder(self.config)
        if hop_length % stft_hop_length:
            raise ValueError(f"got stft_hop_length={stft_hop_length}; expected a divisor of hop_length={hop_length}")
        self._build_encoder()
        self._build_decoder()
        self.tile_frames: int | None = DEFAULT_TILE_FRAMES

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        return self.config["sampling_rate"]

    @property
    def hop_length(self) -> int:
        """Samples of a latent frame."""
        return self.config["hop_length"]

    @property
    def audio_channels(self) -> int:
        """Channels of the audio: 1 (mono) or 2 (stereo)."""
        return self.config["audio_channels"]

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return self.config["latent_channels"]

    def enable_tiling(self, tile_frames: int = DEFAULT_TILE_FRAMES) -> None:
        """Encode and decode what is longer than a tile in tiles, so that peak memory does not grow with the length.

        It is on from the start, and changes nothing but rounding.

        Args:
            tile_frames: Latent frames of a tile, without its overlap.

        Raises:
            ValueError: `tile_frames` is below one.
        """
        if tile_frames < 1:
            raise ValueError(f"got tile_frames={tile_frames}; expected at least 1")
        self.tile_frames = tile_frames

    def disable_tiling(self) -> None:
        """Encode and decode in one piece."""
        self.tile_frames = None

    @apply_forward_hook
    def encode(self, audio: Tensor, return_dict: bool = True) -> AutoencoderSpectralEncoderOutput | tuple[Tensor]:
        """Encode audio.

        Args:
            audio: `(batch, audio_channels, samples)`, at least one sample.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            Latents `(batch, latent_channels, ceil(samples / hop_length))`.

        Raises:
            ValueError: The shape is not as above, or audio or latents are not finite.
        """
        check_tensors(audio=audio)
        channels = self.config["audio_channels"]
        if audio.ndim != 3 or audio.shape[1] != channels or audio.shape[2] == 0:
            raise ValueError(
                f"got audio of shape {tuple(audio.shape)}; expected (batch, {channels}, samples) "
                "with at least one sample"
            )
        hop = self.config["hop_length"]
        audio = F.pad(audio, (0, -audio.shape[-1] % hop))
        if self._fits_a_tile(audio.shape[-1] // hop):
            latents = self._encode(audio)
        else:
            latents = torch.cat(list(self.encode_stream([audio])), dim=-1)
        return AutoencoderSpectralEncoderOutput(latents=latents) if return_dict else (latents,)

    @apply_forward_hook
    def decode(
        self, latents: Tensor, num_samples: int | None = None, start_frame: int = 0, return_dict: bool = True
    ) -> AutoencoderSpectralDecoderOutput | tuple[Tensor]:
        """Decode latents.

        Args:
            latents: `(batch, latent_channels, frames)`.
            num_samples: Number of samples to return; None returns all of `frames * hop_length`.
            start_frame: Absolute index of the first latent frame, when the latents are a piece of a longer sequence.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            Audio `(batch, audio_channels, num_samples)`; not limited to [-1, 1].

        Raises:
            ValueError: The shape is not as above, `num_samples` is more than the latents hold, or latents or audio are
                not finite.
        """
        check_tensors(latents=latents)
        channels = self.config["latent_channels"]
        if latents.ndim != 3 or latents.shape[1] != channels or latents.shape[2] == 0:
            raise ValueError(
                f"got latents of shape {tuple(latents.shape)}; expected (batch, {channels}, frames) "
                "with at least one frame"
            )
        hop = self.config["hop_length"]
        available = latents.shape[-1] * hop
        samples = available if num_samples is None else num_samples
        if not 0 < samples <= available:
            raise ValueError(f"got num_samples={samples}; expected 1 to {available} for {latents.shape[-1]} frames")
        log_magnitude = pitch = None
        if self._fits_a_tile(latents.shape[-1]):
            sample, log_magnitude, pitch = self._decode(latents, start_frame)
        else:
            sample = torch.cat(list(self.decode_stream([latents], start_frame)), dim=-1)
        sample = sample[..., :samples]
        if not return_dict:
            return (sample,)
        return AutoencoderSpectralDecoderOutput(sample=sample, log_magnitude=log_magnitude, pitch=pitch)

    @apply_forward_hook
    def encode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Encode audio that does not fit in memory; the pieces together give what `encode` of the whole gives.

        Args:
            pieces: Audio `(batch, audio_channels, any number of samples)`, piece after piece.

        Yields:
            Latents `(batch, latent_channels, frames)`, tile by tile.

        Example:
            >>> import torch
            >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8).eval()
            >>> minutes = (torch.randn(1, 1, 44100) for _ in range(3))
            >>> sum(latents.shape[-1] for latents in model.encode_stream(minutes))
            33
        """
        hop: int = self.config["hop_length"]
        tile_frames = self.tile_frames or DEFAULT_TILE_FRAMES
        return tile_stream(
            lambda tile, _: self._encode(tile),
            whole_frames(pieces, hop),
            tile_frames,
            self.encoder_context_frames,
            (hop, 1),
        )

    @apply_forward_hook
    def decode_stream(self, pieces: Iterable[Tensor], start_frame: int = 0) -> Iterator[Tensor]:
        """Decode latents to audio that does not fit in memory; together what `decode` of the whole gives.

        Args:
            pieces: Latents `(batch, latent_channels, any number of frames)`, piece after piece.
            start_frame: Absolute index of the first latent frame, when the latents are a piece of a longer sequence.

        Yields:
            Audio `(batch, audio_channels, samples)`, tile by tile.

        Example:
            >>> import torch
            >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8).eval()
            >>> sum(audio.shape[-1] for audio in model.decode_stream(torch.randn(1, 64, 30).split(7, dim=-1))) // 4096
            30
        """
        return tile_stream(
            lambda tile, start: self._decode(tile, start_frame + start)[0],
            pieces,
            self.tile_frames or DEFAULT_TILE_FRAMES,
            self.decoder_context_frames,
            (1, self.config["hop_length"]),
        )

    def _fits_a_tile(self, frames: int) -> bool:
        return self.tile_frames is None or frames <= self.tile_frames

    def forward(self, audio: Tensor, return_dict: bool = True) -> AutoencoderSpectralDecoderOutput | tuple[Tensor]:
        """Encode and decode audio.

        Args:
            audio: `(batch, audio_channels, samples)`, at least one sample.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            Audio `(batch, audio_channels, samples)`, as long as what was given.
        """
        (latents,) = self.encode(audio, return_dict=False)
        output = self.decode(latents, num_samples=audio.shape[-1], return_dict=return_dict)
        if isinstance(output, AutoencoderSpectralDecoderOutput):
            # A new one: what is set on an output later is lost where Accelerate makes float32 of its items.
            return AutoencoderSpectralDecoderOutput(**output, latents=latents)
        return output

    def log_magnitude(self, audio: Tensor, window_length: int | None = None, hop_length: int | None = None) -> Tensor:
        """Compute the scaled log-magnitude spectrogram that the decoder's magnitudes are compared with.

        Args:
            audio: `(batch, audio_channels, samples)`, samples a multiple of the STFT's hop.
            window_length: Length of the Hann window in samples; None takes that of the decoder.
            hop_length: Hop of the STFT in samples; None takes `stft_hop_length`.

        Returns:
            `(batch, audio_channels, bins, stft_frames)`: 0 for silence, 3 for a full-scale sinusoid.
        """
        window: int = window_length or self.config["window_length"]
        return log_spectrogram(audio, window, hop_length or self.config["stft_hop_length"])
