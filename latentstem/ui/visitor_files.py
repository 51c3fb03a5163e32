"""Whose a file is: every visitor of the page may name the files that they uploaded or had made, and no others."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


class VisitorFiles:
    """The folder of each visitor, the files that they uploaded, and the sessions (opened pages) that are theirs.

    A visitor is known by a secret token. The name of their folder is derived from it and does not tell it, for paths
    stand in addresses, which people pass on. Uploads lie where Gradio puts them, by their content, and are noted here.

    Args:
        folder: Where all files lie; an absolute path without symbolic links.

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

    def home(self, token: str) -> Path:
        """The folder of a visitor, which need not exist yet.

        Args:
            token: The secret that the visitor is known by.
        """
        return self.folder / hashlib.sha256(token.encode()).hexdigest()[:32]

    def add_uploads(self, home: Path, names: Iterable[str]) -> None:
        """Note which files a visitor has uploaded.

        Args:
            home: The visitor's folder.
            names: Absolute paths.
        """
        self._uploads.setdefault(home, set()).update(map(Path, names))

    def owns(self, home: Path, name: str) -> bool:
        """Whether a name is that of a visitor's own file, which they uploaded or which was made for them.

        A path that is not absolute, has `..` in it or leads over a symbolic link names no file of anybody's.

        Args:
            home: The visitor's folder.
            name: Any text.
        """
        path = Path(name)
        try:
            if path != path.resolve() or not path.is_file():
                return False
        except (OSError, ValueError, RuntimeError):  # no file can have such a name; links that go in a circle
            return False
        return home in path.parents or path in self._uploads.get(home, ())

    def claim(self, home: Path, session: str) -> bool:
        """Whether a session is a visitor's; one that is nobody's becomes theirs.

        Args:
            home: The visitor's folder.
            session: Gradio's name for one opened page.
        """
        return self._sessions.setdefault(session, home) == home

    def home_of(self, session: str) -> Path:
        """The folder of the visitor whose session it is, made if it is missing.

        Args:
            session: Gradio's name for one opened page. What is made for one that nobody has claimed goes to the folder
                of all, where it is nobody's.
        """
        home = self._sessions.get(session, self.folder)
        home.mkdir(exist_ok=True)
        return home
