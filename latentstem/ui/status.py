"""What the page says while it works and when something is wrong, as HTML."""

import sys
import traceback
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from latentstem.ui.generator import Sampling
from latentstem.ui.results import Result


def message_html(text: str) -> str:
    """A line that says where things stand.

    Example:
        >>> message_html("Drop a mix & press Generate.")
        '<p class="message" role="status">Drop a mix &amp; press Generate.</p>'
    """
    return f'<p class="message" role="status">{escape(text)}</p>'


def error_html(text: str) -> str:
    """A line that says what is wrong.

    Example:
        >>> error_html("no mix")
        '<p class="message error" role="alert">no mix</p>'
    """
    return f'<p class="message error" role="alert">{escape(text)}</p>'


def progress_html(event: Sampling, sketch: bytes | None) -> str:
    """How far it is, and what the stem is becoming.

    Args:
        event: Now.
        sketch: The newest picture, a PNG, that there is; perhaps from an earlier step.

    Returns:
        HTML.

    Example:
        >>> html = progress_html(Sampling(take=0, takes=2, step=3, steps=8), None)
        >>> "Take 1 of 2: step 3 of 8" in html
        True
    """
    doing = f"Take {event.take + 1} of {event.takes}: step {event.step} of {event.steps}"
    text = doing if event.step else "Listening to the mix"
    picture = ""
    if sketch is not None:
        data = b64encode(sketch).decode()
        picture = f'<img class="sketch" src="data:image/png;base64,{data}" alt="Spectrogram of the stem so far">'
    return (
        f'<p class="message" role="status">{text}</p><progress value="{event.share:.4f}" max="1">{text}</progress>'
        f"{picture}"
    )


def finished_text(takes: Sequence[Result], seconds: float) -> str:
    """What was made, and how long that took.

    Args:
        takes: All of them, at least one.
        seconds: From the press of the button on.

    Returns:
        One line.

    Example:
        >>> from latentstem.ui.results import Sound
        >>> sound = Sound(Path("a.wav"), Path("a.png"), None)
        >>> finished_text([Result(0, 20.0, None, sound, sound, sound)], 3.21)
        '1 take of 20.0 s, made in 3.2 s'
    """
    number = f"{len(takes)} take{'s' if len(takes) > 1 else ''}"
    return f"{number} of {takes[0].seconds:.1f} s, made in {seconds:.1f} s"


def explain(error: Exception, files: Sequence[Path]) -> str:
    """Say in one line what went wrong, without the folders of this server.

    What the library refuses by ValueError says itself what to do. Anything else is a failure, whose traceback goes to
    the terminal.

    Args:
        error: What was raised.
        files: Which it may name.

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
