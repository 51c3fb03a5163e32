"""Notes as an auxiliary task of a denoiser's training: a layer in the middle of the net tells those of the stem.

A loss on an inner layer (deep supervision: Lee et al. 2014, arXiv 1409.5185) says which notes fit, and the error of
latents says it less directly. The layer is left out of what is published, so the denoiser costs what it did.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, binary_cross_entropy_with_logits, max_pool1d

from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.training.denoising import EMBEDDINGS
from latentstem.training.song_conditions import NOTE_CHANNELS

ADAMW = ("head", *(f"unet.{name}" for name in EMBEDDINGS))
"""Beginnings of the names of parameters of `UNetWithNotes` that AdamW trains."""


class UNetWithNotes(nn.Module):
    """A denoiser in training, with a linear layer that reads notes from the output of its lowest resolution.

    It is called as the denoiser, and returns what that returns.

    Args:
        unet: The denoiser.

    Attributes:
        logits: What the last call reads, `(batch, NOTE_CHANNELS, frames)` at the lowest resolution.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8, 16), layers_per_block=(1, 1), attention_levels=(False, False),
        ... )
        >>> model = UNetWithNotes(unet)
        >>> (predicted,) = model(torch.randn(2, 4, 13), 500, {"mix": torch.randn(2, 4, 13)}, return_dict=False)
        >>> predicted.shape, model.logits.shape
        (torch.Size([2, 4, 13]), torch.Size([2, 14, 7]))
    """

    logits: Tensor

    def __init__(self, unet: StemUNet1DModel):
        super().__init__()
        self.unet = unet
        self.head = nn.Linear(unet.config["block_out_channels"][-1], NOTE_CHANNELS)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Call the denoiser, and keep the notes that are read meanwhile as `logits`."""
        hook = self.unet.mid_block.register_forward_hook(self._read)
        try:
            return self.unet(*inputs, **options)
        finally:
            hook.remove()

    def _read(self, block: nn.Module, inputs: Any, features: Tensor) -> None:
        self.logits = self.head(features.transpose(1, 2)).transpose(1, 2)

    def loss(self, notes: Tensor) -> Tensor:
        """Compute how far the notes read by the last call are from the true ones.

        Args:
            notes: Notes of the stems as `annotated_notes` makes them, `(batch, NOTE_CHANNELS, frames)`.

        Returns:
            Cross entropy of the pitch class, or the rest, plus binary cross entropy of the onsets, both in nats a frame
            of the lowest resolution; a scalar.
        """
        span = 2 ** (len(self.unet.config["block_out_channels"]) - 1)
        shares = avg_pool1d(notes[:, :-1], span, ceil_mode=True)
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-6)
        onsets = max_pool1d(notes[:, -1:], span, ceil_mode=True)
        logits = self.logits.float()
        pitch = -(shares * torch.log_softmax(logits[:, :-1], 1)).sum(1).mean()
        return pitch + binary_cross_entropy_with_logits(logits[:, -1:], onsets)


def denoiser_of(model: UNetWithNotes | StemUNet1DModel) -> StemUNet1DModel:
    """Return the denoiser of a model in training, which is what is validated and published."""
    return model.unet if isinstance(model, UNetWithNotes) else model
