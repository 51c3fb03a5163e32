"""Signal processing on the frame grid of the latents. Import the submodules: this package loads nothing by itself."""
