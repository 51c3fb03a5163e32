"""Stand between Pure Data (or Max), which speak lists over TCP, and the server of latentstem.

    latentstem serve &
    python examples/puredata/bridge.py

Then open `latentstem.pd`. A client sends `generate MIX;` or `generate MIX BPM DOWNBEAT;` (FUDI: blanks in names escaped
by a backslash) and is told `progress 0.4;`, and at last `done STEM;` or `error what went wrong;`.
"""

import argparse
import json
import re
import socketserver
import sys
import time
import urllib.error
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from serve_client import ask, encode_form

QUALITY = "standard"


def read_message(text: str) -> list[str]:
    """Return the words of a FUDI message, without the backslashes before blanks."""
    return [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", text)]


def write_message(*words: object) -> bytes:
    """Return a FUDI message; what has a meaning in it is escaped."""
    escaped = (re.sub(r"([\\\s;,$])", r"\\\1", str(word)) for word in words)
    return (" ".join(escaped) + ";\n").encode()


class Handler(socketserver.StreamRequestHandler):
    """Answer the messages of one patch, one after another."""

    def handle(self) -> None:
        """Read messages until the patch disconnects."""
        waiting = ""
        while chunk := self.request.recv(65536):
            waiting += chunk.decode(errors="replace")
            *messages, waiting = re.split(r"(?<!\\);", waiting)
            for message in filter(None, map(read_message, messages)):
                try:
                    self.generate(*message)
                except urllib.error.HTTPError as error:
                    with error:
                        self.tell("error", json.loads(error.read())["detail"])
                except (OSError, TypeError, RuntimeError) as error:
                    self.tell("error", f"{error}; is `latentstem serve` running, and the message `generate MIX`?")

    def tell(self, *words: object) -> None:
        """Send a message to the patch."""
        self.wfile.write(write_message(*words))

    def generate(self, command: str, mix: str, bpm: str | None = None, downbeat: str = "0") -> None:
        """Ask the server for a stem, tell how far it is, and write it beside the mix."""
        if command != "generate":
            raise RuntimeError(f"got {command}; expected generate")
        url, token = self.server.address, self.server.token
        settings = {"quality": QUALITY, "seed": str(time.time_ns() % 10**6)}
        if bpm is not None:
            settings |= {"bpm": bpm, "downbeat": downbeat}
        job = json.loads(ask(f"{url}/jobs", token, *encode_form(settings, {"mix": Path(mix)})))
        while job["state"] in ("queued", "running"):
            self.tell("progress", round(job["progress"], 3))
            time.sleep(0.3)
            job = json.loads(ask(f"{url}/jobs/{job['job']}", token))
        if job["state"] != "done":
            raise RuntimeError(job["error"] or "cancelled")
        stem = Path(mix).with_name(f"{Path(mix).stem}-bass-{job['stems'][0]['seed']}.wav")
        stem.write_bytes(ask(url + job["stems"][0]["stem"], token))
        ask(f"{url}/jobs/{job['job']}", token, method="DELETE")
        self.tell("done", stem)


class Bridge(socketserver.ThreadingTCPServer):
    """The bridge, for patches on this machine."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, port: int, address: str, token: str | None):
        super().__init__(("127.0.0.1", port), Handler)
        self.address, self.token = address.rstrip("/"), token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=7862)
    parser.add_argument("--url", default="http://127.0.0.1:7861")
    parser.add_argument("--token")
    options = parser.parse_args()
    with Bridge(options.port, options.url, options.token) as bridge:
        print(f"127.0.0.1, port {bridge.server_address[1]}: the bridge; Ctrl-C ends it", flush=True)
        bridge.serve_forever()


if __name__ == "__main__":
    main()
