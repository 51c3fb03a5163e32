"""What `latentstem listen` estimates of a mix: tempo, bars, key and chords, against the composer's own.

The songs are test songs of the composer without their basses, on a soundfont of no training. Nothing of the estimator
was fitted to them; its numbers were chosen on training and validation songs.

Run it as `python -m benchmarks.quality.mix_analysis`.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, RenderedSong, unseen_songs
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.evaluation import analyse_mix, prevailing_key
from latentstem.evaluation.mix_analysis import MixAnalysis

NEAR = 0.07
STEP = 0.05
NAMES = {
    "tempo": "tempo within 4 %",
    "octave": "tempo, or its half or double",
    "downbeat": "bar line on a bar line",
    "root": "root of the chord",
    "triad": "all tones in the chord",
    "key": "key",
}


def main(
    songs: Annotated[int, typer.Option(min=2, help="Number of songs.")] = 48,
    duration: Annotated[float, typer.Option(min=8.0, help="Length of a song in seconds.")] = 20.0,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    rendered = unseen_songs(0, songs, duration, cache)
    heard = [score(song, analyse_mix(song.mix, SAMPLING_RATE)) for song in track(rendered, "listening")]
    in_four = [values for song, values in zip(rendered, heard, strict=True) if song.song.metre == "4/4"]
    figures = {
        group: {name: interval([values[name] for values in of_group]) for name in NAMES}
        for group, of_group in (("all", heard), ("4/4", in_four))
    }
    rows = [(label, *(format_interval(figures[group][name]) for group in figures)) for name, label in NAMES.items()]
    print_table("share of the songs, or of the time", ("", *figures), rows, caption="")
    write_report(
        "mix_analysis",
        {"songs": songs, "duration": duration},
        {"songs": {"all": len(heard), "4/4": len(in_four)}, **figures},
        _picture(heard),
        results,
    )


def score(song: RenderedSong, analysis: MixAnalysis) -> dict[str, float]:
    """Compare what was estimated with what was written."""
    written = song.song
    tempo = 60 / np.median(np.diff(written.beats))
    ratio = (analysis.bpm or 0.0) / tempo
    bars = np.asarray(written.bars)
    first, last = written.chords[0].start, written.chords[-1].end
    times = np.arange(first, min(last, len(song.mix) / SAMPLING_RATE), STEP)
    root, triad = [], []
    for time in times:
        true = next((chord for chord in written.chords if chord.start <= time < chord.end), None)
        own = next((chord for chord in analysis.chords if chord.start <= time < chord.end and chord.symbol), None)
        if true is not None:
            root.append(own is not None and own.bass == true.root)
            triad.append(own is not None and set(own.pitch_classes) <= set(true.pitch_classes))
    return {
        "tempo": float(abs(ratio - 1) < 0.04),
        "octave": float(min(abs(ratio / factor - 1) for factor in (0.5, 1, 2)) < 0.04),
        "downbeat": float(analysis.bpm is not None and np.abs(bars - analysis.downbeat).min() < NEAR),
        "root": float(np.mean(root)),
        "triad": float(np.mean(triad)),
        "key": float(analysis.key == prevailing_key(written.keys)),
    }


def _picture(heard: list[dict[str, float]]) -> Figure:
    figure = Figure(figsize=(7, 3), layout="constrained")
    panel = figure.subplots()
    for name in ("root", "triad"):
        panel.plot(np.sort([values[name] for values in heard])[::-1], label=NAMES[name])
    panel.set(xlabel="songs, best first", ylabel="share of the time", ylim=(0, 1.02), title="Chords heard in the mix")
    panel.legend(frameon=False)
    return figure


if __name__ == "__main__":
    typer.run(main)
