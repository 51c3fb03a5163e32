"""Order of the calls and the event streams of a visitor (ASGI middleware): no call is answered while a stream ends.

Gradio's page hears of its calls over one stream of events. The server ends it when no call of the page waits, and the
page opens another with its next call, but not if that call is answered before the page has noticed the end. Nothing
would ever be shown of such a call.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from weakref import WeakValueDictionary

from starlette.requests import Request

from latentstem.ui.access import CALL, EVENTS, App, Message, Receive, Send, visitor_token

_END = b'"msg":"close_stream"'
_PATIENCE = 1.0  # seconds for a page to notice the end of a stream


class EventStreams:
    """Hold back the calls of a visitor while one of their event streams ends.

    Args:
        app: ASGI app of the page.

    Example:
        >>> EventStreams(app)  # doctest: +SKIP
    """

    def __init__(self, app: App):
        self.app = app
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request; see the ASGI specification."""
        visitor = visitor_token(Request(scope)) if scope["type"] == "http" else None
        if visitor is None or scope["path"] not in (CALL, EVENTS):
            await self.app(scope, receive, send)
            return
        lock = self._locks.setdefault(visitor, asyncio.Lock())
        if scope["path"] == EVENTS:
            await self._stream(scope, receive, send, lock)
        else:
            async with lock:
                pass
            await self.app(scope, receive, send)

    async def _stream(self, scope: Message, receive: Receive, send: Send, lock: asyncio.Lock) -> None:
        """Serve a stream; one that ends stays open until the page closes its side."""
        last: list[Message] = []
        async with AsyncExitStack() as ending:

            async def send_but_the_last(message: Message) -> None:
                if _END in message.get("body", b""):
                    await ending.enter_async_context(lock)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    last.append(message)
                else:
                    await send(message)

            await self.app(scope, receive, send_but_the_last)
            if lock.locked():
                with suppress(TimeoutError):
                    await asyncio.wait_for(_disconnected(receive), _PATIENCE)
        for message in last:
            await send(message)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
