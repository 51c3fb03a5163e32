"""SIGKILL at random moments of `bassnet`, `loop` and `serve`, and of the trainings of BassNet and of loops.

No file may ever be incomplete under its final name, and the next run must end as one that was never killed: equal files
of the commands, equal weights and validations of the trainings. A server is killed while it works on several jobs and
takes another; the next one must remove what it left, and make the same stem.

Run it as `python -m benchmarks.training.kill_commands`; it needs FluidSynth. `training/resume_after_kill.py` does the
same for rendering and for the trainings of the autoencoder and of the U-Net.
"""

import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure

from benchmarks.common.http_clients import FORM, Client, form
from benchmarks.common.kills import CONTEXT, damaged, preload, read_history, run, training_figures
from benchmarks.common.report import REPOSITORY, RESULTS, print_table, write_report
from latentstem import AutoencoderSpectral, PromptEncoder
from latentstem.cli import main as command_line
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import write_corpus
from latentstem.data.words import WORDS
from latentstem.training import bassnet, loops
from latentstem.training.bassnet import BassNetTraining
from latentstem.training.loops import LoopTraining

MIX = REPOSITORY / "examples" / "audio" / "mix-1.flac"
BASSNET = {"channels": 8, "blocks": 2, "control_blocks": 1, "patch_size": [4, 3]}
UNET = {
    "block_out_channels": (16,),
    "layers_per_block": (1,),
    "attention_levels": (False,),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}
JOBS = 3
_PATIENCE = 300.0


def main(
    kills: Annotated[int, typer.Option(min=1, help="Kills of each command and training.")] = 10,
    songs: Annotated[int, typer.Option(min=2, help="Songs and loops to train on.")] = 4,
    steps: Annotated[int, typer.Option(min=10, help="Steps of each training.")] = 300,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    preload(bassnet.__name__, loops.__name__, "latentstem.serve.server", "latentstem.pipelines.bassnet_files")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {
            "bassnet": _command(["bassnet", str(MIX), "--midi", "-o", "OUT/line.wav"], folder / "bassnet", kills),
            "loop": _command(
                "loop --bpm 120 --bars 1 --steps 2 --count 6 --preview -o OUT/loop.wav".split(), folder / "loop", kills
            ),
            "serve": _server(folder / "serve", kills),
        }
        stems, own_loops = folder / "stems", folder / "loops"
        write_corpus(stems, range(songs), duration=4.0)
        write_corpus(own_loops, range(songs), duration=8.0, compose=compose_loop, mixdown="loop")
        for name, train in (
            ("train bassnet", _bassnet(stems, steps)),
            ("train loops", _loops(own_loops, steps, folder)),
        ):
            figures[name] = training_figures(train, _last_error, folder / name, kills, 1)
    rows = [
        [name, str(len(own["kills"])), str(len(own["half_written"])), "equal" if own["bit_equal"] else "different"]
        for name, own in figures.items()
    ]
    print_table("SIGKILL at random moments", ["", "kills", "half-written files", "end"], rows, "")
    settings = {"kills": kills, "songs": songs, "steps": steps, "jobs": JOBS}
    write_report("kill_commands", settings, figures, plot(figures), results)


def _command(words: list[str], folder: Path, kills: int) -> dict[str, Any]:
    """Kill a command that writes files, from its start on and, for the other half, from its first file on.

    Args:
        words: Words of the command, in which OUT stands for a folder.
        folder: Where the folders go.
        kills: Number of kills.
    """
    whole, killed = folder / "whole", folder / "killed"
    whole.mkdir(parents=True)
    killed.mkdir()
    work = {out: partial(_call, [word.replace("OUT", str(out)) for word in words]) for out in (whole, killed)}
    writing, _ = run(work[whole], lambda: set(whole.iterdir()))
    seconds, _ = run(work[whole])
    expected = _files(whole)
    draws, moments, half_written, there = random.Random(0), [], [], []
    for part in range(kills):
        share = (part + draws.random()) / kills
        if part % 2:
            moment, was_killed = run(work[killed], lambda: set(killed.iterdir()), share * writing)
            moment += seconds - writing
        else:
            moment, was_killed = run(work[killed], limit=share * seconds)
        if was_killed:
            moments.append(round(moment, 3))
        half_written.extend(name for name, content in _files(killed).items() if content != expected[name])
        there.append(len(_files(killed)))
        for name in expected:  # each run is the first
            (killed / name).unlink(missing_ok=True)
    run(work[killed])
    return {
        "kills": moments,
        "seconds": seconds,
        "half_written": half_written,
        "bit_equal": _files(killed) == expected,
        "files": len(expected),
        "files_at_the_kills": there,
        "hidden_files_left": sum(path.name.startswith(".") for path in killed.iterdir()),
    }


def _call(words: list[str], temporary: Path | None = None) -> None:
    """Run a command of latentstem in this process, and end it."""
    if temporary is not None:
        os.environ["TMPDIR"] = str(temporary)
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = nowhere
        sys.exit(command_line(words))


def _files(folder: Path) -> dict[str, bytes]:
    """Read the files that do not have the name of an unfinished one."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


class _Server:
    """A server in a process of its own, which can be reached."""

    def __init__(self, temporary: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = ["serve", "--port", str(port), "--device", "cpu"]
        self.process = CONTEXT.Process(target=partial(_call, words, temporary))
        self.process.start()
        self.http = Client(f"http://127.0.0.1:{port}")
        self._wait(lambda: self.http.ask("GET", "/")[0] == 200)

    def submit(self, seed: int) -> str:
        """Ask for a stem, and return the name of the job."""
        _, content = self.http.ask("POST", "/jobs", self.body(seed), FORM)
        return json.loads(content)["job"]

    def body(self, seed: int) -> bytes:
        """Return the form of a job."""
        return form("mix", "mix.flac", MIX.read_bytes(), quality="fast", seed=seed)

    def stem(self, job: str) -> bytes:
        """Wait for a stem, and return its file."""

        def ended() -> bool:
            told.update(json.loads(self.http.ask("GET", f"/jobs/{job}")[1]))
            return told["state"] in ("done", "failed", "cancelled")

        told: dict[str, Any] = {}
        self._wait(ended)
        return self.http.ask("GET", told["stems"][0]["stem"])[1]

    def end(self, by: int) -> int | None:
        """Send a signal, and return the exit code."""
        assert self.process.pid is not None
        os.kill(self.process.pid, by)
        self.process.join()
        return self.process.exitcode

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with suppress(ConnectionError):
                if condition():
                    return
            time.sleep(0.1)
        raise TimeoutError("the server does not answer")


def _server(folder: Path, kills: int) -> dict[str, Any]:
    """Kill servers while they work on jobs and take an upload."""
    folder.mkdir()
    server = _Server(folder)
    began = time.monotonic()
    names = [server.submit(seed) for seed in range(JOBS)]
    expected = [server.stem(name) for name in names]
    seconds = time.monotonic() - began
    ended_well = [server.end(signal.SIGINT) == 0 and not _folders(folder)]
    draws, moments, half_written, removed = random.Random(0), [], [], []
    before: set[str] = set()
    for part in range(kills):
        server = _Server(folder)
        removed.append(len(own := _folders(folder)) == 1 and not own & before)
        began = time.monotonic()
        limit = (part + draws.random()) * seconds / kills
        with suppress(IndexError):
            for seed in range(JOBS):
                server.submit(seed)
        body = server.body(JOBS)
        server.http.cut_upload("/jobs", body, FORM, draws.random(), reset=False)
        time.sleep(max(0.0, limit - (time.monotonic() - began)))
        server.end(signal.SIGKILL)
        moments.append(round(time.monotonic() - began, 3))
        half_written.extend(damaged(folder))
        before = _folders(folder)
    server = _Server(folder)
    removed.append(not _folders(folder) & before)
    again = [server.stem(name) for name in [server.submit(seed) for seed in range(JOBS)]]
    ended_well.append(server.end(signal.SIGINT) == 0 and not _folders(folder))
    return {
        "kills": moments,
        "seconds": seconds,
        "half_written": half_written,
        "bit_equal": again == expected,
        "removed_at_the_next_start": all(removed),
        "ended_without_files": all(ended_well),
    }


def _folders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(("latentstem-", ".latentstem-"))}


def _bassnet(stems: Path, steps: int) -> Callable[[Path, int], Callable[[], Any]]:
    return lambda output, seed: partial(
        bassnet.train,
        BassNetTraining(
            stems,
            output,
            validation=stems,
            mixed_precision="no",
            steps=steps,
            save_minutes=0.02,
            validations=5,
            batch_size=4,
            compressed=8,
            expanded=16,
            model=BASSNET,
            seed=seed,
        ),
    )


def _loops(root: Path, steps: int, folder: Path) -> Callable[[Path, int], Callable[[], Any]]:
    codec, encoder = folder / "codec", folder / "encoder"
    AutoencoderSpectral(
        latent_channels=8,
        channels=16,
        latent_hidden_channels=16,
        carriers=0,
        latents_mean=[0.0] * 8,
        latents_std=[0.1] * 8,
    ).save_pretrained(codec)
    PromptEncoder(dict(WORDS.words), latent_channels=8, channels=16, code_dim=8, layers=1).save_pretrained(encoder)
    return lambda output, seed: partial(
        loops.train,
        LoopTraining(
            root,
            output,
            codec,
            encoder,
            validation=root,
            mixed_precision="no",
            steps=steps,
            save_minutes=0.02,
            validations=5,
            batch_frames=256,
            crop_frames=(16, 32),
            model=UNET,
            seed=seed,
        ),
    )


def _last_error(output: Path) -> float:
    record = read_history(output)[-1]
    return record["validation_loss" if "validation_loss" in record else "prediction_error"]


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(7, 2.6), layout="constrained")
    axis = picture.subplots()
    for row, own in enumerate(figures.values()):
        axis.plot([0, own["seconds"]], [row, row], color="lightgrey", linewidth=6, solid_capstyle="butt")
        axis.plot(own["kills"], [row] * len(own["kills"]), "|", color="black", markersize=12)
    axis.set_yticks(range(len(figures)), list(figures))
    axis.invert_yaxis()
    axis.set(xlabel="seconds of an undisturbed run, and of each run until it was killed")
    return picture


if __name__ == "__main__":
    typer.run(main)
