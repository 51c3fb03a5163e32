"""Fit of generated basses to music that nobody made for this project: the songs of Freedoom, whose notes are known.

Each excerpt is rendered without its bass, with a soundfont and on synthesized instruments that no net was trained on,
and a bass is generated for it. It is compared with the true bass, which is the ceiling except in harmony, where it may
play what no other part does; with the same generated basses against every other song, which is the score of a net that
ignores its mix; and with the low end of the mix. Frames are those of the pitch tracker.

Needs Debian's package `freedoom`: `apt-get install --no-install-recommends freedoom`. Run it as
`python -m benchmarks.quality.real_songs`; `--songs 8 --steps 16` is a quick look.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.common import freedoom
from benchmarks.common.baselines import copy_low_end
from benchmarks.common.cache import cached_arrays
from benchmarks.common.generation import generate, load_pipeline, weights_folder
from benchmarks.common.plotting import plot_songs, role_colors
from benchmarks.common.processes import Each, processes
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.scores import analyze
from benchmarks.common.songs import DEFAULT_CACHE, TARGET, RenderedSong, normalize_level, render_all
from latentstem import StemAccompanimentPipeline
from latentstem.data.render.fluidsynth import render_parts
from latentstem.data.render.song import render_song
from latentstem.data.score import Note, Song
from latentstem.evaluation import PitchTrack, onset_f1
from latentstem.evaluation.scores import StemAnalysis, written_onsets

GENERATED, TRUE = "generated", "true bass"
SWAPPED, COPY = "generated, swapped mix", "copy of the mix's low end"
METRICS = {
    "harmony": "harmony: pitch class of the band",
    "root": "root: pitch class of the true bass",
    "onset_f1": "onset F1",
    "voiced": "voiced, over the true notes",
}
"""Key of each metric to its label in tables and plots."""
BAND_SLACK, BASS_SLACK, ONSET_WINDOW = 0.25, 0.05, 0.07
"""Seconds by which a note may be early or late: of the band, of the true bass, and of an onset."""
PARTS_AT_ONCE = 15
"""Melodic parts that one run of FluidSynth renders."""

Sound = Literal["timgm6mb", "engines"]
"""What the notes are rendered with."""
Score = dict[str, float]
"""Key of each of `METRICS` to its value."""


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int | None, typer.Option(min=2, help="Number of songs; all if absent.")] = None,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds of the excerpt of each song.")] = 36.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 4,
    device: str = "cpu",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that analyze; by default one a core.")] = None,
    wads: Annotated[Path, typer.Option(help="Folder of freedoom1.wad and freedoom2.wad.")] = freedoom.FOLDER,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    try:
        excerpts, left_out = freedoom.freedoom_songs(wads, duration)
    except FileNotFoundError as error:
        raise typer.BadParameter(str(error)) from error
    excerpts = dict(islice(excerpts.items(), songs))
    pipe = load_pipeline(weights, device)
    scores: dict[Sound, dict[str, list[Score]]] = {}
    with processes(workers or os.cpu_count() or 1) as each:
        for sound in get_args(Sound):
            rendered = render_all(
                partial(render, sound=sound, cache=cache), list(excerpts.values()), f"rendering with {sound}"
            )
            scores[sound] = score_basses(pipe, rendered, each, batch, steps)
    figures = {sound: _summarize(rows) for sound, rows in scores.items()}
    _print(figures)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": len(excerpts),
        "duration": duration,
        "num_inference_steps": steps,
    }
    report = {
        "sounds": figures,
        "left_out": left_out,
        "songs": [
            {"name": name, "program": song.part(TARGET).program, "metre": song.metre, "tempo": song.tempo}
            | {sound: {row: cases[index] for row, cases in rows.items()} for sound, rows in scores.items()}
            for index, (name, song) in enumerate(excerpts.items())
        ],
    }
    write_report("real_songs", settings, report, plot(report), results)


def render(song: Song, sound: Sound, cache: Path) -> RenderedSong:
    """Render the band and the bass of a song, each at the reference loudness; what notes sound like is decided here."""
    content = json.dumps(song.to_dict(), sort_keys=True)
    path = cache / f"real_{sound}_{hashlib.sha256(content.encode()).hexdigest()[:16]}.npz"

    def compute() -> dict[str, np.ndarray]:
        named = render_song(song, unseen=True) if sound == "engines" else _play_programs(song, sound)
        bass = named.pop(TARGET)
        return {"mix": normalize_level(sum(named.values())), "bass": normalize_level(bass)}

    stored = cached_arrays(path, compute)
    return RenderedSong(song, stored["mix"], stored["bass"])


def _play_programs(song: Song, soundfont: str) -> dict[str, np.ndarray]:
    """Render the parts of a song, which may be more than one run of FluidSynth takes, at the levels of its volumes."""
    stems: list[np.ndarray] = []
    for first in range(0, len(song.parts), PARTS_AT_ONCE):
        stems += render_parts(song.parts[first : first + PARTS_AT_ONCE], soundfont, song.duration)
    return dict(zip(song.names, stems, strict=True))


def score_basses(
    pipe: StemAccompanimentPipeline, songs: Sequence[RenderedSong], each: Each, batch: int, steps: int
) -> dict[str, list[Score]]:
    """Generate a bass for each song, and score it beside the true bass and the low end of the mix.

    Args:
        pipe: Pipeline to test.
        songs: Rendered songs.
        each: Function that applies another to every song, see `processes`.
        batch: Songs at once.
        steps: Denoising steps.

    Returns:
        Scores by song of each row.
    """
    sounds = {
        GENERATED: list(generate(pipe, songs, batch, "generating", num_inference_steps=steps)),
        TRUE: [song.stem for song in songs],
        COPY: [copy_low_end(song.mix) for song in songs],
    }
    analyses = {row: each(analyze, f"analyzing: {row}", basses) for row, basses in sounds.items()}
    own = {
        row: [score(bass, song.song) for bass, song in zip(of_row, songs, strict=True)]
        for row, of_row in analyses.items()
    }
    swapped = score_against_others(analyses[GENERATED], [song.song for song in songs])
    return {GENERATED: own[GENERATED], TRUE: own[TRUE], SWAPPED: swapped, COPY: own[COPY]}


def score(bass: StemAnalysis, song: Song) -> Score:
    """Score the analysis of a bass against the notes of a song."""
    part = song.part(TARGET)
    band = [note for other in song.others(TARGET) if freedoom.is_pitched(other) for note in other.notes]
    sounding = np.count_nonzero(sounding_pitch_classes(part.notes, bass.pitch.times).any(axis=1))
    return {
        "harmony": pitch_class_share(bass.pitch, band, BAND_SLACK),
        "root": pitch_class_share(bass.pitch, part.notes, BASS_SLACK),
        "onset_f1": onset_f1(written_onsets(part), bass.onsets, ONSET_WINDOW),
        "voiced": np.count_nonzero(bass.pitch.voiced) / sounding,
    }


def score_against_others(basses: Sequence[StemAnalysis], songs: Sequence[Song]) -> list[Score]:
    """Average, for each song, the scores of the basses of all other songs."""
    means = []
    for index, song in enumerate(songs):
        others = [score(bass, song) for other, bass in enumerate(basses) if other != index]
        means.append({metric: float(np.mean([case[metric] for case in others])) for metric in METRICS})
    return means


def pitch_class_share(track: PitchTrack, notes: Sequence[Note], slack: float) -> float:
    """Compute the fraction of voiced frames whose pitch class sounds in some notes at about that time.

    Args:
        track: Pitch track of a bass.
        notes: Notes to compare with. Frames at which none of them sounds do not count.
        slack: Seconds by which each note counts as longer at both ends.

    Returns:
        The fraction in [0, 1]; 0 where no frame counts.
    """
    sounding = sounding_pitch_classes(notes, track.times, slack)
    counted = track.voiced & sounding.any(axis=1)
    return float(sounding[counted, track.pitch_class[counted]].mean()) if counted.any() else 0.0


def sounding_pitch_classes(notes: Sequence[Note], times: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """Tell which pitch classes sound at each time, `(times, 12)`, with `slack` seconds more at both ends of a note."""
    sounding = np.zeros((len(times), 12), dtype=bool)
    for note in notes:
        first, last = np.searchsorted(times, [note.start - slack, note.end + slack])
        sounding[first:last, note.pitch % 12] = True
    return sounding


def _summarize(rows: Mapping[str, Sequence[Score]]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        row: {metric: interval([case[metric] for case in cases]) for metric in METRICS} for row, cases in rows.items()
    }


def _print(figures: Mapping[str, dict]) -> None:
    for sound, rows in figures.items():
        cells = [
            [row, *(format_interval(figure[metric], digits=2) for metric in METRICS)] for row, figure in rows.items()
        ]
        print_table(f"Basses of real songs, rendered with {sound}", ["bass", *METRICS.values()], cells)


def plot(report: Mapping[str, Any]) -> Figure:
    """Draw a row of panels for each sound: one panel a metric, one dot a song."""
    sounds = report["sounds"]
    picture = Figure(figsize=(13, 3.4 * len(sounds)), layout="constrained")
    picture.suptitle("Basses for songs by others, one dot a song, line: mean")
    grid = picture.subplots(len(sounds), len(METRICS), squeeze=False)
    for (sound, rows), axes in zip(sounds.items(), grid, strict=True):
        for axis, (metric, name) in zip(axes, METRICS.items(), strict=True):
            values = {row: [song[sound][row][metric] for song in report["songs"]] for row in rows}
            plot_songs(axis, values, role_colors(rows, [GENERATED], [TRUE]))
            axis.tick_params(axis="x", labelsize=7)
            axis.set(title=name, ylim=(0, None if metric == "voiced" else 1.02))
        axes[0].set_ylabel(f"rendered with {sound}")
    return picture


if __name__ == "__main__":
    typer.run(main)
