"""Render examples/audio: mixes without bass of two songs that no net was trained on, from their annotations.

The songs are of the composer's test seeds, as version 0.1.0 wrote them. Run it from the root of the repository; it
needs FluidSynth and the Debian package musescore-general-soundfont-small.
"""

import json
from pathlib import Path

import soundfile

from latentstem.data.render.fluidsynth import SAMPLING_RATE
from latentstem.data.render.song import SynthEffects, render_song
from latentstem.data.score import Song

folder = Path(__file__).parent / "audio"
for annotation in sorted(folder.glob("mix-*.json")):
    written = json.loads(annotation.read_text())
    song, effects = Song.from_dict(written["song"]), SynthEffects(**written["effects"])
    stems = render_song(song, written["soundfont"], effects=effects)
    mix = sum(audio for name, audio in stems.items() if name != "bass")
    soundfile.write(annotation.with_suffix(".flac"), mix, SAMPLING_RATE, subtype="PCM_16")
