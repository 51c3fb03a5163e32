"""Style grounding (arXiv 2402.01412): the time-mean of the clean sample is drawn to that of a reference while sampling.

    x0 <- x0 + strength * (reference - mean_t(x0))

The paper weighs the correction by the noise schedule. So it is here, by what the sampler makes of it: with the noise
re-derived the sample moves by `a' - b' * a / b` times the correction (`a, b` signal and noise rate before the step,
`a', b'` after it), near 0 at the start and 1 at the last step, where the mean lands on the reference whatever the net
does. With the noise kept it moves by `a'`, which grounds much earlier.

A mean tells more than the sound: whole, and with the noise kept, it brings the register and the notes of its reference
along. In a `StyleSpace` the correction is only what tells the instrument, and may act early.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from latentstem.audio.level import ACTIVITY_RANGE_DB, SILENCE_RMS, active_rms, normalize_level
from latentstem.guidance.style_space import StyleSpace
from latentstem.models.codec import as_codec, encode_audio
from latentstem.sampling.hooks import DenoisedStep, NoiseMode


class StyleGrounding:
    """A denoised hook that gives the result the average sound of a reference.

    Args:
        reference: The mean to reach, `(channels,)`, or `(batch, channels)` with one an item; of normalized latents
            where the sampler works on those. See `from_latents` and `from_audio`.
        strength: 0 does nothing, 1 reaches the reference, between them part of the way.
        start: Share of the steps before which nothing is done.
        stop: Share of the steps after which nothing is done; below 1 the net has the last word.
        noise: `"rederive"` or `"keep"`, see `latentstem.on_denoised`; for pipelines that do not say it themselves.
        space: What of the mean is style; None takes all of it, as the paper does.

    Raises:
        ValueError: the reference is not finite or has another number of dimensions, or the window is out of order.

    Example:
        >>> import torch
        >>> from latentstem import CosineDDIMScheduler, on_denoised
        >>> scheduler = CosineDDIMScheduler()
        >>> scheduler.set_timesteps(4)
        >>> sample = torch.randn(1, 3, 50)
        >>> with on_denoised(scheduler, StyleGrounding(torch.tensor([1.0, 0.0, -1.0]))):
        ...     for timestep in scheduler.timesteps:
        ...         sample = scheduler.step(torch.randn(1, 3, 50), timestep, sample).prev_sample
        >>> torch.allclose(sample.mean(-1), torch.tensor([[1.0, 0.0, -1.0]]), atol=1e-5)
        True
    """

    def __init__(
        self,
        reference: Tensor,
        strength: float = 1.0,
        start: float = 0.0,
        stop: float = 1.0,
        noise: NoiseMode = "rederive",
        space: StyleSpace | None = None,
    ):
        if reference.ndim not in (1, 2) or not torch.isfinite(reference).all():
            raise ValueError(
                "reference must be a finite mean of shape (channels,) or (batch, channels), got "
                f"{tuple(reference.shape)}; for latents or audio use from_latents or from_audio"
            )
        if not 0 <= start <= stop <= 1:
            raise ValueError(f"the window must satisfy 0 <= start <= stop <= 1, got {start} and {stop}")
        self.reference = reference
        self.strength = strength
        self.start = start
        self.stop = stop
        self.noise: NoiseMode = noise
        self.space = space

    @classmethod
    def from_latents(cls, latents: Tensor | Sequence[Tensor], **options: Any) -> Self:
        """Takes the reference from latents, averaged over time and over all references.

        Args:
            latents: `(channels, frames)`, `(batch, channels, frames)`, or a sequence of either; normalized.
            **options: Passed on to the class.

        Returns:
            The hook.

        Example:
            >>> import torch
            >>> StyleGrounding.from_latents(torch.ones(8, 100)).reference.shape
            torch.Size([8])
        """
        given = [latents] if isinstance(latents, Tensor) else list(latents)
        means = [item.mean(-1).reshape(-1, item.shape[-2]) for item in given]
        return cls(torch.cat(means).mean(0), **options)

    @classmethod
    def from_audio(cls, audio: Tensor | Sequence[Tensor], autoencoder: Any, **options: Any) -> Self:
        """Takes the reference from audio, over the frames in which it sounds, averaged over all references.

        Audio is brought to the reference loudness first, so that its level is no part of its style.

        Args:
            audio: `(batch, channels, samples)` or a sequence of such, in [-1, 1], at the autoencoder's rate, number of
                channels and device. Every item of a batch is a reference.
            autoencoder: An `AutoencoderSpectral`, or what `latentstem.models.as_codec` takes.
            **options: Passed on to the class.

        Returns:
            The hook.

        Raises:
            ValueError: a reference is silent.

        Example:
            >>> import torch
            >>> from latentstem import AutoencoderSpectral
            >>> autoencoder = AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8).eval()
            >>> StyleGrounding.from_audio(torch.randn(1, 1, 20_000), autoencoder, strength=0.5).reference.shape
            torch.Size([64])
        """
        given = [audio] if isinstance(audio, Tensor) else list(audio)
        return cls(torch.cat([_sounding_mean(item, autoencoder) for item in given]).mean(0), **options)

    def __call__(self, denoised: Tensor, step: DenoisedStep) -> Tensor:
        """Moves the time-mean of `denoised`, `(batch, channels, frames)`, towards the reference."""
        if not step.is_within(self.start, self.stop):
            return denoised
        reference = self.reference.to(denoised)
        if reference.shape[-1] != denoised.shape[1]:
            raise ValueError(
                f"the style reference has {reference.shape[-1]} channels and the latents have "
                f"{denoised.shape[1]}; take it from the autoencoder that the pipeline uses"
            )
        change = reference - denoised.mean(-1)
        if self.space is not None:
            change = self.space.part(change)
        return denoised + self.strength * change.unsqueeze(-1)


@torch.no_grad()
def _sounding_mean(audio: Tensor, autoencoder: Any) -> Tensor:
    """Mean of each item's normalized latents over its sounding frames: `(batch, channels)`."""
    if (active_rms(audio) <= SILENCE_RMS).any():
        raise ValueError("the style reference is silent; give one in which the instrument plays")
    audio = normalize_level(audio)
    latents = encode_audio(autoencoder, audio)

    hop, frames = as_codec(autoencoder).hop_length, latents.shape[-1]
    padded = torch.nn.functional.pad(audio, (0, frames * hop - audio.shape[-1]))
    power = padded.unflatten(-1, (frames, hop)).square().mean(dim=(1, 3))
    # Rests tell nothing of the sound.
    sounding = power >= power.amax(-1, keepdim=True) * 10 ** (-ACTIVITY_RANGE_DB / 10)
    weights = (sounding / sounding.sum(-1, keepdim=True)).unsqueeze(1).to(latents.device)
    return (latents * weights).sum(-1)
