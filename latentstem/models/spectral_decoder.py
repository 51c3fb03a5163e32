"""Decoder of the spectral autoencoder: magnitudes and phases as in Vocos (arXiv 2306.00814), oscillators and noise."""

import math

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from torch import Tensor, nn

from latentstem._checks import check_finite
from latentstem.audio.fourier import istft
from latentstem.models.spectral_encoder import latent_blocks
from latentstem.models.spectral_scale import log_spectrogram, to_log, to_magnitude, to_quiet_magnitude
from latentstem.nn.convnext import ConvNeXtBlock1D
from latentstem.nn.noise import NoiseBank
from latentstem.nn.oscillators import OscillatorBank


class SpectralDecoder(ModelMixin, ConfigMixin):
    """Layers of the decoder, for `AutoencoderSpectral` to inherit: saved weights name them on the model itself."""

    decoder_carriers: OscillatorBank | None
    decoder_noise: NoiseBank | None

    def _build_decoder(self) -> None:
        """Create the layers that the config asks for."""
        config = self.config
        channels, hidden = config["channels"], config["latent_hidden_channels"]
        sampling_rate, window_length = config["sampling_rate"], config["window_length"]
        bins = config["audio_channels"] * (window_length // 2 + 1)
        self.frames_per_latent: int = config["hop_length"] // config["stft_hop_length"]

        self.decoder_in = nn.Sequential(nn.Linear(config["latent_channels"], hidden), nn.LayerNorm(hidden))
        self.decoder_latent_blocks = nn.ModuleList(latent_blocks(hidden, config["latent_layers"], 2))
        self.decoder_unfold = nn.Linear(hidden, self.frames_per_latent * channels)
        self.decoder_blocks = nn.ModuleList(ConvNeXtBlock1D(channels, 7) for _ in range(config["decoder_layers"]))
        self.decoder_norm = nn.LayerNorm(channels)
        self.decoder_magnitude = nn.Linear(channels, bins)
        self.decoder_phase = nn.Linear(channels, 2 * bins)
        self.decoder_carriers = None
        if config["carriers"]:
            self.decoder_carriers = OscillatorBank(
                channels,
                sampling_rate,
                window_length,
                config["stft_hop_length"],
                config["carriers"],
                partials=config["carrier_partials"],
                smoothing=config["carrier_smoothing"],
            )
        self.decoder_noise = None
        if config["noise_bands"]:
            self.decoder_noise = NoiseBank(
                channels,
                sampling_rate,
                window_length,
                config["stft_hop_length"],
                config["noise_bands"],
                config["audio_channels"],
            )
        # Start near the biases, which `set_background` puts where the data are: from a random start the first steps
        # teach the decoder its background through the latents, and wash all variation out of them.
        nn.init.normal_(self.decoder_magnitude.weight, std=0.1 * channels**-0.5)
        nn.init.zeros_(self.decoder_magnitude.bias)
        nn.init.normal_(self.decoder_phase.weight, std=0.1 * channels**-0.5)

        if self.decoder_carriers is not None:
            # The oscillators alone give the bins up to two thirds of their highest frequency, from where they fade out.
            # Where both may give a bin, the magnitudes learn faster, yield multiples of the latents' rate, and the
            # oscillators stay silent (tried).
            frequency = torch.arange(window_length // 2 + 1) * (sampling_rate / window_length)
            fraction = (3 - 3 * frequency / self.decoder_carriers.highest).clamp(0, 1)
            self.register_buffer("oscillator_fraction", fraction, persistent=False)

        # Latent frames on each side that a frame's samples depend on: tiles overlap by as much.
        self.decoder_context_frames = (
            math.ceil((3 * config["decoder_layers"] + config["carrier_smoothing"] // 2) / self.frames_per_latent)
            + 2
            + math.ceil(window_length / config["hop_length"])
        )

    @torch.no_grad()
    def set_background(self, audio: Tensor) -> None:
        """Set the biases so that the untrained decoder returns the mean spectrum of some audio, whatever the latents.

        Call it once before training. Without it the first steps teach the decoder that spectrum through the latents,
        whose variation collapses on the way: tried, after 450 steps every output was the same.

        Args:
            audio: `(batch, audio_channels, samples)`, samples a multiple of the STFT's hop.
        """
        spectrogram = log_spectrogram(audio, self.config["window_length"], self.config["stft_hop_length"])
        mean = spectrogram.mean((0, 3))
        self.decoder_magnitude.bias.copy_(mean.flatten())
        if self.decoder_carriers is not None:
            self.decoder_carriers.set_spectrum(to_magnitude(mean).mean(0))

    def _decode(self, latents: Tensor, start_frame: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Decode latents in one piece, to audio, log-magnitude spectrogram and pitch logits."""
        hidden = self.decoder_in(latents.transpose(1, 2))
        for block in self.decoder_latent_blocks:
            hidden = block(hidden)
        hidden = rearrange(self.decoder_unfold(hidden), "b t (r d) -> b (t r) d", r=self.frames_per_latent)
        for block in self.decoder_blocks:
            hidden = block(hidden)
        hidden = self.decoder_norm(hidden)

        channels = self.config["audio_channels"]
        log_magnitude = rearrange(self.decoder_magnitude(hidden).float(), "b t (c f) -> b c f t", c=channels)
        pair = rearrange(self.decoder_phase(hidden).float(), "b t (p c f) -> p b c f t", p=2, c=channels)
        emitted = (to_quiet_magnitude if self.config["quiet_magnitudes"] else to_magnitude)(log_magnitude)
        parts = pair * (emitted * torch.rsqrt(pair.square().sum(0) + 1e-6))
        pitch = None
        if self.decoder_carriers is not None:
            bank, pitches = self.decoder_carriers(hidden, start_frame * self.frames_per_latent)
            bank, pitch = rearrange(bank, "p b t f -> p b 1 f t"), pitches[:, :, 0]
            fraction = self.get_buffer("oscillator_fraction")[:, None]
            parts = (1 - fraction) * parts + fraction * F.pad(bank, (0, 0, 0, parts.shape[3] - bank.shape[3]))

        magnitude = (parts.square().sum(0) + 1e-12).sqrt()
        if self.decoder_noise is not None:
            noise, level = self.decoder_noise(hidden, start_frame * self.frames_per_latent)
            # The bins of the noise are random: what they are compared by is their level.
            parts, magnitude = parts + noise, (magnitude.square() + level.square()).sqrt()
        audio = istft(torch.complex(*parts), self.config["window_length"], self.config["stft_hop_length"])
        check_finite("the decoded audio", audio, {"latents": latents})
        return audio, to_log(magnitude), pitch
