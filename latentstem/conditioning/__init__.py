"""Musical controls at the rate of latent frames: beats, chords, curves of density, register and level; and CLAP."""

from latentstem._exports import export_lazily

export_lazily(__name__)
