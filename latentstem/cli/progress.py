"""Progress bar of a command, fed by the `on_progress` callback of a library function."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress_bar(description: str, console: Console | None = None) -> Iterator[Callable[[float], None]]:
    """Draw a progress bar while a command works, on a terminal alone.

    Args:
        description: Text beside the bar.
        console: Console of the bar; standard error by default.

    Yields:
        The callback: takes the fraction that is done, from 0 to 1.

    Example:
        >>> import io
        >>> with progress_bar("rendering", Console(file=io.StringIO())) as on_progress:
        ...     on_progress(0.5)
    """
    console = console or Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)
