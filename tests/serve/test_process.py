"""`latentstem serve` as a process of its own: equal to the command line, and gone without a trace."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import latentstem
from latentstem.cli import main

pytest.importorskip("fastapi")
MIX = Path(latentstem.__file__).parents[1] / "examples" / "audio" / "mix-1.flac"


@pytest.fixture(scope="module")
def server(serving, tmp_path_factory):
    with serving("serve", tmp_path_factory.mktemp("temporary"), "--token", "a long secret") as url:
        yield url


def ask(url, body=None, **headers):
    headers = {"Authorization": "Bearer a long secret", **headers}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return response.read()


def form(**fields):
    """A form with the mix, as a program without libraries would write it."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    head = '--b\r\nContent-Disposition: form-data; name="mix"; filename="mix-1.flac"\r\n\r\n'
    return "".join(parts).encode() + head.encode() + MIX.read_bytes() + b"\r\n--b--\r\n"


def test_a_stem_is_that_of_the_command_line(server, tmp_path):
    job = json.loads(
        ask(f"{server}jobs", form(quality="fast", seed=7), **{"Content-Type": "multipart/form-data; boundary=b"})
    )
    end = time.monotonic() + 60
    while (told := json.loads(ask(f"{server}jobs/{job['job']}")))["state"] not in ("done", "failed"):
        assert time.monotonic() < end
        time.sleep(0.1)
    served = ask(server + told["stems"][0]["stem"][1:])
    words = ["accompany", MIX, "--quality", "fast", "--seed", "7", "--device", "cpu", "-o", tmp_path / "bass.wav"]
    assert main([*map(str, words)]) == 0
    assert served == (tmp_path / "bass.wav").read_bytes()


def test_others_are_turned_away(server):
    for headers in ({"Host": "evil.example"}, {"Authorization": "Bearer wrong"}, {"Origin": "https://evil.example"}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(server, **headers)
        with refused.value:
            assert refused.value.code in (400, 401, 403)


@pytest.mark.parametrize("words", [["--token", "short"], ["--max-duration", "0"], ["--max-jobs", "0"]])
def test_wrong_options_are_refused(words, capsys):
    assert main(["serve", *words]) == 2
    assert words[0] in capsys.readouterr().err
