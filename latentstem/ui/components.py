"""What all tabs of the page use."""

import secrets
from typing import Any

import gradio as gr

QUIETLY: Any = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
"""Options of every event: requests wait for each other in the generator and not in Gradio's queue, so that one which
waits can be cancelled or stopped by the next."""


def draw_seed() -> int:
    """Return a random seed that people can note down.

    Example:
        >>> 0 <= draw_seed() < 10**6
        True
    """
    return secrets.randbelow(10**6)


def recording(label: str, name: str) -> gr.Audio:
    """Return a field that takes the file of a recording, or records from a microphone or a line.

    Args:
        label: Label of the field.
        name: Its id in the page.

    Example:
        >>> recording("Mix", "mix").elem_id
        'mix'
    """
    return gr.Audio(
        label=label, sources=["upload", "microphone"], type="filepath", editable=False, buttons=[], elem_id=name
    )


def visitor_of(request: gr.Request) -> str:
    """Return the session of a call; only calls from outside the page have none.

    Args:
        request: The call.

    Example:
        >>> visitor_of(gr.Request(session_hash="abc"))
        'abc'
    """
    return request.session_hash or ""
