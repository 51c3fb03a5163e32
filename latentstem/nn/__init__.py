"""Layers in plain PyTorch, without diffusers: attention with a position bias, residual blocks, conditions."""

from latentstem.nn.attention import SelfAttention1D, biased_attention
from latentstem.nn.conditioning import ControlConditions, FrameConditions, GlobalConditions
from latentstem.nn.convnext import ConvNeXtBlock1D
from latentstem.nn.embeddings import TimestepEmbedding, sinusoidal_embedding
from latentstem.nn.oscillators import OscillatorBank
from latentstem.nn.position import DynamicPositionBias, reuse_position_tables
from latentstem.nn.resnet import ChannelNorm, Downsample1D, FrameConv1d, ResnetBlock1D, Upsample1D

__all__ = [
    "ChannelNorm",
    "ControlConditions",
    "ConvNeXtBlock1D",
    "Downsample1D",
    "DynamicPositionBias",
    "FrameConditions",
    "FrameConv1d",
    "GlobalConditions",
    "OscillatorBank",
    "ResnetBlock1D",
    "SelfAttention1D",
    "TimestepEmbedding",
    "Upsample1D",
    "biased_attention",
    "reuse_position_tables",
    "sinusoidal_embedding",
]
