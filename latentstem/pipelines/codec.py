"""Audio to latents and back at the reference loudness, for every pipeline that generates stems."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite
from latentstem.audio.level import reference_gain
from latentstem.audio.validation import prepare_audio
from latentstem.conditioning.target import target_code
from latentstem.guidance.style_grounding import StyleGrounding, blend_shares, encode_reference
from latentstem.guidance.style_space import StyleSpace
from latentstem.models.codec import as_codec, decode_audio, decode_pieces, encode_audio, encode_pieces
from latentstem.models.config_bounds import check_statistics
from latentstem.pipelines.boundaries import Boundary, LoopBoundary
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.init_stem import KeptRegions
from latentstem.pipelines.shipped import ShippedByName
from latentstem.sampling.hooks import DenoisedHook


class StemCodecPipeline(ShippedByName, DiffusionPipeline):
    """A pipeline with an autoencoder, whose input is always at the reference loudness.

    This is a base class without a call of its own; `StemAccompanimentPipeline` is a subclass.

    Example:
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import StemCodecPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
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

    def _take_format_of(self, autoencoder: Any) -> None:
        """Set rate, channels and hop to those of the autoencoder, whose statistics must fit its latents."""
        codec = as_codec(autoencoder)
        check_statistics(codec.config, codec.latent_channels)
        self.sampling_rate, self.audio_channels, self.hop_length = (
            codec.sampling_rate,
            codec.audio_channels,
            codec.hop_length,
        )

    def boundary(self, loop: bool = False) -> Boundary:
        """Return how the ends of stems are padded, cropped and closed.

        Args:
            loop: Whether a stem is one turn of a loop.
        """
        return (LoopBoundary if loop else Boundary)(self.hop_length, self.sampling_rate)

    def count_frames(self, num_samples: int) -> int:
        """Return the number of latent frames of so many samples; `boundary(loop=True).count_frames` is for loops."""
        return self.boundary().count_frames(num_samples)

    def encode_mix(self, mix: Tensor, boundary: Boundary | None = None) -> tuple[Tensor, Tensor]:
        """Encode mixes at the reference loudness.

        Args:
            mix: Mixes `(batch, channels, samples)`, at the model's rate and channels.
            boundary: Ends of the mixes: `pipe.boundary(loop=True)` for loops; None for mixes that begin and stop.

        Returns:
            Normalized latents `(batch, latent_channels, frames)`, and the gain that brought each mix to the reference
            loudness, `(batch,)`.
        """
        boundary = boundary or self.boundary()
        mix = mix.to(self._execution_device)
        gain = reference_gain(mix)
        latents = encode_audio(self.autoencoder, boundary.pad_audio(mix * gain.reshape(-1, 1, 1)))
        return boundary.crop(latents), gain

    @torch.no_grad()
    def encode_stream(self, blocks: Iterable[Tensor], gain: Tensor, frames: int) -> Tensor:
        """Encode one mix that does not fit in memory, and whose level is therefore known beforehand.

        An autoencoder without `encode_stream` gets the whole mix at once, which then has to fit.

        Args:
            blocks: Consecutive blocks `(channels, any number of samples)`, at the model's rate and channels.
            gain: Gain that brings the mix to the reference loudness, `(1,)`; see `ActiveLevelMeter`.
            frames: Number of latent frames of the whole mix.

        Returns:
            Normalized latents `(1, latent_channels, frames)`.
        """
        pieces = (block[None].to(self._execution_device) * gain.item() for block in blocks)
        # Allocated beforehand: tiles that are kept one by one, between the large tensors that come and go, would keep
        # the freed memory of these from being used again (tried: 16 MB a minute).
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
        self,
        style: Tensor | None,
        style_latents: Tensor | None,
        style_strength: float,
        style_space: bool = False,
        style_weights: Sequence[float] | None = None,
    ) -> list[DenoisedHook]:
        """Build the hook that grounds the stem in a style reference; no hook without a reference.

        Args:
            style: References `(batch, channels, samples)`, whose means are averaged.
            style_latents: Reference in place of audio: a mean `(latent_channels,)`, or normalized latents
                `(latent_channels, frames)` or `(batch, latent_channels, frames)`.
            style_strength: How far the mean moves to the reference, from 0 to 1.
            style_space: Whether to move only the part of the mean that lies in the autoencoder's `StyleSpace`, which
                tells the instrument, and leave the rest of it, such as the register, to the net.
            style_weights: Share of each reference of `style`; None gives all the same.

        Returns:
            A list of at most one hook.

        Raises:
            ArgumentError: `style_space` is set, and the autoencoder's config holds no style space.
            ValueError: A reference is silent, or the shares do not fit the references.
        """
        options: dict[str, Any] = {"strength": style_strength, "space": self._style_space() if style_space else None}
        if style is not None:
            return [StyleGrounding.from_audio(style, self.autoencoder, style_weights, **options)]
        if style_latents is None:
            return []
        if style_latents.ndim == 1:
            return [StyleGrounding(style_latents, **options)]
        return [StyleGrounding.from_latents(style_latents, **options)]

    def encode_style_code(
        self, style: Tensor | None, style_latents: Tensor | None, style_weights: Sequence[float] | None = None
    ) -> dict[str, Tensor]:
        """Encode how a style reference sounds, for a net that takes the code as a condition.

        Args:
            style: References `(batch, channels, samples)`, whose codes are averaged.
            style_latents: Normalized latents of a reference in place of audio, `(latent_channels, frames)` or `(batch,
                latent_channels, frames)`; a mean has no code.
            style_weights: Share of each reference; None gives all the same.

        Returns:
            The code `(1, code_dim)` under "style"; empty without a reference or a style encoder.

        Raises:
            ValueError: A reference is silent, or the shares do not fit the references.
        """
        encoder = getattr(self, "style_encoder", None)
        if encoder is None or (style is None and (style_latents is None or style_latents.ndim == 1)):
            return {}
        if style is not None:
            latents, sounding = encode_reference(style, self.autoencoder)
        else:
            assert style_latents is not None
            latents, sounding = style_latents.reshape(-1, *style_latents.shape[-2:]).to(self._execution_device), None
        with torch.no_grad():
            codes: Tensor = encoder(latents.to(encoder.dtype), sounding)
        return {"style": blend_shares(style_weights, len(codes)).to(codes.device)[None] @ codes.float()}

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the stems that the net generates, in the order of its condition "target"."""
        return tuple(self.config["targets"] or (self.config["target"],))

    def encode_target(self, target: str | None) -> dict[str, Tensor]:
        """Encode which stem is to be generated, for a net that knows several.

        Args:
            target: Name of the stem; None is the pipeline's own.

        Returns:
            One in as many as there are stems, `(1, stems)`, under "target"; empty for a net of one stem.
        """
        if self.config["targets"] is None:
            return {}
        return {"target": target_code(target or self.config["target"], self.target_names)[None]}

    def _style_space(self) -> StyleSpace:
        space = StyleSpace.from_config(as_codec(self.autoencoder).config)
        if space is None:
            raise ArgumentError(
                "got {style_space}, and the config of the autoencoder, {kind}, holds no style space (style_readout, "
                "style_directions); fit one with latentstem.training.style_space, or leave {style_space} out",
                kind=type(self.autoencoder).__name__,
            )
        return space

    def decode_latents(
        self,
        latents: Tensor,
        num_samples: int,
        gain: Tensor,
        kept: KeptRegions | None = None,
        boundary: Boundary | None = None,
    ) -> Tensor:
        """Decode stems to the level of their mixes, scaled down as a whole where they would leave [-1, 1].

        Args:
            latents: Normalized latents `(batch, latent_channels, frames)`.
            num_samples: Length of the stems in samples.
            gain: Gain that brought each mix to the reference loudness, `(batch,)`.
            kept: Original samples to put back; only the rest is scaled down.
            boundary: Ends of the stems: `pipe.boundary(loop=True)` for loops; None for stems that begin and stop.

        Returns:
            Audio `(batch, channels, num_samples)`, float32.

        Raises:
            ValueError: Latents or audio are not finite.
        """
        boundary = boundary or self.boundary()
        length = boundary.padded_samples(latents.shape[-1], num_samples)
        audio = boundary.close(decode_audio(self.autoencoder, boundary.pad(latents), length), num_samples)
        audio = audio / gain.to(audio.device).reshape(-1, 1, 1)
        check_finite("the stem", audio, {"latents": latents, "gain": gain})
        if kept is not None:
            return kept.restore(audio)
        return audio / audio.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1.0)

    @torch.no_grad()
    def decode_stream(self, latents: Tensor, num_samples: int, gain: Tensor) -> Iterator[Tensor]:
        """Decode one stem piece by piece to the level of its mix; unlike `decode_latents`, scale nothing down.

        Args:
            latents: Normalized latents `(1, latent_channels, frames)`.
            num_samples: Length of the stem in samples.
            gain: Gain that brought the mix to the reference loudness, `(1,)`.

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
