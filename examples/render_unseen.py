"""Generate the sounds of the page Listen that are about unseen instruments, produced music and controls.

The references of the styles are synthesized instruments with parameters that no net was trained on; the mixes are songs
of produced genres on such instruments, as loud as a master. Everything comes from the weights `bass` with fixed seeds,
in a few minutes of two cores. It needs the extra `data`.
"""

from typing import Any

import torch
from render_listen import DURATION, REFERENCE_DURATION, SAMPLING_RATE, accompany, read_mix, save
from rich.progress import track
from torch import Tensor

from latentstem import StemAccompanimentPipeline
from latentstem.audio import reference_gain
from latentstem.conditioning import Controls
from latentstem.data.compose.composer import compose
from latentstem.data.render.effects import limit
from latentstem.data.render.engines import Engine, FrequencyModulation, PatchDraws, PluckedString, Subtractive
from latentstem.data.render.song import render_song
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song

STYLES: dict[str, tuple[type[Engine], int, int]] = {
    "finger": (PluckedString, 0, 101_057),
    "pick": (PluckedString, 2, 101_021),
    "slap": (PluckedString, 8, 101_052),
    "upright": (PluckedString, 6, 101_060),
    "analogue": (Subtractive, 1, 101_070),
    "fm": (FrequencyModulation, 0, 101_080),
}
"""Engine, seed of the instrument and seed of the song whose bass it plays, by name of the style."""
PRODUCED = {"house": 101_003, "hip-hop": 101_004, "drum-and-bass": 101_005}
"""Seed of the song by genre."""
MASTER_DB, RELEASE = 9.0, 60.0
"""Gain before the limiter in dB, and its release in dB a second."""
DRUMS = "hip-hop"
"""Genre of the song whose drums alone are accompanied under charts."""
CHARTS = {"minor": "Am7 Dm7", "major": "C G Am F"}
"""Chords of the charts, one a bar, again and again."""
STEERED: dict[str, dict[str, Any]] = {
    "sparse": {"density": 1.0},
    "busy": {"density": 5.0},
    "low": {"register": 31.0},
    "high": {"register": 45.0},
}
"""Controls of the first example mix, by name of the sound."""


def main() -> None:
    pipe = StemAccompanimentPipeline.from_pretrained("bass")
    pipe.set_progress_bar_config(disable=True)
    first = read_mix(1, pipe.sampling_rate)
    save("unseen-none", accompany(pipe, first))
    for name in track(STYLES, description="styles"):
        style = reference(name)
        save(f"unseen-style-{name}", style)
        save(f"unseen-{name}", accompany(pipe, first, style=style))
    for genre in track(PRODUCED, description="produced mixes"):
        mix = produced(genre)
        save(f"produced-{genre}", mix)
        save(f"produced-{genre}-both", mix + accompany(pipe, mix))
    for name, controls in track(STEERED.items(), description="controls"):
        save(f"steered-{name}", accompany(pipe, first, conditions=conditions(pipe, Controls(**controls))))
    drums, song = produced(DRUMS, drums_alone=True), song_of(DRUMS)
    save("drums", drums)
    for name, chords in CHARTS.items():
        bass = accompany(pipe, drums, conditions=conditions(pipe, chart(song, chords)))
        save(f"drums-{name}", drums + bass)


def names() -> list[str]:
    """List the sounds, without the ending of the file."""
    of_styles = [f"unseen-{part}{name}" for name in STYLES for part in ("style-", "")]
    of_songs = [f"produced-{genre}{part}" for genre in PRODUCED for part in ("", "-both")]
    return [
        "unseen-none",
        *of_styles,
        *of_songs,
        *map("steered-{}".format, STEERED),
        "drums",
        *map("drums-{}".format, CHARTS),
    ]


def reference(name: str) -> Tensor:
    """Play the bass of a song on the instrument of a style, `(1, samples)`, at the reference loudness."""
    engine, seed, song = STYLES[name]
    patch = engine.draw(PatchDraws(SeededRandom(seed), unseen=True), "bass")
    notes = compose(song, DURATION, genre="").part("bass").notes
    played = torch.from_numpy(patch.render(notes, DURATION, SeededRandom(seed))).float()
    sounding = played[round(notes[0].start * SAMPLING_RATE) :][None, : round(REFERENCE_DURATION * SAMPLING_RATE)]
    return sounding * reference_gain(sounding[None])


def song_of(genre: str) -> Song:
    """Compose the song of a genre."""
    return compose(PRODUCED[genre], DURATION, genre=genre.replace("-and-", " and "))


def produced(genre: str, drums_alone: bool = False) -> Tensor:
    """Render a song of a genre without its bass, `(1, samples)`, as loud as a master."""
    song = song_of(genre)
    stems = render_song(song, unseen=True)
    names = [part.name for part in song.others("bass") if part.is_drum or not drums_alone]
    mix = torch.from_numpy(sum(stems[name] for name in names)).float()[None]
    return limit(mix[None], torch.tensor([MASTER_DB]), torch.tensor([RELEASE]))[0]


def conditions(pipe: StemAccompanimentPipeline, controls: Controls) -> dict[str, Tensor]:
    """Compute the conditions of a call for a mix of `DURATION` seconds."""
    frames = pipe.count_frames(round(DURATION * pipe.sampling_rate))
    return controls.conditions(frames, pipe.sampling_rate / pipe.hop_length)


def chart(song: Song, chords: str) -> Controls:
    """Give a song a chord a bar from its first downbeat on, and its tempo."""
    bars = " | ".join(chords.split() * 8)
    return Controls(bpm=song.tempo, downbeat=song.bars[0], chords=f"| {bars} |")


if __name__ == "__main__":
    main()
