"""Runs of the visitors of the page, and the files that these runs write."""

import shutil
import time
from collections import abc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentstem.ui.excerpts import cut_file
from latentstem.ui.generator import Generator, Queued
from latentstem.ui.history import History, Take
from latentstem.ui.line_sessions import LineSessions
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result
from latentstem.ui.runs import Runs
from latentstem.ui.status import error_html, explain, finished_text, message_html, progress_html, queued_html
from latentstem.ui.visitor_files import VisitorFiles

Update = tuple[str, list[Take] | None]
"""Status of the page, as HTML, and all takes of the visitor if there is a new one."""


class Sessions:
    """The newest run of each visitor, by Gradio's name of the session, which is one opened page.

    Args:
        folder: Folder of all files, with one folder for each visitor and in it one for each run.

    Attributes:
        files: Owners of the files in the folder.
        lines: What the visitors do with the pad.
        history: Finished stems of the visitors.
        stems: Runs with stems.
        loops: Runs with loops.

    Example:
        >>> sessions = Sessions(Path("/tmp/stems"))
        >>> sessions.stems.stop("nobody")  # without a run there is nothing to stop
        >>> for html, takes in sessions.run(
        ...     generator, GenerationRequest(Path("mix.wav")), "somebody"
        ... ):  # doctest: +SKIP
        ...     print(html)
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = VisitorFiles(folder)
        self.lines, self.history = LineSessions(self.files), History(self.files)
        self.stems, self.loops = Runs(self.files), Runs(self.files)
        self._running: set[str] = set()

    def is_running(self, visitor: str) -> bool:
        """Return whether a run of a visitor's stems is going on.

        Args:
            visitor: Session of the visitor.
        """
        return visitor in self._running

    def run(
        self, generator: Generator, request: GenerationRequest, visitor: str, form: Sequence[Any] = ()
    ) -> abc.Generator[Update, None, None]:
        """Run a visitor's request, in place of the run before it, and add what is finished to their history.

        Args:
            generator: Generator of the stems.
            request: Settings of the stems.
            visitor: Session of the visitor.
            form: Values of the form, to be put back there by a take.

        Yields:
            Updates of the page. Errors are shown and not raised.
        """
        run, folder = self.stems.begin(visitor), self.history.new_folder(visitor)
        self._running.add(visitor)
        began = time.perf_counter()
        made: list[Result] = []
        preview: bytes | None = None
        html = ""
        try:
            if request.sketch is not None:  # the pad removes its lines when others have come
                request = replace(request, sketch=Path(shutil.copy(request.sketch, run.folder / "sketch.wav")))
            elif request.part is not None:  # the mix of a sketch is cut already
                request = replace(request, mix=cut_file(request.mix, request.part, folder, generator.max_duration))
            for event in generator.generate(request, folder, run.stop):
                if isinstance(event, Result):
                    made.append(event)
                    self.history.add(visitor, event, form)
                    yield html, self.history.takes(visitor)
                elif isinstance(event, Queued):
                    began = time.perf_counter()
                    yield queued_html(event.ahead), None
                else:
                    preview = event.preview or preview
                    html = progress_html(event, preview, time.perf_counter() - began)
                    yield html, None
        except Exception as error:
            yield error_html(explain(error, [request.mix, *request.styles])), None
            return
        finally:
            self._running.discard(visitor)
            if not made:
                shutil.rmtree(folder, ignore_errors=True)
        if run.stop.is_set():
            yield message_html("Cancelled."), None
        else:
            yield message_html(finished_text(made, time.perf_counter() - began)), None

    def end_all(self) -> None:
        """End the runs of all visitors, those of the pad too, and remove their files."""
        for part in (self.lines, self.stems, self.loops):
            part.end_all()
