"""Every benchmark of the weights, one after the other, and the table of their headlines.

Run it as `python benchmarks/everything.py --corpus runs/bass-gm/train`, after a change of the weights or of a default:
two hours of two cores. `lengths.py`, `scaling.py` and `kills.py` train nets of their own and are not among them, and
those of speed, `peers.py` first, want a machine to themselves.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from generation import weights_folder

FOLDER = Path(__file__).resolve().parent
NAMES = (
    "harmony",
    "reconstruction",
    "exchange",
    "style",
    "guidance",
    "guidance_grid",
    "solvers",
    "qualities",
    "best_of",
    "assignments",
)


def main(
    corpus: Annotated[Path, typer.Option(help="Folder of training songs, filled if songs are missing.")],
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
) -> None:
    words = ("--weights", str(weights_folder(weights)))
    for name in NAMES:
        _run(name, *words)
    _run("style_space", *words, "--corpus", str(corpus))
    _run("headline")


def _run(name: str, *words: str) -> None:
    subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], check=True)


if __name__ == "__main__":
    typer.run(main)
