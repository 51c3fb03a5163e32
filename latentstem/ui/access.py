"""Access control of the page (ASGI middleware): the addresses that the page uses, and the visitor's own files.

Gradio serves more addresses than this page needs, and reads whatever file a call names unless it has launched the page
itself. The middleware passes on only the requests listed here.
"""

import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from latentstem.ui.network import foreign_origin
from latentstem.ui.visitor_files import VisitorFiles

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

COOKIE = "latentstem"
CALL, EVENTS = "/gradio_api/queue/join", "/gradio_api/queue/data"
"""Addresses of a call, and of the stream of events that tells of the calls."""

_PAGE = {"/", "/theme.css", "/favicon.ico", "/gradio_api/app_id"}
_PARTS_OF_THE_PAGE = ("/assets/", "/static/")
_FILE, _HEARTBEAT, _UPLOAD = (f"/gradio_api/{name}" for name in ("file=", "heartbeat/", "upload"))
_UPLOAD_PROGRESS = "/gradio_api/upload_progress"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes
_LONGEST_CALL = 1 << 20  # bytes; the page's own take less than 2000 and the chart of chords


class Refused(Exception):
    """Raised for a request that must not reach the page.

    Args:
        status: HTTP status of the answer.
        reason: Text of the answer.

    Example:
        >>> Refused(404, "there is no such page").status
        404
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class AccessControl:
    """Refuse requests that must not reach the page, and pass on the others.

    Visitors are told apart by a cookie, which comes with the page; without it a visitor gets the page and nothing more.

    Args:
        app: ASGI app of the page.
        files: Owners of the files.

    Example:
        >>> AccessControl(app, VisitorFiles(folder))  # doctest: +SKIP
    """

    def __init__(self, app: App, files: VisitorFiles):
        self.app = app
        self.files = files

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request; see the ASGI specification."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            token = visitor_token(request)
            try:
                present = nullcontext() if token is None else self.files.present(self.files.home(token))
                with present, suppress(ClientDisconnect):  # who has gone needs no answer
                    await self._serve(request, send)
            except Refused as refusal:
                await JSONResponse({"detail": str(refusal)}, refusal.status)(scope, receive, send)
        else:  # the page has no websockets
            await send({"type": "websocket.close"})

    async def _serve(self, request: Request, send: Send) -> None:
        path = request.scope["path"]
        method = "GET" if request.method == "HEAD" else request.method
        if (origin := foreign_origin(request.headers)) is not None:
            raise Refused(403, f"a page of {origin} may not use this one")
        if method == "GET" and (path in _PAGE or path.startswith(_PARTS_OF_THE_PAGE)):
            if "deep_link" in request.query_params:
                raise Refused(404, "this page has no deep links; open it without one")
            await self.app(request.scope, request.receive, _with_cookie(request, send) if path == "/" else send)
        elif method == "GET" and path.startswith(_FILE):
            self._check_file(self._home(request), path.removeprefix(_FILE))
            await self.app(request.scope, request.receive, send)
        elif method == "GET" and path.startswith(_HEARTBEAT):
            self._check_session(self._home(request), path.removeprefix(_HEARTBEAT))
            await self.app(request.scope, request.receive, send)
        elif method == "GET" and path == EVENTS:
            self._check_session(self._home(request), request.query_params.get("session_hash"))
            await self.app(request.scope, request.receive, send)
        elif method == "GET" and path == _UPLOAD_PROGRESS:
            self._home(request)
            await self.app(request.scope, request.receive, send)
        elif method == "POST" and path == _UPLOAD:
            await self._upload(request, send, self._home(request))
        elif method == "POST" and path == CALL:
            await self._join(request, send, self._home(request))
        else:
            raise Refused(404, f"this page has nothing at {method} {path}")

    def _home(self, request: Request) -> Path:
        token = visitor_token(request)
        if token is None:
            raise Refused(403, "the page's cookie is missing; load the page again, with cookies allowed")
        return self.files.home(token)

    def _check_session(self, home: Path, session: Any) -> None:
        if not isinstance(session, str) or not self.files.claim(home, session):
            raise Refused(403, "the session is not yours; load the page again")

    def _check_file(self, home: Path, name: Any) -> None:
        if not isinstance(name, str) or not self.files.owns(home, name):
            raise Refused(403, f"{name}: is no file of yours; upload it on the page")

    async def _upload(self, request: Request, send: Send, home: Path) -> None:
        """Let Gradio store the files, and record their owner before the answer names them."""
        del MutableHeaders(scope=request.scope)["accept-encoding"]  # the answer is read here
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(request.scope, request.receive, keep)
        if answer and answer[0]["status"] == 200:
            self.files.add_uploads(home, json.loads(b"".join(part.get("body", b"") for part in answer[1:])))
        for message in answer:
            await send(message)

    async def _join(self, request: Request, send: Send, home: Path) -> None:
        """Pass on a call whose session and files are the visitor's, serialized anew: Gradio gets what was checked."""
        call = await _read_json(request)
        if not isinstance(call, dict):
            raise Refused(400, "a call is a JSON object; use the page")
        self._check_session(home, call.get("session_hash"))
        for file in _file_arguments(call):
            self._check_file(home, file.get("path"))
            _check_url(file, request.headers.get("host"))
        body = json.dumps(call).encode()
        MutableHeaders(scope=request.scope)["content-length"] = str(len(body))
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return parts.pop() if parts else await request.receive()

        await self.app(request.scope, receive, send)


def visitor_token(request: Request) -> str | None:
    """Return what tells the visitor of a request from the others, the page's cookie; None without a valid one.

    Args:
        request: The request.

    Example:
        >>> visitor_token(Request({"type": "http", "headers": []})) is None
        True
    """
    token = request.cookies.get(COOKIE, "")
    return token if _TOKEN.fullmatch(token) else None


def _with_cookie(request: Request, send: Send) -> Send:
    if visitor_token(request) is not None:
        return send
    cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite=Lax"

    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
        await send(message)

    return send_with_cookie


async def _read_json(request: Request) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_CALL:
            raise Refused(413, f"a call has at most {_LONGEST_CALL} bytes; upload files first")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "a call is a JSON object; use the page") from None


def _file_arguments(call: Any) -> list[dict[str, Any]]:
    """Return everything in a call, at any depth, that Gradio or one of its components may take for a file."""
    found, waiting = [], [call]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "path" in value or "url" in value:
                found.append(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _check_url(file: dict[str, Any], host: str | None) -> None:
    """Refuse an address that the server would have to fetch: every address but the file's own on this server."""
    url = file.get("url")
    if url is None:
        return
    server, _, name = str(url).partition(_FILE)
    if server not in ("", f"http://{host}", f"https://{host}") or file["path"] not in (name, unquote(name)):
        raise Refused(403, f"{url}: files are not fetched from elsewhere; upload them on the page")
