"""Several mixes in a row, of which one that fails does not stop the others."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentstem.cli.errors import CommandError, explained
from latentstem.cli.outputs import Job
from latentstem.cli.report import Report
from latentstem.cli.signals import stop_if_interrupted


def make_each(
    jobs: Sequence[Job], make: Callable[[Job], None], report: Report, console: Console, overwrite: bool
) -> None:
    """Make the stems of each mix, but for those that are there.

    Args:
        jobs: The mixes.
        make: Makes the stems of one.
        report: Is told of what is skipped or fails.
        console: For the progress bar.
        overwrite: Whether to make those anew that are there.

    Raises:
        CommandError: In the end, if any failed; with exit code 2 if the caller can mend all that did.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # else lines for a file would go to the terminal
    )
    with bar:
        mixes = bar.add_task("mixes", total=len(jobs))
        for job in jobs:
            stop_if_interrupted()
            bar.update(mixes, description=job.mix.name)
            if job.finished and not overwrite:
                report.skipped(job)
            else:
                try:
                    make(job)
                except Exception as error:
                    report.failed(job, explained(error))
            bar.advance(mixes)
    if codes := report.failures:
        error = CommandError(f"{len(codes)} of {len(jobs)} mixes have no stem, see above")
        error.code = min(codes)
        raise error
