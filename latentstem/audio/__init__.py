"""Signal processing on the frame grid of the latents. Import the submodules: this package loads nothing by itself."""

from latentstem._exports import export_lazily

export_lazily(__name__)
