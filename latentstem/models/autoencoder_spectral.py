"""The spectral autoencoder: log magnitudes in, magnitudes and phases out, one slow unbounded latent sequence between.

After the autoencoder of arXiv 2402.01412: a single encoder and decoder trained end to end, whose decoder emits a
magnitude and a phase spectrogram that an inverse STFT turns into audio. Phase leaves the net as a pair of maps a bin,
normalized to unit length, as in Vocos (Siuzdak 2023). Ours in three things: the encoder sees the low bins through a
second, longer window, carriers (see `latentstem.nn.oscillators`) give the decoder the time, and everything is local in
time, so that tiles equal the whole.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from diffusers.utils.outputs import BaseOutput
from einops import rearrange
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.audio.fourier import istft, stft
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.audio.tiling import tile_stream
from latentstem.nn.convnext import ConvNeXtBlock1D
from latentstem.nn.oscillators import OscillatorBank

# Log magnitudes count from a floor 60 dB under a full-scale sinusoid, in units of 20 dB: silence is 0, full scale is 3.
# Silence at zero matters: a constant background would drown what the sound changes in the first layer.
FLOOR, UNIT = 1e-3, math.log(10.0)

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
        log_magnitude: The log-magnitude spectrogram the decoder emitted, `(batch, audio_channels, bins, stft_frames)`,
            which the reconstruction loss compares; None when tiled.
        pitch: Logits of the pitch that the first voice of the carriers sounds, `(batch, stft_frames, pitches)`, which
            `latentstem.losses.pitch_cross_entropy` compares; None when tiled, or without carriers.
    """

    sample: Tensor
    log_magnitude: Tensor | None = None
    pitch: Tensor | None = None


class AutoencoderSpectral(ModelMixin, ConfigMixin):
    """Turns audio into 10.8 latents a second and back.

    Frame k of the latents covers samples `[k * hop_length, (k + 1) * hop_length)`. Audio that does not fill its last
    frame is continued with zeros.

    Args:
        sampling_rate: In Hz.
        audio_channels: 1 (mono) or 2 (stereo).
        latent_channels: Channels of the latents.
        hop_length: Samples a latent frame.
        window_length: Hann window of the decoder's STFT in samples.
        encoder_window_length: Hann window of the encoder's STFT in samples.
        low_window_length: Longer Hann window in samples through which the encoder sees the bins up to `low_highest`
            once more, twice a latent frame: neighbouring low notes, 2.4 Hz apart at the lowest E, look so alike through
            2048 samples that the net learns them timbre by timbre. 0 leaves it out.
        low_highest: Highest frequency of that second look in Hz.
        stft_hop_length: Hop of the STFT in samples; divides `hop_length`.
        channels: Width of the layers at the STFT's frame rate.
        latent_hidden_channels: Width of the layers at the latents' rate.
        encoder_layers: Blocks at the STFT's rate in the encoder.
        decoder_layers: Blocks at the STFT's rate in the decoder.
        latent_layers: Blocks at the latents' rate, in encoder and decoder each.
        carriers: Number of carriers of the decoder, shared by the audio channels; 0 leaves them out.
        latents_mean: Per-channel mean of the latents over the training data, for pipelines to normalize with.
        latents_std: Per-channel standard deviation, likewise.
        style_readout: What of a stem's mean latent tells its instrument, `(numbers, latent_channels)`, and
        style_directions: how to change it, likewise; see `latentstem.StyleSpace`.

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
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
        style_readout: list[list[float]] | None = None,
        style_directions: list[list[float]] | None = None,
    ):
        super().__init__()
        if audio_channels not in (1, 2):
            raise ValueError(f"got audio_channels={audio_channels}; expected 1 (mono) or 2 (stereo)")
        if hop_length % stft_hop_length:
            raise ValueError(f"got stft_hop_length={stft_hop_length}; expected a divisor of hop_length={hop_length}")
        bins = audio_channels * (window_length // 2 + 1)
        encoder_bins = audio_channels * (encoder_window_length // 2 + 1)
        self.frames_per_latent = hop_length // stft_hop_length
        folded = self.frames_per_latent * channels
        self.tile_frames: int | None = DEFAULT_TILE_FRAMES

        self.encoder_in = nn.Sequential(nn.Linear(encoder_bins, channels), nn.LayerNorm(channels))
        self.encoder_blocks = nn.ModuleList(ConvNeXtBlock1D(channels, 5) for _ in range(encoder_layers))
        self.encoder_fold = nn.Sequential(
            nn.Linear(folded, latent_hidden_channels), nn.LayerNorm(latent_hidden_channels)
        )
        self.low_bins = int(low_highest * low_window_length / sampling_rate) + 1
        self.encoder_low = None
        if low_window_length:
            looks = 2 * audio_channels * self.low_bins
            self.encoder_low = nn.Sequential(
                nn.LayerNorm(looks),
                nn.Linear(looks, latent_hidden_channels),
                nn.GELU(),
                nn.Linear(latent_hidden_channels, latent_hidden_channels, bias=False),
            )
        self.encoder_latent_blocks = nn.ModuleList(self._latent_blocks(latent_hidden_channels, latent_layers, 1))
        self.encoder_norm = nn.LayerNorm(latent_hidden_channels)
        self.encoder_out = nn.Linear(latent_hidden_channels, latent_channels)

        self.decoder_in = nn.Sequential(
            nn.Linear(latent_channels, latent_hidden_channels), nn.LayerNorm(latent_hidden_channels)
        )
        self.decoder_latent_blocks = nn.ModuleList(self._latent_blocks(latent_hidden_channels, latent_layers, 2))
        self.decoder_unfold = nn.Linear(latent_hidden_channels, folded)
        self.decoder_blocks = nn.ModuleList(ConvNeXtBlock1D(channels, 7) for _ in range(decoder_layers))
        self.decoder_norm = nn.LayerNorm(channels)
        self.decoder_magnitude = nn.Linear(channels, bins)
        self.decoder_phase = nn.Linear(channels, 2 * bins)
        self.decoder_carriers = (
            OscillatorBank(channels, sampling_rate, window_length, stft_hop_length, carriers) if carriers else None
        )
        # Start near the biases, which `set_background` puts where the data are: from a random start the first steps
        # teach the decoder its background through the latents, and wash all variation out of them.
        nn.init.normal_(self.decoder_magnitude.weight, std=0.1 * channels**-0.5)
        nn.init.zeros_(self.decoder_magnitude.bias)
        nn.init.normal_(self.decoder_phase.weight, std=0.1 * channels**-0.5)

        if self.decoder_carriers is not None:
            # Up to two thirds of the highest carrier the bank plays alone, then hands over: where both may play, the
            # magnitudes learn faster, sound multiples of the latents' rate, and the bank stays idle (tried).
            frequency = torch.arange(window_length // 2 + 1) * (sampling_rate / window_length)
            self.register_buffer(
                "bank_share", (3 - 3 * frequency / self.decoder_carriers.highest).clamp(0, 1), persistent=False
            )

        # How far, in latent frames, a frame of either net can see; tiles overlap by this much.
        self.encoder_reach = (
            -(-2 * encoder_layers // self.frames_per_latent)
            + 1
            - (-max(encoder_window_length, low_window_length) // hop_length)
        )
        self.decoder_reach = -(-3 * decoder_layers // self.frames_per_latent) + 2 - (-window_length // hop_length)

    @staticmethod
    def _latent_blocks(channels: int, count: int, convolutional: int) -> list[ConvNeXtBlock1D]:
        """Blocks at the latents' rate, of which the first few look at their neighbours."""
        return [ConvNeXtBlock1D(channels, 3 if i < convolutional else 1, expansion=2) for i in range(count)]

    @property
    def sampling_rate(self) -> int:
        """Of the audio, in Hz."""
        return self.config["sampling_rate"]

    @property
    def hop_length(self) -> int:
        """Samples a latent frame."""
        return self.config["hop_length"]

    @property
    def audio_channels(self) -> int:
        """1 (mono) or 2 (stereo)."""
        return self.config["audio_channels"]

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return self.config["latent_channels"]

    def enable_tiling(self, tile_frames: int = DEFAULT_TILE_FRAMES) -> None:
        """Encode and decode what is longer than a tile in tiles, so that peak memory does not grow with the length.

        It is on from the start, and changes nothing but rounding.

        Args:
            tile_frames: Latent frames a tile, without its overlap.

        Raises:
            ValueError: If `tile_frames` is below one.
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
            ValueError: If the shape is not as above.
        """
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
            num_samples: Samples to return; all of `frames * hop_length` if None.
            start_frame: Absolute index of the first latent frame, when the latents are a piece of a longer sequence.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            Audio `(batch, audio_channels, num_samples)`; not limited to [-1, 1].

        Raises:
            ValueError: If the shape is not as above or `num_samples` is more than the latents hold.
        """
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
            pieces: Audio `(batch, audio_channels, any number of samples)`, one piece after the other.

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
        whole_frames = _with_zeros(pieces, hop)
        return tile_stream(lambda tile, _: self._encode(tile), whole_frames, tile_frames, self.encoder_reach, (hop, 1))

    @apply_forward_hook
    def decode_stream(self, pieces: Iterable[Tensor], start_frame: int = 0) -> Iterator[Tensor]:
        """Decode latents to audio that does not fit in memory; together what `decode` of the whole gives.

        Args:
            pieces: Latents `(batch, latent_channels, any number of frames)`, one piece after the other.
            start_frame: As for `decode`.

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
            self.decoder_reach,
            (1, self.config["hop_length"]),
        )

    def _fits_a_tile(self, frames: int) -> bool:
        return self.tile_frames is None or frames <= self.tile_frames

    def forward(self, audio: Tensor, return_dict: bool = True) -> AutoencoderSpectralDecoderOutput | tuple[Tensor]:
        """Round trip of audio `(batch, audio_channels, samples)`, as long as it came."""
        (latents,) = self.encode(audio, return_dict=False)
        return self.decode(latents, num_samples=audio.shape[-1], return_dict=return_dict)

    def log_magnitude(self, audio: Tensor, window_length: int | None = None, hop_length: int | None = None) -> Tensor:
        """Scaled log-magnitude spectrogram: what the encoder sees and the decoder's magnitudes are compared with.

        Args:
            audio: `(batch, audio_channels, samples)`, samples a multiple of the STFT's hop.
            window_length: Hann window in samples; None takes the decoder's.
            hop_length: Of the STFT in samples; None takes `stft_hop_length`.

        Returns:
            `(batch, audio_channels, bins, stft_frames)`: 0 for silence, 3 for a full-scale sinusoid.
        """
        window: int = window_length or self.config["window_length"]
        magnitude = stft(audio, window, hop_length or self.config["stft_hop_length"]).abs()
        return torch.log1p(magnitude / FLOOR) / UNIT

    @torch.no_grad()
    def set_background(self, audio: Tensor) -> None:
        """Make the mean spectrum of some audio what the decoder plays before it has learned to listen.

        Call it once before training. Without it the first steps teach the decoder that spectrum through the latents,
        whose variation collapses on the way: tried, after 450 steps every output was the same.

        Args:
            audio: `(batch, audio_channels, samples)`, samples a multiple of the STFT's hop.
        """
        mean = self.log_magnitude(audio).mean((0, 3))
        self.decoder_magnitude.bias.copy_(mean.flatten())
        if self.decoder_carriers is not None:
            self.decoder_carriers.set_spectrum(_magnitude(mean).mean(0))

    def _encode(self, audio: Tensor) -> Tensor:
        hidden = rearrange(self.log_magnitude(audio, self.config["encoder_window_length"]), "b c f t -> b t (c f)").to(
            self.dtype
        )
        hidden = self.encoder_in(hidden)
        for block in self.encoder_blocks:
            hidden = block(hidden)
        hidden = self.encoder_fold(rearrange(hidden, "b (t r) d -> b t (r d)", r=self.frames_per_latent))
        if self.encoder_low is not None:
            hidden = hidden + self.encoder_low(self._low_bins(audio).to(self.dtype))
        for block in self.encoder_latent_blocks:
            hidden = block(hidden)
        return self.encoder_out(self.encoder_norm(hidden)).transpose(1, 2).contiguous()

    def _low_bins(self, audio: Tensor) -> Tensor:
        hop = self.config["hop_length"] // 2
        magnitude = self.log_magnitude(audio, self.config["low_window_length"], hop)
        return rearrange(magnitude[:, :, : self.low_bins], "b c f (t r) -> b t (r c f)", r=2)

    def _decode(self, latents: Tensor, start_frame: int) -> tuple[Tensor, Tensor, Tensor | None]:
        hidden = self.decoder_in(latents.transpose(1, 2))
        for block in self.decoder_latent_blocks:
            hidden = block(hidden)
        hidden = rearrange(self.decoder_unfold(hidden), "b t (r d) -> b (t r) d", r=self.frames_per_latent)
        for block in self.decoder_blocks:
            hidden = block(hidden)
        hidden = self.decoder_norm(hidden)
        channels = self.config["audio_channels"]
        magnitude = _magnitude(rearrange(self.decoder_magnitude(hidden).float(), "b t (c f) -> b c f t", c=channels))
        pair = rearrange(self.decoder_phase(hidden).float(), "b t (p c f) -> p b c f t", p=2, c=channels)
        parts = pair * (magnitude * torch.rsqrt(pair.square().sum(0) + 1e-6))
        pitch = None
        if self.decoder_carriers is not None:
            bank, pitches = self.decoder_carriers(hidden, start_frame * self.frames_per_latent)
            bank, pitch = rearrange(bank, "p b t f -> p b 1 f t"), pitches[:, :, 0]
            share = self.get_buffer("bank_share")[:, None]
            parts = (1 - share) * parts + share * F.pad(bank, (0, 0, 0, parts.shape[3] - bank.shape[3]))
        power = parts.square().sum(0)
        log_magnitude = torch.log1p((power + 1e-12).sqrt() / FLOOR) / UNIT
        audio = istft(torch.complex(*parts), self.config["window_length"], self.config["stft_hop_length"])
        return audio, log_magnitude, pitch


def _with_zeros(pieces: Iterable[Tensor], hop_length: int) -> Iterator[Tensor]:
    """The pieces, and zeros after the last one up to a whole frame."""
    samples = 0
    for piece in pieces:
        samples += piece.shape[-1]
        yield piece
    if samples % hop_length:
        yield piece.new_zeros(*piece.shape[:-1], -samples % hop_length)


def _magnitude(log_magnitude: Tensor, limit: float = 3.5) -> Tensor:
    """Inverse of `AutoencoderSpectral.log_magnitude` up to the limit, its tangent beyond.

    Nothing real lies beyond, but what strays there must neither overflow nor, as behind a clamp, lose its gradient.
    Below zero the inverse is negative, the net's way of saying nothing: held at zero but for a slope to return by.
    """
    inside = FLOOR * torch.expm1(UNIT * log_magnitude.clamp(max=limit))
    beyond = UNIT * (log_magnitude - limit).clamp(min=0) * FLOOR * math.exp(UNIT * limit)
    return F.leaky_relu(inside + beyond, 0.01)
