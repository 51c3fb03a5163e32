"""Many visitors at once: who waits holds up nobody's cancel."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading

import pytest

pytest.importorskip("gradio")

from benchmarks.common.tally import Tally
from benchmarks.speed.load_page import Page, Visitor

GRADIO_TAKES, VISITORS = 40, 50
WAITING = re.compile(r"Waiting: (\d+) runs")

# The page as the command line serves it, while somebody computes who never ends.
SERVER = """
import sys
from latentstem.cli import main
from latentstem.ui import server

class Busy(server.Generator):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.turns._tickets.append(object())

server.Generator = Busy
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def busy_page(build_pipeline, tmp_path):
    build_pipeline(carriers=8).save_pretrained(tmp_path / "weights")
    words = ["ui", "--weights", str(tmp_path / "weights"), "--port", "0", "--no-open", "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        try:
            yield process.stdout.readline().partition(": ")[0].rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.mark.slow
def test_a_run_is_cancelled_while_many_wait(busy_page):
    visitor = Visitor(busy_page, tally := Tally(), random.Random(0))
    mix = visitor.upload(0.1)
    for _ in range(VISITORS):
        Page(visitor).call("press", Mix=mix)
    own = Page(visitor)
    run, shown, stop = own.call("press", Mix=mix), [], None
    given_up = threading.Timer(30, own.gone.set)
    given_up.start()
    for message in own.events():
        if message.get("event_id") == run:
            shown.append(json.dumps(message))
            ahead = WAITING.search(shown[-1])  # some of the others may come to wait after it
            if stop is None and ahead is not None and int(ahead[1]) > GRADIO_TAKES:
                stop = own.call("stop")
    given_up.cancel()
    assert any("Cancelled." in text for text in shown)
    assert tally.problems == []
