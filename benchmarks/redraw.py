"""Draw the pictures of the committed reports again, after a change of how they are drawn; nothing is measured.

    python -m benchmarks.redraw
    python -m benchmarks.redraw solvers presets

A benchmark's function `plot` draws its picture from the figures of its report and from nothing else. The pictures of
`NEED_MORE` are of what their reports do not hold, and are drawn by the benchmarks themselves.
"""

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.report import RESULTS, save_picture

SCRIPTS = {"bassnet_speed": "bassnet", "peers_denoisers": "peers", "peers_lengths": "peers"}
"""Report -> its script, where the names differ."""
NEED_MORE = (
    "bassnet_draws",
    "bassnet_patterns",
    "bassnet_positions",
    "mix_analysis",
    "retrieval",
    "steering",
    "timbre_space",
)
"""Reports without the single points, scores and matrices that their pictures show."""


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Reports whose pictures are drawn; all if absent.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the reports; the pictures go there too.")] = RESULTS,
) -> None:
    """Draw the pictures of reports again."""
    for name in names or sorted({path.stem for path in RESULTS.glob("*.json")} - set(NEED_MORE)):
        (script,) = Path(__file__).parent.glob(f"*/{SCRIPTS.get(name, name)}.py")
        plot = importlib.import_module(f"benchmarks.{script.parent.name}.{script.stem}").plot
        save_picture(plot(json.loads((results / f"{name}.json").read_text())["figures"]), results / f"{name}.png")
        print(f"{name}.png drawn")


if __name__ == "__main__":
    typer.run(main)
