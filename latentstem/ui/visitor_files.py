"""Owners of files: a visitor of the page may name the files that they uploaded or generated, and no others."""

import hashlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class VisitorFiles:
    """The folder of each visitor, the files that they uploaded, and the sessions (opened pages) that are theirs.

    A visitor is identified by a secret token. The name of their folder is a hash of it, because addresses contain
    paths, and people pass addresses on. Gradio stores uploads by their content; their owners are recorded here. What
    a visitor leaves behind is removed by `sweep`: an open page always has a request of its own, its heartbeat.

    Args:
        folder: Folder of all files; an absolute path without symbolic links.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = Path(name).resolve()
        ...     files = VisitorFiles(folder)
        ...     mine, theirs = files.home("my token"), files.home("their token")
        ...     _ = (folder / "mix.wav").write_bytes(b"RIFF")
        ...     files.add_uploads(mine, [str(folder / "mix.wav")])
        ...     [files.owns(home, str(folder / "mix.wav")) for home in (mine, theirs)]
        [True, False]
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._uploads: dict[Path, set[Path]] = {}
        self._sessions: dict[str, Path] = {}
        self._requests: Counter[Path] = Counter()
        self._last_seen: dict[Path, float] = {}
        self._lock = threading.Lock()

    def home(self, token: str) -> Path:
        """Return the folder of a visitor, which need not exist yet.

        Args:
            token: Secret token of the visitor.
        """
        return self.folder / hashlib.sha256(token.encode()).hexdigest()[:32]

    def add_uploads(self, home: Path, names: Iterable[str]) -> None:
        """Record files that a visitor has uploaded.

        Args:
            home: Folder of the visitor.
            names: Absolute paths of the files.
        """
        with self._lock:
            self._uploads.setdefault(home, set()).update(map(Path, names))

    def owns(self, home: Path, name: str) -> bool:
        """Return whether a path is a visitor's own file, which they uploaded or generated.

        A path that is not absolute, contains `..` or follows a symbolic link is nobody's file.

        Args:
            home: Folder of the visitor.
            name: Path to check; any text.
        """
        path = Path(name)
        try:
            if path != path.resolve() or not path.is_file():
                return False
        except (OSError, ValueError, RuntimeError):  # no file can have such a name, or links form a circle
            return False
        return home in path.parents or path in self._uploads.get(home, ())

    def claim(self, home: Path, session: str) -> bool:
        """Return whether a session belongs to a visitor; a session without an owner becomes theirs.

        Args:
            home: Folder of the visitor.
            session: Gradio's name of one opened page.
        """
        with self._lock:
            return self._sessions.setdefault(session, home) == home

    def home_of(self, session: str) -> Path:
        """Return the folder of a session's visitor, created if it is missing.

        Args:
            session: Gradio's name of one opened page. Files of a session without an owner go to the common folder,
                where they are nobody's.
        """
        home = self._sessions.get(session, self.folder)
        home.mkdir(exist_ok=True)
        return home

    @contextmanager
    def present(self, home: Path) -> Iterator[None]:
        """Count a visitor as present while one of their requests is served.

        Args:
            home: Folder of the visitor.
        """
        with self._lock:
            self._requests[home] += 1
        try:
            yield
        finally:
            with self._lock:
                self._requests[home] -= 1
                self._last_seen[home] = time.monotonic()

    def sweep(self, away: float) -> None:
        """Remove all files of the visitors who have been away for some time, and forget them.

        An upload that another visitor made too stays as long as theirs. What is left of uploads that ended in their
        midst, which have no owner yet, goes as long after its last byte came.

        Args:
            away: Seconds since the end of a visitor's last request.
        """
        with self._lock:
            latest = time.monotonic() - away
            gone = {home for home, seen in self._last_seen.items() if not self._requests[home] and seen <= latest}
            uploads = set().union(*(self._uploads.pop(home, set()) for home in gone))
            for path in uploads.difference(*self._uploads.values()):
                path.unlink(missing_ok=True)
                if path.parent != self.folder:
                    with suppress(OSError):  # it holds another file with the same content
                        path.parent.rmdir()
            for home in gone:
                shutil.rmtree(home, ignore_errors=True)
                del self._requests[home], self._last_seen[home]
            self._sessions = {session: home for session, home in self._sessions.items() if home not in gone}
        # Gradio writes an upload to the folder itself, and moves it to a folder of its own when it is complete.
        for path in self.folder.iterdir():
            with suppress(OSError):  # it was moved meanwhile
                if path.is_file() and path.stat().st_mtime <= time.time() - away:
                    path.unlink()
