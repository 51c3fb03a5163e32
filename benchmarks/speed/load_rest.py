"""Clients of `latentstem serve` under load: a crowd that fills the queue at once, and visitors who come and go."""

import json
import random
import time
from functools import partial
from typing import Any

from benchmarks.common.http_clients import FORM, Client, detail, form, noise
from benchmarks.common.tally import Tally, Wait, at_once, wait_for, ways

WAYS = {
    "wait": 8,
    "cancel": 2,
    "leave": 1,
    "cut upload": 2,
    "cut download": 2,
    "wrong": 1,
    "slow": 1,
    "delete": 1,
}
"""What a client does, and how often in proportion."""
OVER = ("done", "failed", "cancelled")
_PATIENCE = 900.0  # seconds for a whole queue on a busy machine


class RestClient:
    """A program that uses the server.

    Args:
        url: Address of the server.
        tally: Where it notes what it has met.
        draws: Source of what it does.
    """

    def __init__(self, url: str, tally: Tally, draws: random.Random):
        self.http, self.tally, self.draws = Client(url), tally, draws
        self.waits: dict[str, Wait] = {}
        self.states: dict[str, str] = {}
        """States in which the jobs have ended, "deleted" among them."""

    def submit(self, slowly: float = 0.0) -> str | None:
        """Ask for a stem.

        Args:
            slowly: Seconds that the upload takes; 0 sends it at once.

        Returns:
            The name of the job; None if it was refused.
        """
        body = form(
            "mix", "mix.wav", noise(self.draws, self.draws.uniform(0.5, 4)), quality="fast", seed=self._number()
        )
        sent = time.monotonic()
        if slowly:
            status, content = self.http.send_slowly("/jobs", body, FORM, slowly)
            self.tally.count("slow uploads")
        else:
            status, content = self.http.ask("POST", "/jobs", body, FORM)
        if status != 202:
            self.refused(status, content, 429)
            return None
        job = json.loads(content)
        self.tally.count("accepted")
        self.tally.waits.append(wait := Wait(sent, time.monotonic(), job["ahead"]))
        self.waits[job["job"]] = wait
        return job["job"]

    def refused(self, status: int, content: bytes, expected: int) -> None:
        """Note a refusal, which has the expected status and a message.

        Args:
            status: Status of the answer.
            content: Content of the answer.
            expected: The status that is right here.
        """
        self.tally.count(f"refused with {status}")
        told = detail(content)
        right = status in (expected, 429) and bool(told)  # 429: there are as many jobs as may be
        self.tally.expect(right, f"refused with {status}, not {expected}: {content[:200]!r}")

    def look(self, job: str) -> dict[str, Any] | None:
        """Ask how far a job is, and note its turn and its end; None if it is no longer there.

        Args:
            job: Name of the job.
        """
        status, content = self.http.ask("GET", f"/jobs/{job}")
        if status == 404:
            return None
        self.tally.expect(status == 200, f"GET of a job: {status}")
        told = json.loads(content)
        if told["state"] in ("running", "done") and self.waits[job].started is None:
            self.waits[job].started = time.monotonic()
        if told["state"] in OVER and job not in self.states:
            self.states[job] = told["state"]
            self.tally.count(told["state"])
            self.tally.expect(told["state"] != "failed", f"a job has failed: {told['error']}")
        return told

    def follow(self, job: str) -> dict[str, Any] | None:
        """Wait for the end of a job.

        Args:
            job: Name of the job.
        """
        self.tally.expect(wait_for(lambda: self.look(job) is None or job in self.states, _PATIENCE), "no end of a job")
        return self.look(job)

    def cancel(self, job: str) -> None:
        """Cancel a job.

        Args:
            job: Name of the job.
        """
        status, _ = self.http.ask("POST", f"/jobs/{job}/cancel", b"")
        self.tally.count("cancels")
        self.tally.expect(status in (200, 404), f"cancel: {status}")

    def delete(self, job: str) -> None:
        """Delete a job.

        Args:
            job: Name of the job.
        """
        status, _ = self.http.ask("DELETE", f"/jobs/{job}")
        self.tally.count("deletes")
        self.tally.expect(status in (204, 404), f"delete: {status}")
        if self.states.setdefault(job, "deleted") == "deleted":  # before its end
            self.tally.count("deleted")

    def fetch(self, told: dict[str, Any], cut: bool) -> None:
        """Download the stems of a finished job.

        Args:
            told: What the server has told of the job.
            cut: Whether to go in the midst of the answer.
        """
        for stem in told["stems"]:
            address = self.draws.choice(
                [stem["stem"], stem["with_mix"], *(stem["stem"].replace(".wav", kind) for kind in (".flac", ".zip"))]
            )
            if cut:
                self.tally.count("cut downloads")
                status = self.http.cut_download(address, reset=self.draws.random() < 0.5)
            else:
                self.tally.count("downloads")
                status, content = self.http.ask("GET", address)
                self.tally.expect(status == 404 or len(content) > 1000, f"{address}: {len(content)} bytes")
            self.tally.expect(status in (200, 404), f"{address}: {status}")  # 404 where another has deleted the job

    def cut_upload(self) -> None:
        """Begin to ask for a stem, and go."""
        body = form("mix", "mix.wav", noise(self.draws, 6.0))
        part, reset = self.draws.uniform(0.05, 0.95), self.draws.random() < 0.5
        self.tally.count("cut uploads")
        self.http.cut_upload("/jobs", body, FORM, part, reset)

    def be_wrong(self) -> None:
        """Ask for something impossible."""
        mix = noise(self.draws, 0.5)
        body, status = self.draws.choice(
            [
                (form("mix", "mix.wav", b"no audio"), 400),
                (form("mix", "mix.wav", mix, chords="| H |", bpm=100), 400),
                (form("mix", "mix.wav", mix, quality="splendid"), 422),
            ]
        )
        self.refused(*self.http.ask("POST", "/jobs", body, FORM), status)

    def _number(self) -> int:
        return self.draws.randrange(10**6)


class _Member(RestClient):
    """A client of the crowd, whose jobs have fates: most are waited for, some are cancelled, some deleted."""

    def __init__(self, url: str, tally: Tally, draws: random.Random, within: float):
        super().__init__(url, tally, draws)
        self.within = within
        self.due: dict[str, tuple[str, float]] = {}

    def send(self, jobs: int, slowly: float) -> None:
        """Submit jobs, the first slowly, with uploads that end in their midst in between."""
        for index in range(jobs):
            if self.draws.random() < 0.3:
                self.cut_upload()
            job = self.submit(slowly if index == 0 else 0.0)
            fate = self.draws.choices(("wait", "cancel", "delete"), (6, 3, 1))[0]
            if job is not None and fate != "wait":
                self.due[job] = fate, time.monotonic() + self.draws.uniform(0, self.within)

    def see_through(self) -> None:
        """Look after the jobs until all have ended, and fetch the stems."""
        end = time.monotonic() + _PATIENCE
        while left := [job for job in self.waits if job not in self.states]:
            self.tally.expect(time.monotonic() < end, f"no end of {len(left)} jobs")
            if time.monotonic() > end:
                return
            for job in left:
                told = self.look(job)
                fate, moment = self.due.get(job, ("wait", 0.0))
                if told is not None and told["state"] == "done":
                    self.fetch(told, cut=self.draws.random() < 0.3)
                    self.delete(job)
                elif fate != "wait" and time.monotonic() > moment:
                    del self.due[job]
                    self.cancel(job) if fate == "cancel" else self.delete(job)
            time.sleep(0.1)


def crowd(url: str, tally: Tally, clients: int, jobs: int, slowly: float, within: float) -> None:
    """Fill the queue from several clients at once, and see all jobs through.

    Args:
        url: Address of a server that takes as many jobs.
        tally: Where they note what they have met.
        clients: Number of clients.
        jobs: Number of jobs of all together.
        slowly: Seconds that the slow upload takes.
        within: Seconds within which jobs are cancelled.
    """
    members = [_Member(url, tally, random.Random(index), within) for index in range(clients)]
    shares = [jobs // clients + (index < jobs % clients) for index in range(clients)]
    at_once(
        tally,
        [
            partial(member.send, share, slowly if index == 0 else 0.0)
            for index, (member, share) in enumerate(zip(members, shares, strict=True))
        ],
    )
    for member in members:  # the queue is full
        member.refused(*member.http.ask("POST", "/jobs", form("mix", "mix.wav", noise(member.draws, 1)), FORM), 429)
    at_once(tally, [member.see_through for member in members])


def visit(url: str, tally: Tally, draws: random.Random, until: float) -> None:
    """Use the server in one way after another, with breaks, until a time.

    Args:
        url: Address of the server.
        tally: Where it is noted what was met.
        draws: Source of what is done.
        until: Time of the end by `time.monotonic`.
    """
    for way in ways(draws, until, WAYS):
        client = RestClient(url, tally, draws)
        if way == "cut upload":
            client.cut_upload()
        elif way == "wrong":
            client.be_wrong()
        elif job := client.submit(draws.uniform(1, 8) if way == "slow" else 0.0):
            if way in ("cancel", "delete"):
                time.sleep(draws.uniform(0, 5))
                client.cancel(job) if way == "cancel" else client.delete(job)
            if way not in ("leave", "delete") and (told := client.follow(job)):
                client.fetch(told, cut=way == "cut download")
                if draws.random() < 0.7:
                    client.delete(job)
