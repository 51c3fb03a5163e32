"""Layers in plain PyTorch, without diffusers: attention with a position bias, residual blocks, conditions."""

from latentstem._exports import export_lazily

export_lazily(__name__)
