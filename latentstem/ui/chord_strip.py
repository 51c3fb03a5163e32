"""The chords and beats that a net is given, drawn over the time of the mix; `chord_strip.css` adds the looks."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from latentstem.conditioning.beats import BeatGrid
from latentstem.conditioning.chords import TimedChord
from latentstem.conditioning.controls import Controls
from latentstem.ui.player import clock

STYLE = (files("latentstem.ui") / "chord_strip.css").read_text(encoding="utf-8")

_WIDTH = 2.5  # rem a second, at least: a bar of two chords can be read at most tempos
_TICK = 5  # seconds between two times
_NUMBERED = 1.0  # seconds between two numbered bars, at least


def strip_html(controls: Controls, seconds: float) -> str:
    """Return the chords and beats of a mix as a strip, which scrolls if the mix is long.

    Args:
        controls: Controls of the stem; only tempo and chords are drawn.
        seconds: Length of the mix in seconds, above 0.

    Returns:
        HTML; empty with neither tempo nor chords.

    Example:
        >>> html = strip_html(Controls(bpm=120.0, chords="| C | Am7 F |"), 8.0)
        >>> 'style="left: 25.0000%; width: 12.5000%" title="Am7, 2.00 s to 3.00 s">Am7</span>' in html
        True
    """
    grid, chart = controls.beat_grid(seconds), controls.chord_chart()
    if grid is None and chart is None:
        return ""
    all_chords = () if chart is None else chart.chords
    chords = [chord for chord in all_chords if chord.start < seconds and chord.end > 0]
    parts = [
        "" if grid is None else _beats(grid, controls.downbeat, seconds),
        *(_chord(chord, seconds) for chord in chords),
        *(_label("time", time, clock(time), seconds) for time in range(0, int(seconds) + 1, _TICK)),
    ]
    caption = "" if chart is None else f'<p class="hint">{_caption(chords, len(all_chords), seconds)}</p>'
    return f"""
<section class="strip">
  <div class="scroller" tabindex="0" role="group" aria-label="Chords and beats over the time of the mix">
    <div class="track" style="min-width: {_WIDTH * seconds:.1f}rem">{"".join(parts)}</div>
  </div>
  {caption}
</section>"""


def _beats(grid: BeatGrid, first_bar: float, seconds: float) -> str:
    """Lines of beats and bars as an SVG in seconds, and the numbers of bars from the first one on."""
    downbeats = [grid.beats[index] for index in grid.downbeats]
    bar = downbeats[1] - downbeats[0]
    step = 1
    while step * bar < _NUMBERED:
        step *= 2
    numbered = ((time, round((time - first_bar) / bar)) for time in downbeats if 0 <= time < seconds)
    labels = (
        _label("bar", time, str(number + 1), seconds) for time, number in numbered if number >= 0 and number % step == 0
    )
    lines = (
        f'<path class="beats" d="{_lines(grid.beats, seconds)}"/><path class="bars" d="{_lines(downbeats, seconds)}"/>'
    )
    svg = f'<svg viewBox="0 0 {seconds:.4f} 1" preserveAspectRatio="none" aria-hidden="true">{lines}</svg>'
    return svg + "".join(labels)


def _lines(times: Sequence[float], seconds: float) -> str:
    return "".join(f"M{time:.4f} 0V1" for time in times if 0 <= time < seconds)


def _chord(chord: TimedChord, seconds: float) -> str:
    start, end = max(chord.start, 0.0), min(chord.end, seconds)
    place = f"left: {100 * start / seconds:.4f}%; width: {100 * (end - start) / seconds:.4f}%"
    symbol = escape(chord.symbol)
    return f'<span class="chord" style="{place}" title="{symbol}, {start:.2f} s to {end:.2f} s">{symbol}</span>'


def _label(name: str, time: float, text: str, seconds: float) -> str:
    return f'<span class="{name}" style="left: {100 * time / seconds:.4f}%">{text}</span>'


def _caption(chords: Sequence[TimedChord], charted: int, seconds: float) -> str:
    """Say how far the chords reach, since beyond them they are left to the net."""
    later = charted - len(chords)
    if not chords:
        return f"No chord of the chart is within the mix, which lasts {clock(seconds)}."
    end = min(chords[-1].end, seconds)
    known = f"{len(chords)} chord{'' if len(chords) == 1 else 's'}, up to {clock(end)} of {clock(seconds)}"
    return f"{known}; {later} outside the mix." if later else f"{known}."
