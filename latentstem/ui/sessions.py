"""Runs of the visitors of the page, and the files that these runs write."""

import shutil
import time
from collections import abc
from dataclasses import replace
from pathlib import Path

from latentstem.ui.generator import GenerationRequest, Generator, Queued
from latentstem.ui.line_sessions import LineSessions
from latentstem.ui.results import Result
from latentstem.ui.runs import Runs
from latentstem.ui.status import error_html, explain, finished_text, message_html, progress_html
from latentstem.ui.visitor_files import VisitorFiles

Update = tuple[str, list[Result] | None]
"""Status of the page, as HTML, and the takes so far if there is a new one."""


class Sessions:
    """The newest run of each visitor, by Gradio's name of the session, which is one opened page.

    Args:
        folder: Folder of all files, with one folder for each visitor and in it one for each run.

    Attributes:
        files: Owners of the files in the folder.
        lines: What the visitors do with the pad.
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
        self.lines = LineSessions(self.files)
        self.stems, self.loops = Runs(self.files), Runs(self.files)

    def run(self, generator: Generator, request: GenerationRequest, visitor: str) -> abc.Generator[Update, None, None]:
        """Run a visitor's request, in place of the run before it, whose files are removed.

        Args:
            generator: Generator of the stems.
            request: Settings of the stems.
            visitor: Session of the visitor.

        Yields:
            Updates of the page. Errors are shown and not raised.
        """
        run = self.stems.begin(visitor)
        began = time.perf_counter()
        takes: list[Result] = []
        preview: bytes | None = None
        html = ""
        try:
            if request.sketch is not None:  # the pad removes its lines when others have come
                request = replace(request, sketch=Path(shutil.copy(request.sketch, run.folder / "sketch.wav")))
            for event in generator.generate(request, run.folder, run.stop):
                if isinstance(event, Result):
                    takes.append(event)
                    yield html, takes
                elif isinstance(event, Queued):
                    yield message_html("Waiting for another run to end"), None
                else:
                    preview = event.preview or preview
                    html = progress_html(event, preview)
                    yield html, None
        except Exception as error:
            yield error_html(explain(error, [*filter(None, (request.mix, request.style))])), None
            return
        if run.stop.is_set():
            yield message_html("Cancelled."), None
        else:
            yield message_html(finished_text(takes, time.perf_counter() - began)), None

    def end_all(self) -> None:
        """End the runs of all visitors, those of the pad too, and remove their files."""
        for part in (self.lines, self.stems, self.loops):
            part.end_all()
