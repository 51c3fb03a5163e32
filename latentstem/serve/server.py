"""The process of the server: its address, its temporary files, and its end."""

import socket
import threading
from contextlib import suppress

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware

from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.serve.api import create_api
from latentstem.serve.jobs import Jobs
from latentstem.ui.generator import Generator
from latentstem.ui.network import own_names, url_of
from latentstem.ui.temporary import temporary_folder

_MOST_CONNECTIONS = 64


def serve_jobs(
    pipe: StemAccompanimentPipeline,
    listener: socket.socket,
    token: str | None = None,
    max_duration: float = 900.0,
    max_jobs: int = 100,
    keep_minutes: float = 60.0,
) -> None:
    """Serve jobs until the server is interrupted.

    Args:
        pipe: Pipeline, on its device.
        listener: Listening socket from `latentstem.ui.network.listen`.
        token: Token that each request must bring; None asks for none, which is for this machine alone.
        max_duration: Longest file that is read, in seconds.
        max_jobs: Greatest number of jobs, with those that have ended and are kept.
        keep_minutes: Minutes for which a job is kept after its end.

    Example:
        >>> with listen("127.0.0.1", 7861) as listener:  # doctest: +SKIP
        ...     serve_jobs(pipe, listener)
    """
    host, port = listener.getsockname()[:2]
    with temporary_folder("latentstem-serve") as folder:
        generator = Generator(pipe, max_duration, previews=False)
        jobs = Jobs(generator, folder, max_jobs)
        app = create_api(generator, jobs, token)
        if names := own_names(host):
            app = TrustedHostMiddleware(app, allowed_hosts=names)
        print(f"{url_of(host, port)}: the server; Ctrl-C ends it", flush=True)
        ended = threading.Event()
        threading.Thread(target=_sweep, args=(jobs, 60 * keep_minutes, ended), daemon=True).start()
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=1, limit_concurrency=_MOST_CONNECTIONS
        )
        with suppress(KeyboardInterrupt):  # the intended end
            uvicorn.Server(config).run(sockets=[listener])
        ended.set()
        for job in jobs.all():
            jobs.cancel(job)


def _sweep(jobs: Jobs, keep: float, ended: threading.Event) -> None:
    while not ended.wait(min(10.0, keep / 2 + 0.1)):
        jobs.sweep(keep)
