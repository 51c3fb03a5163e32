"""Makes examples/audio: the mixes without bass of two songs of the composer's test seeds, which no net has seen.

Run it from the root of the repository; it needs FluidSynth and the Debian package musescore-general-soundfont-small.
"""

from pathlib import Path

import soundfile

from latentstem.data.composer import compose
from latentstem.data.corpus import render_song
from latentstem.data.synthesis import SAMPLING_RATE

SEEDS = (101_023, 101_016)
DURATION = 12.0

folder = Path(__file__).parent / "audio"
for number, seed in enumerate(SEEDS, start=1):
    stems = render_song(compose(seed, DURATION), "musescore")
    mix = sum(audio for name, audio in stems.items() if name != "bass")
    soundfile.write(folder / f"mix-{number}.flac", mix, SAMPLING_RATE, subtype="PCM_16")
