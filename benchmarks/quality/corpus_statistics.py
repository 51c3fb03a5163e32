"""Statistics of composed songs: fractions of time signatures, tempos, keys, chords and bass styles.

Nothing is rendered. Run it as `python -m benchmarks.quality.corpus_statistics`: a minute or two of one core.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from pretty_midi import program_to_instrument_name
from rich.progress import track

from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem.data.compose.composer import compose
from latentstem.data.score import Chord, Song


def main(
    songs: Annotated[int, typer.Option(min=1, help="Number of songs, of the first seeds.")] = 1000,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 24.0,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    composed = [compose(seed, duration) for seed in track(range(songs), description="composing")]
    chords = [chord for song in composed for chord in song.chords]
    covered = np.array([_bass_time(song) for song in composed]).sum(axis=0)
    figures: dict[str, Any] = {
        "genre": _fractions(song.genre or "none" for song in composed),
        "metre": _fractions(song.metre for song in composed),
        "swing": float(np.mean([song.swing != 0.5 for song in composed])),
        "tempo": _in_tens(song.tempo for song in composed),
        "mode": _fractions(song.keys[0].mode for song in composed),
        "changes_key": float(np.mean([len(song.keys) > 1 for song in composed])),
        "chords_over_another_bass": float(np.mean([chord.bass != chord.root for chord in chords])),
        "sections": float(np.mean([len(song.sections) for song in composed])),
        "parts": _fractions(len(song.others("bass")) for song in composed),
        "bass_style": _fractions(song.bass_style for song in composed),
        "bass_program": _fractions(program_to_instrument_name(song.part("bass").program) for song in composed),
        "bass_sounds": float(covered[0] / (duration * songs)),
        "bass_in_chord": float(covered[1] / covered[0]),
    }
    rows = [[name, f"{figure:.3f}"] for name, figure in figures.items() if isinstance(figure, float)]
    rows += [[f"metre {name}", f"{fraction:.3f}"] for name, fraction in figures["metre"].items()]
    print_table(f"{songs} songs of {duration:g} s", ["", "fraction or mean"], rows, caption="")
    write_report("corpus_statistics", {"songs": songs, "duration": duration}, figures, plot(figures), results)


def _fractions(values: Iterable[Any]) -> dict[str, float]:
    """Compute the fraction of each value, the most frequent first."""
    counts = Counter(map(str, values))
    return {value: count / counts.total() for value, count in counts.most_common()}


def _in_tens(tempos: Iterable[float]) -> dict[str, float]:
    """Compute the fractions of tempos in steps of ten, from slow to fast."""
    return dict(sorted(_fractions(10 * int(tempo // 10) for tempo in tempos).items(), key=lambda pair: int(pair[0])))


def _bass_time(song: Song) -> tuple[float, float]:
    """Compute the seconds in which the bass sounds, and those in which it sounds a tone of the chord."""
    sounding = in_chord = 0.0
    for note in song.part("bass").notes:
        sounding += note.end - note.start
        in_chord += sum(
            _overlap(chord, note.start, note.end) for chord in song.chords if note.pitch % 12 in chord.pitch_classes
        )
    return sounding, in_chord


def _overlap(chord: Chord, start: float, end: float) -> float:
    return max(0.0, min(chord.end, end) - max(chord.start, start))


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(11, 6.5), layout="constrained")
    picture.suptitle("Songs of the composer")
    named = {"tempo": "beats a minute, from", "metre": "time signature", "mode": "mode at the start"}
    named |= {"parts": "parts beside the bass", "bass_style": "bass style", "bass_program": "bass instrument"}
    for panel, (name, title) in zip(picture.subplots(2, 3).flat, named.items(), strict=True):
        panel.barh(list(figures[name]), list(figures[name].values()))
        panel.invert_yaxis()
        panel.set(title=title, xlabel="fraction of songs")
        panel.tick_params(axis="y", labelsize=8)
    return picture


if __name__ == "__main__":
    typer.run(main)
