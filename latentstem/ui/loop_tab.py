"""The tab of the page with loops: layout and event handlers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from latentstem.ui.components import QUIETLY, draw_seed, recording, visitor_of
from latentstem.ui.loop_maker import LoopMaker, LoopRequest, run_request
from latentstem.ui.player import BUTTONS
from latentstem.ui.runs import Runs
from latentstem.ui.status import error_html, message_html

_WELCOME = "Say what you want to hear, and press Make loops."
_STYLE = """
.loops { display: grid; gap: 1rem; }
.loops .loop header { display: flex; gap: 0.75rem; align-items: baseline; }
.loops .loop header a { margin-left: auto; }
.loops .loop img { width: 100%; height: 7rem; display: block; }
.loops .loop audio { width: 100%; margin: 0.25rem 0; }
"""
_SCRIPT = """
element.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-loop]");
  if (button) trigger("click", { ...button.dataset });
});
"""
_MOST_LOOPS = 8


def build_loops(maker: LoopMaker, runs: Runs, page: gr.Blocks) -> gr.HTML:
    """Build the form of the loops, in the tab that is open.

    Args:
        maker: Maker of the loops.
        runs: Runs of the visitors with loops.
        page: Page of the tab.

    Returns:
        The players of the loops; a click on a loop that is to be given a bass has the name of its file as "loop", its
        tempo as "bpm" and its chart as "chords".

    Example:
        >>> with gr.Tab("Loops"):  # doctest: +SKIP
        ...     build_loops(maker, Runs(files), page)
    """
    encoder = maker.pipe.prompt_encoder
    known = ", ".join(encoder.vocabulary.words) if encoder is not None else ""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            prompt = gr.Textbox(
                "", label="Prompt", placeholder="dark techno, no hats", info=f"Words: {known}", visible=bool(known)
            )
            with gr.Accordion("Sound of a recording (optional)", open=False, visible=bool(known)):
                reference = recording("A recording whose sound the loops take on", "loop-reference")
                strength = gr.Slider(0, 1, 1, step=0.05, label="How far the average sound moves to the recording's")
            with gr.Row():
                bpm = gr.Number(124, label="Beats a minute", info="From 4 to 1000", min_width=120)
                bars = gr.Dropdown([1, 2, 4, 8, 16], value=4, label="Bars", min_width=120)
            chords = gr.Textbox(
                "",
                label="Chords",
                placeholder="left to the net",
                info="| Am7 | F G |",
                visible="chords" in maker.pipe.unet.condition_channels,
            )
            count = gr.Slider(1, _MOST_LOOPS, 2, step=1, label="Loops")
            with gr.Row():
                make = gr.Button("Make loops", variant="primary")
                cancel = gr.Button("Cancel", variant="stop", interactive=False)
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(message_html(_WELCOME), elem_id="loop-status")
            loops = gr.HTML(
                "", css_template=BUTTONS + _STYLE, js_on_load=_SCRIPT, apply_default_css=False, elem_id="loops"
            )

    def set_running(running: bool) -> dict[Any, Any]:
        return {make: gr.update(interactive=not running), cancel: gr.update(interactive=running)}

    def run(
        request: gr.Request,
        words: str,
        file: str | None,
        reference_strength: float,
        tempo: float | None,
        bar_count: int,
        chart: str,
        loop_count: int,
    ) -> Iterator[dict[Any, Any]]:
        if tempo is None or not 4 <= tempo <= 1000:
            yield {status: error_html(f"got {tempo} beats a minute; expected 4 to 1000")}
            return
        loop_request = LoopRequest(
            tempo,
            bar_count,
            words,
            None if file is None else Path(file),
            chart,
            loop_count,
            draw_seed(),
            reference_strength,
        )
        yield {status: message_html("Starting"), loops: "", **set_running(True)}
        with closing(run_request(maker, loop_request, runs, visitor_of(request))) as updates:
            for text, html in updates:
                shown = {status: text, **set_running(True)}  # every time, as in the tab of stems
                yield shown if html is None else {**shown, loops: html}

    def stop(request: gr.Request) -> dict[Any, Any]:
        runs.stop(visitor_of(request))
        return {cancel: gr.update(interactive=False)}

    def leave(request: gr.Request) -> None:
        runs.end(visitor_of(request))

    inputs = [prompt, reference, strength, bpm, bars, chords, count]
    running = make.click(run, inputs, [status, loops, make, cancel], **QUIETLY)
    running.then(lambda: set_running(False), None, [make, cancel], **QUIETLY)
    cancel.click(stop, None, [cancel], **QUIETLY)
    page.unload(leave)
    return loops
