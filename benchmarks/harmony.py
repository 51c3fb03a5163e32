"""Do generated basses fit their mixes? Harmony, rhythm and register on unseen songs, beside bounds and baselines.

Beside the generated basses stand the true ones (the ceiling of the measurement), their round trip through the
autoencoder (the ceiling of the decoder), the same generated basses held against every other song, which is what a net
that does not hear its mix would score, and three baselines without a net. Onsets and note density are held against
the notes of the true bass; beats against the annotated ones, and against those tracked in the true bass.

Run it as `python benchmarks/harmony.py --history chord_share.jsonl`; `--songs 4 --sub-mixes 0 --artificial 0
--library 24` is a quick look.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from baselines import Retrieval, copied, replayed
from composers import Corpus, composer_of
from generation import generate, load_pipeline, round_tripped, weights_folder
from groups import Groups, by_artificial_set, by_kind, by_sub_mix
from harmony_picture import harmony_picture
from hearing import against_others, hear, paired, scored, summary
from processes import processes
from report import RESULTS, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, RenderedSong, unseen_songs

from latentstem.evaluation.stem import MEASURES, HeardStem, Score

TRUE, TRIP, MADE, SWAPPED = "true bass", "round trip of it", "generated", "generated, swapped mix"
REPLAYED = "another player's bass"
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
    sub_mixes: Annotated[int, typer.Option(min=0, help="Songs accompanied from sub-mixes too.")] = 8,
    artificial: Annotated[int, typer.Option(min=0, help="Songs of each of A1 to A4.")] = 6,
    library: Annotated[int, typer.Option(min=1, help="Training songs in which to look for the nearest bass.")] = 200,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that hear; one a processor if absent.")] = None,
    history: Annotated[
        list[Path] | None, typer.Option(help="JSON lines of a training: step, seconds, chord_share.")
    ] = None,
    corpus: Annotated[
        Corpus, typer.Option(help="Whose songs: the present composer's, or the kept ones of an earlier version.")
    ] = "current",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    composer = composer_of(corpus)
    unseen = unseen_songs(0, songs, duration, cache, composer)
    retrieve = Retrieval.of(library, duration, cache, composer)
    pipe = load_pipeline(weights, device)

    def accompany(some: Sequence[RenderedSong], description: str) -> list[np.ndarray]:
        return list(generate(pipe, some, batch, description, num_inference_steps=steps))

    sounds = {
        TRUE: [song.stem for song in unseen],
        TRIP: [round_tripped(pipe.autoencoder, song.stem) for song in track(unseen, description="round trips")],
        REPLAYED: [replayed(song, cache) for song in track(unseen, description="other players")],
        MADE: accompany(unseen, "generating"),
        COPY: [copied(song.mix) for song in unseen],
        RETRIEVED: [retrieve(song) for song in track(unseen, description="nearest training basses")],
    }
    with processes(workers or os.cpu_count() or 1) as each:

        def hear_all(basses: Sequence[np.ndarray], description: str) -> list[HeardStem]:
            return each(hear, description, basses)

        heard = {row: hear_all(basses, f"hearing: {row}") for row, basses in sounds.items()}
        scores = {row: scored(basses, unseen, heard[TRUE]) for row, basses in heard.items()}
        scores[SWAPPED] = against_others(heard[MADE], unseen, heard[TRUE], "swapping mixes")
        scores[MISMATCHED] = against_others(heard[TRUE], unseen, heard[TRUE], "mismatching basses")
        scores = {row: scores[row] for row in (TRUE, TRIP, REPLAYED, MADE, SWAPPED, *BASELINES)}
        groups = by_kind(unseen, scores[MADE], scores[TRUE])
        made, true = scores[MADE], scores[TRUE]
        if sub_mixes:
            groups |= by_sub_mix(unseen, made, true, heard[TRUE], sub_mixes, accompany, hear_all, cache)
        if artificial:
            groups |= by_artificial_set(artificial, duration, accompany, hear_all, cache, composer)

    figures = {row: summary(cases) for row, cases in scores.items()}
    differences = {
        row: {measure: paired(made, scores[row], measure) for measure in COMPARED} for row in (SWAPPED, *BASELINES)
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
    write_report("harmony", settings, report, harmony_picture(scores, figures, groups, MADE, growth), results)


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
        | {row: cases[number] for row, cases in scores.items()}
        for number, song in enumerate(unseen)
    ]


def _print(figures: dict, differences: dict, groups: Groups) -> None:
    names = list(MEASURES)
    for title, chosen in (("harmony", names[:5]), ("rhythm", names[5:9]), ("register", names[9:])):
        header = ["bass", *(MEASURES[measure] for measure in chosen)]
        rows = [[row, *(_shown(figure[measure]) for measure in chosen)] for row, figure in figures.items()]
        print_table(f"Generated basses and their mixes: {title}", header, rows)
    header = ["generated less", *(MEASURES[measure] for measure in COMPARED)]
    rows = [[row, *(shown(figure[measure]) for measure in COMPARED)] for row, figure in differences.items()]
    print_table("Generated basses and baselines, song by song", header, rows)
    header = ["songs by", "", "number", *(MEASURES[measure] for measure in COMPARED)]
    rows = []
    for kind, members in groups.items():
        for name, group in members.items():
            figure = summary(group.generated)
            rows.append([kind, name, str(len(group.generated)), *(_shown(figure[measure]) for measure in COMPARED)])
    print_table("Generated basses by kind of song and mix", header, rows)


def _shown(figure: dict[str, float] | None) -> str:
    return shown(figure, digits=2) if figure else "-"


if __name__ == "__main__":
    typer.run(main)
