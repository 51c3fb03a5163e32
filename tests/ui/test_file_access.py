"""What forged requests get out of the page, over raw HTTP: no file but the visitor's own, none from elsewhere."""

import json
import os
import re
import secrets
import urllib.parse
from pathlib import Path

import pytest

API = "/gradio_api"
CALLS = ("run", "api", "call", "call/v2")  # the ways past the queue
STREAMS = {f"{API}/heartbeat/{{session_hash}}", f"{API}/upload_progress"}  # they take no file, and do not end


def file_of(path, **other):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}} | other


def link(scene, target):
    """A symbolic link in the attacker's own folder."""
    path = scene.own_run / f"link-{secrets.token_hex(4)}"
    path.symlink_to(target)
    return path


# Every way to name what is not one's own, as the paths that a request may hold.
NAMES = {
    "outside": lambda scene: str(scene.outside),
    "outside, relative": lambda scene: os.path.relpath(scene.outside),
    "outside, by dots": lambda scene: f"{scene.folder}/../private.key",
    "outside, by a link": lambda scene: str(link(scene, scene.outside)),
    "outside, by a linked folder": lambda scene: f"{link(scene, scene.outside.parent)}/private.key",
    "outside, as an address": lambda scene: scene.outside.as_uri(),
    "another's upload": lambda scene: scene.their_upload,
    "another's upload, by a link": lambda scene: str(link(scene, scene.their_upload)),
    "another's upload, by dots": lambda scene: (
        f"{scene.own_run}/../{os.path.relpath(scene.their_upload, scene.own_run.parent)}"
    ),
    "another's stem": lambda scene: scene.their_stem,
    "elsewhere": lambda scene: scene.elsewhere,
    "no file": lambda scene: f"{scene.own_run}/missing.wav",
    "a folder": lambda scene: str(scene.own_run),
    "no name at all": lambda scene: "mix\0.wav",
}
FILES = {name: lambda scene, path=path: file_of(path(scene)) for name, path in NAMES.items()} | {
    "outside, as a stream": lambda scene: file_of(scene.outside, is_stream=True),
    "outside, without its type": lambda scene: {"path": str(scene.outside)},
    "one's own, with an address elsewhere": lambda scene: file_of(scene.own_upload, url=scene.elsewhere),
    "one's own, with the address of another file": lambda scene: file_of(
        scene.own_upload, url=f"http://127.0.0.1:{scene.attacker.port}{API}/file={scene.outside}"
    ),
    "an address alone": lambda scene: {"url": scene.elsewhere, "meta": {"_type": "gradio.FileData"}},
}


@pytest.fixture
def unchanged(scene):
    """At the end nothing was written, nothing was fetched, and no answer held what it must not."""
    before = scene.files()
    answers = []
    yield answers
    kept = [
        scene.outside.read_bytes(),
        Path(scene.their_upload).read_bytes()[100:],
        Path(scene.their_stem).read_bytes()[100:],
    ]
    assert not any(secret in answer for secret in kept for answer in answers)
    assert scene.files() == before
    assert scene.fetched == []


def follow(visitor, answer):
    """Fetch the results of a call, where there was one."""
    try:
        event = json.loads(answer)["event_id"]
    except (ValueError, KeyError, TypeError):
        return []
    return [visitor.results()[1], visitor.ask("GET", f"{API}/call/make/{event}")[1]]


@pytest.mark.parametrize("name", FILES)
def test_no_call_takes_a_file_that_is_not_ones_own(scene, unchanged, name):
    visitor = scene.attacker
    posts = [pattern for method, pattern in scene.addresses if method == "POST"]
    assert {f"{API}/{path}" for path in ("queue/join", "run/{api_name}", "api/{api_name}", "call/{api_name}")} <= {
        *posts
    }
    own = file_of(scene.own_upload)
    for pattern in posts:
        file = FILES[name](scene)
        for call in (visitor.call(file), visitor.call(own, file), visitor.call(own, event_data={"deep": [file]})):
            status, answer = visitor.ask("POST", re.sub(r"\{api_name\}|\{\w+\}", "make", pattern), call)
            unchanged.extend([answer, *follow(visitor, answer)])
            assert status in (403, 404) or (pattern == f"{API}/upload" and status == 400), pattern


@pytest.mark.parametrize("name", NAMES)
def test_no_address_hands_out_a_file_that_is_not_ones_own(scene, unchanged, name):
    path = NAMES[name](scene)
    for _, pattern in scene.addresses:
        if pattern in STREAMS or "{" not in pattern:
            continue
        before, _, after = re.sub(r"\{\w+\}/", "make/", pattern).partition("{")
        after = after.partition("}")[2]
        for spelled in (urllib.parse.quote(path), urllib.parse.quote(path, safe=""), path.replace(".", "%2e")):
            status, answer = scene.attacker.ask("GET", f"{before}{spelled}{after}".replace("\0", "%00"))
            unchanged.append(answer)
            assert status in (400, 403, 404), pattern


def test_who_has_no_cookie_gets_nothing_but_the_page(scene, unchanged):
    stranger = scene.newcomer()
    for headers in ({}, {"Cookie": "latentstem=x"}, {"Cookie": "latentstem=../../page"}):
        stranger.headers = headers
        assert stranger.ask("GET", "/")[0] == 200
        asked = [stranger.ask("GET", f"{API}/file={path}") for path in (scene.their_upload, scene.their_stem)]
        asked.append(stranger.ask("POST", f"{API}/queue/join", stranger.call(file_of(scene.their_upload))))
        asked.append(stranger.ask("POST", f"{API}/upload", b""))
        unchanged.extend(answer for _, answer in asked)
        assert [status for status, _ in asked] == [403] * 4


def test_ones_own_files_are_taken_and_handed_out(scene):
    visitor = scene.newcomer()
    content = Path(scene.own_upload).read_bytes()
    path = visitor.upload("a mix (1) #2 & é.wav", content)
    assert visitor.ask("GET", f"{API}/file={urllib.parse.quote(path)}") == (200, content)
    address = f"http://127.0.0.1:{visitor.port}{API}/file="
    for url in (None, address + path, address + urllib.parse.quote(path)):
        status, _ = visitor.ask("POST", f"{API}/queue/join", visitor.call(file_of(path, url=url)))
        shown = visitor.results()[1].decode()
        assert status == 200 and "generated in" in shown
        sources = re.findall(rf"src=\\\"({API}/file=[^\\]*)", shown)
        assert len(sources) >= 6 and all(visitor.ask("GET", source)[0] == 200 for source in sources)


def test_an_upload_of_the_same_recording_is_everybodys_who_uploaded_it(scene):
    one, other = (scene.newcomer() for _ in range(2))
    content = b"RIFF" + secrets.token_bytes(100)
    path = one.upload("mix.wav", content)
    assert [visitor.ask("GET", f"{API}/file={path}")[0] for visitor in (one, other)] == [200, 403]
    assert other.upload("mix.wav", content) == path
    assert [visitor.ask("GET", f"{API}/file={path}")[0] for visitor in (one, other)] == [200, 200]


def test_an_uploaded_page_is_never_shown_as_one_of_this_server(scene):
    visitor = scene.newcomer()
    path = visitor.upload("page.html", b"<script>alert(1)</script>")
    connection, response = visitor._ask("GET", f"{API}/file={path}")
    assert response.getheader("content-disposition").startswith("attachment")
    connection.close()


def test_there_are_no_deep_links(scene):
    visitor = scene.newcomer()
    visitor.generate(visitor.upload("mix.wav", Path(scene.own_upload).read_bytes()))
    for session in (visitor.session, scene.victim.session):
        assert visitor.ask("GET", f"{API}/deep_link?session_hash={session}")[0] == 404
    assert visitor.ask("GET", "/?deep_link=x")[0] == 404
    assert not (scene.folder / "deep_links").exists()


def test_a_session_is_its_visitors_alone(scene, unchanged):
    visitor, session = scene.attacker, scene.victim.session
    asked = [
        visitor.ask("GET", f"{API}/queue/data?session_hash={session}"),
        visitor.ask("GET", f"{API}/heartbeat/{session}"),
        *(
            visitor.ask("POST", f"{API}/queue/join", {"data": [], "fn_index": index, "session_hash": session})
            for index in range(4)
        ),
    ]
    unchanged.extend(answer for _, answer in asked)
    assert [status for status, _ in asked] == [403] * 6
    for other in (None, 7, ["x"]):
        call = visitor.call(file_of(scene.own_upload), session_hash=other)
        assert visitor.ask("POST", f"{API}/queue/join", call)[0] == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
def test_pages_of_other_servers_are_turned_away(scene, unchanged, origin):
    visitor = scene.attacker
    call = visitor.call(file_of(scene.own_upload))
    for method, address, body in (
        ("POST", f"{API}/queue/join", call),
        ("POST", f"{API}/upload", b""),
        ("GET", f"{API}/file={scene.own_upload}", None),
        ("OPTIONS", f"{API}/queue/join", None),
    ):
        status, answer = visitor.ask(method, address, body, Origin=origin)
        assert status == 403 and scene.own_upload.encode() not in answer


@pytest.mark.parametrize(
    "address", ["/docs", "/config", f"{API}/proxy=http://127.0.0.1:1/x", f"{API}/info", f"{API}/nothing", "/login"]
)
def test_what_the_page_does_not_use_is_not_there(scene, unchanged, address):
    assert [scene.attacker.ask(method, address)[0] for method in ("GET", "HEAD", "POST", "PUT")] == [404] * 4


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_call_is_refused(scene, unchanged, body):
    assert scene.attacker.ask("POST", f"{API}/queue/join", body, **{"Content-Type": "application/json"})[0] == 400


def test_a_call_as_long_as_a_file_is_refused(scene, unchanged):
    call = scene.attacker.call(file_of(scene.own_upload), event_data="x" * (1 << 20))
    assert scene.attacker.ask("POST", f"{API}/queue/join", call)[0] == 413
