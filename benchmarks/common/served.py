"""A server of latentstem in a process of its own, watched from outside: memory, temporary files, threads and log."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import psutil


@dataclass(frozen=True)
class Sample:
    """A server at one moment.

    Attributes:
        seconds: Time since the server could be reached.
        memory: Resident memory in bytes.
        file_bytes: Size of the temporary files in bytes, with those that have no name any more and are still open.
        files: Number of the temporary files that have a name.
        threads: Number of threads.
        descriptors: Number of open files and connections.
    """

    seconds: float
    memory: int
    file_bytes: int
    files: int
    threads: int
    descriptors: int


class Served:
    """A context in which `latentstem ui` or `latentstem serve` runs; needs Linux.

    Args:
        program: "ui" or "serve".
        folder: Empty folder for its temporary files and its log.
        *words: Further words of the command.
        every: Seconds between samples.

    Attributes:
        url: Address of the server, without a slash at its end.
        samples: What was seen so far.
        exit_code: Exit code after Ctrl-C; None before.
        left: Names of the temporary files and folders that the server left behind.

    Example:
        >>> with Served("serve", Path("/tmp/served")) as served:  # doctest: +SKIP
        ...     print(served.url)
    """

    def __init__(self, program: str, folder: Path, *words: str, every: float = 2.0):
        self.program, self.folder, self.words, self.every = program, folder, words, every
        self.samples: list[Sample] = []
        self.exit_code: int | None = None
        self.left: list[str] = []
        self._temporary = folder / "temporary"
        self._ended = threading.Event()

    def __enter__(self) -> "Served":
        self._temporary.mkdir()
        command = [sys.executable, "-m", "latentstem", self.program, "--port", "0", "--device", "cpu", *self.words]
        environment = {**os.environ, "TMPDIR": str(self._temporary)}
        self._log: IO[bytes] = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().partition(": ")[0].rstrip("/")
        if not self.url:
            raise RuntimeError(f"the server did not start: {self.log}")
        self._began = time.monotonic()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._watcher.join()
        self._process.send_signal(signal.SIGINT)
        try:
            self.exit_code = self._process.wait(60)
        finally:
            self._process.kill()
            self._log.close()
        own = (path.name for path in self._temporary.iterdir())
        self.left = sorted(name for name in own if not name.startswith("torch"))  # PyTorch keeps a cache there

    @property
    def log(self) -> str:
        """What the server has written to stderr."""
        return (self.folder / "log").read_text()

    @property
    def seconds(self) -> float:
        """Seconds since the server could be reached."""
        return time.monotonic() - self._began

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def describe(self, most: int = 300) -> list[dict[str, Any]]:
        """Return the samples for a report.

        Args:
            most: Greatest number of them; of more, some are left out evenly.
        """
        step = -(-len(self.samples) // most) or 1
        return [asdict(sample) for sample in self.samples[::step]]

    def _watch(self) -> None:
        process = psutil.Process(self._process.pid)
        while not self._ended.wait(self.every):
            try:
                self.samples.append(self._sample(process))
            except (psutil.NoSuchProcess, psutil.ZombieProcess, FileNotFoundError):
                if not self.alive:
                    return

    def _sample(self, process: psutil.Process) -> Sample:
        sizes = []
        for path in (Path(folder, name) for folder, _, names in os.walk(self._temporary) for name in names):
            try:
                found = path.lstat()
            except FileNotFoundError:  # removed meanwhile, as whole folders are, which the walk leaves out
                continue
            if stat.S_ISREG(found.st_mode):
                sizes.append(found.st_size)
        return Sample(
            round(self.seconds, 2),
            process.memory_info().rss,
            sum(sizes) + _size_of_nameless_files(process.pid),
            len(sizes),
            process.num_threads(),
            process.num_fds(),
        )


def _size_of_nameless_files(pid: int) -> int:
    size = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = descriptor.stat()
        except OSError:  # closed meanwhile
            continue
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
            size += found.st_size
    return size
