"""Training losses: the multi-scale spectral distance and the adversarial terms."""

from latentstem._exports import export_lazily

export_lazily(__name__)
