"""Who looks at the page, what runs for them, and the files that they leave."""

import shutil
import tempfile
import threading
import time
from collections import abc
from dataclasses import dataclass
from pathlib import Path

from latentstem.ui.generator import GenerationRequest, Generator, Queued
from latentstem.ui.results import Result
from latentstem.ui.status import error_html, explain, finished_text, message_html, progress_html
from latentstem.ui.visitor_files import VisitorFiles

Shown = tuple[str, list[Result] | None]
"""What the page says, as HTML, and the takes so far where there is a new one."""


@dataclass(frozen=True)
class _Run:
    folder: Path
    stop: threading.Event


class Sessions:
    """The newest run of each visitor, by the name that Gradio gives the session, which is one opened page.

    Args:
        folder: Where their files go, in the visitor's own folder one for each run.

    Attributes:
        files: Whose a file in the folder is.

    Example:
        >>> sessions = Sessions(Path("/tmp/stems"))
        >>> sessions.stop("nobody")  # who has no run need not be known
        >>> for html, takes in sessions.run(
        ...     generator, GenerationRequest(Path("mix.wav")), "somebody"
        ... ):  # doctest: +SKIP
        ...     print(html)
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = VisitorFiles(folder)
        self._runs: dict[str, _Run] = {}

    def run(self, generator: Generator, request: GenerationRequest, visitor: str) -> abc.Generator[Shown, None, None]:
        """Make what a visitor asks for; it takes the place, and the files, of what they had made before.

        Args:
            generator: What makes it.
            request: What to make.
            visitor: For whom.

        Yields:
            What the page says at each moment. Errors, too, are said and not raised.
        """
        self.end(visitor)
        run = self._runs[visitor] = _Run(Path(tempfile.mkdtemp(dir=self.files.home_of(visitor))), threading.Event())
        began = time.perf_counter()
        takes: list[Result] = []
        sketch: bytes | None = None
        html = ""
        try:
            for event in generator.generate(request, run.folder, run.stop):
                if isinstance(event, Result):
                    takes.append(event)
                    yield html, takes
                elif isinstance(event, Queued):
                    yield message_html("Waiting for another run to end"), None
                else:
                    sketch = event.sketch or sketch
                    html = progress_html(event, sketch)
                    yield html, None
        except Exception as error:
            yield error_html(explain(error, [*filter(None, (request.mix, request.style))])), None
            return
        if run.stop.is_set():
            yield message_html("Cancelled."), None
        else:
            yield message_html(finished_text(takes, time.perf_counter() - began)), None

    def stop(self, visitor: str) -> None:
        """End what runs for a visitor, if anything does, after the step that it is at; what is finished stays."""
        if run := self._runs.get(visitor):
            run.stop.set()

    def end(self, visitor: str) -> None:
        """End what runs for a visitor and remove what was made for them."""
        self.stop(visitor)
        if run := self._runs.pop(visitor, None):
            shutil.rmtree(run.folder, ignore_errors=True)

    def end_all(self) -> None:
        """End everybody's."""
        for visitor in list(self._runs):
            self.end(visitor)
