"""The sessions of the visitors of the pad, and the updates of the page while a line is made."""

import shutil
import tempfile
import threading
from collections import abc
from contextlib import closing
from pathlib import Path

from latentstem.ui.generator import Queued
from latentstem.ui.line_maker import LineEvent, LineMaker, LineProgress, LineRequest, MixSession
from latentstem.ui.line_results import line_html
from latentstem.ui.status import bar_html, error_html, explain, message_html, queued_html
from latentstem.ui.visitor_files import VisitorFiles

LineUpdate = tuple[str | None, str | None]
"""Status of the pad and the line, as HTML; None for what stays."""


class LineSessions:
    """The mix of each visitor and the lines for it, by Gradio's name of the session, which is one opened page.

    Args:
        files: Owners of the files, in whose folders those of the mixes lie.

    Example:
        >>> lines = LineSessions(VisitorFiles(Path("/tmp/stems")))
        >>> lines.end("nobody")  # without a mix there is nothing to end
    """

    def __init__(self, files: VisitorFiles):
        self.files = files
        self._sessions: dict[str, MixSession] = {}
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
        session, stop, new = self._take_over(request.mix, visitor)
        if new:
            yield message_html("Listening to the mix"), ""
        try:
            with closing(maker.make(request, session, stop)) as events:
                for event in events:
                    if stop.is_set():
                        return
                    yield _update(event)
        except Exception as error:
            if not stop.is_set():
                yield error_html(explain(error, [request.mix])), ""

    def has_line(self, visitor: str) -> bool:
        """Tell whether there is a line with its sound.

        Args:
            visitor: Session of the visitor.
        """
        session = self._sessions.get(visitor)
        return session is not None and session.files is not None

    def newest(self, visitor: str) -> tuple[Path, Path]:
        """Return the file of a visitor's mix and that of the newest line for it.

        Args:
            visitor: Session of the visitor.

        Raises:
            ValueError: There is no line yet.
        """
        session = self._sessions.get(visitor)
        if session is None or session.files is None:
            raise ValueError("There is no line yet: drop a mix in the tab Bass line, and wait for its line.")
        return session.path, session.files.stem

    def end(self, visitor: str) -> None:
        """End a visitor's session and remove its files.

        Args:
            visitor: Session of the visitor.
        """
        if session := self._sessions.pop(visitor, None):
            session.ended.set()
            session.stop.set()
            shutil.rmtree(session.folder, ignore_errors=True)

    def end_all(self) -> None:
        """End the sessions of all visitors and remove their files."""
        for visitor in list(self._sessions):
            self.end(visitor)

    def _take_over(self, mix: Path, visitor: str) -> tuple[MixSession, threading.Event, bool]:
        """Stop a visitor's request; return the session and the stop of the next one, and whether the session is new."""
        with self._lock:
            session = self._sessions.get(visitor)
            new = session is None or session.path != mix
            if session is None or new:
                self.end(visitor)
                session = MixSession(Path(tempfile.mkdtemp(dir=self.files.home_of(visitor), prefix="pad-")), mix)
                self._sessions[visitor] = session
            session.stop.set()
            session.stop = threading.Event()
            return session, session.stop, new


def _update(event: LineEvent) -> LineUpdate:
    if isinstance(event, Queued):
        return queued_html(event.ahead), None
    if isinstance(event, LineProgress):
        return bar_html(event.text, event.fraction), None
    if event.finished:
        return message_html(f"A line of {event.mix.seconds:.1f} s"), line_html(event)
    return None, line_html(event)
