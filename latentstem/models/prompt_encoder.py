"""Joint embedding of sound and words: what a prompt asks for, and how a recording sounds, as codes of one space.

As in CLAP (Wu et al. 2023, arXiv 2211.06687), but small and without anything to download: the sound is read from
latents, and the words are those of a vocabulary.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_tensors
from latentstem.conditioning.words import Vocabulary
from latentstem.models.config_bounds import check_prompt_encoder
from latentstem.models.style_encoder import StyleEncoder


class PromptEncoder(ModelMixin, ConfigMixin):
    """Embed sounds and prompts as codes of unit length, near each other where the words are true of the sound.

    A denoiser takes the code as a global condition, and so can be asked for a sound in words or by a recording.

    Args:
        words: Words of the prompts, each to others of the same meaning, as in `Vocabulary`.
        latent_channels: Channels of the latents.
        channels: Width of the nets.
        code_dim: Number of dimensions of a code.
        layers: Number of blocks of the net that reads sound.

    Raises:
        ValueError: A number is out of bounds, or a word stands twice.

    Example:
        >>> import torch
        >>> encoder = PromptEncoder({"drums": ["beat"], "dark": []}, latent_channels=8, channels=16, code_dim=4).eval()
        >>> encoder.embed_sound(torch.randn(3, 8, 40)).shape
        torch.Size([3, 4])
        >>> encoder.embed_text(["dark, no drums"]).shape
        torch.Size([1, 4])
    """

    @register_to_config
    def __init__(
        self,
        words: Mapping[str, Sequence[str]],
        latent_channels: int = 64,
        channels: int = 128,
        code_dim: int = 32,
        layers: int = 3,
    ):
        super().__init__()
        check_prompt_encoder(self.config)
        self.vocabulary = Vocabulary(words)
        self.sound_tower = StyleEncoder(latent_channels, channels, code_dim, layers)
        self.word_tower = nn.Sequential(nn.Linear(len(words), channels), nn.GELU(), nn.Linear(channels, code_dim))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def embed_sound(self, latents: Tensor) -> Tensor:
        """Embed recordings.

        Args:
            latents: Normalized latents, `(batch, latent_channels, frames)`.

        Returns:
            Codes of unit length, `(batch, code_dim)`.

        Raises:
            ValueError: The latents have another shape, or latents or codes are not finite.
        """
        return F.normalize(self.sound_tower(latents), dim=-1)

    def embed_words(self, presence: Tensor) -> Tensor:
        """Embed prompts that are read already.

        Args:
            presence: 1 for a word that is asked for, -1 for one that is excluded, 0 for others, `(batch, words)` in the
                order of the vocabulary.

        Returns:
            Codes of unit length, `(batch, code_dim)`.

        Raises:
            ValueError: The numbers have another shape, or numbers or codes are not finite.
        """
        check_tensors(presence=presence)
        if presence.ndim != 2 or presence.shape[1] != len(self.vocabulary.words):
            raise ValueError(
                f"got words of shape {tuple(presence.shape)}; expected (batch, {len(self.vocabulary.words)})"
            )
        codes = F.normalize(self.word_tower(presence.to(self.dtype)), dim=-1)
        check_finite("the code", codes, {"presence": presence})
        return codes

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts.

        Args:
            prompts: Texts such as "dark techno, no hats".

        Returns:
            Codes of unit length, `(prompts, code_dim)`.

        Raises:
            ValueError: A prompt has a word that is not known, or names no word at all.
        """
        presence = self.vocabulary.presence(prompts)
        for prompt, row in zip(prompts, presence, strict=True):
            if not row.any():
                raise ValueError(
                    f"the prompt {prompt!r} names nothing that is known; known: {', '.join(self.vocabulary.words)}"
                )
        return self.embed_words(presence.to(self.device))

    def forward(self, presence: Tensor, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compare prompts with sounds.

        Args:
            presence: Words of prompts, `(prompts, words)`; see `embed_words`.
            latents: Normalized latents of sounds, `(sounds, latent_channels, frames)`.

        Returns:
            Logits `(prompts, sounds)` in float32, and the codes of the prompts and of the sounds.
        """
        prompts, sounds = self.embed_words(presence), self.embed_sound(latents)
        scale = self.log_scale.float().exp().clamp(max=100.0)
        return scale * prompts.float() @ sounds.float().T, prompts, sounds
