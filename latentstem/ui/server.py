"""Server of the page: by default for this machine alone, without requests to others, and with temporary files only."""

import logging
import os
import socket
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from latentstem.pipelines.bassnet import BassNetPipeline
from latentstem.pipelines.loop import LoopPipeline
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.access import AccessControl, App, Message, Receive, Send
from latentstem.ui.event_streams import EventStreams
from latentstem.ui.generator import Generator
from latentstem.ui.network import own_names, upload_limit, url_of
from latentstem.ui.sessions import Sessions
from latentstem.ui.temporary import temporary_folder

# A browser may load only what comes from this server. Gradio compiles its templates, hence 'unsafe-eval'.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; font-src 'self' data:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_MOST_EVENTS = (
    1000  # that go on at a time; a run is one while it waits too, and Gradio's 40 would leave none for Cancel
)
_MOST_STATES = 100  # Gradio keeps a state of each page that was opened, of 100 kB and more, and this page needs none
_AWAY = 900.0  # seconds after which the files of a visitor who closed the page are removed


class _Policy:
    """Add the content security policy to every answer."""

    def __init__(self, app: App):
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self.app(scope, receive, send_with_policy)


class _Server(uvicorn.Server):
    """End soon after the signal, although every open page holds a connection."""

    def __init__(self, app: FastAPI, sessions: Sessions):
        super().__init__(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        self.sessions = sessions

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # connections are cut off on purpose now
        self.sessions.end_all()
        super().handle_exit(sig, frame)


def create_app(
    generator: Generator,
    sessions: Sessions,
    host: str,
    bassnet: BassNetPipeline | None = None,
    loops: LoopPipeline | None = None,
) -> FastAPI:
    """Build the ASGI app of the page and its files.

    Args:
        generator: Generator of the stems.
        sessions: Runs of the visitors; only files in their folder are served, to each visitor their own.
        host: Address that the server listens on.
        bassnet: Pipeline of the pad, on its device; without it the page has no pad.
        loops: Pipeline of the tab with loops, on its device; it comes with the pad.

    Returns:
        The app.

    Raises:
        ValueError: The control of the BassNet has not two dimensions.

    Example:
        >>> app = create_app(generator, Sessions(Path("/tmp/stems")), "127.0.0.1")  # doctest: +SKIP
    """
    os.environ.update(_environment(sessions.folder))
    import gradio  # reads the environment, and creates folders, when it is imported

    from latentstem.ui.page import CSS, THEME, build_page

    app = FastAPI(openapi_url=None)
    page = build_page(generator, sessions, bassnet, loops)
    page.max_threads, page.state_session_capacity = _MOST_EVENTS, _MOST_STATES
    page.queue()  # takes them over
    page.has_launched = True  # Gradio checks the paths of file arguments only on a page that was launched, not mounted
    gradio.mount_gradio_app(
        app,
        page,
        path="/",
        max_file_size=upload_limit(1, generator.max_duration),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=THEME,
        css=CSS,
    )
    app.add_middleware(EventStreams)
    app.add_middleware(AccessControl, files=sessions.files)
    app.add_middleware(_Policy)
    if names := own_names(host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=names)
    return app


def serve(
    pipe: StemAccompanimentPipeline,
    listener: socket.socket,
    max_duration: float,
    open_browser: bool,
    bassnet: BassNetPipeline | None = None,
    loops: LoopPipeline | None = None,
    adapters: Sequence[str] = (),
) -> None:
    """Serve the page until it is interrupted.

    Args:
        pipe: Pipeline, on its device.
        listener: Listening socket from `listen`.
        max_duration: Longest file that is read, in seconds.
        open_browser: Whether to open the page in a browser of this machine.
        bassnet: Pipeline of the pad, on its device; without it the page has no pad.
        loops: Pipeline of the tab with loops, on its device; it comes with the pad.
        adapters: Names of the adapters in the denoiser, of which visitors choose one or none.

    Raises:
        ValueError: The control of the BassNet has not two dimensions.

    Example:
        >>> with listen("127.0.0.1", 7860) as listener:  # doctest: +SKIP
        ...     serve(pipe, listener, 900.0, open_browser=True)
    """
    host, port = listener.getsockname()[:2]
    with temporary_folder("latentstem-ui") as folder:
        sessions = Sessions(folder)
        app = create_app(Generator(pipe, max_duration, adapters=adapters), sessions, host, bassnet, loops)
        url = url_of(host, port)
        print(f"{url}: the page; Ctrl-C ends it", flush=True)
        if open_browser:
            webbrowser.open(url)
        ended = threading.Event()
        threading.Thread(target=_sweep, args=(sessions, ended), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the intended end
            _Server(app, sessions).run(sockets=[listener])
        ended.set()


def _sweep(sessions: Sessions, ended: threading.Event) -> None:
    while not ended.wait(_AWAY / 15):
        sessions.files.sweep(_AWAY)


def _environment(folder: Path) -> dict[str, str]:
    """Return environment variables that turn off Gradio's analytics and keep its files in the folder."""
    return {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "GRADIO_EXAMPLES_CACHE": str(folder / "examples"),
    }
