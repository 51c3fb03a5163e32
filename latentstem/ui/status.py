"""Messages, progress and errors of the page, as HTML."""

import sys
import traceback
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from latentstem.ui.generator import Sampling
from latentstem.ui.results import Result

NO_MIX = "There is no mix yet: drop one first, a wav, flac, mp3 or ogg file."
"""What is said where a mix is wanted and none is there."""


def message_html(text: str) -> str:
    """Return a status line.

    Args:
        text: Plain text of the line.

    Example:
        >>> message_html("Drop a mix & press Generate.")
        '<p class="message" role="status">Drop a mix &amp; press Generate.</p>'
    """
    return f'<p class="message" role="status">{escape(text)}</p>'


def error_html(text: str) -> str:
    """Return an error line.

    Args:
        text: Plain text of the line.

    Example:
        >>> error_html("no mix")
        '<p class="message error" role="alert">no mix</p>'
    """
    return f'<p class="message error" role="alert">{escape(text)}</p>'


def bar_html(text: str, fraction: float) -> str:
    """Return a status line with a progress bar.

    Args:
        text: Plain text of the line.
        fraction: How much is done, from 0 to 1.

    Example:
        >>> bar_html("Encoding", 0.5)
        '<p class="message" role="status">Encoding</p><progress value="0.5000" max="1">Encoding</progress>'
    """
    return f'{message_html(text)}<progress value="{fraction:.4f}" max="1">{escape(text)}</progress>'


def queued_html(ahead: int) -> str:
    """Return a status line of a request that waits.

    Args:
        ahead: Number of requests that come before it.

    Example:
        >>> queued_html(1)
        '<p class="message" role="status">Waiting: 1 run comes before yours</p>'
    """
    return message_html(f"Waiting: {ahead} run{' comes' if ahead == 1 else 's come'} before yours")


def progress_html(event: Sampling, preview: bytes | None, seconds: float = 0.0) -> str:
    """Return the progress bar and the preview of the stem.

    Args:
        event: Progress to show.
        preview: Newest spectrogram of the stem, a PNG, perhaps from an earlier step; None before the first.
        seconds: Time since the work began, from which the time left is estimated; 0 tells none.

    Returns:
        HTML.

    Example:
        >>> html = progress_html(Sampling(take=0, takes=2, step=3, steps=8), None)
        >>> "Take 1 of 2: step 3 of 8" in html
        True
    """
    step = f"Take {event.take + 1} of {event.takes}: step {event.step} of {event.steps}"
    text = step if event.fraction else "Encoding the mix"
    if seconds and event.fraction:
        text += f", about {seconds * (1 / event.fraction - 1):.0f} s left"
    picture = ""
    if preview is not None:
        data = b64encode(preview).decode()
        picture = f'<img class="preview" src="data:image/png;base64,{data}" alt="Spectrogram of the stem so far">'
    return bar_html(text, event.fraction) + picture


def finished_text(takes: Sequence[Result], seconds: float) -> str:
    """Return a line about a finished request.

    Args:
        takes: All takes, at least one.
        seconds: Time that the request took, in seconds.

    Returns:
        One line.

    Example:
        >>> from latentstem.ui.results import Sound
        >>> sound = Sound(Path("a.wav"), Path("a.png"), None)
        >>> finished_text([Result(0, 20.0, None, sound, sound, sound)], 3.21)
        '1 take of 20.0 s, generated in 3.2 s'
    """
    count = f"{len(takes)} take{'s' if len(takes) > 1 else ''}"
    return f"{count} of {takes[0].seconds:.1f} s, generated in {seconds:.1f} s"


def explain(error: Exception, files: Sequence[Path]) -> str:
    """Return one line about an error, without the folders of this server.

    The message of a ValueError says what to do. Any other error is a failure, whose traceback goes to the terminal.

    Args:
        error: Error to explain.
        files: Files that the message may name.

    Returns:
        One line.

    Example:
        >>> explain(ValueError("/tmp/x/mix.wav: is empty"), [Path("/tmp/x/mix.wav")])
        'mix.wav: is empty'
    """
    text = " ".join(str(error).split())
    for file in files:
        text = text.replace(str(file), file.name)
    if isinstance(error, ValueError):
        return text
    traceback.print_exception(error, file=sys.stderr)
    return f"{type(error).__name__}: {text} (the terminal has the details)"
