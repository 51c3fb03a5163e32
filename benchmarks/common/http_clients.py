"""HTTP clients for tests of servers under load: whole requests, and requests that end in their midst."""

import http.client
import io
import json
import random
import socket
import struct
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np

BOUNDARY = "boundary-of-the-parts"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
_PIECES = 40


class Client:
    """A client of one server, with a connection for each request.

    Args:
        url: Address of the server.
        headers: Headers of each request.
        timeout: Seconds for which an answer is waited for.

    Example:
        >>> Client("http://127.0.0.1:7861").ask("GET", "/")  # doctest: +SKIP
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout: float = 120.0):
        split = urlsplit(url)
        self.host, self.port = split.hostname or "", split.port or 80
        self.headers, self.timeout = dict(headers or {}), timeout

    def ask(
        self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the content of an answer.

        Args:
            method: Method of the request.
            address: Path and query.
            body: Content of the request.
            headers: Headers besides those of the client.
        """
        with self.answer(method, address, body, headers) as answer:
            return answer.status, answer.read()

    @contextmanager
    def answer(
        self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and give the answer to be read; the connection ends with the context.

        Args:
            method: Method of the request.
            address: Path and query.
            body: Content of the request.
            headers: Headers besides those of the client.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, address, body, self.headers | dict(headers or {}))
            yield connection.getresponse()
        finally:
            connection.close()

    def send_slowly(self, address: str, body: bytes, headers: Mapping[str, str], seconds: float) -> tuple[int, bytes]:
        """Post a body in pieces, and return the status and the content of the answer.

        Args:
            address: Path and query.
            body: Content of the request.
            headers: Headers besides those of the client.
            seconds: Time that the pieces take.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        size = -(-len(body) // _PIECES)

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(body), size):
                time.sleep(seconds / _PIECES)
                yield body[start : start + size]

        length = {"Content-Length": str(len(body))}
        try:
            connection.request("POST", address, pieces(), self.headers | dict(headers) | length)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def cut_upload(self, address: str, body: bytes, headers: Mapping[str, str], part: float, reset: bool) -> None:
        """Post the first part of a body, and go.

        Args:
            address: Path and query.
            body: Content of the request.
            headers: Headers besides those of the client.
            part: Part of the body that is sent, from 0 to 1.
            reset: Whether the connection is reset instead of closed.
        """
        head = self._head("POST", address, {**headers, "Content-Length": str(len(body))})
        with self._connection() as connection:
            connection.sendall(head + body[: int(part * len(body))])
            _leave(connection, reset)

    def cut_download(self, address: str, reset: bool) -> int:
        """Ask for something, read the first bytes of the answer, and go.

        Args:
            address: Path and query.
            reset: Whether the connection is reset instead of closed.

        Returns:
            The status.
        """
        with self._connection(buffer=4096) as connection:
            connection.sendall(self._head("GET", address, {}))
            status = int(connection.recv(1000).split()[1])
            _leave(connection, reset)
        return status

    def _connection(self, buffer: int | None = None) -> socket.socket:
        connection = socket.socket()
        if buffer is not None:  # so that the server is still sending when the client goes
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(self.timeout)
        connection.connect((self.host, self.port))
        return connection

    def _head(self, method: str, address: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {address} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **headers}.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _leave(connection: socket.socket, reset: bool) -> None:
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def form(field: str, name: str, content: bytes, **values: object) -> bytes:
    """Return the body of a form with one file, to be sent with the headers `FORM`.

    Args:
        field: Field of the file.
        name: Name of the file.
        content: Content of the file.
        **values: Other fields.
    """
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in values.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    return b"".join([*parts, head, content, f"\r\n--{BOUNDARY}--\r\n".encode()])


def noise(draws: random.Random, seconds: float, sampling_rate: int = 44100) -> bytes:
    """Return a WAV file of noise, mono with 16 bits.

    Args:
        draws: Source of the seed.
        seconds: Length.
        sampling_rate: Sampling rate in Hz.
    """
    generator = np.random.default_rng(draws.getrandbits(32))
    samples = generator.normal(0, 3000, round(seconds * sampling_rate)).clip(-32768, 32767)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sampling_rate)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def detail(content: bytes) -> str:
    """Return the message of a refusal, empty without one.

    Args:
        content: Content of the answer.
    """
    try:
        answer: Any = json.loads(content)
    except ValueError:
        return ""
    return str(answer.get("detail", "")) if isinstance(answer, dict) else ""
