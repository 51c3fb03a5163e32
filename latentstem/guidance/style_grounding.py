"""Style grounding (arXiv 2402.01412): the time-mean of the clean sample is moved to that of a reference.

    x0 <- x0 + strength * (reference - mean_t(x0))

The paper weighs the correction by the noise schedule. Here the sampler does that: with the noise re-derived the
sample moves by `a' - b' * a / b` times the correction (`a, b` signal and noise rate before the step, `a', b'` after
it), near 0 at the start and 1 at the last step, where the mean equals that of the reference whatever the net predicts.
With the noise kept it moves by `a'`, which acts much earlier.

A mean depends on more than the sound: whole, and with the noise kept, it transfers the register and the notes of its
reference too. In a `StyleSpace` the correction is restricted to the instrument, and may act early.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from latentstem._checks import check_finite, check_number, check_tensors, is_number, short
from latentstem.audio.level import ACTIVITY_RANGE_DB, SILENCE_RMS, active_rms, normalize_level
from latentstem.guidance.functional import STRONGEST
from latentstem.guidance.style_space import StyleSpace
from latentstem.models.codec import as_codec, encode_audio
from latentstem.sampling.hooks import DenoisedStep, NoiseMode


class StyleGrounding:
    """A denoised hook that moves the result to the mean latent of a reference.

    Args:
        reference: Mean latent to reach, `(channels,)`, or `(batch, channels)` with one an item; of normalized latents
            where the sampler works on those. See `from_latents` and `from_audio`.
        strength: Fraction of the way to the reference: 0 does nothing, 1 reaches it.
        start: Fraction of the steps before which the hook is idle.
        stop: Fraction of the steps after which the hook is idle; below 1 the net alone makes the last steps.
        noise: Treatment of the noise, `"rederive"` or `"keep"`, see `latentstem.on_denoised`; holds where the caller
            does not say.
        space: Style space to which the correction is restricted; None moves the whole mean, as the paper does.

    Raises:
        ValueError: The reference is not finite or has another number of dimensions, the strength is no number from
            -1000 to 1000, or the window is out of order.

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
        check_tensors(reference=reference)
        if reference.ndim not in (1, 2) or not torch.isfinite(reference).all():
            raise ValueError(
                "reference must be a finite mean of shape (channels,) or (batch, channels), got "
                f"{tuple(reference.shape)}; for latents or audio use from_latents or from_audio"
            )
        check_number(-STRONGEST, STRONGEST, strength=strength)
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
        """Build the hook with a reference of latents, averaged over time and over all references.

        Args:
            latents: Normalized latents `(channels, frames)`, `(batch, channels, frames)`, or a sequence of either.
            **options: Further arguments of the class.

        Returns:
            The hook.

        Example:
            >>> import torch
            >>> StyleGrounding.from_latents(torch.ones(8, 100)).reference.shape
            torch.Size([8])
        """
        references = [latents] if isinstance(latents, Tensor) else list(latents)
        for item in references:
            check_tensors(latents=item)
            if item.ndim not in (2, 3) or not item.numel():
                raise ValueError(
                    f"got latents of shape {tuple(item.shape)}; expected (channels, frames) or (batch, channels, "
                    "frames)"
                )
        means = [item.mean(-1).reshape(-1, item.shape[-2]) for item in references]
        return cls(torch.cat(means).mean(0), **options)

    @classmethod
    def from_audio(
        cls,
        audio: Tensor | Sequence[Tensor],
        autoencoder: Any,
        weights: Sequence[float] | None = None,
        **options: Any,
    ) -> Self:
        """Build the hook with a reference of audio, averaged over its active frames and over all references.

        Audio is brought to the reference loudness first, so that its level is no part of its style.

        Args:
            audio: `(batch, channels, samples)` or a sequence of such, in [-1, 1], at the autoencoder's rate, number of
                channels and device. Every item of a batch is a reference.
            autoencoder: Autoencoder to encode with, an `AutoencoderSpectral` or what `latentstem.models.as_codec`
                takes.
            weights: Share of each reference, see `blend_shares`; None gives all the same.
            **options: Further arguments of the class.

        Returns:
            The hook.

        Raises:
            ValueError: A reference is silent, or the shares do not fit the references.

        Example:
            >>> import torch
            >>> from latentstem import AutoencoderSpectral
            >>> autoencoder = AutoencoderSpectral(channels=16, latent_hidden_channels=16, carriers=8).eval()
            >>> StyleGrounding.from_audio(torch.randn(1, 1, 20_000), autoencoder, strength=0.5).reference.shape
            torch.Size([64])
        """
        references = [audio] if isinstance(audio, Tensor) else list(audio)
        means = torch.cat([_active_mean(item, autoencoder) for item in references])
        return cls(blend_shares(weights, len(means)).to(means) @ means, **options)

    def __call__(self, denoised: Tensor, step: DenoisedStep) -> Tensor:
        """Return `denoised`, `(batch, channels, frames)`, with its time-mean moved towards the reference."""
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
        grounded = denoised + self.strength * change.unsqueeze(-1)
        check_finite("the grounded sample", grounded, {"denoised": denoised})
        return grounded


def blend_shares(weights: Sequence[float] | None, count: int) -> Tensor:
    """Return the share of each of several references.

    Args:
        weights: Numbers in the proportions of the shares, 0 or more; None gives all the same.
        count: Number of references.

    Returns:
        Shares `(count,)` with sum 1.

    Raises:
        ValueError: There are not as many weights as references, one is negative or not finite, or all are 0.

    Example:
        >>> blend_shares([1, 3], 2)
        tensor([0.2500, 0.7500])
    """
    if weights is None:
        return torch.full((count,), 1 / count)
    numbers = [*weights] if isinstance(weights, Sequence) else []
    shares = torch.tensor([number if is_number(number) else torch.nan for number in numbers], dtype=torch.float64)
    if len(shares) != count or not torch.isfinite(shares).all() or (shares < 0).any() or not shares.sum():
        raise ValueError(
            f"got the shares {short(weights)} for {count} style references; expected one for each, 0 or more, not all 0"
        )
    shares = shares / shares.max()  # whose sum is finite
    return (shares / shares.sum()).float()


def _active_mean(audio: Tensor, autoencoder: Any) -> Tensor:
    """Return the mean of each item's normalized latents over its active frames, `(batch, channels)`."""
    latents, active = encode_reference(audio, autoencoder)
    weights = (active / active.sum(-1, keepdim=True)).unsqueeze(1)
    return (latents * weights).sum(-1)


@torch.no_grad()
def encode_reference(audio: Tensor, autoencoder: Any) -> tuple[Tensor, Tensor]:
    """Encode style references at the reference loudness, and find the frames in which something sounds.

    Args:
        audio: `(batch, channels, samples)` in [-1, 1], at the autoencoder's rate, number of channels and device.
        autoencoder: Autoencoder to encode with, an `AutoencoderSpectral` or what `latentstem.models.as_codec` takes.

    Returns:
        Normalized latents `(batch, latent_channels, frames)`, and the active frames, bool `(batch, frames)`.

    Raises:
        ValueError: A reference is silent.
    """
    check_tensors(audio=audio)
    if audio.ndim != 3 or not audio.numel():
        raise ValueError(f"got a style reference of shape {tuple(audio.shape)}; expected (batch, channels, samples)")
    if (active_rms(audio) <= SILENCE_RMS).any():
        raise ValueError("the style reference is silent; give one in which the instrument plays")
    audio = normalize_level(audio)
    latents = encode_audio(autoencoder, audio)

    hop, frames = as_codec(autoencoder).hop_length, latents.shape[-1]
    padded = torch.nn.functional.pad(audio, (0, frames * hop - audio.shape[-1]))
    power = padded.unflatten(-1, (frames, hop)).square().mean(dim=(1, 3))
    # Rests hold nothing of the sound.
    active = power >= power.amax(-1, keepdim=True) * 10 ** (-ACTIVITY_RANGE_DB / 10)
    return latents, active.to(latents.device)
