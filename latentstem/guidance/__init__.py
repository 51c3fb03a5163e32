"""Steering a sampler: towards the mix (guidance), a reference's sound (grounding), and audio to keep (inpainting)."""

from latentstem._exports import export_lazily

export_lazily(__name__)
