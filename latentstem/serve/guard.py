"""Who may use the server, and how much they may send (ASGI middleware)."""

import hmac
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from latentstem.ui.access import App, Message, Receive, Send
from latentstem.ui.network import foreign_origin


class _TooLarge(Exception):
    """Raised inside the app when a body exceeds the limit."""


class Guard:
    """Refuse requests without the token, from pages of other sites, and with too large bodies.

    A browser tells with each request that may change something which page it is from; without a token that keeps the
    pages of other sites from using a server on this machine.

    Args:
        app: ASGI app of the server.
        token: Token that each request must bring, as `Authorization: Bearer TOKEN`; None asks for none.
        most_bytes: Greatest size of a request's body.

    Example:
        >>> Guard(app, token=None, most_bytes=1 << 20)  # doctest: +SKIP
    """

    def __init__(self, app: App, token: str | None, most_bytes: int):
        self.app, self.token, self.most_bytes = app, token, most_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request; see the ASGI specification."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets
            await send({"type": "websocket.close"})
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        size = 0

        async def receive_within_limit() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.most_bytes:
                raise _TooLarge
            return message

        async def send_unless_too_large(message: Message) -> None:
            if size <= self.most_bytes:
                await send(message)

        with suppress(_TooLarge):
            await self.app(scope, receive_within_limit, send_unless_too_large)
        if size > self.most_bytes:  # whatever the app has made of the error
            await self._too_large()(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        given = headers.get("authorization", "")
        if (origin := foreign_origin(headers)) is not None:
            return JSONResponse({"detail": f"a page of {origin} may not use this server"}, 403)
        if self.token is not None and not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            wanted = {"WWW-Authenticate": "Bearer"}
            return JSONResponse({"detail": "send the token of the server as Authorization: Bearer TOKEN"}, 401, wanted)
        if (length := headers.get("content-length", "0")).isdecimal() and int(length) > self.most_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> JSONResponse:
        return JSONResponse(
            {"detail": f"the request is larger than {self.most_bytes} bytes, the most there may be"}, 413
        )
