"""Signal processing on the frame grid of the latents, and audio files."""

from latentstem._exports import export_lazily

export_lazily(__name__)
