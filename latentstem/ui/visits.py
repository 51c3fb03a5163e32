"""Who looks at the page, what runs for them, and the files that they leave."""

import shutil
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from latentstem.ui.status import error_html, explain, finished_text, message_html, progress_html
from latentstem.ui.studio import Studio, Waiting, Wishes
from latentstem.ui.takes import Take
from latentstem.ui.visitor_files import VisitorFiles

Shown = tuple[str, list[Take] | None]
"""What the page says, as HTML, and the takes so far where there is a new one."""


@dataclass(frozen=True)
class _Run:
    folder: Path
    stop: threading.Event


class Visits:
    """The newest run of each visitor, by the name that Gradio gives the session, which is one opened page.

    Args:
        folder: Where their files go, in the visitor's own folder one for each run.

    Attributes:
        files: Whose a file in the folder is.

    Example:
        >>> visits = Visits(Path("/tmp/stems"))
        >>> visits.stop("nobody")  # who has no run need not be known
        >>> for html, takes in visits.run(studio, Wishes(Path("mix.wav")), "somebody"):  # doctest: +SKIP
        ...     print(html)
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = VisitorFiles(folder)
        self._runs: dict[str, _Run] = {}

    def run(self, studio: Studio, wishes: Wishes, visitor: str) -> Generator[Shown, None, None]:
        """Make what a visitor wishes; it takes the place, and the files, of what they had made before.

        Args:
            studio: What makes it.
            wishes: What to make.
            visitor: For whom.

        Yields:
            What the page says at each moment. Errors, too, are said and not raised.
        """
        self.end(visitor)
        run = self._runs[visitor] = _Run(Path(tempfile.mkdtemp(dir=self.files.home_of(visitor))), threading.Event())
        began = time.perf_counter()
        takes: list[Take] = []
        sketch: bytes | None = None
        html = ""
        try:
            for moment in studio.generate(wishes, run.folder, run.stop):
                if isinstance(moment, Take):
                    takes.append(moment)
                    yield html, takes
                elif isinstance(moment, Waiting):
                    yield message_html("Waiting for another run to end"), None
                else:
                    sketch = moment.sketch or sketch
                    html = progress_html(moment, sketch)
                    yield html, None
        except Exception as error:
            yield error_html(explain(error, [*filter(None, (wishes.mix, wishes.style))])), None
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
