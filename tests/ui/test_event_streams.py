"""Calls wait for the end of their visitor's event streams: what the page misses otherwise is never shown."""

import asyncio

import pytest

from latentstem.ui.access import CALL, COOKIE, EVENTS
from latentstem.ui.event_streams import EventStreams

VISITOR, OTHER = "a" * 43, "b" * 43
END = b'data: {"msg":"close_stream","event_id":null}\n\n'


class Page:
    """Gradio's side: a stream that ends when it is told to, and calls that are noted."""

    def __init__(self):
        self.done = asyncio.Event()
        self.log = []

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == EVENTS:
            await self.done.wait()
            await send({"type": "http.response.body", "body": END, "more_body": True})
        else:
            self.log.append("call")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Client:
    """One request of a visitor, with what is sent to it; it hangs up on demand."""

    def __init__(self, app, path, visitor, log):
        self.gone = asyncio.Event()
        self.log = log
        self.whole = False
        cookie = f"{COOKIE}={visitor}".encode()
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"cookie", cookie)]}
        self.served = asyncio.create_task(app(scope, self.receive, self.send))

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message.get("body") == END:
            self.log.append("end")
        assert not self.whole
        self.whole = message["type"] == "http.response.body" and not message["more_body"]


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [(VISITOR, ["end", "hangs up", "call"]), (OTHER, ["end", "call", "hangs up"])],
    ids=["the same visitor", "another visitor"],
)
def test_a_call_waits_until_its_visitor_has_noticed_the_end_of_a_stream(caller, expected):
    async def visit():
        page = Page()
        app = EventStreams(page)
        stream = Client(app, EVENTS, VISITOR, page.log)
        await settle()
        page.done.set()
        await settle()
        call = Client(app, CALL, caller, page.log)
        await settle()
        page.log.append("hangs up")
        stream.gone.set()
        await asyncio.gather(stream.served, call.served)
        assert stream.whole and call.whole
        return page.log

    assert asyncio.run(visit()) == expected


def test_a_call_during_a_stream_does_not_wait():
    async def visit():
        page = Page()
        app = EventStreams(page)
        stream = Client(app, EVENTS, VISITOR, page.log)
        await settle()
        await Client(app, CALL, VISITOR, page.log).served
        page.done.set()
        stream.gone.set()
        await stream.served
        return page.log

    assert asyncio.run(visit()) == ["call", "end"]


def test_a_page_that_never_hangs_up_holds_its_calls_for_a_moment_only(monkeypatch):
    monkeypatch.setattr("latentstem.ui.event_streams._PATIENCE", 0.05)

    async def visit():
        page = Page()
        app = EventStreams(page)
        stream = Client(app, EVENTS, VISITOR, page.log)
        page.done.set()
        await settle()
        call = Client(app, CALL, VISITOR, page.log)
        await asyncio.gather(stream.served, call.served)
        return page.log

    assert asyncio.run(visit()) == ["end", "call"]
