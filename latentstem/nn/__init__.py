"""Layers in plain PyTorch: attention with a position bias, residual blocks, embeddings, carriers; no diffusers."""

from latentstem.nn.attention import SelfAttention1D, biased_attention
from latentstem.nn.carriers import CarrierBank
from latentstem.nn.convnext import ConvNeXtBlock1D
from latentstem.nn.embeddings import TimestepEmbedding, sinusoidal_embedding
from latentstem.nn.position import DynamicPositionBias, reuse_position_tables
from latentstem.nn.resnet import ChannelNorm, Downsample1D, FrameConv1d, ResnetBlock1D, Upsample1D

__all__ = [
    "CarrierBank",
    "ChannelNorm",
    "ConvNeXtBlock1D",
    "Downsample1D",
    "DynamicPositionBias",
    "FrameConv1d",
    "ResnetBlock1D",
    "SelfAttention1D",
    "TimestepEmbedding",
    "Upsample1D",
    "biased_attention",
    "reuse_position_tables",
    "sinusoidal_embedding",
]
