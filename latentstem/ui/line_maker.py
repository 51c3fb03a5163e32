"""Make bass lines for the pad, one request after another, with progress events."""

import json
import shutil
import tempfile
import threading
import time
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from latentstem.data.line import PitchLine
from latentstem.data.score import Note
from latentstem.pipelines.bassnet import BassNetPipeline, join_lines
from latentstem.pipelines.bassnet_control import ControlPath
from latentstem.ui.background import Stopped, in_background
from latentstem.ui.generator import Generator, Queued, tell_queue
from latentstem.ui.kept_mix import KeptMix
from latentstem.ui.line_results import LineFiles, LineResult, write_line

REACH = 3.0
"""Greatest magnitude of the pad's two numbers."""

_MOST_POINTS = 1000
_SHOW_SECONDS = 1.0  # between two looks at a line that is generated


@dataclass(frozen=True)
class LineRequest:
    """A mix and what the pad shows.

    Attributes:
        mix: File of the mix.
        points: Points of the control, spread evenly from the beginning to the end of the mix; one of them is held.

    Example:
        >>> request = LineRequest(Path("mix.wav"), ((0.0, 0.0), (1.0, -1.0), (3.0, 0.0)))
        >>> request.control(8.0).at([4.0, 6.0]).tolist()
        [[1.0, -1.0], [2.0, -0.5]]
    """

    mix: Path
    points: tuple[tuple[float, float], ...]

    def control(self, seconds: float) -> ControlPath:
        """Return the control of a mix of a length in seconds."""
        return ControlPath(np.linspace(0, seconds, len(self.points)), self.points)


def read_points(text: str) -> tuple[tuple[float, float], ...]:
    """Read the points from the value of the pad.

    Args:
        text: JSON, an object with a list `points` of pairs of numbers.

    Raises:
        ValueError: The text is no such object, or a number is out of reach.

    Example:
        >>> read_points('{"points": [[0.3, -1]]}')
        ((0.3, -1.0),)
    """
    try:
        points = tuple((float(x), float(y)) for x, y in json.loads(text)["points"])
    except (ValueError, TypeError, KeyError, RecursionError):
        points = ()
    reached = all(-REACH <= number <= REACH for point in points for number in point)
    if not 1 <= len(points) <= _MOST_POINTS or not reached:
        raise ValueError(
            f"the pad's value is not what this page sends; expected 1 to {_MOST_POINTS} points of two numbers from "
            f"{-REACH:g} to {REACH:g}; load the page again"
        )
    return points


@dataclass
class MixSession:
    """What one visitor works on: a mix, and the newest lines for it.

    Attributes:
        folder: Folder of all its files.
        path: File of the mix.
        mix: The analysed mix; None before the first line.
        lines: Folders of the newest lines: the last one, and the one before, which a browser may still play.
        files: Files of the last line.
        ended: Set when the visitor has left, or has another mix.
        stop: Set when the newest request is no longer wanted.

    Example:
        >>> MixSession(Path("/tmp/pad"), Path("mix.wav")).ended.is_set()
        False
    """

    folder: Path
    path: Path
    mix: KeptMix | None = None
    lines: list[Path] = field(default_factory=list)
    files: LineFiles | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise `Stopped` when the session is no longer used."""
        if self.ended.is_set():
            raise Stopped

    def keep(self, folder: Path, files: LineFiles) -> None:
        """Take the files of a new line, and remove those of the line before the last."""
        self.lines.append(folder)
        self.files = files
        while len(self.lines) > 2:
            shutil.rmtree(self.lines.pop(0), ignore_errors=True)


@dataclass(frozen=True)
class LineProgress:
    """Progress of a request.

    Attributes:
        text: What is being done.
        fraction: How much of it is done, from 0 to 1.

    Example:
        >>> LineProgress("Playing the line", 0.5).fraction
        0.5
    """

    text: str
    fraction: float = 0.0


LineEvent = Queued | LineProgress | LineResult
"""Progress or result of a request: a line, of a long mix first its beginning, and at last with its files."""


class LineMaker:
    """A BassNet that works when the generator of the stems does not.

    Args:
        pipe: Pipeline, on its device.
        generator: Generator of the stems, whose turns and greatest duration hold here, too.

    Raises:
        ValueError: The control of the net has not two dimensions.

    Example:
        >>> maker = LineMaker(pipe, generator)  # doctest: +SKIP
        >>> request = LineRequest(Path("mix.wav"), ((0.3, -1.0),))
        >>> *_, line = maker.make(request, MixSession(Path("/tmp/pad"), request.mix))  # doctest: +SKIP
    """

    def __init__(self, pipe: BassNetPipeline, generator: Generator):
        if (size := pipe.model.config["control_dim"]) != 2:
            raise ValueError(f"got a BassNet with a control of {size} numbers; expected 2, those of the pad")
        self.pipe, self.generator = pipe, generator

    def make(
        self, request: LineRequest, session: MixSession, stop: threading.Event | None = None
    ) -> abc.Generator[LineEvent, None, None]:
        """Make the line of a request.

        Args:
            request: Mix and control.
            session: Work of the visitor, whose mix is analysed if it is not yet.
            stop: Event that ends the work soon, but not before the mix is analysed; so does closing the iterator.

        Yields:
            Progress, the line as far as its notes are known, and at last the line with its files.

        Raises:
            ValueError: The caller can mend the mix; the message is one line.
        """
        return in_background(partial(self._work, request, session), stop)

    def _work(self, request: LineRequest, session: MixSession, emit: Callable[[LineEvent | None], None]) -> None:
        with self.generator.turns.wait(tell_queue(emit)):
            if session.mix is None:
                emit(LineProgress("Listening to the mix"))
                session.mix = KeptMix.analyse(
                    self.pipe, session.path, session.folder, self.generator.max_duration, check=session.check
                )
            result, line = self._generate(request, session, emit)
            emit(result)
            folder = Path(tempfile.mkdtemp(dir=session.folder, prefix="line-"))
            try:
                files = write_line(result.mix, line, folder, check=partial(emit, LineProgress("Playing the line", 1.0)))
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            session.keep(folder, files)
            emit(replace(result, files=files, finished=True))

    def _generate(
        self, request: LineRequest, session: MixSession, emit: Callable[[LineEvent], None]
    ) -> tuple[LineResult, PitchLine]:
        """Generate the line of an analysed mix, and show its beginning now and then."""
        assert session.mix is not None
        mix, pieces, steps, shown = session.mix, [], 0, time.perf_counter()
        emit(LineProgress("Generating the line"))
        for piece in self.pipe.decode_stream(mix.spectrograms(), request.control(mix.seconds)):
            pieces.append(piece)
            steps += len(piece)
            emit(LineProgress("Generating the line", steps / mix.steps))
            if steps < mix.steps and time.perf_counter() - shown > _SHOW_SECONDS:
                emit(LineResult(_notes(join_lines(pieces)), mix, session.files))
                shown = time.perf_counter()
        line = join_lines(pieces)
        return LineResult(_notes(line), mix, session.files), line


def _notes(line: PitchLine) -> list[Note]:
    return [bent.note for bent in line.notes()]
