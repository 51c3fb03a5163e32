"""Rendering of songs: FluidSynth, effects on the audio, and MIDI files."""
