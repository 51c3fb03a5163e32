"""Every benchmark of the weights, one after the other, and the table of their headlines.

Run it as `python benchmarks/everything.py --output runs/judge`, after a change of the weights or of a default: three
hours of a core, or more. The judge of pairs is trained first, on songs rendered for it, unless it is there already.
`lengths.py`, `scaling.py` and `kills.py` train nets of their own and are not among them.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from generation import weights_folder

from latentstem.data.composer import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.corpus import write_corpus
from latentstem.training.contrastive import ContrastiveTraining, train

FOLDER = Path(__file__).resolve().parent
PLAIN = ("harmony", "reconstruction", "exchange", "guidance", "guidance_grid", "solvers", "qualities", "best_of")
JUDGED = ("style", "assignments")


def main(
    output: Annotated[Path, typer.Option(help="Folder of the judge's training and of its songs.")],
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Songs that the judge learns from.")] = 1035,
    minutes: Annotated[float, typer.Option(min=0.0, help="Minutes of its training.")] = 10.0,
) -> None:
    folder = weights_folder(weights)
    judge, corpus = output / "judge", output / "train"
    if not judge.is_dir():
        write_corpus(corpus, TRAIN_SEEDS[:songs], duration=20.0)
        write_corpus(output / "validation", VALIDATION_SEEDS[:24], duration=20.0)
        train(
            ContrastiveTraining(
                corpus,
                output,
                folder / "autoencoder",
                validation=output / "validation",
                minutes=minutes,
            )
        )
    for name in PLAIN:
        _run(name, "--weights", str(folder))
    _run("style_space", "--weights", str(folder), "--corpus", str(corpus))
    for name in JUDGED:
        _run(name, "--weights", str(folder), "--judge", str(judge))
    _run("headline")


def _run(name: str, *words: str) -> None:
    subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], check=True)


if __name__ == "__main__":
    typer.run(main)
