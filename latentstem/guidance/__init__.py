"""Guidance of a sampler: towards its conditions, a reference's sound (style grounding), or known audio (inpainting)."""

from latentstem._exports import export_lazily

export_lazily(__name__)
