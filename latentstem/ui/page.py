"""Layout of the Gradio page."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Base

from latentstem.conditioning.controls import Controls
from latentstem.pipelines.bassnet import BassNetPipeline
from latentstem.pipelines.loop import LoopPipeline
from latentstem.ui.components import QUIETLY, visitor_of
from latentstem.ui.generator import Generator
from latentstem.ui.line_maker import LineMaker
from latentstem.ui.loop_maker import LoopMaker
from latentstem.ui.loop_tab import build_loops
from latentstem.ui.pad import build_pad
from latentstem.ui.sessions import Sessions
from latentstem.ui.stem_tab import StemForm, build_stems

THEME = Base(primary_hue="violet", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono="monospace")
CSS = (files("latentstem.ui") / "page.css").read_text(encoding="utf-8")

_HEADING = "<h1>latentstem</h1><p>Give it a mix, get a stem that fits.</p>"
_STEM = "stem"  # the id of the tab


def build_page(
    generator: Generator,
    sessions: Sessions,
    bassnet: BassNetPipeline | None = None,
    loops: LoopPipeline | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        generator: Generator of the stems.
        sessions: Runs and files of the visitors.
        bassnet: Pipeline of the pad, on its device; without it the page has no tabs.
        loops: Pipeline of the third tab, on its device; without it the page has no such tab.

    Returns:
        The page, to be mounted or launched with `THEME` and `CSS`.

    Raises:
        ValueError: The control of the BassNet has not two dimensions.

    Example:
        >>> build_page(generator, Sessions(Path("/tmp/stems"))).launch(theme=THEME, css=CSS)  # doctest: +SKIP
    """
    with gr.Blocks(title="latentstem", analytics_enabled=False) as page:
        gr.HTML(_HEADING)
        if bassnet is None:
            build_stems(generator, sessions, page)
        else:
            with gr.Tabs() as tabs:
                with gr.Tab("Stem", id=_STEM):
                    form = build_stems(generator, sessions, page, with_lines=True)
                with gr.Tab("Bass line"):
                    sound = build_pad(LineMaker(bassnet, generator), sessions.lines, page)
                if loops is not None:
                    with gr.Tab("Loops"):
                        chosen = build_loops(LoopMaker(loops, generator), sessions.loops, page)
                    _give_bass(chosen, tabs, form, sessions)
            sound.click(lambda: (gr.Tabs(selected=_STEM), True), None, [tabs, form.components["plays_line"]], **QUIETLY)
    return page


def _give_bass(chosen: gr.HTML, tabs: gr.Tabs, form: StemForm, sessions: Sessions) -> None:
    """Let a click on a loop lead to the form of the stems, with the loop as its mix."""

    def take(session: gr.Request, event: gr.EventData) -> dict[Any, Any]:
        data = event._data if isinstance(event._data, dict) else {}
        try:
            loop = sessions.loops.file(visitor_of(session), str(data.get("loop")))
            bpm = float(str(data.get("bpm")))
            Controls(bpm=bpm)  # refuses what is no tempo
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {tabs: gr.Tabs(selected=_STEM), **form.with_loop(loop, bpm, str(data.get("chords", "")))}

    chosen.click(take, None, [tabs, *form.with_loop(Path(), 120.0, "")], **QUIETLY)
