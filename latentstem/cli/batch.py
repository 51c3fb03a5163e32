"""Generate stems for several mixes in a row; one that fails does not stop the others."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentstem.cli.errors import CommandError, explain
from latentstem.cli.outputs import Job
from latentstem.cli.report import Report
from latentstem.cli.signals import stop_if_interrupted


def make_each(
    jobs: Sequence[Job], make: Callable[[Job], None], report: Report, console: Console, overwrite: bool
) -> None:
    """Generate the stems of each mix, except those that are already there.

    Args:
        jobs: Mixes and the files to write for them.
        make: Function that generates the stems of one mix.
        report: Report that collects skipped and failed mixes.
        console: Console of the progress bar.
        overwrite: Whether to generate stems anew that are already there.

    Raises:
        CommandError: At the end, if a mix failed; with exit code 2 if the caller can mend all failures.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # otherwise lines for a file would go to the terminal
    )
    with bar:
        mixes = bar.add_task("mixes", total=len(jobs))
        for job in jobs:
            stop_if_interrupted()
            bar.update(mixes, description=job.mix.name)
            if job.finished and not overwrite:
                report.add_skipped(job)
            else:
                try:
                    make(job)
                except Exception as error:
                    report.add_failed(job, explain(error))
            bar.advance(mixes)
    if codes := report.failures:
        error = CommandError(f"{len(codes)} of {len(jobs)} mixes have no stem, see above")
        error.code = min(codes)
        raise error
