"""Jobs of the server: each generates the stems of a request, one after another, and keeps its files for a while."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue

from latentstem.ui.generator import Generator, Sampling
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result
from latentstem.ui.status import explain


class State(StrEnum):
    """Where a job is.

    Attributes:
        QUEUED: It waits for the jobs before it.
        RUNNING: It computes.
        DONE: All its stems are there.
        FAILED: It ended with an error.
        CANCELLED: It was cancelled; the stems that were finished before are there.

    Example:
        >>> State("done").over
        True
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


@dataclass
class Job:
    """One request and what has become of it.

    Attributes:
        request: Settings of the stems.
        folder: Folder of its files, the uploaded ones too.
        name: Its name, which cannot be guessed.
        state: Where it is.
        progress: How much is done, from 0 to 1.
        stems: Finished stems.
        error: What went wrong; None if nothing did.
        ended: Time of its end by `time.monotonic`; None before.
        stop: Set when it is to end soon.
        holders: Number of those who still use its files.

    Example:
        >>> Job(GenerationRequest(Path("mix.wav")), Path("/tmp/job")).state.value
        'queued'
    """

    request: GenerationRequest
    folder: Path
    name: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = State.QUEUED
    progress: float = 0.0
    stems: list[Result] = field(default_factory=list)
    error: str | None = None
    ended: float | None = None
    stop: threading.Event = field(default_factory=threading.Event, repr=False)
    holders: int = 0


class TooManyJobs(Exception):
    """The server has as many jobs as it may have."""


class Jobs:
    """The jobs of a server.

    Args:
        generator: Generator of the stems.
        folder: Existing folder of the files.
        most: Greatest number of jobs, with those that have ended and are still kept.

    Example:
        >>> jobs = Jobs(generator, Path("/tmp/jobs"), most=10)  # doctest: +SKIP
        >>> job = jobs.add(lambda folder: GenerationRequest(Path("mix.wav")))  # doctest: +SKIP
    """

    def __init__(self, generator: Generator, folder: Path, most: int = 100):
        self.generator, self.folder, self.most = generator, folder, most
        self._jobs: dict[str, Job] = {}
        self._lock = threading.RLock()
        self._queue: SimpleQueue[Job] = SimpleQueue()
        threading.Thread(target=self._serve, name="jobs", daemon=True).start()

    def add(self, read: Callable[[Path], GenerationRequest]) -> Job:
        """Add a job, which begins as soon as those before it have ended.

        Args:
            read: Puts the files of the request into the folder that it is given, and returns the request.

        Returns:
            The job.

        Raises:
            TooManyJobs: There are as many as there may be.
            ValueError: The request cannot be read; nothing is left of it.
        """
        self._check_room()  # before files are copied for nothing
        job = Job(GenerationRequest(Path()), self.folder)
        job.folder = self.folder / job.name
        try:
            job.folder.mkdir()
            job.request = read(job.folder)
            with self._lock:  # jobs are listed in the order in which they work
                self._check_room()
                self._jobs[job.name] = job
                self._queue.put(job)
        except BaseException:
            shutil.rmtree(job.folder, ignore_errors=True)
            raise
        return job

    def find(self, name: str) -> Job:
        """Return a job by its name.

        Args:
            name: Name of the job.

        Raises:
            KeyError: There is no such job.
        """
        return self._jobs[name]

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return [*self._jobs.values()]

    def count_ahead(self, job: Job) -> int:
        """Return the number of jobs that a waiting job waits for; 0 of any other.

        Args:
            job: The job.
        """
        if job.state is not State.QUEUED:
            return 0
        return sum(not other.state.over for other in takewhile(lambda other: other is not job, self.all()))

    def cancel(self, job: Job) -> None:
        """End a job after its current step; one that waits ends at once.

        Args:
            job: The job.
        """
        job.stop.set()
        with self._lock:
            if job.state is State.QUEUED:
                self._move(job, State.CANCELLED)

    @contextmanager
    def hold(self, job: Job) -> Iterator[None]:
        """Keep the files of a job until the block ends, though the job may be removed meanwhile.

        Args:
            job: The job.

        Raises:
            KeyError: The job was removed before.
        """
        with self._lock:
            self.find(job.name).holders += 1
        try:
            yield
        finally:
            with self._lock:
                job.holders -= 1
            self._clear(job)

    def remove(self, job: Job) -> None:
        """Cancel a job and remove its files, as soon as nobody uses them.

        Args:
            job: The job.
        """
        self.cancel(job)
        self._forget(job)

    def sweep(self, keep: float) -> None:
        """Remove the jobs that ended some time ago.

        Args:
            keep: Seconds for which jobs are kept after their end.
        """
        for job in self.all():
            if job.ended is not None and job.ended <= time.monotonic() - keep:
                self._forget(job)

    def _serve(self) -> None:
        while True:
            job = self._queue.get()
            with suppress(KeyError), self.hold(job):  # not one that was removed while it waited
                if not job.state.over:
                    self._work(job)

    def _work(self, job: Job) -> None:
        made = job.folder / "stems"
        try:
            made.mkdir()
            for event in self.generator.generate(job.request, made, job.stop):
                if isinstance(event, Result):
                    job.stems.append(event)
                elif isinstance(event, Sampling):
                    job.progress = event.fraction
                    self._move(job, State.RUNNING)
        except Exception as error:
            if not job.stop.is_set():
                given = (job.request.mix, *job.request.styles, job.request.sketch)
                job.error = explain(error, [path for path in given if path is not None])
                self._move(job, State.FAILED)
        self._move(job, State.CANCELLED if job.stop.is_set() else State.DONE)

    def _move(self, job: Job, state: State) -> None:
        """Change the state of a job, unless it has ended."""
        with self._lock:
            if job.state.over:
                return
            if state is State.DONE:
                job.progress = 1.0
            if state.over:
                job.ended = time.monotonic()
            job.state = state

    def _check_room(self) -> None:
        if len(self._jobs) >= self.most:
            raise TooManyJobs(f"there are {self.most} jobs, as many as may be; delete those that have ended")

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.name, None)
        self._clear(job)

    def _clear(self, job: Job) -> None:
        """Remove the files of a job that was removed and is used by nobody."""
        with self._lock:
            unused = job.holders == 0 and job.name not in self._jobs
        if unused:
            shutil.rmtree(job.folder, ignore_errors=True)
