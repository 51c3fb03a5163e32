"""The newest run of each visitor, with a folder of its own."""

import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from latentstem.ui.visitor_files import VisitorFiles


@dataclass(frozen=True)
class Run:
    """A run of a visitor.

    Attributes:
        folder: Folder of its files.
        stop: Set when it is to end soon.

    Example:
        >>> Run(Path("/tmp/stems/a"), threading.Event()).stop.is_set()
        False
    """

    folder: Path
    stop: threading.Event


class Runs:
    """The newest run of each visitor, by Gradio's name of the session, which is one opened page.

    Args:
        files: Owners of the files, in whose folders those of the runs lie.

    Example:
        >>> runs = Runs(VisitorFiles(Path("/tmp/stems")))
        >>> runs.stop("nobody")  # without a run there is nothing to stop
    """

    def __init__(self, files: VisitorFiles):
        self.files = files
        self._runs: dict[str, Run] = {}

    def begin(self, visitor: str) -> Run:
        """Begin a visitor's run, in place of the run before it, whose files are removed.

        Args:
            visitor: Session of the visitor.
        """
        self.end(visitor)
        run = self._runs[visitor] = Run(Path(tempfile.mkdtemp(dir=self.files.home_of(visitor))), threading.Event())
        return run

    def stop(self, visitor: str) -> None:
        """End a visitor's run, if there is one, after its current step; what is finished stays.

        Args:
            visitor: Session of the visitor.
        """
        if run := self._runs.get(visitor):
            run.stop.set()

    def end(self, visitor: str) -> None:
        """End a visitor's run and remove its files.

        Args:
            visitor: Session of the visitor.
        """
        self.stop(visitor)
        if run := self._runs.pop(visitor, None):
            shutil.rmtree(run.folder, ignore_errors=True)

    def end_all(self) -> None:
        """End the runs of all visitors and remove their files."""
        for visitor in list(self._runs):
            self.end(visitor)
