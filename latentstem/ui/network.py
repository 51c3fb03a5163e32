"""Addresses of servers, and what every server here asks of a request, whatever it serves."""

import ipaddress
import socket
import warnings
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from latentstem.audio.limits import VALUES_PER_SECOND

_BYTES_PER_VALUE = 4  # floats
_HEADERS = 1 << 20


def listen(host: str, port: int) -> socket.socket:
    """Open the address of the page, before weights are loaded for it.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Returns:
        The listening socket.

    Raises:
        ValueError: The address is taken, or is not one of this machine.

    Example:
        >>> with listen("127.0.0.1", 0) as listener:
        ...     listener.getsockname()[0]
        '127.0.0.1'
    """
    if not is_loopback(host):
        warnings.warn(f"others may reach {host}: whoever does can upload files and use this machine", stacklevel=2)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ValueError(f"cannot listen on {host}, port {port} ({error.strerror}); choose another") from error


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address.

    Args:
        host: Address or name of a host.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "studio.local")]
        [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(host: str, port: int) -> str:
    """Return the address of a server for a browser.

    Args:
        host: Address that it listens on.
        port: Its port.

    Example:
        >>> url_of("127.0.0.1", 7860), url_of("::1", 7860)
        ('http://127.0.0.1:7860/', 'http://[::1]:7860/')
    """
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def own_names(host: str) -> list[str]:
    """Return the names under which a server may be asked; none where any name may be one of its own.

    A foreign name that resolves to this machine is DNS rebinding.

    Args:
        host: Address that it listens on.

    Example:
        >>> own_names("127.0.0.1")[:2], own_names("0.0.0.0")
        (['127.0.0.1', 'localhost'], [])
    """
    return ["127.0.0.1", "localhost", host] if is_loopback(host) and ":" not in host else []


def foreign_origin(headers: Headers) -> str | None:
    """Return the site whose page sends a request, if it is another one than the server.

    Args:
        headers: Headers of the request; a browser names the site in each request that may change something.

    Example:
        >>> foreign_origin(Headers({"host": "127.0.0.1:7860", "origin": "https://evil.example"}))
        'https://evil.example'
    """
    origin = headers.get("origin")
    return origin if origin is not None and urlsplit(origin).netloc != headers.get("host") else None


def upload_limit(files: int, max_duration: float) -> int:
    """Return how many bytes files may have that are read: as many as `AudioReader` takes of the longest ones.

    Args:
        files: Number of files.
        max_duration: Longest file that is read, in seconds.

    Example:
        >>> upload_limit(1, 10.0)
        4888576
    """
    return _HEADERS + int(files * _BYTES_PER_VALUE * VALUES_PER_SECOND * max_duration)
