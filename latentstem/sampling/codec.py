"""Audio to normalised latents and back, by whatever autoencoder a pipeline has.

`AutoencoderSpectral`, diffusers' `AutoencoderOobleck`, or a module of your own: its `config` says `sampling_rate`,
`audio_channels` and `hop_length` (which may be an attribute of the module instead), `encode` returns `latents`, or
`latent_dist`, of which the mode is taken, and `decode` returns `sample`. Audio is `(batch, channels, samples)`, latents
are `(batch, latent_channels, frames)`.
"""

from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.sampling.latents import denormalize_latents, normalize_latents


def hop_length_of(autoencoder: Any) -> int:
    """Samples of one latent frame."""
    hop_length = autoencoder.config.get("hop_length")
    return autoencoder.hop_length if hop_length is None else hop_length


def encode_audio(autoencoder: Any, audio: Tensor) -> Tensor:
    """Encodes audio, the last frame filled up with zeros.

    Args:
        autoencoder: See above.
        audio: `(batch, channels, samples)`, at its rate and number of channels.

    Returns:
        Normalised latents `(batch, latent_channels, ceil(samples / hop_length))`, float32.

    Raises:
        ValueError: it returns another number of frames.
    """
    hop = hop_length_of(autoencoder)
    frames = -(-audio.shape[-1] // hop)
    if not isinstance(autoencoder, AutoencoderSpectral):  # which fills up by itself, and casts after its spectrogram
        audio = pad(audio, (0, frames * hop - audio.shape[-1])).to(autoencoder.dtype)
    encoded: Any = autoencoder.encode(audio)
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    if latents.shape[-1] != frames:
        raise ValueError(
            f"{type(autoencoder).__name__} makes {latents.shape[-1]} frames of {audio.shape[-1]} samples, expected "
            f"{frames}, one for each {hop} samples of its hop_length"
        )
    return normalize_latents(latents.float(), autoencoder.config)


def decode_audio(autoencoder: Any, latents: Tensor, num_samples: int) -> Tensor:
    """Decodes normalised latents.

    Args:
        autoencoder: See above.
        latents: `(batch, latent_channels, frames)`.
        num_samples: Length to return: what it plays is cut there, or lengthened by zeros.

    Returns:
        Audio `(batch, channels, num_samples)`, float32.
    """
    latents = denormalize_latents(latents, autoencoder.config).to(autoencoder.dtype)
    audio = autoencoder.decode(latents).sample[..., :num_samples].float()
    missing = num_samples - audio.shape[-1]
    return pad(audio, (0, missing)) if missing else audio
