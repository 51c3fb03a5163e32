"""Denoiser of arXiv 2402.01412, figure 1: a U-Net over latents, conditioned on the mix and on what its config names.

In "Bass Accompaniment Generation via Latent Diffusion" (Pasini, Grachten, Lattner, ICASSP 2024) as here, the latents of
the mix are concatenated, channel by channel, to the noisy latents of the stem, and self-attention carries a dynamic
position bias, so that the net serves lengths it was not trained on. Widths, depths and further conditions are our own
(`latentstem.nn.conditioning`).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from torch import nn

from latentstem._checks import check_finite, check_tensors
from latentstem._diffusers import RenamedWeights
from latentstem.models.config_bounds import check_unet
from latentstem.nn.attention import SelfAttention1D
from latentstem.nn.conditioning import (
    Conditions,
    ControlConditions,
    Dropped,
    FrameConditions,
    GlobalConditions,
    check_conditions,
)
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
    """Layers of one resolution: residual blocks, each followed by self-attention where there are heads.

    Args:
        channels: Width of the layers.
        layers: Number of residual blocks.
        num_heads: Number of attention heads after each block; 0 leaves attention out.
        embedding_dim: Width of the timestep's embedding.
        dropout: Fraction of activations that the residual blocks drop in training.
        log_n_scaling: Whether attention logits grow with log(n), see `SelfAttention1D`.
        train_length: Number of frames of a training crop at this resolution.
        control_channels: Number of channels of the control that the residual blocks are given; 0 takes none.

    Shape:
        hidden_states `(batch, channels, n)`, embedding `(batch, embedding_dim)`, table `(num_heads, 2n - 1)` or None,
        control `(batch, control_channels, n)` or None, to `(batch, channels, n)`.

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
        control_channels: int = 0,
    ):
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock1D(channels, embedding_dim, dropout, control_channels) for _ in range(layers)
        )
        self.attentions = nn.ModuleList(
            SelfAttention1D(channels, num_heads, log_n_scaling, train_length) for _ in range(layers if num_heads else 0)
        )

    def forward(
        self,
        hidden_states: torch.Tensor,
        embedding: torch.Tensor,
        table: torch.Tensor | None = None,
        control: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run the layers in turn.

        Args:
            hidden_states: `(batch, channels, n)`.
            embedding: Embedding of the timestep, `(batch, embedding_dim)`.
            table: Position bias `(num_heads, 2n - 1)` of all attention layers; None for none.
            control: Control `(batch, control_channels, n)`; None for none.

        Returns:
            `(batch, channels, n)`.
        """
        for index, resnet in enumerate(self.resnets):
            hidden_states = resnet(hidden_states, embedding, control)
            if self.attentions:
                hidden_states = self.attentions[index](hidden_states, table)
        return hidden_states


class StemUNet1DModel(RenamedWeights, ModelMixin, ConfigMixin, PeftAdapterMixin):
    """Denoise the latents of a stem, conditioned on the latents of the mix it is to accompany, and on more by config.

    Every length from one frame works and is returned: halving rounds up, doubling returns to the length of the skip,
    and nothing is padded to a multiple. Where a condition is dropped, a learned vector replaces it, the same in every
    frame; training drops conditions at random, and sampling without one is the unconditional half of guidance.

    Args:
        latent_channels: Number of channels of the stem's latents.
        block_out_channels: Width of each resolution, from full rate downwards; each next one has half the frames.
        layers_per_block: Number of residual blocks of each resolution, on the way down and again on the way up; the
            last resolution is passed once.
        attention_head_dim: Number of channels of an attention head.
        attention_levels: Whether a resolution has self-attention after each residual block.
        embedding_dim: Width of the timestep's embedding.
        position_hidden_dim: Width of the position bias's MLP.
        position_depth: Number of hidden layers of the position bias's MLP.
        log_n_scaling: Scale attention logits by log(n) on lengths beyond those of training; see `SelfAttention1D`.
        train_length: Number of frames of a training crop, from which `log_n_scaling` acts.
        dropout: Fraction of activations that the residual blocks drop in training.
        frame_conditions: Number of channels of each condition whose latents are concatenated at the input, by name;
            None is the mix alone, `{"mix": latent_channels}`.
        global_conditions: Length of each condition that is one vector an item, by name; None is no such conditions.
        control_conditions: Number of channels of each condition that has values at latent rate, by name; None is no
            such conditions.
        control_channels: Width of the encoding of all control conditions that the blocks are given.

    Raises:
        ValueError: A number is out of bounds, lists of resolutions differ in length, a width does not divide into
            heads, or a condition has two kinds.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8, 16), layers_per_block=(1, 1), attention_head_dim=8,
        ...     attention_levels=(False, True), embedding_dim=16,
        ... )
        >>> noisy, mix = torch.randn(2, 2, 4, 13).unbind()
        >>> unet(noisy, timestep=500, conditions={"mix": mix}).sample.shape
        torch.Size([2, 4, 13])
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["ResnetBlock1D", "SelfAttention1D"]
    _repeated_blocks = ["ResnetBlock1D", "SelfAttention1D"]
    _keep_in_fp32_modules = ["position_biases", "time_embedding"]
    _skip_layerwise_casting_patterns = ["norm", "null_", "conv_in", "conv_out"]
    _renamed_weights = {"null_mix": "frame_inputs.null_mix"}

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
        frame_conditions: Mapping[str, int] | None = None,
        global_conditions: Mapping[str, int] | None = None,
        control_conditions: Mapping[str, int] | None = None,
        control_channels: int = 64,
    ):
        super().__init__()
        check_unet(self.config)
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

        frame_channels = {"mix": latent_channels} if frame_conditions is None else dict(frame_conditions)
        vectors, controls = dict(global_conditions or {}), dict(control_conditions or {})
        self.condition_channels, self.condition_vectors = frame_channels | controls, vectors
        if len(self.condition_channels | vectors) < len(frame_channels) + len(vectors) + len(controls):
            raise ValueError(
                f"a condition is of one kind, got frame conditions {list(frame_channels)}, global conditions "
                f"{list(vectors)} and control conditions {list(controls)}; give each a name of its own"
            )

        def stage(level: int) -> StemUNetStage:
            return StemUNetStage(
                widths[level],
                layers_per_block[level],
                heads[level],
                embedding_dim,
                dropout,
                log_n_scaling,
                train_length=max(2, -(-train_length // 2**level)),
                control_channels=control_channels if controls else 0,
            )

        above = range(len(widths) - 1)  # all resolutions but the last, from full rate downwards
        self.frame_inputs = FrameConditions(frame_channels)
        self.global_embeddings = GlobalConditions(vectors, embedding_dim)
        self.control_encoder = ControlConditions(controls, control_channels, len(widths)) if controls else None
        self.time_embedding = TimestepEmbedding(embedding_dim)
        self.position_biases = nn.ModuleDict(
            {str(k): DynamicPositionBias(n, position_hidden_dim, position_depth) for k, n in enumerate(heads) if n}
        )
        self.conv_in = FrameConv1d(latent_channels + sum(frame_channels.values()), widths[0])
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
        conditions: Conditions | None = None,
        dropped: Dropped | None = None,
        return_dict: bool = True,
    ) -> StemUNet1DOutput | tuple[torch.Tensor]:
        """Predict from noisy latents.

        Args:
            sample: Noisy latents `(batch, latent_channels, frames)`.
            timestep: Timestep of all items, or one an item, `(batch,)`.
            conditions: Conditions by name: `(batch, channels, frames)` of frame and control conditions, such as the
                latents of the mixes under `"mix"`, and `(batch, channels)` of global ones. Conditions that are missing
                are dropped for every item.
            dropped: Boolean masks by name, `(batch,)`, or for parts of a condition up to its shape: where true, the
                learned null replaces the condition.
            return_dict: Whether to return a `StemUNet1DOutput` or a tuple.

        Returns:
            Prediction, shaped like `sample`.

        Raises:
            TypeError: The conditions have no names, or a sample or a condition is no tensor of floats.
            ValueError: Shapes do not fit together, or a condition is not among the net's; or, where no gradient is
                recorded, a tensor or the prediction is not finite.
        """
        if isinstance(conditions, torch.Tensor):
            raise TypeError('conditions must be tensors by name, got a tensor; pass {"mix": mix_latents}')
        conditions = {} if conditions is None else conditions
        dropped = {} if dropped is None else dropped
        batch, _, frames = self._check_inputs(sample, timestep, conditions, dropped)

        timestep = torch.as_tensor(timestep, device=sample.device).expand(batch)
        embedding = self.time_embedding(timestep).to(sample.dtype)
        embedding = self.global_embeddings(embedding, conditions, dropped)
        levels = len(self.down_blocks) + 1
        controls: list[torch.Tensor | None] = [None] * levels
        if self.control_encoder is not None:
            controls = self.control_encoder((batch, frames), conditions, dropped, sample.dtype)

        tables: list[torch.Tensor | None] = [None] * levels
        for level, position_bias in self.position_biases.items():
            tables[int(level)] = position_bias(-(-frames // 2 ** int(level)), sample.device)

        hidden = self.conv_in(self.frame_inputs(sample, conditions, dropped))
        skips = []
        for level, down_block in enumerate(self.down_blocks):
            hidden = self._run(down_block, hidden, embedding, tables[level], controls[level])
            skips.append(hidden)
            hidden = self.downsamplers[level](hidden)
        hidden = self._run(self.mid_block, hidden, embedding, tables[-1], controls[-1])
        for level in reversed(range(len(skips))):
            skip = skips[level]
            hidden = self.upsamplers[level](hidden, length=skip.shape[-1])
            hidden = self.skip_merges[level](torch.cat([hidden, skip], dim=1).transpose(1, 2)).transpose(1, 2)
            hidden = self._run(self.up_blocks[level], hidden, embedding, tables[level], controls[level])
        prediction = self.conv_out(nn.functional.silu(self.norm_out(hidden))).contiguous()
        check_finite("the prediction", prediction, {"sample": sample, "timestep": timestep, **conditions})

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
        """Load an adapter as `save_lora_adapter` writes it, whose names the inherited defaults ignore.

        Args:
            pretrained_model_name_or_path_or_dict: Folder of the adapter, or its tensors by name.
            prefix: Prefix of the net's names in files of several nets; names without it are ignored.
            use_safetensors: Whether to look for a safetensors file; pickled ones are refused in any case.
            **options: Options of diffusers' `PeftAdapterMixin.load_lora_adapter`, such as `adapter_name`.
        """
        source, options = pretrained_model_name_or_path_or_dict, {**options, "prefix": prefix}
        super().load_lora_adapter(source, use_safetensors=use_safetensors, **options)

    def _run(self, stage: nn.Module, *inputs: torch.Tensor | None) -> torch.Tensor:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return self._gradient_checkpointing_func(stage, *inputs)  # pyright: ignore[reportOptionalCall]
        return stage(*inputs)

    def _check_inputs(
        self, sample: torch.Tensor, timestep: int | float | torch.Tensor, conditions: Conditions, dropped: Dropped
    ) -> torch.Size:
        check_tensors(sample=sample)
        channels = self.config["latent_channels"]
        if sample.ndim != 3 or sample.shape[1] != channels or sample.shape[2] < 1:
            raise ValueError(
                f"sample has shape {tuple(sample.shape)}, expected (batch, {channels}, frames), at least one frame"
            )
        batch, _, frames = sample.shape
        if isinstance(timestep, torch.Tensor) and timestep.shape not in ((), (1,), (batch,)):
            raise ValueError(
                f"timestep has shape {tuple(timestep.shape)}, expected one for all items or one an item: {(batch,)}"
            )
        check_conditions(conditions, dropped, self.condition_channels, self.condition_vectors, batch, frames)
        return sample.shape
