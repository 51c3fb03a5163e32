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

    def file(self, visitor: str, name: str) -> Path:
        """Copy a file of a visitor's newest run, so that it outlives the run.

        Args:
            visitor: Session of the visitor.
            name: Name of the file.

        Returns:
            The copy, in a folder of its own among the visitor's files.

        Raises:
            ValueError: The visitor's newest run has no such file.
        """
        run = self._runs.get(visitor)
        file = None if run is None else run.folder / Path(name).name
        if file is None or not file.is_file():
            raise ValueError("this file is no longer there; make it again")
        return Path(shutil.copy(file, tempfile.mkdtemp(dir=self.files.home_of(visitor))))

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
