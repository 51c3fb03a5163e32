"""Pitch kept by autoencoders with different STFT windows, after short equal trainings.

The paper's 1024/256 (43 Hz a bin, where a low E has 41 Hz), 2048/512 and 4096/1024, and 2048/512 without oscillators.
Every net has the same widths and trains on the same crops for the same number of steps; it is scored on validation
songs, never on the test soundfont.

Run it as `python -m benchmarks.training.stft_window`; the corpus is rendered first, unless `--corpus` holds it.
"""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure

from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem import AutoencoderSpectral
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.training.autoencoder import AutoencoderTraining, train
from latentstem.training.engine.history import read_history

DEFAULT_CORPUS = Path(tempfile.gettempdir()) / "latentstem-windows"
CASES: dict[str, dict[str, Any]] = {
    f"{window}/{hop}": {"window_length": window, "encoder_window_length": window, "stft_hop_length": hop}
    for window, hop in ((1024, 256), (2048, 512), (4096, 1024))
}
CASES["2048/512, no carriers"] = {**CASES["2048/512"], "carriers": 0}


def main(
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps a net.")] = 700,
    songs: Annotated[int, typer.Option(min=1, help="Songs to train on.")] = 200,
    corpus: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CORPUS,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    write_corpus(corpus / "train", TRAIN_SEEDS[:songs], duration=24.0)
    write_corpus(corpus / "validation", VALIDATION_SEEDS[:24], duration=20.0)
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for index, (name, model) in enumerate(CASES.items()):
            output = Path(scratch) / str(index)
            settings = AutoencoderTraining(
                corpus / "train",
                output,
                validation=corpus / "validation",
                steps=steps,
                mix_share=0.0,
                save_minutes=2.0,
                model=model,
            )
            trained = AutoencoderSpectral.from_pretrained(train(settings))
            history = read_history(output / "history.jsonl")
            figures[name] = {
                "pitch_agreement": history[-1]["pitch_agreement"],
                "parameters": trained.num_parameters(),
                "history": history,
            }
    rows = [
        [name, f"{figure['pitch_agreement']:.3f}", f"{figure['parameters'] / 1e6:.1f} M"]
        for name, figure in figures.items()
    ]
    header = ["window/hop", "pitch agreement", "parameters"]
    print_table(f"Pitch kept after {steps} steps", header, rows, caption="mean over validation songs, one seed")
    write_report("stft_window", {"steps": steps, "songs": songs}, figures, plot(figures), results)


def plot(figures: dict[str, dict]) -> Figure:
    picture = Figure(figsize=(6, 4))
    axis = picture.subplots()
    for name, figure in figures.items():
        axis.plot(
            [point["step"] for point in figure["history"]],
            [point["pitch_agreement"] for point in figure["history"]],
            "o-",
            label=name,
        )
    axis.set(xlabel="optimiser steps", ylabel="pitch agreement", ylim=(0, 1), title="Pitch kept in validation songs")
    axis.legend(title="window/hop")
    return picture


if __name__ == "__main__":
    typer.run(main)
