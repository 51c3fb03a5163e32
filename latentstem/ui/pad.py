"""The tab with BassNet's pad: layout and event handlers; `pad.js` adds the behaviour and `pad.css` the looks."""

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from latentstem.pipelines.bassnet_control import ControlPattern
from latentstem.ui.components import QUIETLY, recording, visitor_of
from latentstem.ui.line_maker import LineMaker, LineRequest, read_points
from latentstem.ui.line_sessions import LineSessions
from latentstem.ui.player import BUTTONS
from latentstem.ui.player import SCRIPT as PLAYER_SCRIPT
from latentstem.ui.player import STYLE as PLAYER_STYLE
from latentstem.ui.status import error_html, message_html

SCRIPT = (files("latentstem.ui") / "pad.js").read_text(encoding="utf-8")
STYLE = BUTTONS + (files("latentstem.ui") / "pad.css").read_text(encoding="utf-8")
ROLL_STYLE = (files("latentstem.ui") / "piano_roll.css").read_text(encoding="utf-8")

_WELCOME = "Drop a mix, and shape its bass line on the pad."
_ORIGIN = '{"points":[[0,0]]}'
# The circles are those of the standard normal prior, which the controls of basses follow. Names of patterns are safe in
# it: `ControlPattern.read` takes words only.
_PAD = """
<section aria-label="Control">
  <div class="modes" role="group" aria-label="Shape of the control">
    <button type="button" data-mode="point" aria-pressed="true">Point</button>
    <button type="button" data-mode="path" aria-pressed="false">Path over the mix</button>
  </div>
  <div class="field" tabindex="0" role="application" aria-label="Pad: x and y from -3 to 3"
    aria-describedby="pad-help">
    <svg viewBox="-3 -3 6 6" aria-hidden="true">
      <path class="axes" d="M-3 0H3M0 -3V3"/>
      <circle class="prior" r="1"/><circle class="prior" r="2"/>
      PATTERNS
      <polyline class="path" points=""/>
      <circle class="start" r="0.12"/><circle class="handle" r="0.16"/>
    </svg>
  </div>
  <div class="numbers">
    <label>x <input type="number" name="x" min="-3" max="3" step="0.1" value="0"></label>
    <label>y <input type="number" name="y" min="-3" max="3" step="0.1" value="0"></label>
    CHOICE
  </div>
  <p class="help" id="pad-help"></p>
  <p class="said" role="status"></p>
</section>
"""


def pad_html(patterns: Mapping[str, ControlPattern]) -> str:
    """Return the template of the pad, with an ellipse for each known pattern and a list of their names.

    An ellipse is where the controls of most basses of the pattern lie: its axes are their standard deviations.

    Args:
        patterns: Patterns by name, of two numbers each.

    Example:
        >>> pattern = ControlPattern((1.0, 0.5), ((0.09, 0.0), (0.0, 0.04)), 0.25)
        >>> html = pad_html({"walking": pattern})
        >>> '<option value="1,0.5">walking</option>' in html
        True
    """
    ellipses, options = [], []
    for name, pattern in sorted(patterns.items()):
        (x, y), (variances, axes) = pattern.mean, np.linalg.eigh(np.asarray(pattern.covariance))
        width, height = np.sqrt(np.maximum(variances, 1e-4))
        turn = -math.degrees(math.atan2(axes[1, 0], axes[0, 0]))  # on the screen y goes down
        ellipses.append(
            f'<ellipse class="pattern" data-at="{x:g},{y:g}" rx="{width:.3f}" ry="{height:.3f}" '
            f'fill-opacity="{min(0.8 * pattern.share, 0.3):.3f}" '
            f'transform="translate({x:.3f} {-y:.3f}) rotate({turn:.1f})"/>'
        )
        options.append(f'<option value="{x:g},{y:g}">{name}</option>')
    choice = f'<label>Pattern <select name="pattern"><option value=""></option>{"".join(options)}</select></label>'
    return _PAD.replace("PATTERNS", "".join(ellipses)).replace("CHOICE", choice if options else "")


def build_pad(maker: LineMaker, lines: LineSessions, page: gr.Blocks) -> gr.Button:
    """Build the pad, in the tab that is open.

    Args:
        maker: Maker of the lines.
        lines: Sessions of the visitors.
        page: Page of the tab.

    Returns:
        The button that sends the line on, to be given a sound.

    Example:
        >>> with gr.Tab("Bass line"):  # doctest: +SKIP
        ...     build_pad(maker, lines, page)
    """
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            mix = recording("Mix", "line-mix")
            pad = gr.HTML(
                _ORIGIN,
                html_template=pad_html(maker.pipe.patterns),
                css_template=STYLE,
                js_on_load=SCRIPT,
                apply_default_css=False,
                elem_id="pad",
            )
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(message_html(_WELCOME), elem_id="line-status")
            line = gr.HTML(
                "",
                css_template=PLAYER_STYLE + ROLL_STYLE,
                js_on_load=PLAYER_SCRIPT,
                apply_default_css=False,
                elem_id="line",
            )
            sound = gr.Button("Give the line a sound", visible=False)

    def make(mix_file: str | None, control: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        visitor = visitor_of(request)
        if mix_file is None:
            lines.end(visitor)
            yield {status: message_html(_WELCOME), line: "", sound: gr.update(visible=False)}
            return
        try:
            line_request = LineRequest(Path(mix_file), read_points(control))
        except ValueError as error:
            yield {status: error_html(str(error))}
            return
        with closing(lines.run(maker, line_request, visitor)) as updates:
            for update in updates:
                yield {part: html for part, html in zip((status, line), update, strict=True) if html is not None}
        yield {sound: gr.update(visible=lines.has_line(visitor))}

    def leave(request: gr.Request) -> None:
        lines.end(visitor_of(request))

    for event in (mix.change, pad.input):
        event(make, [mix, pad], [status, line, sound], trigger_mode="multiple", **QUIETLY)
    page.unload(leave)
    return sound
