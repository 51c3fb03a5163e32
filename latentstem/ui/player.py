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
from latentstem.ui.history import Take
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result, Sound
from latentstem.ui.take_files import GREATEST_LEVEL, Format

SCRIPT = (files("latentstem.ui") / "player.js").read_text(encoding="utf-8")
BUTTONS = (files("latentstem.ui") / "buttons.css").read_text(encoding="utf-8")
"""Looks of the buttons in the page's own HTML, where Gradio's do not reach."""
STYLE = BUTTONS + (files("latentstem.ui") / "player.css").read_text(encoding="utf-8")

_LONGEST_CONTROL = 60  # characters of a chart that a take shows
_VIEWS = {"both": "Mix + stem", "stem": "Stem", "mix": "Mix"}
_LOWEST, _HIGHEST = 24, 120  # MIDI pitches of the bottom and the top of a spectrogram
_REGION = """<button type="button" class="loop" aria-pressed="false" title="Play the marked part, or everything, again
  and again">Loop</button>
  <span class="regions hidden" role="group" aria-label="Marked part"><span class="marked"></span>
  <button type="button" data-action="redo">Make this part anew</button>
  <button type="button" data-action="keep">Keep only this part</button>
  <button type="button" class="unmark" aria-label="Unmark">✕</button></span>"""


def player_html(takes: Sequence[Take]) -> str:
    """Return the player of a visitor's takes.

    Args:
        takes: Takes, oldest first; `player.css` puts the newest on top.

    Returns:
        HTML; empty without takes.

    Example:
        >>> sound = Sound(Path("/tmp/a b.wav"), Path("/tmp/a b.png"), np.zeros((2, 600)))
        >>> request = GenerationRequest(Path("mix.wav"), seed=7)
        >>> take = Take(Result(request, seconds=20.0, score=None, mix=sound, stem=sound, both=sound))
        >>> html = player_html([take])
        >>> "seed 7" in html, "/gradio_api/file=/tmp/a%20b.wav" in html
        (True, True)
    """
    if not takes:
        return ""
    newest = takes[-1].result.mix.file
    fits = {}
    for mix in {take.result.mix.file for take in takes}:
        fits |= _fits([take for take in takes if take.result.mix.file == mix])
    cards = "".join(
        _card(index, take, fits.get(take.name), take.result.mix.file == newest) for index, take in enumerate(takes)
    )
    return f"""
<section class="takes" aria-label="Takes">
  {transport_html(_VIEWS, takes[-1].result.seconds, _REGION)}
  <div class="history">{cards}</div>
</section>"""


def transport_html(views: Mapping[str, str], seconds: float, more: str = "") -> str:
    """Return the buttons that `player.js` needs, and the clock.

    Args:
        views: Label of each view, by the name that the recordings have as `data-view`.
        seconds: Length of the recordings in seconds.
        more: HTML of further buttons.

    Example:
        >>> "0:00 / 1:15" in transport_html({"mix": "Mix"}, 75.0)
        True
    """
    buttons = "".join(f'<button type="button" data-view="{view}">{label}</button>' for view, label in views.items())
    return f"""<div class="transport">
    <button type="button" class="play" aria-label="Play">▶</button>
    <span class="clock">{clock(0)} / {clock(seconds)}</span>
    <span class="views" role="group" aria-label="Track">{buttons}</span>{more}
  </div>"""


def audio_html(view: str, file: Path, preload: str = "auto") -> str:
    """Return a recording of a view.

    Args:
        view: Name of the view.
        file: File of the recording.
        preload: How much of it the browser reads before it is played, as HTML names it.

    Example:
        >>> audio_html("mix", Path("/tmp/mix.wav"))
        '<audio data-view="mix" src="/gradio_api/file=/tmp/mix.wav" preload="auto"></audio>'
    """
    return f'<audio data-view="{view}" src="{file_url(file)}" preload="{preload}"></audio>'


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


def _card(index: int, take: Take, fit: float | None, newest: bool) -> str:
    shown, request, number = take.shown, take.result.request, index + 1
    badge = '<span class="badge">fits best</span>' if fit == 1 else ""
    made = "".join(_word(text) for text in (*_origin(request), *_given(request.controls)))
    pictures = "".join(
        f'<img data-view="{view}" src="{file_url(sound.picture)}" alt="Spectrogram, {_VIEWS[view].lower()}">'
        for view, sound in _sounds(shown)
    )
    waveforms = "".join(f'<path data-view="{view}" d="{_outline(sound.outline)}"/>' for view, sound in _sounds(shown))
    preload = "auto" if newest else "none"
    audios = "".join(audio_html(view, sound.file, preload) for view, sound in _sounds(shown))
    star = _button("star", "★ Starred" if take.starred else "☆ Star", "Keep it longest", pressed=take.starred)
    return f"""
<article class="take" data-take="{index}" data-name="{take.name}" aria-label="Take {number}">
  <header>
    <button type="button" class="pick" aria-label="Take {number}">{number}</button>
    <span>seed {request.seed}</span>{made}{_fit_bar(fit, shown.score)}{badge}
    <span class="downloads">{_downloads(take)}</span>
  </header>
  <div class="picture" tabindex="0" role="slider" aria-label="Position in take {number}" aria-valuemin="0"
    aria-valuemax="{shown.seconds:.1f}" aria-valuenow="0">
    <svg viewBox="0 -1 {shown.stem.outline.shape[1]} 2" preserveAspectRatio="none" aria-hidden="true">{waveforms}</svg>
    {pictures}{_notes(take)}<i class="region"></i><i class="playhead"></i>
  </div>
  <footer>
    {star}{_button("vary", "Vary", "New takes that begin with this one")}
    {_button("settings", "Use its settings", "Put the settings of this take into the form")}
    <label>Level <input type="range" name="level" min="-{GREATEST_LEVEL}" max="{GREATEST_LEVEL}" step="1"
      value="{take.decibels:g}" aria-label="Level of the stem of take {number} in dB">
      <output>{_decibels(take.decibels)}</output></label>
    {_button("delete", "Delete", "Remove this take and its files")}
  </footer>
  {audios}
</article>"""


def _decibels(value: float) -> str:
    return f"{value:+g} dB" if value else "0 dB"


def _downloads(take: Take) -> str:
    links = download_html(take.shown.stem.file, "stem, WAV") + download_html(take.shown.both.file, "with mix, WAV")
    for format in Format:
        if format in take.files:
            links += download_html(take.files[format], format.label)
        elif format.available:
            links += _button("write", format.label, f"Write {format.label} and download it", format=format.value)
    return links


def _button(action: str, label: str, title: str, pressed: bool | None = None, **data: str) -> str:
    state = "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
    values = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return f'<button type="button" data-action="{action}"{values}{state} title="{escape(title)}">{label}</button>'


def _notes(take: Take) -> str:
    """Return the piano roll over the spectrogram, which goes from C1 to C9."""
    if not take.notes:
        return ""
    rects = "".join(
        f'<rect x="{note.start:g}" y="{_HIGHEST - note.pitch - 0.5:g}" width="{note.end - note.start:g}" height="1"/>'
        for note in take.notes
    )
    return (
        f'<svg class="roll" viewBox="0 0 {take.result.seconds:g} {_HIGHEST - _LOWEST}" preserveAspectRatio="none" '
        f'role="img" aria-label="Piano roll: {len(take.notes)} notes">{rects}</svg>'
    )


def _origin(request: GenerationRequest) -> Iterator[str]:
    """Yield a few words on what the stem was made of."""
    if request.styles:
        yield f"in the sound of {' and '.join(path.stem for path in request.styles)}"
    if request.keep is not None:
        yield "a part made anew"
    elif request.sketch is not None:
        yield f"a variation, {request.strength:g} free"
    if request.loop:
        yield "loop"
    if request.target is not None:
        yield request.target
    if request.adapter is not None:
        yield f"adapter {request.adapter}"


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


def _word(text: str) -> str:
    shown = text if len(text) <= _LONGEST_CONTROL else f"{text[:_LONGEST_CONTROL]}…"
    return f'<span title="{escape(text)}">{escape(shown)}</span>'


def _fits(takes: Sequence[Take]) -> dict[str, float]:
    """Return the place of each score between the lowest, 0, and the highest, 1, by take; empty without several."""
    scores = {take.name: take.result.score for take in takes if take.result.score is not None}
    if len(scores) < 2:
        return {}
    lowest, highest = min(scores.values()), max(scores.values())
    return {name: (score - lowest) / (highest - lowest) if highest > lowest else 1.0 for name, score in scores.items()}


def _fit_bar(fit: float | None, score: float | None) -> str:
    """Return a bar of how well a take fits, among those of its mix."""
    if fit is None or score is None:
        return ""
    text = f"Score of the reranker: {score:.2f}; the bar goes from the worst to the best take of this mix"
    return f'<span class="fit" title="{text}">fit <meter value="{fit:.2f}" aria-label="{text}"></meter></span>'


def _sounds(result: Result) -> list[tuple[str, Sound]]:
    return [("both", result.both), ("stem", result.stem), ("mix", result.mix)]


def _outline(outline: np.ndarray) -> str:
    """An SVG path along the greatest samples and back along the least; SVG's y points down."""
    lows, highs = outline
    forth = [f"{x} {-high:.3f}" for x, high in enumerate(highs)]
    back = [f"{x} {-low:.3f}" for x, low in reversed(list(enumerate(lows)))]
    return f"M{'L'.join(forth + back)}Z"
