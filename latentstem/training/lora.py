"""LoRA adapters (Hu et al., ICLR 2022, section 4.1) for fine-tuning a trained denoiser to a few songs.

`W x + (alpha / r) B A x` with W frozen, A of r rows and B of r columns; alpha is r here, so the factor is 1. B starts
at zero, so training starts from the net as it was.
"""

from os import PathLike

from diffusers.utils import logging

from latentstem.models.unet_stem import StemUNet1DModel

ADAPTED_LAYERS = ("to_q", "to_k", "to_v", "to_out", "taps")
"""Layers with an adapter: the projections of attention, and all convolutions."""


def add_lora(unet: StemUNet1DModel, rank: int) -> None:
    """Freeze a denoiser and put a trainable adapter beside every layer named in `ADAPTED_LAYERS`.

    Args:
        unet: Trained denoiser; changed in place.
        rank: Rank of the adapters.

    Raises:
        ValueError: If the rank is below 1.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8,), layers_per_block=(1,), attention_levels=(False,),
        ...     embedding_dim=16,
        ... )
        >>> add_lora(unet, rank=2)
        >>> sorted({name.rpartition("taps.")[2] for name, weight in unet.named_parameters() if weight.requires_grad})
        ['lora_A.default.weight', 'lora_B.default.weight']
    """
    if rank < 1:
        raise ValueError(f"got a LoRA rank of {rank}, expected at least 1")
    from peft import LoraConfig  # imported here: it takes seconds, and few trainings need it

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ADAPTED_LAYERS)))


def save_lora(unet: StemUNet1DModel, folder: str | PathLike[str]) -> None:
    """Write the adapter of a denoiser, for `StemUNet1DModel.load_lora_adapter`.

    Args:
        unet: Denoiser with adapters from `add_lora`.
        folder: Folder to write; created if absent.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # diffusers warns of a cast that does not happen
    try:
        unet.save_lora_adapter(folder)
    finally:
        logging.set_verbosity(verbosity)
