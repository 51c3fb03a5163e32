"""HTML player of the finished takes, with one transport for all, so that switching takes keeps the position.

`player.js` adds the behaviour and `player.css` the looks.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np

from latentstem.conditioning.controls import Controls
from latentstem.ui.results import Result, Sound

SCRIPT = (files("latentstem.ui") / "player.js").read_text(encoding="utf-8")
STYLE = (files("latentstem.ui") / "player.css").read_text(encoding="utf-8")

_LONGEST_CONTROL = 60  # characters of a chart that a take shows
_VIEWS = {"both": "Mix + stem", "stem": "Stem", "mix": "Mix"}


def player_html(takes: Sequence[Result]) -> str:
    """Return the player of the takes of one mix.

    Args:
        takes: Takes in the order of their cards.

    Returns:
        HTML; empty without takes.

    Example:
        >>> sound = Sound(Path("/tmp/a b.wav"), Path("/tmp/a b.png"), np.zeros((2, 600)))
        >>> take = Result(seed=7, seconds=20.0, score=None, mix=sound, stem=sound, both=sound)
        >>> html = player_html([take])
        >>> "seed 7" in html, "/gradio_api/file=/tmp/a%20b.wav" in html
        (True, True)
    """
    if not takes:
        return ""
    best = _best(takes)
    cards = "".join(_card(index, take, index == best) for index, take in enumerate(takes))
    return f"""
<section class="takes" aria-label="Takes">
  {transport_html(_VIEWS, takes[0].seconds)}
  {audio_html("mix", takes[0].mix.file)}
  {cards}
</section>"""


def transport_html(views: Mapping[str, str], seconds: float) -> str:
    """Return the buttons that `player.js` needs, and the clock.

    Args:
        views: Label of each view, by the name that the recordings have as `data-view`.
        seconds: Length of the recordings in seconds.

    Example:
        >>> "0:00 / 1:15" in transport_html({"mix": "Mix"}, 75.0)
        True
    """
    buttons = "".join(f'<button type="button" data-view="{view}">{label}</button>' for view, label in views.items())
    return f"""<div class="transport">
    <button type="button" class="play" aria-label="Play">▶</button>
    <span class="clock">{clock(0)} / {clock(seconds)}</span>
    <span class="views" role="group" aria-label="Track">{buttons}</span>
  </div>"""


def audio_html(view: str, file: Path) -> str:
    """Return a recording of a view.

    Args:
        view: Name of the view.
        file: File of the recording.

    Example:
        >>> audio_html("mix", Path("/tmp/mix.wav"))
        '<audio data-view="mix" src="/gradio_api/file=/tmp/mix.wav" preload="auto"></audio>'
    """
    return f'<audio data-view="{view}" src="{file_url(file)}" preload="auto"></audio>'


def download_html(file: Path, label: str) -> str:
    """Return a link that downloads a file.

    Args:
        file: The file.
        label: What it holds.

    Example:
        >>> download_html(Path("/tmp/a.mid"), "MIDI")
        '<a href="/gradio_api/file=/tmp/a.mid" download="a.mid" title="a.mid">⬇ MIDI</a>'
    """
    name = escape(file.name)
    return f'<a href="{file_url(file)}" download="{name}" title="{name}">⬇ {label}</a>'


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds.

    Args:
        seconds: Time in seconds.

    Example:
        >>> clock(75.9)
        '1:15'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def file_url(path: Path) -> str:
    """Return the address at which the server hands out a file to its owner, escaped for HTML.

    Args:
        path: Absolute path of the file.

    Example:
        >>> file_url(Path("/tmp/a b.wav"))
        '/gradio_api/file=/tmp/a%20b.wav'
    """
    return escape(f"/gradio_api/file={quote(path.as_posix())}")


def _card(index: int, take: Result, best: bool) -> str:
    fit = "" if take.score is None else f'<span title="Score of the reranker">fit {take.score:.2f}</span>'
    badge = '<span class="badge">fits best</span>' if best else ""
    controls = "".join(_control(text) for text in _given(take.controls))
    pictures = "".join(
        f'<img data-view="{view}" src="{file_url(sound.picture)}" alt="Spectrogram, {_VIEWS[view].lower()}">'
        for view, sound in _sounds(take)
    )
    waveforms = "".join(f'<path data-view="{view}" d="{_outline(sound.outline)}"/>' for view, sound in _sounds(take))
    audios = "".join(audio_html(view, sound.file) for view, sound in _sounds(take) if view != "mix")
    downloads = download_html(take.stem.file, "stem, WAV") + download_html(take.both.file, "with mix, WAV")
    return f"""
<article class="take" data-take="{index}" aria-label="Take {index + 1}">
  <header>
    <button type="button" class="pick">{index + 1}</button>
    <span>seed {take.seed}</span>{controls}{fit}{badge}
    <span class="downloads">{downloads}</span>
  </header>
  <div class="picture" tabindex="0" role="slider" aria-label="Position in take {index + 1}" aria-valuemin="0"
    aria-valuemax="{take.seconds:.1f}" aria-valuenow="0">
    <svg viewBox="0 -1 {take.stem.outline.shape[1]} 2" preserveAspectRatio="none" aria-hidden="true">{waveforms}</svg>
    {pictures}<i class="playhead"></i>
  </div>
  {audios}
</article>"""


def _given(controls: Controls) -> Iterator[str]:
    """Yield a few words on each control that is given."""
    if controls.bpm is not None:
        yield f"{controls.bpm:g} bpm, downbeat {controls.downbeat:g} s"
    if controls.chords is not None:
        yield f"chords {' '.join(controls.chords.split())}"
    if controls.density is not None:
        yield f"{controls.density:g} notes a second"
    if controls.register is not None:
        yield f"pitch {controls.register:g}"


def _control(text: str) -> str:
    shown = text if len(text) <= _LONGEST_CONTROL else f"{text[:_LONGEST_CONTROL]}…"
    return f'<span title="{escape(text)}">{escape(shown)}</span>'


def _best(takes: Sequence[Result]) -> int | None:
    """Return the index of the take with the highest score; None without several scores."""
    scores = [take.score for take in takes if take.score is not None]
    return scores.index(max(scores)) if len(scores) > 1 and len(scores) == len(takes) else None


def _sounds(take: Result) -> list[tuple[str, Sound]]:
    return [("both", take.both), ("stem", take.stem), ("mix", take.mix)]


def _outline(outline: np.ndarray) -> str:
    """An SVG path along the greatest samples and back along the least; SVG's y points down."""
    lows, highs = outline
    forth = [f"{x} {-high:.3f}" for x, high in enumerate(highs)]
    back = [f"{x} {-low:.3f}" for x, low in reversed(list(enumerate(lows)))]
    return f"M{'L'.join(forth + back)}Z"
