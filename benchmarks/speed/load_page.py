"""Visitors of `latentstem ui` under load, over HTTP as a browser speaks it: a crowd, and visitors who come and go."""

import json
import random
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote

from benchmarks.common.http_clients import FORM, Client, form, noise
from benchmarks.common.tally import Tally, Wait, at_once, ways

WAYS = {
    "wait": 8,
    "cancel": 2,
    "go": 2,
    "cut upload": 2,
    "cut download": 2,
    "wrong": 1,
    "slow": 1,
    "line": 1,
    "loop": 1,
}
"""What a visitor does, and how often in proportion."""
_API = "/gradio_api"
_CONFIG = re.compile(r"window\.gradio_config = (\{.*?\});\s*</script>", re.DOTALL)
_FILE = re.compile(r"file=([^\"'&<>\\]+\.wav)")
_AHEAD = re.compile(r"Waiting: (\d+) run")
_ERROR = re.compile(r'role=\\"alert\\">([^<]*)<')


class Visitor:
    """A browser: it opens the page, and keeps the cookie that comes with it.

    Args:
        url: Address of the server.
        tally: Where it notes what it has met.
        draws: Source of what it does.
    """

    def __init__(self, url: str, tally: Tally, draws: random.Random):
        self.tally, self.draws = tally, draws
        with Client(url).answer("GET", "/") as answer:
            found = _CONFIG.search(answer.read().decode())
            cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        assert found is not None
        self.http = Client(url, {"Cookie": cookie})
        config = json.loads(found[1])
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.labels = {part["id"]: part["props"].get("label") for part in config["components"]}
        self.calls = {call["api_name"]: call for call in config["dependencies"]}

    def upload(self, seconds: float, slowly: float = 0.0) -> dict[str, Any]:
        """Upload a mix.

        Args:
            seconds: Its length.
            slowly: Seconds that the upload takes; 0 sends it at once.

        Returns:
            The file as a call names it.
        """
        body = form("files", "mix.wav", noise(self.draws, seconds))
        if slowly:
            self.tally.count("slow uploads")
            status, content = self.http.send_slowly(f"{_API}/upload", body, FORM, slowly)
        else:
            self.tally.count("uploads")
            status, content = self.http.ask("POST", f"{_API}/upload", body, FORM)
        self.tally.expect(status == 200, f"upload: {status} {content[:200]}")
        return {"path": json.loads(content)[0], "meta": {"_type": "gradio.FileData"}}

    def cut_upload(self) -> None:
        """Begin to upload a mix, and go."""
        body = form("files", "mix.wav", noise(self.draws, 6.0))
        self.tally.count("cut uploads")
        part, reset = self.draws.uniform(0.05, 0.95), self.draws.random() < 0.5
        self.http.cut_upload(f"{_API}/upload", body, FORM, part, reset)

    def fetch(self, path: str, cut: bool) -> None:
        """Download a stem.

        Args:
            path: Its path, as the page names it.
            cut: Whether to go in the midst of the answer.
        """
        address = f"{_API}/file={quote(path)}"
        if cut:
            self.tally.count("cut downloads")
            status = self.http.cut_download(address, reset=self.draws.random() < 0.5)
        else:
            self.tally.count("downloads")
            status, content = self.http.ask("GET", address)
            self.tally.expect(content[:4] == b"RIFF", f"{address} is no WAV file")
        self.tally.expect(status == 200, f"{address}: {status}")

    def be_wrong(self) -> None:
        """Send what is no audio."""
        status, content = self.http.ask("POST", f"{_API}/upload", form("files", "mix.wav", b"no audio"), FORM)
        self.tally.expect(status == 200, f"upload: {status}")
        with Page(self) as page:
            page.open()
            told = page.press({"path": json.loads(content)[0], "meta": {"_type": "gradio.FileData"}})
            self.tally.count("refused")
            self.tally.expect("mix.wav: " in told, f"told of a file that is no audio: {told!r}")


class Page:
    """One opened page of a visitor, a context that ends when the page is closed.

    Args:
        visitor: The visitor.
    """

    def __init__(self, visitor: Visitor):
        self.visitor, self.session = visitor, secrets.token_hex(5)
        self._connections = ExitStack()
        self.stems: list[str] = []
        self.gone = threading.Event()

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def open(self) -> None:
        """Open the connection that tells the server that the page is there, and have the history shown."""
        beat = self._connections.enter_context(self.visitor.http.answer("GET", f"{_API}/heartbeat/{self.session}"))
        beat.readline()
        self.finish(self.call("arrive"))

    def call(self, name: str, **changed: Any) -> str:
        """Send what an action of the page sends.

        Args:
            name: Name of the function that is called.
            **changed: Values of inputs by their labels with _ for blanks, where they are not as the page has them.

        Returns:
            Name of the event.
        """
        call, visitor = self.visitor.calls[name], self.visitor
        data = [
            changed.get((visitor.labels[part] or "").replace(" ", "_"), visitor.values[part]) for part in call["inputs"]
        ]
        body = {"data": data, "fn_index": call["id"], "session_hash": self.session, "trigger_id": None}
        status, content = visitor.http.ask(
            "POST", f"{_API}/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        visitor.tally.expect(status == 200, f"{name}: {status} {content[:200]}")
        return json.loads(content)["event_id"]

    def events(self) -> Iterator[dict[str, Any]]:
        """Listen to the events of the page until the server ends their stream, or the page is `gone`."""
        with self.visitor.http.answer("GET", f"{_API}/queue/data?session_hash={self.session}") as stream:
            self.visitor.tally.expect(stream.status == 200, f"events: {stream.status}")
            for line in _lines(stream):
                if self.gone.is_set():
                    return
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def finish(self, event: str, wait: Wait | None = None) -> str:
        """Listen until an event has ended.

        Args:
            event: Its name.
            wait: Where its turn is noted.

        Returns:
            The last error that was shown, or "cancelled", "done", or "gone" where the page was left before.
        """
        outcome = "gone"
        for message in self.events():
            if message.get("event_id") != event:
                continue
            text = json.dumps(message)
            if wait is not None:
                if ahead := _AHEAD.search(text):
                    wait.ahead = wait.ahead or int(ahead[1])
                elif wait.started is None and "<progress" in text:
                    wait.started = time.monotonic()
            self.stems = _FILE.findall(text) or self.stems
            if error := _ERROR.search(text):
                outcome = error[1]
            elif "Cancelled." in text:
                outcome = "cancelled"
            elif message["msg"] == "process_completed":
                outcome = "done" if outcome == "gone" else outcome
                self.visitor.tally.expect(message["success"], f"an event has failed: {text[:300]}")
        return outcome

    def press(self, mix: dict[str, Any], wait: Wait | None = None, then: Sequence[tuple[str, float]] = ()) -> str:
        """Press Generate, and see the run through.

        Args:
            mix: The mix.
            wait: Where its turn is noted; `sent` and `accepted` are set.
            then: What is done besides: "cancel" or "go", and the seconds after which it is done.

        Returns:
            See `finish`.
        """
        sent = time.monotonic()
        event = self.call("press", Mix=mix, Quality="fast", Takes=1)
        if wait is not None:
            wait.sent, wait.accepted = sent, time.monotonic()
        timers = [
            threading.Timer(seconds, self.cancel if what == "cancel" else self.gone.set) for what, seconds in then
        ]
        for timer in timers:
            timer.start()
        try:
            return self.finish(event, wait)
        finally:
            for timer in timers:
                timer.cancel()
                timer.join()

    def cancel(self) -> None:
        """Press Cancel."""
        self.visitor.tally.count("cancels")
        self.call("stop")


def crowd(url: str, tally: Tally, clients: int, jobs: int, slowly: float, within: float) -> None:
    """Fill the queue from the pages of several visitors at once, and see all runs through.

    Args:
        url: Address of the server.
        tally: Where they note what they have met.
        clients: Number of visitors.
        jobs: Number of pages of all together, with a run each.
        slowly: Seconds that the slow upload takes.
        within: Seconds within which runs are cancelled and pages are left.
    """
    visitors = [Visitor(url, tally, random.Random(index)) for index in range(clients)]
    at_once(tally, [visitor.cut_upload for visitor in visitors])
    works = []
    for index in range(jobs):
        draws = random.Random(1000 + index)
        fate = draws.choices(("wait", "cancel", "go"), (6, 2, 2))[0]
        then = [] if fate == "wait" else [(fate, draws.uniform(0, within))]
        works.append(partial(_run, visitors[index % clients], then, slowly if index == 0 else 0.0, index / 8))
    at_once(tally, works)
    with Page(Visitor(url, tally, random.Random(0))) as page:  # who left holds up nobody
        page.open()
        page.press(page.visitor.upload(0.5), wait := Wait(0.0, 0.0))
        tally.expect(wait.ahead <= 1, f"{wait.ahead} runs come before that of a newcomer, and nobody is there")


def _run(visitor: Visitor, then: Sequence[tuple[str, float]], slowly: float, after: float) -> None:
    tally = visitor.tally
    time.sleep(after)
    with Page(visitor) as page:
        page.open()
        mix = visitor.upload(visitor.draws.uniform(0.5, 4), slowly)
        tally.waits.append(wait := Wait(0.0, 0.0))
        tally.count("accepted")
        _note(tally, page.press(mix, wait, then))
        if page.stems:
            visitor.fetch(page.stems[-1], cut=visitor.draws.random() < 0.3)


def _note(tally: Tally, outcome: str) -> None:
    tally.expect(outcome in ("done", "cancelled", "gone"), f"a run has failed: {outcome}")
    tally.count(outcome)


def visit(url: str, tally: Tally, draws: random.Random, until: float) -> None:
    """Come to the page as one visitor after another, use it in one way, and go, until a time.

    Args:
        url: Address of the server.
        tally: Where it is noted what was met.
        draws: Source of what is done.
        until: Time of the end by `time.monotonic`.
    """
    for way in ways(draws, until, WAYS):
        visitor = Visitor(url, tally, draws)
        tally.count("visitors")
        if way == "cut upload":
            visitor.cut_upload()
        elif way == "wrong":
            visitor.be_wrong()
        else:
            _stay(visitor, way)


def _stay(visitor: Visitor, way: str) -> None:
    draws, tally = visitor.draws, visitor.tally
    with Page(visitor) as page:
        page.open()
        if way == "loop":
            _note(tally, page.finish(page.call("run", Bars=1, Loops=1)))
            return
        mix = visitor.upload(draws.uniform(0.5, 4), draws.uniform(1, 8) if way == "slow" else 0.0)
        if way == "line":
            _note(tally, page.finish(page.call("make", Mix=mix)))
            return
        for _ in range(draws.randrange(1, 4)):
            tally.count("accepted")
            _note(tally, page.press(mix, None, [(way, draws.uniform(0, 5))] if way in ("cancel", "go") else []))
            if page.gone.is_set():
                return
        if page.stems:
            visitor.fetch(page.stems[-1], cut=way == "cut download")


def _lines(stream: HTTPResponse) -> Iterator[bytes]:
    while line := stream.readline():
        yield line.strip()
