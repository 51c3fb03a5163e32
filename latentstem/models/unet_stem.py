"""The denoiser: a U-Net over latent frames that hears the mix it accompanies.

As in "Bass Accompaniment Generation via Latent Diffusion" (Pasini, Grachten, Lattner, ICASSP 2024), figure 1: the
latents of the mix are concatenated, channel by channel, to the noisy latents of the stem, and self-attention carries a
dynamic position bias, so that the net serves lengths it was not trained on. Widths and depths are our own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from torch import nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.nn.attention import SelfAttention1D
from latentstem.nn.embeddings import TimestepEmbedding
from latentstem.nn.position import DynamicPositionBias
from latentstem.nn.resnet import ChannelNorm, Downsample1D, FrameConv1d, ResnetBlock1D, Upsample1D


@dataclass
class StemUNet1DOutput(BaseOutput):
    """Prediction of `StemUNet1DModel`.

    Args:
        sample: `(batch, latent_channels, frames)`, in the parametrisation the net was trained with.
    """

    sample: torch.Tensor


class StemUNetStage(nn.Module):
    """The layers of one resolution: residual blocks, each followed by self-attention where there are heads.

    Args:
        channels: Width.
        layers: Number of residual blocks.
        num_heads: Attention heads after each block; 0 leaves attention out.
        embedding_dim: Width of the timestep's embedding.
        dropout: Dropout of the residual blocks.
        log_n_scaling: See `SelfAttention1D`.
        train_length: Frames of a training crop at this resolution.

    Shape:
        hidden `(batch, channels, n)`, embedding `(batch, embedding_dim)`, table `(num_heads, 2n - 1)` or None, to
        `(batch, channels, n)`.

    Example:
        >>> stage = StemUNetStage(channels=8, layers=1, num_heads=2, embedding_dim=16)
        >>> stage(torch.randn(2, 8, 5), torch.randn(2, 16)).shape
        torch.Size([2, 8, 5])
    """

    def __init__(
        self,
        channels: int,
        layers: int,
        num_heads: int,
        embedding_dim: int,
        dropout: float = 0.0,
        log_n_scaling: bool = False,
        train_length: int = 128,
    ):
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock1D(channels, embedding_dim, dropout) for _ in range(layers))
        self.attentions = nn.ModuleList(
            SelfAttention1D(channels, num_heads, log_n_scaling, train_length) for _ in range(layers if num_heads else 0)
        )

    def forward(self, hidden: torch.Tensor, embedding: torch.Tensor, table: torch.Tensor | None = None) -> torch.Tensor:
        """Runs the layers in turn; all attention shares the bias `table`."""
        for index, resnet in enumerate(self.resnets):
            hidden = resnet(hidden, embedding)
            if self.attentions:
                hidden = self.attentions[index](hidden, table)
        return hidden


class StemUNet1DModel(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """Denoises the latents of a stem, given the latents of the mix it is to accompany.

    Every length from one frame works and returns itself: halving rounds up, doubling returns to the length of the
    skip, and nothing is padded to a multiple. Where the mix is dropped, a learned vector takes its place, the same in
    every frame; training drops some mixes, and sampling without one is the unconditional half of guidance.

    Args:
        latent_channels: Channels of the stem's latents, and of the mix's.
        block_out_channels: Width of each resolution, from full rate downwards; each next one has half the frames.
        layers_per_block: Residual blocks of each resolution, on the way down and again on the way up; the last
            resolution is passed once.
        attention_head_dim: Channels of an attention head.
        attention_levels: Whether a resolution has self-attention after each residual block.
        embedding_dim: Width of the timestep's embedding.
        position_hidden_dim: Width of the position bias's MLP.
        position_depth: Hidden layers of the position bias's MLP.
        log_n_scaling: Scale attention logits by log(n) on lengths beyond the trained; see `SelfAttention1D`.
        train_length: Frames of a training crop, from which `log_n_scaling` acts.
        dropout: Dropout of the residual blocks in training.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8, 16), layers_per_block=(1, 1), attention_head_dim=8,
        ...     attention_levels=(False, True), embedding_dim=16,
        ... )
        >>> noisy, mix = torch.randn(2, 2, 4, 13).unbind()
        >>> unet(noisy, timestep=500, mix_latents=mix).sample.shape
        torch.Size([2, 4, 13])
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["ResnetBlock1D", "SelfAttention1D"]
    _repeated_blocks = ["ResnetBlock1D", "SelfAttention1D"]
    _keep_in_fp32_modules = ["position_biases", "time_embedding"]
    _skip_layerwise_casting_patterns = ["norm", "null_mix", "conv_in", "conv_out"]

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 64,
        block_out_channels: Sequence[int] = (256, 384, 448),
        layers_per_block: Sequence[int] = (1, 1, 2),
        attention_head_dim: int = 32,
        attention_levels: Sequence[bool] = (False, True, True),
        embedding_dim: int = 256,
        position_hidden_dim: int = 64,
        position_depth: int = 2,
        log_n_scaling: bool = False,
        train_length: int = 128,
        dropout: float = 0.0,
    ):
        super().__init__()
        if not len(block_out_channels) == len(layers_per_block) == len(attention_levels):
            raise ValueError(
                f"got {len(block_out_channels)} widths in block_out_channels, {len(layers_per_block)} counts in "
                f"layers_per_block and {len(attention_levels)} flags in attention_levels, expected one a resolution"
            )
        widths = block_out_channels
        heads = [width // attention_head_dim if on else 0 for width, on in zip(widths, attention_levels, strict=True)]
        for width, on in zip(widths, attention_levels, strict=True):
            if on and width % attention_head_dim:
                raise ValueError(
                    f"got width {width} with attention, expected a multiple of {attention_head_dim} a head"
                )

        def stage(level: int) -> StemUNetStage:
            length = max(2, -(-train_length // 2**level))
            return StemUNetStage(
                widths[level], layers_per_block[level], heads[level], embedding_dim, dropout, log_n_scaling, length
            )

        above = range(len(widths) - 1)  # all resolutions but the last, from full rate downwards
        self.null_mix = nn.Parameter(torch.randn(latent_channels))
        self.time_embedding = TimestepEmbedding(embedding_dim)
        self.position_biases = nn.ModuleDict(
            {str(k): DynamicPositionBias(n, position_hidden_dim, position_depth) for k, n in enumerate(heads) if n}
        )
        self.conv_in = FrameConv1d(2 * latent_channels, widths[0])
        self.down_blocks = nn.ModuleList(stage(level) for level in above)
        self.downsamplers = nn.ModuleList(Downsample1D(widths[level], widths[level + 1]) for level in above)
        self.mid_block = stage(len(widths) - 1)
        self.upsamplers = nn.ModuleList(Upsample1D(widths[level + 1], widths[level]) for level in above)
        self.skip_merges = nn.ModuleList(nn.Linear(2 * widths[level], widths[level]) for level in above)
        self.up_blocks = nn.ModuleList(stage(level) for level in above)
        self.norm_out = ChannelNorm(widths[0])
        self.conv_out = FrameConv1d(widths[0], latent_channels)
        nn.init.zeros_(self.conv_out.taps.weight)
        nn.init.zeros_(self.conv_out.taps.bias)
        self.gradient_checkpointing = False

    def forward(
        self,
        sample: torch.Tensor,
        timestep: int | float | torch.Tensor,
        mix_latents: torch.Tensor | None = None,
        mix_dropped: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> StemUNet1DOutput | tuple[torch.Tensor]:
        """Predicts from noisy latents.

        Args:
            sample: Noisy latents `(batch, latent_channels, frames)`.
            timestep: One timestep for all items, or one an item, `(batch,)`.
            mix_latents: Latents of the mixes, shaped like `sample`. None drops the mix of every item.
            mix_dropped: Boolean `(batch,)`: items whose mix is replaced by the learned null vector.
            return_dict: Return a `StemUNet1DOutput` and not a tuple.

        Returns:
            The prediction, shaped like `sample`.

        Raises:
            ValueError: If shapes do not fit together.
        """
        batch, _, frames = self._check_inputs(sample, timestep, mix_latents, mix_dropped)

        timestep = torch.as_tensor(timestep, device=sample.device).expand(batch)
        embedding = self.time_embedding(timestep).to(sample.dtype)
        null = self.null_mix.to(sample.dtype)[None, :, None].expand_as(sample)
        if mix_latents is None:
            mix_latents = null
        elif mix_dropped is not None:
            mix_latents = torch.where(mix_dropped[:, None, None], null, mix_latents)

        tables = [None] * (len(self.down_blocks) + 1)
        for level, position_bias in self.position_biases.items():
            tables[int(level)] = position_bias(-(-frames // 2 ** int(level)), sample.device)

        hidden = self.conv_in(torch.cat([sample, mix_latents], dim=1))
        skips = []
        for level, down_block in enumerate(self.down_blocks):
            hidden = self._run(down_block, hidden, embedding, tables[level])
            skips.append(hidden)
            hidden = self.downsamplers[level](hidden)
        hidden = self._run(self.mid_block, hidden, embedding, tables[-1])
        for level in reversed(range(len(skips))):
            skip = skips[level]
            hidden = self.upsamplers[level](hidden, length=skip.shape[-1])
            hidden = self.skip_merges[level](torch.cat([hidden, skip], dim=1).transpose(1, 2)).transpose(1, 2)
            hidden = self._run(self.up_blocks[level], hidden, embedding, tables[level])
        prediction = self.conv_out(nn.functional.silu(self.norm_out(hidden))).contiguous()

        if not return_dict:
            return (prediction,)
        return StemUNet1DOutput(sample=prediction)

    def load_lora_adapter(
        self,
        pretrained_model_name_or_path_or_dict: str | os.PathLike | dict,
        prefix: str | None = None,
        use_safetensors: bool = True,
        **options: Any,
    ) -> None:
        """Loads an adapter as `save_lora_adapter` writes it, which the inherited defaults pass over.

        Args:
            pretrained_model_name_or_path_or_dict: Folder, or tensors by name.
            prefix: What names begin with in files of several nets; names without it are passed over.
            use_safetensors: Look for a safetensors file; pickled ones are refused in any case.
            **options: Of diffusers' `PeftAdapterMixin.load_lora_adapter`, such as `adapter_name`.
        """
        source, options = pretrained_model_name_or_path_or_dict, {**options, "prefix": prefix}
        super().load_lora_adapter(source, use_safetensors=use_safetensors, **options)

    def _run(
        self, stage: nn.Module, hidden: torch.Tensor, embedding: torch.Tensor, table: torch.Tensor | None
    ) -> torch.Tensor:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return self._gradient_checkpointing_func(stage, hidden, embedding, table)  # pyright: ignore[reportOptionalCall]
        return stage(hidden, embedding, table)

    def _check_inputs(
        self,
        sample: torch.Tensor,
        timestep: int | float | torch.Tensor,
        mix_latents: torch.Tensor | None,
        mix_dropped: torch.Tensor | None,
    ) -> torch.Size:
        channels = self.null_mix.shape[0]
        if sample.ndim != 3 or sample.shape[1] != channels or sample.shape[2] < 1:
            raise ValueError(
                f"sample has shape {tuple(sample.shape)}, expected (batch, {channels}, frames), at least one frame"
            )
        batch = sample.shape[0]
        if isinstance(timestep, torch.Tensor) and timestep.shape not in ((), (1,), (batch,)):
            raise ValueError(
                f"timestep has shape {tuple(timestep.shape)}, expected one for all items or one an item: {(batch,)}"
            )
        if mix_latents is not None and mix_latents.shape != sample.shape:
            raise ValueError(
                f"mix_latents has shape {tuple(mix_latents.shape)}, expected the sample's, {tuple(sample.shape)}; "
                "encode a mix of the stem's length"
            )
        if mix_dropped is not None and (mix_dropped.shape != (batch,) or mix_dropped.dtype != torch.bool):
            raise ValueError(
                f"mix_dropped is {mix_dropped.dtype} of shape {tuple(mix_dropped.shape)}, "
                f"expected torch.bool of shape {(batch,)}"
            )
        return sample.shape
