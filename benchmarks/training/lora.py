"""Effect of a few minutes of LoRA fine-tuning on a CPU, on a bass that the weights were not trained on.

`examples/finetune_lora.py` trains and measures; this module adds intervals and the report.

Run it as `python -m benchmarks.training.lora runs/my-bass --minutes 5`.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.common.plotting import OURS
from benchmarks.common.report import REPOSITORY, RESULTS, format_interval, interval, print_table, write_report

sys.path.append(str(REPOSITORY / "examples"))  # the example does not depend on the benchmarks
from finetune_lora import AFTER, BEFORE, SOUNDFONT, fine_tune, measure, write_stems  # pyright: ignore[reportMissingImports]

from latentstem.training.engine.history import read_history

KEYS = {"style_distance": "distance of the sound", "chord_share": "chord share"}


def main(
    output: Annotated[Path, typer.Argument(help="Folder of the stems, the state and the adapter.")],
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 5.0,
    songs: Annotated[int, typer.Option(min=1, help="Songs to train on.")] = 12,
    test_songs: Annotated[int, typer.Option(min=2, help="Other songs to measure on.")] = 6,
    duration: Annotated[float, typer.Option(min=4.0, help="Seconds a song.")] = 20.0,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    write_stems(output / "stems", songs, duration)
    adapter = fine_tune(output, minutes, rank)
    scores = measure(output / "stems", adapter, test_songs, duration, steps)

    figures = {row: {key: interval(values) for key, values in of_row.items()} for row, of_row in scores.items()}
    change = {key: interval(np.subtract(scores[AFTER][key], scores[BEFORE][key])) for key in KEYS}
    rows = [[row, *(format_interval(of_row[key]) for key in KEYS)] for row, of_row in figures.items()]
    rows.append(["fine-tuned less shipped, paired", *(format_interval(change[key]) for key in KEYS)])
    print_table("Fine-tuning to a bass outside the corpus", ["", *KEYS.values()], rows)
    settings = {
        "songs": songs,
        "test_songs": test_songs,
        "duration": duration,
        "soundfont": SOUNDFONT,
        "minutes": minutes,
        "rank": rank,
        "num_inference_steps": steps,
        "training": read_history(output / "history.jsonl")[-1],
        "adapter_bytes": sum(file.stat().st_size for file in adapter.iterdir()),
    }
    report = {"rows": figures, "change": change, "songs": scores}
    write_report("lora", settings, report, plot(report), results)


def plot(report: dict[str, Any]) -> Figure:
    scores = report["songs"]
    picture = Figure(figsize=(10, 4), layout="constrained")
    rows = list(scores)
    for axes, (key, label) in zip(picture.subplots(1, 2), KEYS.items(), strict=True):
        # One line a song, which shows whether all songs changed or only one.
        axes.plot(range(len(rows)), [scores[row][key] for row in rows], "o-", color=OURS, alpha=0.4)
        axes.plot(range(len(rows)), [np.mean(scores[row][key]) for row in rows], "_", color="black", markersize=24)
        axes.set_xticks(range(len(rows)), rows, rotation=15)
        axes.set(ylabel=label, ylim=(0, None), title=f"{label}, song by song; dash: mean")
    return picture


if __name__ == "__main__":
    typer.run(main)
