"""Report of the written files: a line for each, or one JSON document for scripts."""

import json
import math
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import latentstem
from latentstem.cli.errors import CommandError, one_line
from latentstem.cli.outputs import Job, StemFiles

if TYPE_CHECKING:
    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


@dataclass(frozen=True)
class GeneratedStem:
    """A generated stem and its files.

    Attributes:
        mix: File of the mix that it accompanies.
        files: File of the stem, and the files written beside it.
        seed: Seed of its noise.
        seconds: Length in seconds.
        sampling_rate: Sampling rate in Hz.
        peak: Peak amplitude.
        score: Score of the reranker; None without ranking.
        rank: Rank among the candidates by their scores, from 1; None without ranking.
        notes: Number of transcribed notes; None without transcription.
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
    """Print a line for each file when it is written, or one document at the end.

    Args:
        as_json: Whether to print one JSON document on standard output when the context ends.
        count: Number of candidates for each mix.
    """

    def __init__(self, as_json: bool, count: int):
        self.as_json, self.count = as_json, count
        self.settings: dict[str, Any] = {}
        self._stems: list[dict[str, Any]] = []
        self._skipped: list[str] = []
        self._failed: list[dict[str, Any]] = []

    def add_stem(self, stem: GeneratedStem) -> None:
        """Report a stem whose files are all written."""
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
        rank = "" if stem.rank is None else f", {_format_rank(stem.rank)} of {self.count}"
        length = f"{stem.seconds:.2f} s at {stem.sampling_rate} Hz"
        self._line(stem.files.stem, f"seed {stem.seed}, {length}, peak {_format_decibels(stem.peak)}{rank}")
        for path, content in (
            (stem.files.midi, f"{stem.notes} notes"),
            (stem.files.remix, "mix and stem"),
            (stem.files.picture, "spectrograms of mix, stem and both"),
        ):
            if path is not None:
                self._line(path, content)

    def add_skipped(self, job: Job) -> None:
        """Report a mix whose files were already there."""
        self._skipped.append(str(job.mix))
        self._line(job.mix, "skipped, its stem is there; --overwrite generates it anew")

    def add_failed(self, job: Job, error: CommandError) -> None:
        """Report a mix without a stem, on standard error and at once."""
        message = one_line(error)
        message = message if str(job.mix) in message else f"{job.mix}: {message}"
        self._failed.append({"mix": str(job.mix), "error": message, "code": error.code})
        print("error:", message, file=sys.stderr, flush=True)

    @property
    def failures(self) -> list[int]:
        """Exit code of each mix that has no stem."""
        return [failure["code"] for failure in self._failed]

    def __enter__(self) -> Self:
        """Begin the report."""
        return self

    def __exit__(self, *_: object) -> None:
        """Print the document, after an interruption too, unless there is nothing to report."""
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

    def _line(self, path: Path, text: str) -> None:
        if not self.as_json:
            print(f"{path}: {text}", flush=True)


def describe_settings(
    options: dict[str, Any], pipe: "StemAccompanimentPipeline", call: dict[str, Any]
) -> dict[str, Any]:
    """Return the options, with the values that were used where they were left open.

    Args:
        options: All options by name.
        pipe: Pipeline that generates the stems.
        call: Arguments of its call.
    """
    guider = {name: pipe.guider.config.get(name) for name in ("guidance_scale", "guidance_rescale")}
    return {
        **{name: value for name, value in options.items() if name != "as_json"},
        "device": str(pipe.device),
        "scheduler": type(pipe.scheduler).__name__,
        "steps": call["num_inference_steps"],
        **{name: call[name] if call[name] is not None else own for name, own in guider.items()},
    }


def _format_rank(rank: int) -> str:
    return "best" if rank == 1 else f"number {rank}"


def _format_decibels(amplitude: float) -> str:
    return f"{20 * math.log10(max(amplitude, 1e-9)):.1f} dB"
