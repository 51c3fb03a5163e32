"""Lines of BassNet for unseen songs: do they fit, what does the control change, and does a line survive as a sketch.

A line is generated for every song at each point of a grid of the control. Songs are composed ones of the test seeds
and, if Debian's package `freedoom` is installed, those of Freedoom, both rendered with a soundfont that no net was
trained on.

- Fit: share of the frames whose pitch class is in the chord (composed) or sounds in the band (Freedoom), and onset F1
  against the true bass, at the best point of each song and at the median point, beside the true bass's own line and the
  lines held against other songs.
- Control: share of the frames whose pitch moves by at least half a semitone from a point of the grid to another, beside
  how much the fit moves; and histograms of the line's pitch relative to the mix's, less those of the true basses
  (figure 8 of Grachten, Lattner and Deruty 2020).
- Sketch: a line, sonified, is the stem that the denoiser starts from; share of the frames in which the stem's pitch is
  the line's, by strength.

Run it as `python -m benchmarks.quality.bassnet_lines`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common import freedoom
from benchmarks.common.generation import load_pipeline
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, SAMPLING_RATE, TARGET, RenderedSong, unseen_songs
from benchmarks.quality.real_songs import BAND_SLACK, ONSET_WINDOW, pitch_class_share, render
from latentstem import BassNetPipeline, resample
from latentstem.audio.pitch import yin
from latentstem.data.line import HOP, PitchLine
from latentstem.data.render.line_synth import LineSynthesizer
from latentstem.data.score import Song
from latentstem.evaluation import PitchTrack, chord_share, onset_f1, track_pitch
from latentstem.evaluation.scores import written_onsets
from latentstem.models import bassnet_spectrogram
from latentstem.pipelines.bassnet import join_lines
from latentstem.training.bassnet_targets import note_bins

AXIS = (-2.0, -1.0, 0.0, 1.0, 2.0)
GRID = [(x, y) for y in AXIS for x in AXIS]
AUDIBLE = -40.0
"""Level in dB below the loudest frame of a line from which on a frame counts as sounding."""
STRENGTHS = (0.4, 0.6, 0.8)
SEMITONES = np.arange(-48, 13)
FIT = {"harmony": "pitch class fits", "onset_f1": "onset F1"}
ROWS = {
    "best": "line, best point",
    "median": "line, median point",
    "swapped": "other songs' lines",
    "true": "true notes",
}


def main(
    weights: Annotated[str, typer.Option(help="Name of shipped weights of BassNet, or folder.")] = "bassnet-gm",
    denoiser: Annotated[
        Path | None, typer.Option(help="Folder of a pipeline for the sketches; the shipped one.")
    ] = None,
    songs: Annotated[int, typer.Option(min=2, help="Composed songs, and at most as many of Freedoom.")] = 24,
    duration: Annotated[float, typer.Option(min=4.0, help="Seconds of each song.")] = 24.0,
    sketches: Annotated[int, typer.Option(min=0, help="Songs whose lines are sketches of stems.")] = 8,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe: Any = BassNetPipeline.from_pretrained(weights)
    sets = {"composed": unseen_songs(0, songs, duration, cache)}
    try:
        excerpts, _ = freedoom.freedoom_songs(duration=duration)
        sets["Freedoom"] = [render(song, "timgm6mb", cache) for song in list(excerpts.values())[:songs]]
    except FileNotFoundError as error:
        print(f"note: {error}")
    figures, relative = {}, {}
    for name, rendered in sets.items():
        lines = [_lines(pipe, song.mix) for song in track(rendered, f"{name}: generating")]
        figures[name] = measure_fit(lines, [song.song for song in rendered])
        relative[name] = relative_pitch(lines, rendered)
    _print(figures)
    kept = measure_sketches(pipe, load_pipeline(denoiser, "cpu"), sets["composed"][:sketches]) if sketches else {}
    for strength, figure in kept.items():
        print(f"pitch of the line kept at strength {strength}: {format_interval(figure)}")
    settings = {"weights": Path(weights).name, "songs": songs, "duration": duration, "grid": AXIS, "sketches": sketches}
    report = {"sets": figures, "relative_pitch": relative, "sketches": kept}
    write_report("bassnet_lines", settings, report, plot(report), results)


def _lines(pipe: Any, mix: np.ndarray) -> list[PitchLine]:
    """A line of the mix, at 44.1 kHz, at each point of the grid."""
    (spectrogram,) = bassnet_spectrogram(resample(torch.from_numpy(mix)[None], SAMPLING_RATE, pipe.sampling_rate))
    return [join_lines(list(pipe.decode_stream([spectrogram], point))) for point in GRID]


def as_track(line: PitchLine) -> PitchTrack:
    """Take the sounding frames of a line as a pitch track."""
    sounding = (line.frequency > 0) & (line.level > line.level.max() + AUDIBLE)
    return PitchTrack((np.arange(len(line)) + 0.5) * HOP, np.where(sounding, line.frequency, np.nan), sounding)


def measure_fit(lines: Sequence[Sequence[PitchLine]], songs: Sequence[Song]) -> dict[str, Any]:
    """Score the lines of each song at all points of the grid.

    Args:
        lines: Lines of each song, one a point of the grid.
        songs: The songs.

    Returns:
        Intervals over songs of `FIT` in each of `ROWS`, and what the control changes.
    """
    scores = np.array([[_score(line, song) for line in own] for own, song in zip(lines, songs, strict=True)])
    others = [
        np.mean([_score(lines[other][len(GRID) // 2], song) for other in range(len(songs)) if other != index], axis=0)
        for index, song in enumerate(songs)
    ]
    columns = {
        "best": scores.max(axis=1),
        "median": np.median(scores, axis=1),
        "swapped": np.array(others),
        "true": np.array([_score(true_line(song), song) for song in songs]),
    }
    fit = {row: {name: interval(values[:, index]) for index, name in enumerate(FIT)} for row, values in columns.items()}
    moved = [np.mean([_moved(one, other) for index, one in enumerate(own) for other in own[:index]]) for own in lines]
    notes = [[len(line.notes()) for line in own] for own in lines]
    return {
        **fit,
        "moved_frames": interval(moved),
        "harmony_deviation": interval(scores[..., 0].std(axis=1)),
        "notes_most_over_least": interval([max(own) / max(min(own), 1) for own in notes]),
    }


def _score(line: PitchLine, song: Song) -> tuple[float, float]:
    pitch = as_track(line)
    if song.chords:
        harmony = chord_share(pitch, song.chords)
    else:
        band = [note for part in song.others(TARGET) if freedoom.is_pitched(part) for note in part.notes]
        harmony = pitch_class_share(pitch, band, BAND_SLACK)
    onsets = np.array([bent.note.start for bent in line.notes()])
    return harmony, onset_f1(written_onsets(song.part(TARGET)), onsets, ONSET_WINDOW)


def true_line(song: Song) -> PitchLine:
    """Write the true bass as a line."""
    steps = round(song.duration / HOP)
    bins = note_bins(song.part(TARGET).notes, steps).numpy()
    onset = np.zeros(steps)
    onset[[min(int(note.start / HOP), steps - 1) for note in song.part(TARGET).notes]] = 1.0
    return PitchLine(np.where(bins >= 0, 27.5 * 2 ** (bins / 36), 0.0), np.where(bins >= 0, -12.0, -80.0), onset)


def _moved(one: PitchLine, other: PitchLine) -> float:
    """Fraction of the frames in which both lines sound and differ by at least half a semitone."""
    both = as_track(one).voiced & as_track(other).voiced
    if not both.any():
        return 0.0
    return float((np.abs(12 * np.log2(one.frequency[both] / other.frequency[both])) >= 0.5).mean())


def relative_pitch(lines: Sequence[Sequence[PitchLine]], songs: Sequence[RenderedSong]) -> dict[str, list[float]]:
    """Count the pitches of the lines relative to the predominant pitch of the mix, at each point of the grid.

    Args:
        lines: Lines of each song, one a point of the grid.
        songs: The songs.

    Returns:
        Names of the points to shares of `SEMITONES`, less those of the true basses.
    """
    mixes = [_predominant(song.mix, len(own[0])) for own, song in zip(lines, songs, strict=True)]
    true = _histogram([true_line(song.song) for song in songs], mixes)
    return {
        f"{x:g},{y:g}": (_histogram([own[index] for own in lines], mixes) - true).round(4).tolist()
        for index, (x, y) in enumerate(GRID)
    }


def _predominant(mix: np.ndarray, steps: int) -> np.ndarray:
    """Pitch of the mix in each step by YIN, 0 where it finds none."""
    audio = resample(torch.from_numpy(mix)[None], SAMPLING_RATE, 16000)
    pitch = yin(audio, 16000, 160, window_length=1024)[0].numpy()
    return np.pad(pitch, (0, max(steps - len(pitch), 0)))[:steps]


def _histogram(lines: Sequence[PitchLine], mixes: Sequence[np.ndarray]) -> np.ndarray:
    counts = np.zeros(len(SEMITONES))
    for line, mix in zip(lines, mixes, strict=True):
        length = min(len(line), len(mix))
        voiced = as_track(line).voiced[:length] & (mix[:length] > 0)
        apart = 12 * np.log2(line.frequency[:length][voiced] / mix[:length][voiced])
        counts += np.histogram(apart, np.append(SEMITONES, SEMITONES[-1] + 1) - 0.5)[0]
    return counts / max(counts.sum(), 1)


def measure_sketches(pipe: Any, denoiser: Any, songs: Sequence[RenderedSong]) -> dict[str, dict[str, float]]:
    """Make stems from sonified lines, and measure in how many frames their pitch is the line's.

    Args:
        pipe: BassNet.
        denoiser: The diffusion pipeline.
        songs: The songs.

    Returns:
        Intervals over songs by strength; at strength 0, those of the sonified lines themselves.
    """
    kept: dict[str, list[float]] = {str(strength): [] for strength in (0.0, *STRENGTHS)}
    for song in track(songs, "sketches"):
        mix = torch.from_numpy(song.mix)[None]
        line = pipe(resample(mix, SAMPLING_RATE, pipe.sampling_rate), pipe.sampling_rate).lines[0]
        sketch = torch.from_numpy(LineSynthesizer(SAMPLING_RATE)(line))[None]
        sketch = torch.nn.functional.pad(sketch, (0, max(mix.shape[1] - sketch.shape[1], 0)))[:, : mix.shape[1]]
        for strength in (0.0, *STRENGTHS):
            stem = sketch
            if strength:
                stem = denoiser(
                    mix, SAMPLING_RATE, init_stem=sketch, strength=strength, num_inference_steps=16,
                    generator=torch.Generator().manual_seed(song.song.seed),
                ).audios[0]  # fmt: skip
            kept[str(strength)].append(_pitch_kept(line, stem[0].numpy()))
    return {strength: interval(values) for strength, values in kept.items()}


def _pitch_kept(line: PitchLine, stem: np.ndarray) -> float:
    """Fraction of the frames, sounding in line and stem, whose pitches are within half a semitone."""
    own, made = as_track(line), track_pitch(stem, SAMPLING_RATE)
    nearest = np.clip((made.times / HOP).astype(int), 0, len(line) - 1)
    both = made.voiced & own.voiced[nearest]
    apart = 12 * np.log2(made.frequency_hz[both] / line.frequency[nearest][both])
    return float((np.abs(apart) <= 0.5).mean()) if both.any() else 0.0


def _print(figures: Mapping[str, Any]) -> None:
    rows = [
        [f"{name}: {label}", *(format_interval(own[row][metric]) for metric in FIT)]
        for name, own in figures.items()
        for row, label in ROWS.items()
    ]
    print_table("Lines of BassNet", ["songs", *FIT.values()], rows)
    for name, own in figures.items():
        for label in ("moved_frames", "harmony_deviation", "notes_most_over_least"):
            print(f"{name}: {label.replace('_', ' ')} {format_interval(own[label])}")


def plot(report: Mapping[str, Any]) -> Figure:
    """Draw figure 8 of the paper: relative pitch at a grid of points, less that of the true basses."""
    (shares, *_) = report["relative_pitch"].values()
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle("Pitches of lines at points of the control")
    axes = figure.subplots(len(AXIS), len(AXIS), sharex=True, sharey=True)
    for row, y in enumerate(reversed(AXIS)):
        for column, x in enumerate(AXIS):
            axis = axes[row, column]
            axis.axvline(-12, color="0.8", linewidth=1)
            axis.axvline(-24, color="0.8", linewidth=1)
            axis.bar(SEMITONES, shares[f"{x:g},{y:g}"], width=0.9)
            axis.set_title(f"control {x:g}, {y:g}", fontsize=8)
    figure.supxlabel("semitones above the predominant pitch of the mix")
    figure.supylabel("share of frames, less that of the true basses")
    return figure


if __name__ == "__main__":
    typer.run(main)
