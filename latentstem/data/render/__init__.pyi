from latentstem.data.render.fluidsynth import SoundfontNotFoundError as SoundfontNotFoundError
from latentstem.data.render.fluidsynth import SynthesisError as SynthesisError
from latentstem.data.render.fluidsynth import SynthesizerNotFoundError as SynthesizerNotFoundError
from latentstem.data.render.instruments import draw_instruments as draw_instruments
from latentstem.data.render.midi import write_midi as write_midi
from latentstem.data.render.random_effects import apply_random_effects as apply_random_effects
from latentstem.data.render.song import SynthEffects as SynthEffects
from latentstem.data.render.song import render_song as render_song
