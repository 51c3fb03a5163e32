"""Songs to sound: FluidSynth, effects, and MIDI files of their notes."""

from latentstem._exports import export_lazily

export_lazily(__name__)
