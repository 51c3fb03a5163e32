"""Songs to sound: FluidSynth, effects, and MIDI files of their notes."""
