"""Musical controls at the rate of latent frames: beats, chords, and curves of density, register and level."""

from latentstem._exports import export_lazily

export_lazily(__name__)
