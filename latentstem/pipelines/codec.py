"""Between audio and latents: what pipelines that make stems share, whatever happens to the latents in between."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.audio.level import reference_gain
from latentstem.audio.loops import circular_pad, crossfade_seam, resample_periodic
from latentstem.audio.validation import prepare_audio
from latentstem.guidance.style_grounding import StyleGrounding
from latentstem.models.codec import as_codec, decode_audio, decode_pieces, encode_audio, encode_pieces
from latentstem.pipelines.init_stem import KeptRegions
from latentstem.sampling.hooks import DenoisedHook

# Latent frames heard beyond either end of a loop: more than the shipped autoencoder's nets can see, and as much as the
# U-Net needs for a seam like any other place (tried: 8 and 32 frames do not differ).
LOOP_CONTEXT = 8

# Seconds over which the continuation of a loop's end fades into its beginning: the carriers' phases at the two places
# differ, and a bass note of 40 Hz takes two periods to change from one to the other.
LOOP_FADE = 0.06


class StemCodecPipeline(DiffusionPipeline):
    """A pipeline with an autoencoder, which hears everything at the reference loudness.

    A base class: it has no call of its own. `StemAccompanimentPipeline` is one of its kind.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import StemCodecPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> isinstance(pipe, StemCodecPipeline)
        True
        >>> latents, gain = pipe.encode_mix(0.01 * torch.randn(1, 1, 44100))
        >>> latents.shape, pipe.decode_latents(latents, 44100, gain).shape
        (torch.Size([1, 64, 11]), torch.Size([1, 1, 44100]))
    """

    autoencoder: Any  # an AutoencoderSpectral, or what `latentstem.models.as_codec` takes
    sampling_rate: int
    audio_channels: int
    hop_length: int

    def count_frames(self, num_samples: int, loop: bool = False) -> int:
        """Latent frames of so many samples: the last one may be begun only; a loop has the nearest whole number."""
        return max(1, round(num_samples / self.hop_length)) if loop else -(-num_samples // self.hop_length)

    def encode_mix(self, mix: Tensor, loop: bool = False) -> tuple[Tensor, Tensor]:
        """Encodes mixes at the reference loudness.

        Args:
            mix: `(batch, channels, samples)`, at the model's rate and channels.
            loop: Whether the mixes are loops, which go on around their ends: turning one by a frame turns its latents
                by a frame. It is resampled to a whole number of frames, by half a frame at most.

        Returns:
            Normalized latents `(batch, latent_channels, frames)`, and the gain each mix was brought up by, `(batch,)`.
        """
        mix = mix.to(self._execution_device)
        gain = reference_gain(mix)
        audio = mix * gain.reshape(-1, 1, 1)
        if loop:
            frames = self.count_frames(mix.shape[-1], loop)
            audio = circular_pad(resample_periodic(audio, frames * self.hop_length), LOOP_CONTEXT * self.hop_length)
        latents = encode_audio(self.autoencoder, audio)
        return latents[..., LOOP_CONTEXT:-LOOP_CONTEXT] if loop else latents, gain

    @torch.no_grad()
    def encode_stream(self, blocks: Iterable[Tensor], gain: Tensor, frames: int) -> Tensor:
        """`encode_mix` of one mix that does not fit in memory, and whose level is therefore known beforehand.

        An autoencoder without `encode_stream` gets it whole, and then it has to fit.

        Args:
            blocks: `(channels, any number of samples)`, at the model's rate and channels.
            gain: What brings the mix to the reference loudness, `(1,)`; see `ActiveLevelMeter`.
            frames: How many latent frames there will be.

        Returns:
            Normalized latents `(1, latent_channels, frames)`.
        """
        pieces = (block[None].to(self._execution_device) * gain.item() for block in blocks)
        # Made beforehand: tiles that are kept one by one, between the large tensors that come and go, would keep the
        # freed memory of these from being used again (tried: 16 MB a minute).
        channels = as_codec(self.autoencoder).latent_channels
        latents = torch.empty(1, channels, frames, device=self._execution_device)
        done = 0
        with self.progress_bar(total=frames) as bar:  # pyright: ignore[reportAttributeAccessIssue]
            bar.set_description("encoding")
            for tile in encode_pieces(self.autoencoder, pieces):
                latents[..., done : done + tile.shape[-1]] = tile
                done += tile.shape[-1]
                bar.update(tile.shape[-1])
        return latents

    def encode_style(
        self, style: Tensor | None, style_latents: Tensor | None, style_strength: float
    ) -> list[DenoisedHook]:
        """Makes the hook that grounds the stem in a style reference; no hook without one.

        Args:
            style: `(batch, channels, samples)`; every item is a reference, and their means are averaged.
            style_latents: In place of audio: a mean `(latent_channels,)`, or normalized latents
                `(latent_channels, frames)` or `(batch, latent_channels, frames)`.
            style_strength: 0 to 1.

        Returns:
            A list of at most one hook.
        """
        if style is not None:
            return [StyleGrounding.from_audio(style, self.autoencoder, strength=style_strength)]
        if style_latents is None:
            return []
        if style_latents.ndim == 1:
            return [StyleGrounding(style_latents, strength=style_strength)]
        return [StyleGrounding.from_latents(style_latents, strength=style_strength)]

    def decode_latents(
        self, latents: Tensor, num_samples: int, gain: Tensor, kept: KeptRegions | None = None, loop: bool = False
    ) -> Tensor:
        """Decodes stems to the level of their mixes, scaled down as a whole where they would leave [-1, 1].

        Args:
            latents: Normalized, `(batch, latent_channels, frames)`.
            num_samples: Length to return.
            gain: What each mix was brought up by, `(batch,)`.
            kept: Original samples to return where they are to stay; only the rest is scaled down.
            loop: Whether the stems are loops, whose end leads into their beginning.

        Returns:
            Audio `(batch, channels, num_samples)`, float32.
        """
        if loop:
            audio = self._decode_turn(latents, num_samples)
        else:
            audio = decode_audio(self.autoencoder, latents, num_samples)
        audio = audio / gain.to(audio.device).reshape(-1, 1, 1)
        if kept is not None:
            return kept.restore(audio)
        return audio / audio.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1.0)

    def _decode_turn(self, latents: Tensor, num_samples: int) -> Tensor:
        """One turn of a loop: decoded with its surroundings, closed, and brought back to its own length."""
        samples, context = latents.shape[-1] * self.hop_length, LOOP_CONTEXT * self.hop_length
        audio = decode_audio(self.autoencoder, circular_pad(latents, LOOP_CONTEXT), samples + 2 * context)
        turn, beyond = audio[..., context : context + samples], audio[..., context + samples :]
        return resample_periodic(
            crossfade_seam(turn, beyond[..., : round(LOOP_FADE * self.sampling_rate)]), num_samples
        )

    @torch.no_grad()
    def decode_stream(self, latents: Tensor, num_samples: int, gain: Tensor) -> Iterator[Tensor]:
        """Decodes one stem piece by piece, to the level of its mix; unlike `decode_latents` it scales nothing down.

        Args:
            latents: Normalized, `(1, latent_channels, frames)`.
            num_samples: Length of the whole.
            gain: What the mix was brought up by, `(1,)`.

        Yields:
            Audio `(channels, samples)`, float32.
        """
        with self.progress_bar(total=latents.shape[-1]) as bar:  # pyright: ignore[reportAttributeAccessIssue]
            bar.set_description("decoding")
            for audio in decode_pieces(self.autoencoder, latents, num_samples):
                yield audio[0] / gain.item()
                bar.update(-(-audio.shape[-1] // self.hop_length))

    def _prepare(self, audio: Tensor | np.ndarray, sampling_rate: int | None, name: str) -> Tensor:
        return prepare_audio(
            audio,
            sampling_rate,
            name=name,
            expected_rate=self.sampling_rate,
            expected_channels=self.audio_channels,
        ).to(self._execution_device)
