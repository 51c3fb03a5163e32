"""SIGKILL at random moments: runs in processes that are killed, and what they leave on disk."""

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from safetensors.torch import load_file

CONTEXT = multiprocessing.get_context("forkserver")
_FIGURES = ("prediction_error", "velocity_error", "validation_loss")


def preload(*names: str) -> None:
    """Import modules once, before the first run, for all runs.

    Args:
        *names: Names of the modules. Python before 3.12.8 does not find "__main__" besides.
    """
    CONTEXT.set_forkserver_preload(list(names))


def run(
    work: Callable[[], Any], signs: Callable[[], set[Path]] | None = None, limit: float | None = None
) -> tuple[float, bool]:
    """Run in a new process, and perhaps kill it.

    Args:
        work: What is run; it can be pickled.
        signs: Returns the files that tell that the work has begun, of which each run makes a new one; without it the
            work begins with the process.
        limit: Seconds after the beginning of the work at which the process is killed; None lets it end.

    Returns:
        Seconds since the beginning of the work, and whether the process was killed.

    Raises:
        RuntimeError: The process ended with an error of its own.
    """
    before = set() if signs is None else signs()
    process = CONTEXT.Process(target=work)
    process.start()
    while signs is not None and process.is_alive() and signs() <= before:
        time.sleep(0.005)
    start = time.monotonic()
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
        return time.monotonic() - start, True
    if process.exitcode != 0:
        raise RuntimeError(f"a run ended by itself with exit code {process.exitcode}: see its message above")
    return time.monotonic() - start, False


def killed_at_random(
    work: Callable[[], Any], signs: Callable[[], set[Path]], kills: int, seconds: float, inspect: Callable[[], None]
) -> list[float]:
    """Start work that resumes repeatedly, kill it at random moments, inspect its files, and let the last run finish.

    One moment is drawn from each of as many equal parts of the `seconds` of an uninterrupted run, and none from one
    part more, the last: a run may be faster than that one was. Each run goes from one moment to the next.

    Args:
        work: What is run; see `run`.
        signs: Files that tell that the work has begun; see `run`.
        kills: Number of kills.
        seconds: Seconds of an uninterrupted run.
        inspect: Called after each kill.

    Returns:
        The seconds after which each run was killed; fewer than requested if one finished before.
    """
    draws = random.Random(0)
    whole = [(part + draws.random()) * seconds / (kills + 1) for part in range(kills)]
    moments: list[float] = []
    for last, following in pairwise([0.0, *whole]):
        moment, killed = run(work, signs, following - last)
        if not killed:
            break
        moments.append(round(moment, 3))
        inspect()
    run(work, signs)
    return moments


def training_figures(
    prepared: Callable[[Path, int], Callable[[], Any]],
    measure: Callable[[Path], float],
    folder: Path,
    kills: int,
    seeds: int,
) -> dict[str, Any]:
    """Train without interruption from several seeds, and once with kills; compare the results.

    Args:
        prepared: Returns a training into a folder from a seed; the folder's `logs/` tell that it has begun.
        measure: Returns the loss of a training on data of its own.
        folder: Where the folders of the trainings go.
        kills: Number of kills.
        seeds: Number of uninterrupted trainings.
    """
    uninterrupted = []
    for seed in range(seeds):
        seconds, _ = run(prepared(folder / str(seed), seed), lambda seed=seed: _logs(folder / str(seed)))
        uninterrupted.append({"loss": measure(folder / str(seed)), "history": read_history(folder / str(seed))})
    killed = folder / "killed"
    half_written, seen = [], []

    def inspect() -> None:
        half_written.extend(damaged(killed))
        seen.append(read_history(killed))

    moments = killed_at_random(prepared(killed, 0), lambda: _logs(killed), kills, seconds, inspect)
    history = read_history(killed)
    losses = [own["loss"] for own in uninterrupted]
    return {
        "kills": moments,
        "seconds": seconds,
        "half_written": half_written,
        "bit_equal": _weights(killed) == _weights(folder / "0"),
        "same_curve": curve(history) == curve(uninterrupted[0]["history"]),
        "killed": {"loss": measure(killed), "history": history},
        "uninterrupted": uninterrupted,
        "mean_of_seeds": float(np.mean(losses)),
        "deviation_of_seeds": float(np.std(losses, ddof=1)) if seeds > 1 else None,
        # What was there at a kill is there at the end, and steps only grow.
        "history_kept": all(history[: len(records)] == records for records in seen),
        "history_ordered": bool((np.diff([record["step"] for record in history]) > 0).all()),
    }


def read_history(output: Path) -> list[dict[str, float]]:
    """Return the validations of a training.

    Args:
        output: Folder of the training.
    """
    file = output / "history.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def curve(history: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    """Return the steps of the validations and their results.

    Args:
        history: Validations of a training.
    """
    figure = next(name for name in _FIGURES if name in history[0])
    return [record["step"] for record in history], [record[figure] for record in history]


def damaged(output: Path) -> list[str]:
    """List files under their final names that cannot be read completely.

    Args:
        output: Folder in which they are looked for.
    """
    readers: dict[str, Callable[[Path], Any]] = {
        ".safetensors": load_file,
        ".json": lambda path: json.loads(path.read_text()),
        ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
        ".flac": soundfile.read,
        ".wav": soundfile.read,
    }
    found = []
    for path in sorted(output.rglob("*")) if output.is_dir() else []:
        parts = path.relative_to(output).parts
        # Temporary names, and what is being removed.
        if path.suffix in readers and not any(
            ".part" in part or part.endswith((".previous", ".old")) for part in parts
        ):
            try:
                readers[path.suffix](path)
            except Exception as error:
                found.append(f"{'/'.join(parts)}: {error}")
    return found


def _logs(output: Path) -> set[Path]:
    """List the log files; each start of a training opens a new one."""
    return set((output / "logs").glob("events*"))


def _weights(output: Path) -> dict[str, bytes]:
    """Read the published weights of a training."""
    published = output / ("pipeline" if (output / "pipeline").is_dir() else "autoencoder")
    return {str(file.relative_to(published)): file.read_bytes() for file in published.rglob("*.safetensors")}
