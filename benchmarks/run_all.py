"""Every benchmark of the weights, one after the other, then README's tables of their results.

Run it as `python -m benchmarks.run_all --corpus runs/bass-gm/train`, after a change of the weights or of a default: two
and a half hours of two cores. `quality/real_songs.py` needs Debian's package `freedoom`. `training/position_bias.py`,
`training/scaling.py` and `training/resume_after_kill.py` train nets of their own and are not among them, and those of
speed, `speed/peers.py` first, want a machine to themselves.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.generation import weights_folder

NAMES = (
    "quality.accompaniment",
    "quality.reconstruction",
    "quality.round_trips",
    "quality.style_swap",
    "quality.style_grounding",
    "quality.steering",
    "quality.guidance_std",
    "quality.guidance_grid",
    "quality.solvers",
    "quality.presets",
    "quality.reranking",
    "quality.retrieval",
    "quality.timbre",
    "quality.real_songs",
)


def main(
    corpus: Annotated[Path, typer.Option(help="Folder of training songs, filled if songs are missing.")],
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
) -> None:
    words = ("--weights", str(weights_folder(weights)))
    for name in NAMES:
        _run(name, *words)
    _run("quality.style_space", *words, "--corpus", str(corpus))
    _run("readme_tables")


def _run(name: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words], check=True)


if __name__ == "__main__":
    typer.run(main)
