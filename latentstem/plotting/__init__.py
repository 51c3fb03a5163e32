"""Pictures: spectrograms, and songs with their chords and notes."""
