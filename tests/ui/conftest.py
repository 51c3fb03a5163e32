"""The page as a server, and visitors that talk to it over raw HTTP."""

import http.client
import http.server
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from latentstem import BassNetModel, BassNetPipeline, write_audio

SECRET = b"the private key of the user"
API = "/gradio_api"
ARGUMENTS = """--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync
    --no-first-run --disable-quic --autoplay-policy=no-user-gesture-required""".split()

# The page as the command line serves it; before that it tells every address that Gradio answers.
SERVER = """
import json, sys
from latentstem.cli import main
from latentstem.ui import server

create_app = server.create_app

def addresses_of(app):
    for route in app.routes:
        inner = getattr(route, "app", None) or getattr(route, "original_router", None)
        if hasattr(inner, "routes"):
            yield from addresses_of(inner)
        else:
            yield from ((method, route.path) for method in route.methods if method in ("GET", "POST"))

def create_and_tell(*args):
    app = create_app(*args)
    print(json.dumps(sorted(set(addresses_of(app)))), flush=True)
    return app

server.create_app = create_and_tell
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="session")
def serve(serving):
    """Serves the page: `serve(folder, *words)` is a context with its address."""
    pytest.importorskip("gradio")
    return lambda folder, *words: serving("ui", folder, "--no-open", *words)


def left_by_the_page(folder):
    """What lies in a temporary folder and is not PyTorch's own."""
    return [path for path in folder.iterdir() if not path.name.startswith("torch")]


@pytest.fixture(scope="session")
def shipped_page(tmp_path_factory, serve):
    """The address of a page with the shipped weights, and the folder in which its temporary one lies."""
    folder = tmp_path_factory.mktemp("temporary")
    with serve(folder, "--max-duration", 60) as url:
        yield url, folder
    assert left_by_the_page(folder) == []


@pytest.fixture(scope="session")
def bassnet():
    """A small BassNet of random weights, whose line the control changes."""
    torch.manual_seed(0)
    model = BassNetModel(resolutions=2, steps=10, channels=8, blocks=2, control_blocks=1)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias)
    walking = {"mean": [1.5, -0.5], "covariance": [[0.25, 0.1], [0.1, 0.5]], "share": 1.0}
    return BassNetPipeline(model.eval(), {"walking": walking})


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory, build_pipeline, bassnet, build_loop_pipeline):
    """A folder with weights of all tabs: nets of random weights, whose stem has controls, but no register."""
    folder = tmp_path_factory.mktemp("weights")
    stems = build_pipeline(carriers=8, controls={"beat": 4, "chords": 25, "density": 2}, targets=["bass", "drums"])
    for name, pipe in (("stem", stems), ("bassnet", bassnet), ("loops", build_loop_pipeline())):
        pipe.save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="session")
def small_page(tmp_path_factory, small_weights, serve):
    """The address of a page with `small_weights`, and the folder in which its temporary one lies."""
    folder, weights = tmp_path_factory.mktemp("temporary"), small_weights
    words = ("--weights", weights / "stem", "--bassnet", weights / "bassnet", "--loops", weights / "loops")
    with serve(folder, *words) as url:
        yield url, folder


class Visitor:
    """A browser of its own: it opens the page, and keeps the cookie that comes with it."""

    def __init__(self, port):
        self.port = port
        self.session = secrets.token_hex(5)
        self.headers = {}
        connection, response = self._ask("GET", "/")
        if cookie := response.getheader("set-cookie"):
            self.headers = {"Cookie": cookie.partition(";")[0]}
        assert response.status == 200
        connection.close()

    def _ask(self, method, address, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, address, body, self.headers | dict(headers))
        return connection, connection.getresponse()

    def ask(self, method, address, body=None, **headers):
        """The status and the whole content of an answer."""
        if not isinstance(body, bytes | None):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
        connection, response = self._ask(method, address, body, headers)
        content = response.read()
        connection.close()
        return response.status, content

    def upload(self, name, content):
        head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        status, answer = self.ask("POST", f"{API}/upload", head + content + b"\r\n--b--\r\n", **kind)
        assert status == 200
        return json.loads(answer)[0]

    def call(self, mix, style=None, **other):
        """What a press of the button sends, with what some addresses want besides."""
        data = [mix, style, "fast", 1, 0, True, 1.0, 2.0, False, 0.8, False, None, 0.5, 0, 0]
        own = {"data": data, "fn_index": 0, "session_hash": self.session, "trigger_id": None, "event_data": None}
        elsewhere = {"mix_file": mix, "style_file": style, "component_id": 6, "fn_name": "preprocess", "event_id": "e"}
        return own | elsewhere | other

    def results(self):
        return self.ask("GET", f"{API}/queue/data?session_hash={self.session}")

    def generate(self, mix):
        """What the page shows in the end."""
        status, _ = self.ask(
            "POST", f"{API}/queue/join", self.call({"path": mix, "meta": {"_type": "gradio.FileData"}})
        )
        assert status == 200
        return self.results()[1].decode()


@dataclass
class Scene:
    """A page with two visitors, each with an upload and what was generated from it; and what no request may reach.

    Attributes:
        folder: The page's temporary one.
        addresses: Method and pattern of all that Gradio answers.
        outside: A file with the secret, which nobody uploaded.
        elsewhere: The address of another server on this machine, which answers with the secret.
        fetched: What that server was asked for.
        own_upload, own_run: The attacker's file, and the folder of what was made of it.
        their_upload, their_stem: The victim's file, and what was made of it.
    """

    folder: Path
    addresses: list[tuple[str, str]]
    outside: Path
    elsewhere: str
    fetched: list[str]
    attacker: Visitor
    victim: Visitor
    own_upload: str
    own_run: Path
    their_upload: str
    their_stem: str

    def newcomer(self):
        return Visitor(self.attacker.port)

    def files(self):
        return {path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.fixture(scope="module")
def elsewhere():
    """The address of another server on this machine, and what it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/secret.wav", asked
        server.shutdown()


@pytest.fixture(scope="module")
def scene(build_pipeline, tmp_path_factory, elsewhere):
    pytest.importorskip("gradio")
    base = tmp_path_factory.mktemp("file_access").resolve()
    (outside := base / "private.key").write_bytes(SECRET)
    build_pipeline(carriers=8).save_pretrained(base / "weights")
    words = ["ui", "--weights", str(base / "weights"), "--port", "0", "--no-open", "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *words, "--max-duration", "10"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(base)},
    ) as process:
        try:
            addresses = [tuple(address) for address in json.loads(process.stdout.readline())]
            port = urllib.parse.urlsplit(process.stdout.readline().partition(": ")[0]).port
            (folder,) = base.glob("latentstem-ui-*")
            visitors, made = (Visitor(port), Visitor(port)), []
            for visitor in visitors:
                write_audio(base / "mix.wav", torch.rand(1, 5000) - 0.5, 8000)
                upload = visitor.upload("mix.wav", (base / "mix.wav").read_bytes())
                (stem,) = set(re.findall(rf"{folder}[^\"\\]*-bass-0\.wav", visitor.generate(upload)))
                made.append((upload, stem))
            (own_upload, own_stem), (their_upload, their_stem) = made
            yield Scene(
                folder=folder,
                addresses=addresses,
                outside=outside,
                elsewhere=elsewhere[0],
                fetched=elsewhere[1],
                attacker=visitors[0],
                victim=visitors[1],
                own_upload=own_upload,
                own_run=Path(own_stem).parent,
                their_upload=their_upload,
                their_stem=their_stem,
            )
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def browser(chromium):
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """The page, opened; at the end every request was to the server, and the console holds no error."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server[0])
    yield page
    context.close()
    wrong = [text for text in wrong if "Waveform load error" not in text]  # a browser has its own say on broken files
    elsewhere = [url for url in asked if not url.startswith((server[0], "data:", "blob:"))]
    assert asked and elsewhere == []
    assert wrong == []
