"""Pictures: spectrograms, and songs with their chords and notes."""

from latentstem._exports import export_lazily

export_lazily(__name__)
