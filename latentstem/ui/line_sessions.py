"""The desks of the visitors of the pad, and the updates of the page while a line is made."""

import shutil
import tempfile
import threading
from collections import abc
from contextlib import closing
from pathlib import Path

from latentstem.ui.generator import Queued
from latentstem.ui.line_maker import Desk, LineEvent, LineMaker, LineProgress, LineRequest
from latentstem.ui.line_results import line_html
from latentstem.ui.status import bar_html, error_html, explain, message_html
from latentstem.ui.visitor_files import VisitorFiles

LineUpdate = tuple[str | None, str | None]
"""Status of the pad and the line, as HTML; None for what stays."""


class LineSessions:
    """The desk of each visitor, by Gradio's name of the session, which is one opened page.

    Args:
        files: Owners of the files, in whose folders the desks' lie.

    Example:
        >>> lines = LineSessions(VisitorFiles(Path("/tmp/stems")))
        >>> lines.end("nobody")  # without a desk there is nothing to end
    """

    def __init__(self, files: VisitorFiles):
        self.files = files
        self._desks: dict[str, Desk] = {}
        self._lock = threading.Lock()

    def run(self, maker: LineMaker, request: LineRequest, visitor: str) -> abc.Generator[LineUpdate, None, None]:
        """Make a visitor's line, in place of the one that is being made.

        Args:
            maker: Maker of the lines.
            request: Mix and control. Another mix than the last one takes its place.
            visitor: Session of the visitor.

        Yields:
            Updates of the page, until the visitor makes another request. Errors are shown and not raised.
        """
        desk, stop, new = self._take_over(request.mix, visitor)
        if new:
            yield message_html("Listening to the mix"), ""
        try:
            with closing(maker.make(request, desk, stop)) as events:
                for event in events:
                    if stop.is_set():
                        return
                    yield _update(event)
        except Exception as error:
            if not stop.is_set():
                yield error_html(explain(error, [request.mix])), ""

    def end(self, visitor: str) -> None:
        """End a visitor's desk and remove its files.

        Args:
            visitor: Session of the visitor.
        """
        if desk := self._desks.pop(visitor, None):
            desk.ended.set()
            desk.stop.set()
            shutil.rmtree(desk.folder, ignore_errors=True)

    def end_all(self) -> None:
        """End the desks of all visitors and remove their files."""
        for visitor in list(self._desks):
            self.end(visitor)

    def _take_over(self, mix: Path, visitor: str) -> tuple[Desk, threading.Event, bool]:
        """Stop a visitor's request, and return the desk and the stop of the next one, and whether the desk is new."""
        with self._lock:
            desk = self._desks.get(visitor)
            new = desk is None or desk.path != mix
            if desk is None or new:
                self.end(visitor)
                desk = Desk(Path(tempfile.mkdtemp(dir=self.files.home_of(visitor), prefix="pad-")), mix)
                self._desks[visitor] = desk
            desk.stop.set()
            desk.stop = threading.Event()
            return desk, desk.stop, new


def _update(event: LineEvent) -> LineUpdate:
    if isinstance(event, Queued):
        return message_html("Waiting for another run to end"), None
    if isinstance(event, LineProgress):
        return bar_html(event.text, event.fraction), None
    if event.finished:
        return message_html(f"A line of {event.mix.seconds:.1f} s"), line_html(event)
    return None, line_html(event)
