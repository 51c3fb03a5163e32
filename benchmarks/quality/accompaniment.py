"""Fit of generated basses to their mixes: harmony, rhythm and register on test songs, with bounds and baselines.

The generated basses are compared with the true ones (the ceiling of the measurement), their round trip through the
autoencoder (the ceiling of the decoder), the same generated basses against every other song, which is the score of a
net that ignores its mix, and baselines without a net. Onsets and note density refer to the notes of the true bass;
beats to the annotated ones, and to those tracked in the true bass.

Run it as `python -m benchmarks.quality.accompaniment --history chord_share.jsonl`; `--songs 4 --sub-mixes 0
--artificial 0 --library 24` is a quick look.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from benchmarks.common.baselines import Retrieval, copy_low_end, second_bass
from benchmarks.common.composers import Corpus, composer_of
from benchmarks.common.generation import generate, load_pipeline, reconstruct, weights_folder
from benchmarks.common.groups import Groups, by_artificial_set, by_kind, by_sub_mix
from benchmarks.common.processes import processes
from benchmarks.common.report import RESULTS, format_interval, print_table, write_report
from benchmarks.common.scores import analyze, paired_difference, score_against_others, score_all, summarize
from benchmarks.common.songs import DEFAULT_CACHE, RenderedSong, unseen_songs
from benchmarks.quality.accompaniment_plot import plot
from latentstem.evaluation.scores import METRICS, Score, StemAnalysis

TRUE, TRIP, GENERATED, SWAPPED = "true bass", "round trip of it", "generated", "generated, swapped mix"
SECOND = "another player's bass"
MISMATCHED, COPY, RETRIEVED = "mismatched bass", "copy of the mix's low end", "nearest training bass"
BASELINES = (MISMATCHED, COPY, RETRIEVED)
COMPARED = ("chord_share", "root_on_downbeat", "onset_f1")


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 48,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    sub_mixes: Annotated[int, typer.Option(min=0, help="Songs to accompany from sub-mixes too.")] = 8,
    artificial: Annotated[int, typer.Option(min=0, help="Songs of each of A1 to A4.")] = 6,
    library: Annotated[int, typer.Option(min=1, help="Training songs to search for the nearest bass.")] = 200,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that analyze; by default one a core.")] = None,
    history: Annotated[
        list[Path] | None, typer.Option(help="JSON lines of a training: step, seconds, chord_share.")
    ] = None,
    corpus: Annotated[
        Corpus, typer.Option(help="Songs of the current composer, or the stored ones of an earlier version.")
    ] = "current",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    composer = composer_of(corpus)
    unseen = unseen_songs(0, songs, duration, cache, composer)
    retrieve = Retrieval.of(library, duration, cache, composer)
    pipe = load_pipeline(weights, device)

    def accompany(songs: Sequence[RenderedSong], description: str) -> list[np.ndarray]:
        return list(generate(pipe, songs, batch, description, num_inference_steps=steps))

    sounds = {
        TRUE: [song.stem for song in unseen],
        TRIP: [reconstruct(pipe.autoencoder, song.stem) for song in track(unseen, description="round trips")],
        SECOND: [second_bass(song, cache) for song in track(unseen, description="second basses")],
        GENERATED: accompany(unseen, "generating"),
        COPY: [copy_low_end(song.mix) for song in unseen],
        RETRIEVED: [retrieve(song) for song in track(unseen, description="nearest training basses")],
    }
    with processes(workers or os.cpu_count() or 1) as each:

        def analyze_all(basses: Sequence[np.ndarray], description: str) -> list[StemAnalysis]:
            return each(analyze, description, basses)

        analyses = {row: analyze_all(basses, f"analyzing: {row}") for row, basses in sounds.items()}
        scores = {row: score_all(basses, unseen, analyses[TRUE]) for row, basses in analyses.items()}
        scores[SWAPPED] = score_against_others(analyses[GENERATED], unseen, analyses[TRUE], "swapping mixes")
        scores[MISMATCHED] = score_against_others(analyses[TRUE], unseen, analyses[TRUE], "mismatching basses")
        scores = {row: scores[row] for row in (TRUE, TRIP, SECOND, GENERATED, SWAPPED, *BASELINES)}
        generated, true = scores[GENERATED], scores[TRUE]
        groups = by_kind(unseen, generated, true)
        if sub_mixes:
            groups |= by_sub_mix(unseen, generated, true, analyses[TRUE], sub_mixes, accompany, analyze_all, cache)
        if artificial:
            groups |= by_artificial_set(artificial, duration, accompany, analyze_all, cache, composer)

    figures = {row: summarize(cases) for row, cases in scores.items()}
    differences = {
        row: {metric: paired_difference(generated, scores[row], metric) for metric in COMPARED}
        for row in (SWAPPED, *BASELINES)
    }
    _print(figures, differences, groups)
    records = [json.loads(line) for path in history or () for line in path.read_text().splitlines()]
    growth = [record for record in records if "chord_share" in record]
    settings = {
        "weights": weights_folder(weights).name,
        "corpus": corpus,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "library": library,
        "guider": {key: value for key, value in pipe.guider.config.items() if not key.startswith("_")},
    }
    report = {
        "rows": figures,
        "generated_less": differences,
        "groups": {kind: {name: group.report() for name, group in of.items()} for kind, of in groups.items()},
        "songs": _by_song(unseen, scores),
        "sub_mixes_and_sets": {
            kind: {
                name: {"generated": group.generated, "true bass": group.true} for name, group in groups[kind].items()
            }
            for kind in ("mix", "set")
            if kind in groups
        },
        "history": growth,
    }
    write_report("accompaniment", settings, report, plot(report), results)


def _by_song(unseen: list[RenderedSong], scores: dict[str, list[Score]]) -> list[dict]:
    return [
        {
            "seed": song.song.seed,
            "bass_style": song.song.bass_style,
            "program": song.song.part(song.target).program,
            "metre": song.song.metre,
            "tempo": song.song.tempo,
            "stems": len(song.song.others(song.target)),
        }
        | {row: cases[index] for row, cases in scores.items()}
        for index, song in enumerate(unseen)
    ]


def _print(figures: dict, differences: dict, groups: Groups) -> None:
    names = list(METRICS)
    for title, chosen in (("harmony", names[:5]), ("rhythm", names[5:9]), ("register", names[9:])):
        header = ["bass", *(METRICS[metric] for metric in chosen)]
        rows = [[row, *(_format(figure[metric]) for metric in chosen)] for row, figure in figures.items()]
        print_table(f"Generated basses and their mixes: {title}", header, rows)
    header = ["generated less", *(METRICS[metric] for metric in COMPARED)]
    rows = [[row, *(format_interval(figure[metric]) for metric in COMPARED)] for row, figure in differences.items()]
    print_table("Generated basses and baselines, song by song", header, rows)
    header = ["songs by", "", "songs", *(METRICS[metric] for metric in COMPARED)]
    rows = []
    for kind, members in groups.items():
        for name, group in members.items():
            figure = summarize(group.generated)
            rows.append([kind, name, str(len(group.generated)), *(_format(figure[metric]) for metric in COMPARED)])
    print_table("Generated basses by kind of song and mix", header, rows)


def _format(figure: dict[str, float] | None) -> str:
    return format_interval(figure, digits=2) if figure else "-"


if __name__ == "__main__":
    typer.run(main)
