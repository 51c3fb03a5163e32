"""Does a bass do as it is told? Beat grid, chord chart, density and register, each given to the denoiser by itself.

The grid is given with mixes without drums, of which the beat is hard to hear. The chart is given with drums alone,
where it is all that is known of the harmony, and with whole mixes: the true one, and one a tritone away, which the mix
contradicts. Density and register are asked for in steps. Songs are unseen, and so is their soundfont. What a control
costs is seen in the scores that it is not about.

Run it as `python -m benchmarks.quality.steering --weights FOLDER`; `--songs 4` is a quick look.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.stats
import torch
import typer
from matplotlib.figure import Figure

from benchmarks.common.generation import generate, load_pipeline, weights_folder
from benchmarks.common.plotting import plot_songs, role_colors
from benchmarks.common.processes import Each, processes
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.scores import analyze
from benchmarks.common.songs import DEFAULT_CACHE, TARGET, RenderedSong, sub_mix, unseen_songs
from latentstem import StemAccompanimentPipeline
from latentstem.conditioning import Controls
from latentstem.data.score import Song
from latentstem.evaluation import beat_f1, chord_share, median_pitch, onset_f1
from latentstem.evaluation.scores import StemAnalysis, written_onsets
from latentstem.pipelines import known_controls
from latentstem.training.song_conditions import chart_of, grid_of

TRITONE = 6
"""Semitones from the true chords to those that contradict the mix."""
EMPHASIS = 8.0
"""Weight of the chart in the guidance in the last of its cases."""
DENSITIES, REGISTERS = (1.0, 2.0, 3.5, 5.0), (31.0, 36.0, 41.0, 46.0)
"""Notes a second, and mean MIDI pitches, that are asked for."""
METRICS = {
    "beat_f1": "beat F1",
    "chord_share": "chord share",
    "given_share": "share of the given chords",
    "onset_f1": "onset F1",
    "density": "notes a second",
    "register": "median MIDI pitch",
}
"""Key of each metric to its label."""
TRUE = "true bass"
Figures = dict[str, list[float]]
"""Key of each of `METRICS` to one value a song."""


@dataclass(frozen=True)
class Case:
    """What basses are generated under.

    Attributes:
        mixes: Songs with the mixes to accompany.
        conditions: Conditions besides the mix by name, `(songs, channels, frames)`.
        call: Further arguments of the pipeline.
        far: Whether the chart that is given is a tritone away from the song's.
    """

    mixes: Sequence[RenderedSong]
    conditions: Mapping[str, torch.Tensor]
    call: Mapping[str, Any] = field(default_factory=dict)
    far: bool = False


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of songs.")] = 24,
    duration: Annotated[float, typer.Option(min=4.0, help="Seconds of each song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 16,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Processes that analyze.")] = 2,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe = load_pipeline(weights, device)
    missing = {"beat", "chords", "density", "register"} - set(known_controls(pipe))
    if missing:
        raise typer.BadParameter(
            f"these weights have no {', '.join(sorted(missing))} to be steered by", param_hint="weights"
        )
    # Twice as many as needed: some songs have no drums, or nothing else.
    divided = [song for song in unseen_songs(0, 2 * songs, duration, cache) if len(_kinds(song.song)) == 2]
    tested = divided[:songs]
    with processes(workers) as each:
        scores = measure(pipe, tested, each, cache, batch=batch, steps=steps)
    figures = {
        "cases": {case: {metric: interval(values) for metric, values in of.items()} for case, of in scores.items()},
        "spearman": {
            metric: spearman(scores, values, metric)
            for metric, values in (("density", DENSITIES), ("register", REGISTERS))
        },
    }
    rows = [
        [case, *(format_interval(of[metric], digits=2) for metric in METRICS)] for case, of in figures["cases"].items()
    ]
    print_table("Basses that are steered", ["given", *METRICS.values()], rows)
    print(f"Spearman's correlation of what was asked and what was played: {figures['spearman']}")
    settings = {
        "weights": weights_folder(weights).name,
        "songs": len(tested),
        "duration": duration,
        "num_inference_steps": steps,
    }
    write_report("steering", settings, figures, _picture(scores), results)


def measure(
    pipe: StemAccompanimentPipeline, songs: Sequence[RenderedSong], each: Each, cache: Path, batch: int, steps: int
) -> dict[str, Figures]:
    """Generate and score the basses of every case.

    Args:
        pipe: Pipeline with the controls.
        songs: Rendered songs of one length.
        each: Function that applies another to every song, see `processes`.
        cache: Folder of rendered sub-mixes.
        batch: Songs at once.
        steps: Denoising steps.

    Returns:
        Figures by case.
    """
    rate = pipe.sampling_rate / pipe.hop_length
    frames = pipe.count_frames(songs[0].mix.shape[-1])

    def condition(of: Callable[[Song], torch.Tensor]) -> torch.Tensor:
        return torch.stack([of(song.song) for song in songs])

    def controlled(controls: Controls) -> dict[str, torch.Tensor]:
        conditions = controls.conditions(frames, rate)
        return {name: value.expand(len(songs), -1, -1) for name, value in conditions.items()}

    def mixes(drums: bool) -> list[RenderedSong]:
        """The drums of the songs alone, or everything else."""
        names = [[part.name for part in song.song.others(TARGET) if part.is_drum == drums] for song in songs]
        return [sub_mix(song, own, cache) for song, own in zip(songs, names, strict=True)]

    grid = {"beat": condition(lambda song: grid_of(song).phases(frames, rate))}
    chart = {"chords": condition(lambda song: chart_of(song).features(frames, rate))}
    far = {"chords": condition(lambda song: chart_of(transposed(song)).features(frames, rate))}
    without_drums, drums = mixes(False), mixes(True)
    cases = {
        "mix": Case(songs, {}),
        "no drums": Case(without_drums, {}),
        "no drums, grid": Case(without_drums, grid),
        "drums": Case(drums, {}),
        "drums, chart": Case(drums, chart),
        "mix, chart": Case(songs, chart),
        "mix, chart a tritone away": Case(songs, far, far=True),
        "the same, emphasized": Case(songs, far, {"condition_scales": {"chords": EMPHASIS}}, far=True),
        **{case_of("density", value): Case(songs, controlled(Controls(density=value))) for value in DENSITIES},
        **{case_of("register", value): Case(songs, controlled(Controls(register=value))) for value in REGISTERS},
    }
    figures = {}
    for name, case in cases.items():
        call = {"conditions": case.conditions, "num_inference_steps": steps, **case.call}
        stems = list(generate(pipe, case.mixes, batch, name, **call))
        figures[name] = score(each(analyze, f"analyzing: {name}", stems), [song.song for song in songs], case.far)
    true = each(analyze, f"analyzing: {TRUE}", [song.stem for song in songs])
    return figures | {TRUE: score(true, [song.song for song in songs], False)}


def _kinds(song: Song) -> set[bool]:
    """Whether there are drums among the others than the target, and whether there is anything else."""
    return {part.is_drum for part in song.others(TARGET)}


def score(analyses: Sequence[StemAnalysis], songs: Sequence[Song], far: bool) -> Figures:
    """Score basses against their songs, and against the chart that was given, a tritone away or not."""
    figures: Figures = {metric: [] for metric in METRICS}
    for bass, song in zip(analyses, songs, strict=True):
        register = median_pitch(bass.pitch)
        values = {
            "beat_f1": beat_f1(np.array(song.beats), bass.beats),
            "chord_share": chord_share(bass.pitch, song.chords),
            "given_share": chord_share(bass.pitch, (transposed(song) if far else song).chords),
            "onset_f1": onset_f1(written_onsets(song.part(TARGET)), bass.onsets),
            "density": len(bass.onsets) / song.duration,
            "register": 0.0 if np.isnan(register) else register,
        }
        for metric, value in values.items():
            figures[metric].append(float(value))
    return figures


def transposed(song: Song) -> Song:
    """Return a song with its chords a tritone away."""
    chords = tuple(
        replace(
            chord,
            root=(chord.root + TRITONE) % 12,
            bass=(chord.bass + TRITONE) % 12,
            pitch_classes=tuple((tone + TRITONE) % 12 for tone in chord.pitch_classes),
        )
        for chord in song.chords
    )
    return replace(song, chords=chords)


def case_of(control: str, value: float) -> str:
    """Return the name of the case in which a value is asked for."""
    return f"{control} {value:g}"


def spearman(scores: Mapping[str, Figures], values: Sequence[float], metric: str) -> float:
    """Correlate the ranks of what was asked with those of what was played, over all songs."""
    asked = [value for value in values for _ in scores[case_of(metric, value)][metric]]
    played = [each for value in values for each in scores[case_of(metric, value)][metric]]
    # The correlation of ranks, ties sharing theirs.
    return float(np.corrcoef(scipy.stats.rankdata(asked), scipy.stats.rankdata(played))[0, 1])


def _picture(scores: Mapping[str, Figures]) -> Figure:
    picture = Figure(figsize=(15, 8), layout="constrained")
    panels = {
        "beat_f1": ("no drums", "no drums, grid", TRUE),
        "chord_share": ("drums", "drums, chart", "mix", "mix, chart", TRUE),
        "given_share": ("mix, chart", "mix, chart a tritone away", "the same, emphasized"),
        "density": tuple(case_of("density", value) for value in DENSITIES),
        "register": tuple(case_of("register", value) for value in REGISTERS),
        "onset_f1": ("mix", "no drums, grid", "mix, chart", case_of("density", 2.0), case_of("register", 36.0), TRUE),
    }
    for axis, (metric, cases) in zip(picture.subplots(2, 3).flat, panels.items(), strict=True):
        plot_songs(
            axis, {case: scores[case][metric] for case in cases}, role_colors(cases, set(cases) - {TRUE}, [TRUE])
        )
        axis.tick_params(axis="x", labelsize=7)
        axis.set_title(METRICS[metric])
    return picture


if __name__ == "__main__":
    typer.run(main)
