"""Rendering of songs: FluidSynth, effects on the audio, and MIDI files."""

from latentstem._exports import export_lazily

export_lazily(__name__)
