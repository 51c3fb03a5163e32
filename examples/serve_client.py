"""Ask a server of latentstem for a stem, with nothing but Python's standard library.

latentstem serve &
python examples/serve_client.py mix.wav -o bass.wav --style my_bass.wav --chords "| Am | F | C | G |" --bpm 96
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

ROLES = ("style", "second_style", "init")
SETTINGS = ("quality", "seed", "bpm", "downbeat", "chords", "density", "register", "strength", "keep")


def ask(url: str, token: str | None, body: bytes | None = None, kind: str | None = None, method: str | None = None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if kind is not None:
        headers["Content-Type"] = kind
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return response.read()


def encode_form(fields: dict[str, str], files: dict[str, Path]) -> tuple[bytes, str]:
    """Return the body of a form with files, and its content type."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()]
    for name, path in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{path.name}"\r\n\r\n'
        parts += [head.encode(), path.read_bytes(), b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def generate(url: str, token: str | None, files: dict[str, Path], settings: dict[str, str], output: Path) -> Any:
    """Submit a job, wait for it, and write the stem."""
    job = json.loads(ask(f"{url}/jobs", token, *encode_form(settings, files)))
    while job["state"] in ("queued", "running"):
        print(f"\r{job['state']}: {job['ahead']} before, {job['progress']:.0%}", end="", file=sys.stderr)
        time.sleep(0.3)
        job = json.loads(ask(f"{url}/jobs/{job['job']}", token))
    print(f"\r{job['state']}{' ' * 30}", file=sys.stderr)
    if job["state"] != "done":
        raise SystemExit(job["error"] or "cancelled")
    output.write_bytes(ask(url + job["stems"][0]["stem"], token))
    ask(f"{url}/jobs/{job['job']}", token, method="DELETE")
    return job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mix", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("bass.wav"))
    parser.add_argument("--url", default="http://127.0.0.1:7861")
    parser.add_argument("--token")
    for name in ROLES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path)
    for name in SETTINGS:
        parser.add_argument(f"--{name}")
    options = vars(parser.parse_args())
    files = {name: options[name] for name in ("mix", *ROLES) if options[name] is not None}
    settings = {name: options[name] for name in SETTINGS if options[name] is not None}
    try:
        job = generate(options["url"].rstrip("/"), options["token"], files, settings, options["output"])
    except urllib.error.HTTPError as error:
        with error:
            raise SystemExit(json.loads(error.read())["detail"]) from None
    print(f"{options['output']}: seed {job['stems'][0]['seed']}, {job['stems'][0]['seconds']:.2f} s")


if __name__ == "__main__":
    main()
