"""What visitors of the page leave behind goes when they have been away for a while, and nothing else."""

import asyncio
import os
import time

import pytest

pytest.importorskip("fastapi")

from starlette.requests import Request

from latentstem.ui.access import COOKIE, AccessControl
from latentstem.ui.visitor_files import VisitorFiles


@pytest.fixture
def files(tmp_path):
    return VisitorFiles(tmp_path.resolve())


def upload(files, home, content):
    """Store a file as Gradio does, in a folder named after its content."""
    path = files.folder / content / "mix.wav"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    files.add_uploads(home, [str(path)])
    return path


def generate(files, home, session):
    assert files.claim(home, session)
    stem = files.home_of(session) / "run" / "bass.wav"
    stem.parent.mkdir()
    stem.write_text("stem")
    return stem


def test_who_is_away_leaves_nothing_and_who_is_present_keeps_all(files):
    gone, there = files.home("gone"), files.home("there")
    with files.present(gone):
        left = [upload(files, gone, "a song"), generate(files, gone, "page 1")]
        shared = upload(files, gone, "a song of both")
    with files.present(there):
        kept = [
            upload(files, there, "another song"),
            upload(files, there, "a song of both"),
            generate(files, there, "p"),
        ]
        files.sweep(0.0)
        assert not any(path.exists() or path.parent.exists() for path in left)
        assert all(files.owns(there, str(path)) for path in kept) and shared in kept
        assert not files.owns(gone, str(shared))
        assert files.claim(there, "page 1")  # nobody's any more
    assert set(files.folder.rglob("*.wav")) == set(kept)
    files.sweep(0.0)
    assert list(files.folder.iterdir()) == []


def test_who_left_a_moment_ago_finds_everything_again(files):
    home = files.home("token")
    with files.present(home):
        mix = upload(files, home, "a song")
    files.sweep(60.0)
    assert files.owns(home, str(mix))
    with files.present(home), files.present(home):  # two pages
        pass
    files.sweep(0.0)
    assert not mix.exists()


def test_an_open_request_keeps_the_files_of_its_visitor(files):
    token = "a" * 43
    mix = upload(files, files.home(token), "a song")
    served = []

    async def page(scope, receive, send):
        files.sweep(0.0)
        served.append(mix.exists())

    async def ask(cookie):
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"cookie", cookie)]}
        await AccessControl(page, files)(scope, None, None)

    asyncio.run(ask(f"{COOKIE}={token}".encode()))
    assert served == [True]
    files.sweep(0.0)
    assert not mix.exists()


def test_an_upload_that_ends_in_its_midst_is_no_error_and_leaves_nothing(files):
    (ended := files.folder / "tmp1").write_text("a part of a song")
    (going_on := files.folder / "tmp2").write_text("the first part of a song")
    os.utime(ended, (time.time() - 100,) * 2)
    messages, read, sent = [], [], []

    async def page(scope, receive, send):
        async for part in Request(scope, receive).stream():
            read.append(part)

    async def receive():
        return messages.pop()

    async def send(message):
        sent.append(message)

    cookie = f"{COOKIE}={'a' * 43}".encode()
    for path in ("/gradio_api/upload", "/gradio_api/queue/join"):
        messages = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"the first", "more_body": True}]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [(b"cookie", cookie)]}
        asyncio.run(AccessControl(page, files)(scope, receive, send))
        assert messages == []
    assert read == [b"the first"] and sent == []
    files.sweep(50.0)
    assert not ended.exists() and going_on.exists()
