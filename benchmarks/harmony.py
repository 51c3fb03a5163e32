"""Do generated basses fit their mixes? Chord share, roots, voicing, onsets and beats on unseen songs.

Beside the generated basses stand the true ones (the ceiling of the measurement), their round trip through the
autoencoder (the ceiling of the decoder), and the same generated basses held against every other song, which is what a
net that does not hear its mix would score.

Run it as `python benchmarks/harmony.py --history chord_share.jsonl`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from generation import generate, load_pipeline, round_tripped, weights_folder
from matplotlib.figure import Figure
from report import RESULTS, interval, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, SAMPLING_RATE, RenderedSong, unseen_songs

from latentstem.evaluation import (
    PitchTrack,
    beat_f1,
    beat_times,
    chord_share,
    onset_f1,
    onset_times,
    root_share,
    track_pitch,
)

MEASURES = ("chord_share", "root_share", "voiced_ratio", "onset_f1", "beat_f1")
TRUE, TRIP, MADE, SWAPPED = "true bass", "round trip of it", "generated", "generated, swapped mix"


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    history: Annotated[
        list[Path] | None, typer.Option(help="JSON lines of a training: step, seconds, chord_share.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    pipe = load_pipeline(weights, device)
    made = generate(pipe, unseen, batch, "generating", num_inference_steps=steps)
    trips = [round_tripped(pipe.autoencoder, song.bass) for song in track(unseen, description="round trips")]
    heard = {
        TRUE: [hear(song.bass) for song in track(unseen, description="hearing true basses")],
        TRIP: [hear(audio) for audio in track(trips, description="hearing round trips")],
        MADE: [hear(audio) for audio in track(made, description="hearing generated basses")],
    }
    scores = {
        row: [score(bass, song, true) for bass, song, true in zip(basses, unseen, heard[TRUE], strict=True)]
        for row, basses in heard.items()
    }
    scores[SWAPPED] = [
        _mean_score([score(bass, song, true) for other, bass in enumerate(heard[MADE]) if other != number])
        for number, (song, true) in enumerate(zip(unseen, heard[TRUE], strict=True))
    ]

    figures = {
        row: {measure: interval([case[measure] for case in cases]) for measure in MEASURES}
        for row, cases in scores.items()
    }
    chord = {row: [case["chord_share"] for case in cases] for row, cases in scores.items()}
    margin = interval(np.subtract(chord[MADE], chord[SWAPPED]))
    header = ["bass", "chord share", "root share", "voiced, of true", "onset F1", "beat F1"]
    rows = [[row, *(shown(figure[measure]) for measure in MEASURES)] for row, figure in figures.items()]
    rows.append(["generated less swapped", shown(margin), "", "", "", ""])
    print_table("Generated basses and the harmony of their mixes", header, rows)

    records = [json.loads(line) for path in history or () for line in path.read_text().splitlines()]
    growth = [record for record in records if "chord_share" in record]
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "guider": {key: value for key, value in pipe.guider.config.items() if not key.startswith("_")},
    }
    report = {
        "rows": figures,
        "margin_over_swapped": margin,
        "songs": [
            {"seed": song.song.seed, "bass_style": song.song.bass_style, "program": song.song.bass.program}
            | {row: cases[number] for row, cases in scores.items()}
            for number, song in enumerate(unseen)
        ],
        "history": growth,
    }
    write_report("harmony", settings, report, _picture(chord, growth), results)


@dataclass(frozen=True)
class Heard:
    """What the measures need to know of one bass, found once."""

    pitch: PitchTrack
    onsets: np.ndarray
    beats: np.ndarray


def hear(audio: np.ndarray) -> Heard:
    return Heard(track_pitch(audio, SAMPLING_RATE), onset_times(audio, SAMPLING_RATE), beat_times(audio, SAMPLING_RATE))


def score(bass: Heard, song: RenderedSong, true: Heard) -> dict[str, float]:
    """The measures of one bass against one song's annotation."""
    voiced = true.pitch.voiced_share
    return {
        "chord_share": chord_share(bass.pitch, song.song.chords),
        "root_share": root_share(bass.pitch, song.song.chords),
        "voiced_ratio": bass.pitch.voiced_share / voiced if voiced else 0.0,
        "onset_f1": onset_f1([note.start for note in song.song.bass.notes], bass.onsets),
        "beat_f1": beat_f1(song.song.beats, bass.beats),
    }


def _mean_score(scores: list[dict[str, float]]) -> dict[str, float]:
    return {measure: float(np.mean([case[measure] for case in scores])) for measure in MEASURES}


def _picture(chord: dict[str, list[float]], growth: list[dict]) -> Figure:
    picture = Figure(figsize=(11 if growth else 6, 4))
    by_song, *rest = np.atleast_1d(picture.subplots(1, 2 if growth else 1))
    spread = np.linspace(-0.18, 0.18, len(chord[MADE]))
    for place, shares in enumerate(chord.values()):
        by_song.plot(place + spread, shares, "o", alpha=0.5, markersize=4)
        by_song.plot([place - 0.28, place + 0.28], [np.mean(shares)] * 2, color="black")
    by_song.set_xticks(range(len(chord)), [row.replace(", ", ",\n").replace(" of it", "\nof it") for row in chord])
    by_song.axhline(0.7, color="grey", linestyle=":")
    by_song.set(ylabel="chord share", ylim=(0, 1.02), title="one dot a song, line: mean; dotted: asked for")
    for axis in rest:
        minutes = [point["seconds"] / 60 for point in growth]
        axis.plot(minutes, [point["chord_share"] for point in growth], "o-", markersize=3)
        axis.set(xlabel="minutes of training", ylabel="chord share", ylim=(0, 1.02), title="validation songs")
    return picture


if __name__ == "__main__":
    typer.run(main)
