"""The temporary folder of a server: gone with it, and at the next start if it was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from latentstem.ui.temporary import temporary_folder

SERVER = """
import sys
from latentstem.ui.temporary import temporary_folder
with temporary_folder("latentstem-test") as folder:
    (folder / "visitor").mkdir()
    (folder / "visitor" / "mix.wav").write_text("RIFF")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def server(temporary):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as process:
        yield process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_server_that_lives_stays_and_that_of_a_killed_one_goes(temporary, server):
    pytest.importorskip("fcntl")
    process, folder = server
    with temporary_folder("latentstem-test") as own:
        assert own.is_dir() and (folder / "visitor" / "mix.wav").exists()
    assert [*temporary.iterdir()] == [folder]
    process.send_signal(signal.SIGKILL)
    process.wait()
    with temporary_folder("latentstem-other"):
        assert (folder / "visitor" / "mix.wav").exists()
    with temporary_folder("latentstem-test") as own:
        assert [*temporary.iterdir()] == [own]
    assert [*temporary.iterdir()] == []


def test_a_link_is_not_followed(temporary):
    (elsewhere := temporary / "elsewhere").mkdir()
    (elsewhere / "song.wav").write_text("RIFF")
    (temporary / "latentstem-test-link").symlink_to(elsewhere)
    with temporary_folder("latentstem-test"):
        assert (elsewhere / "song.wav").exists()


def test_an_error_removes_the_folder_too(temporary):
    with pytest.raises(KeyboardInterrupt), temporary_folder("latentstem-test") as folder:
        (folder / "mix.wav").write_text("RIFF")
        raise KeyboardInterrupt
    assert [*temporary.iterdir()] == []
