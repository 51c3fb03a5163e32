"""What is said of the files that were made: a line each, or one JSON document for scripts."""

import json
import math
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import latentstem
from latentstem.cli.errors import CommandError, one_line
from latentstem.cli.outputs import Job, StemFiles


@dataclass(frozen=True)
class MadeStem:
    """A stem that was made.

    Attributes:
        mix: What it accompanies.
        files: Where it is, and what comes with it.
        seed: What it was drawn from.
        seconds: Its length.
        sampling_rate: In Hz.
        peak: Its greatest magnitude.
        score: By the judge, if it was asked.
        rank: Its place among the candidates that were judged, from 1; None where they were not.
        notes: How many were found in it; None where they were not looked for.
    """

    mix: Path
    files: StemFiles
    seed: int
    seconds: float
    sampling_rate: int
    peak: float
    score: float | None
    rank: int | None
    notes: int | None


class Report:
    """Says what was made as it is made, or all of it in the end.

    Args:
        as_json: whether it is to be one JSON document, on standard output, when the context ends.
        count: candidates a mix, of which stems were chosen.
    """

    def __init__(self, as_json: bool, count: int):
        self.as_json, self.count = as_json, count
        self.settings: dict[str, Any] = {}
        self._stems: list[dict[str, Any]] = []
        self._skipped: list[str] = []
        self._failed: list[dict[str, Any]] = []

    def made(self, stem: MadeStem) -> None:
        """A stem is there, and all that comes with it."""
        files = {name: None if path is None else str(path) for name, path in asdict(stem.files).items()}
        self._stems.append(
            {
                "mix": str(stem.mix),
                "path": files.pop("stem"),
                "seed": stem.seed,
                "seconds": round(stem.seconds, 6),
                "sampling_rate": stem.sampling_rate,
                "peak_db": round(20 * math.log10(stem.peak), 2) if stem.peak else None,
                "score": stem.score,
                "rank": stem.rank,
                "notes": stem.notes,
                **files,
            }
        )
        place = "" if stem.rank is None else f", {_place(stem.rank)} of {self.count}"
        length = f"{stem.seconds:.2f} s at {stem.sampling_rate} Hz"
        self._line(stem.files.stem, f"seed {stem.seed}, {length}, peak {_decibels(stem.peak)}{place}")
        for path, what in (
            (stem.files.midi, f"{stem.notes} notes"),
            (stem.files.remix, "mix and stem"),
            (stem.files.picture, "spectrograms of mix, stem and both"),
        ):
            if path is not None:
                self._line(path, what)

    def skipped(self, job: Job) -> None:
        """All files of a mix were there already."""
        self._skipped.append(str(job.mix))
        self._line(job.mix, "skipped, its stem is there; --overwrite makes it anew")

    def failed(self, job: Job, error: CommandError) -> None:
        """One mix of several has no stem; this goes to standard error at once."""
        message = one_line(error)
        message = message if str(job.mix) in message else f"{job.mix}: {message}"
        self._failed.append({"mix": str(job.mix), "error": message, "code": error.code})
        print("error:", message, file=sys.stderr, flush=True)

    @property
    def failures(self) -> list[int]:
        """The exit code of each mix that has no stem."""
        return [failure["code"] for failure in self._failed]

    def __enter__(self) -> Self:
        """Begins the report."""
        return self

    def __exit__(self, *_: object) -> None:
        """Prints the document, after an interruption too, unless nothing came to anything."""
        if self.as_json and (self._stems or self._skipped or self._failed):
            document = {
                "versions": {name: version(name) for name in ("torch", "diffusers")}
                | {"latentstem": latentstem.__version__},
                "settings": self.settings,
                "stems": self._stems,
                "skipped": self._skipped,
                "failed": self._failed,
            }
            print(json.dumps(document, indent=2, default=str), flush=True)

    def _line(self, path: Path, what: str) -> None:
        if not self.as_json:
            print(f"{path}: {what}", flush=True)


def _place(rank: int) -> str:
    return "best" if rank == 1 else f"number {rank}"


def _decibels(magnitude: float) -> str:
    return f"{20 * math.log10(max(magnitude, 1e-9)):.1f} dB"
