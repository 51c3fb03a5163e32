"""The temporary folder of a server: it goes with the server, and what a killed one has left goes at the next start."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where folders cannot be locked, and those of killed servers stay
    fcntl = None


@contextmanager
def temporary_folder(program: str) -> Iterator[Path]:
    """Create the temporary folder of a server, and remove it in the end.

    The folder is locked as long as the process lives, however it ends. Folders of the same program without a lock are
    those of servers that were killed; they are removed first.

    Args:
        program: Name of the program, which the name of the folder begins with.

    Yields:
        The folder, an absolute path without symbolic links.

    Example:
        >>> with temporary_folder("latentstem-doctest") as folder:
        ...     folder.is_dir(), folder.name.startswith("latentstem-doctest-")
        (True, True)
        >>> folder.exists()
        False
    """
    if fcntl is not None:
        for path in Path(tempfile.gettempdir()).glob(f"{program}-*"):
            with suppress(OSError), _locked(path):  # it is in use, another user's or no folder
                shutil.rmtree(path, ignore_errors=True)
    # Resolved: Gradio compares real paths with it, and the temporary folder may be reached by a link.
    made = Path(tempfile.mkdtemp(prefix=f".{program}-")).resolve()
    with _locked(made):
        folder = made.rename(made.with_name(made.name.removeprefix(".")))  # nobody sees it without its lock
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder, which ends with the process; an OSError tells that another process holds it."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
