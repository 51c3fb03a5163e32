"""Loops for the page: one request after another, with progress, and the players of what is finished."""

import threading
import time
from collections import abc
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from latentstem.audio.io import read_audio, write_audio
from latentstem.audio.resampling import resample
from latentstem.audio.validation import match_channels
from latentstem.pipelines.loop import LoopPipeline
from latentstem.ui.background import in_background
from latentstem.ui.generator import Generator, Queued, check_sounding, tell_queue
from latentstem.ui.pictures import spectrogram_png
from latentstem.ui.player import download_html, file_url
from latentstem.ui.runs import Runs
from latentstem.ui.status import bar_html, error_html, explain, message_html, queued_html

STEPS = 16
"""Denoising steps."""


@dataclass(frozen=True)
class LoopRequest:
    """Settings of one press of the button.

    Attributes:
        bpm: Beats a minute.
        bars: Number of bars of four beats.
        prompt: Words for the sound; empty asks for none.
        reference: Recording with the sound; None asks for none.
        chords: Chord chart; empty leaves the chords to the net.
        count: Number of loops.
        seed: Seed of the first loop; further loops count up from it.
        reference_strength: How far the average sound moves to that of the recording, from 0 to 1.

    Example:
        >>> LoopRequest(bpm=124.0, bars=4, prompt="dark techno").seed
        0
    """

    bpm: float
    bars: int
    prompt: str = ""
    reference: Path | None = None
    chords: str = ""
    count: int = 1
    seed: int = 0
    reference_strength: float = 1.0


@dataclass(frozen=True)
class LoopProgress:
    """Progress of a request.

    Attributes:
        loop: Index of the loop, from 0.
        step: Number of steps done for it.
        steps: Number of steps for each loop.
        loops: Number of loops.

    Example:
        >>> LoopProgress(loop=1, step=8, steps=16, loops=2).fraction
        0.75
    """

    loop: int
    step: int
    steps: int
    loops: int

    @property
    def fraction(self) -> float:
        """Fraction of the request that is done, from 0 to 1."""
        return (self.loop + self.step / self.steps) / self.loops


@dataclass(frozen=True)
class LoopTake:
    """A finished loop.

    Attributes:
        seed: Its seed.
        file: Its WAV file.
        picture: PNG file of its spectrogram.
        seconds: Its length.
        bpm: Its beats a minute.
        chords: Its chord chart; empty if the chords were left to the net.

    Example:
        >>> LoopTake(0, Path("loop.wav"), Path("loop.png"), 7.74, bpm=124.0).seconds
        7.74
    """

    seed: int
    file: Path
    picture: Path
    seconds: float
    bpm: float
    chords: str = ""


LoopEvent = Queued | LoopProgress | LoopTake
"""Progress or result of a request."""
LoopUpdate = tuple[str, str | None]
"""Status of the tab and its players, as HTML; None for players that stay."""


class LoopMaker:
    """A pipeline of loops that works when the generator of the stems does not.

    Args:
        pipe: Pipeline, on its device.
        generator: Generator of the stems, whose turns and greatest duration hold here, too.

    Example:
        >>> maker = LoopMaker(pipe, generator)  # doctest: +SKIP
        >>> *_, loop = maker.make(LoopRequest(124.0, 4), Path("/tmp/loops"))  # doctest: +SKIP
    """

    def __init__(self, pipe: LoopPipeline, generator: Generator):
        self.pipe, self.generator = pipe, generator
        pipe.set_progress_bar_config(disable=True)

    def make(
        self, request: LoopRequest, folder: Path, stop: threading.Event | None = None
    ) -> abc.Generator[LoopEvent, None, None]:
        """Make the loops of a request.

        Args:
            request: Settings of the loops.
            folder: Existing folder for the files.
            stop: Event that ends the work after the current step; so does closing the iterator.

        Yields:
            Progress, and each loop when it is finished.

        Raises:
            ValueError: The caller can mend the request; the message is one line.
        """
        return in_background(partial(self._work, request, folder), stop)

    def _work(self, request: LoopRequest, folder: Path, emit: Callable[[LoopEvent | None], None]) -> None:
        pipe = self.pipe
        if pipe.count_samples(request.bpm, request.bars) / pipe.sampling_rate > self.generator.max_duration:
            raise ValueError(f"{request.bars} bars at {request.bpm:g} beats a minute are too long; ask for fewer")
        with self.generator.turns.wait(tell_queue(emit)):
            emit(LoopProgress(0, 0, STEPS, request.count))
            call: dict[str, Any] = {
                "bpm": request.bpm,
                "bars": request.bars,
                "prompt": request.prompt.strip() or None,
                "reference": None if request.reference is None else self._read(request.reference),
                "sampling_rate": pipe.sampling_rate,
                "reference_strength": request.reference_strength,
                "chords": request.chords.strip() or None,
                "num_inference_steps": STEPS,
            }
            for index in range(request.count):

                def on_step(_: Any, step: int, __: Any, ___: Any, index: int = index) -> dict[str, Tensor]:
                    emit(LoopProgress(index, step + 1, STEPS, request.count))
                    return {}

                seed = request.seed + index
                (audio,) = pipe(**call, generator=seed, callback_on_step_end=on_step).audios.cpu()
                emit(_write(audio, pipe.sampling_rate, folder, request, seed))

    def _read(self, path: Path) -> Tensor:
        check_sounding(path, self.generator.max_duration)
        audio, rate = read_audio(path, self.generator.max_duration)
        return resample(match_channels(audio, self.pipe.audio_channels, "reference"), rate, self.pipe.sampling_rate)


def _write(audio: Tensor, sampling_rate: int, folder: Path, request: LoopRequest, seed: int) -> LoopTake:
    file = folder / f"loop-{request.bpm:g}-{seed}.wav"
    write_audio(file, audio, sampling_rate)
    picture = file.with_suffix(".png")
    picture.write_bytes(spectrogram_png(audio, sampling_rate))
    seconds = audio.shape[-1] / sampling_rate
    return LoopTake(seed, file, picture, seconds, request.bpm, request.chords.strip())


def run_request(
    maker: LoopMaker, request: LoopRequest, runs: Runs, visitor: str
) -> abc.Generator[LoopUpdate, None, None]:
    """Run a visitor's request, in place of the run before it.

    Args:
        maker: Maker of the loops.
        request: Settings of the loops.
        runs: Runs of the visitors with loops.
        visitor: Session of the visitor.

    Yields:
        Updates of the page. Errors are shown and not raised.
    """
    run, began, takes = runs.begin(visitor), time.perf_counter(), list[LoopTake]()
    try:
        with closing(maker.make(request, run.folder, run.stop)) as events:
            for event in events:
                if isinstance(event, LoopTake):
                    takes.append(event)
                    yield message_html("Written"), loops_html(takes)
                elif isinstance(event, Queued):
                    yield queued_html(event.ahead), None
                else:
                    text = f"Loop {event.loop + 1} of {event.loops}: step {event.step} of {event.steps}"
                    yield bar_html(text, event.fraction), None
    except Exception as error:
        yield error_html(explain(error, [*filter(None, [request.reference])])), None
        return
    if run.stop.is_set():
        yield message_html("Cancelled."), None
    else:
        count, seconds = f"{len(takes)} loop{'s' if len(takes) > 1 else ''}", time.perf_counter() - began
        yield message_html(f"{count} of {takes[0].seconds:.2f} s, generated in {seconds:.1f} s"), None


def loops_html(takes: Sequence[LoopTake]) -> str:
    """Return the players of loops, which repeat.

    Args:
        takes: The loops.

    Example:
        >>> html = loops_html([LoopTake(7, Path("/tmp/a b.wav"), Path("/tmp/a b.png"), 7.74, 124.0)])
        >>> "seed 7" in html, '<audio controls loop src="/gradio_api/file=/tmp/a%20b.wav"' in html
        (True, True)
    """
    cards = "".join(
        f"""
<article class="loop" aria-label="Loop {index}">
  <header><b>{index}</b> <span>seed {take.seed}</span> {download_html(take.file, "WAV")}</header>
  <img src="{file_url(take.picture)}" alt="Spectrogram of loop {index}">
  <audio controls loop src="{file_url(take.file)}" preload="auto" aria-label="{escape(take.file.name)}"></audio>
  <button type="button" data-loop="{escape(take.file.name)}" data-bpm="{take.bpm}"
    data-chords="{escape(take.chords)}">Give it a bass</button>
</article>"""
        for index, take in enumerate(takes, start=1)
    )
    return f'<section class="loops" aria-label="Loops">{cards}</section>'
