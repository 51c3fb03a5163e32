"""Layout and event handlers of the Gradio page."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Base

from latentstem.pipelines.bassnet import BassNetPipeline
from latentstem.pipelines.controls import known_controls
from latentstem.pipelines.loop import LoopPipeline
from latentstem.pipelines.quality import Quality
from latentstem.ui.components import QUIETLY, recording, visitor_of
from latentstem.ui.generator import GenerationRequest, Generator
from latentstem.ui.line_maker import LineMaker
from latentstem.ui.loop_maker import LoopMaker
from latentstem.ui.loop_tab import build_loops
from latentstem.ui.pad import build_pad
from latentstem.ui.player import SCRIPT, STYLE, player_html
from latentstem.ui.sessions import Sessions
from latentstem.ui.status import error_html, explain, message_html
from latentstem.ui.steering_section import build_steering

THEME = Base(primary_hue="violet", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono="monospace")
CSS = (files("latentstem.ui") / "page.css").read_text(encoding="utf-8")

_HEADING = "<h1>latentstem</h1><p>Give it a mix, get a bass that fits.</p>"
_WELCOME = "Drop a mix and press Generate."
_MOST_TAKES = 8
_STEM = "stem"  # the id of the tab
_GREATEST_DRAWN = 10**6  # a seed that people can note down
_GREATEST_SEED = 2**53 - _MOST_TAKES  # what a browser's numbers hold


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
            _build_stems(generator, sessions, page)
        else:
            with gr.Tabs() as tabs:
                with gr.Tab("Stem", id=_STEM):
                    plays_line = _build_stems(generator, sessions, page, with_lines=True)
                with gr.Tab("Bass line"):
                    sound = build_pad(LineMaker(bassnet, generator), sessions.lines, page)
                if loops is not None:
                    with gr.Tab("Loops"):
                        build_loops(LoopMaker(loops, generator), sessions.loops, page)
            sound.click(lambda: (gr.Tabs(selected=_STEM), True), None, [tabs, plays_line], **QUIETLY)
    return page


def _build_stems(generator: Generator, sessions: Sessions, page: gr.Blocks, with_lines: bool = False) -> gr.Checkbox:
    """Build the form of the stems; returns the box that lets them play the newest line of the pad."""
    guidance_scale = float(generator.pipe.guider.guidance_scale)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            mix = recording("Mix", "mix")
            with gr.Row(visible=with_lines):
                plays_line = gr.Checkbox(False, label="Play the bass line", info="Of the other tab, for its mix")
                line_strength = gr.Slider(0.1, 1, 0.8, step=0.05, label="How freely", visible=False)
            with gr.Accordion("Style (optional)", open=False):
                style = recording("A recording whose sound the bass takes on", "style")
                strength = gr.Slider(0, 1, 1, step=0.05, label="Style strength")
            steering = build_steering(known_controls(generator.pipe), mix, generator.max_duration)
            quality = gr.Radio(list(Quality), value=Quality.STANDARD, label="Quality", info="8, 16 or 64 steps")
            count = gr.Slider(1, _MOST_TAKES, 2, step=1, label="Takes")
            with gr.Row():
                with gr.Column(min_width=160):
                    seed = gr.Number(0, label="First seed", precision=0, minimum=0, maximum=_GREATEST_SEED)
                    keep_seed = gr.Checkbox(False, label="Keep the seed", info="Else every press gives new takes")
                guidance = gr.Slider(1, max(10, guidance_scale), guidance_scale, step=0.5, label="Guidance")
            with gr.Row():
                generate = gr.Button("Generate", variant="primary")
                cancel = gr.Button("Cancel", variant="stop", interactive=False)
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(message_html(_WELCOME), elem_id="status")
            player = gr.HTML("", elem_id="player", css_template=STYLE, js_on_load=SCRIPT, apply_default_css=False)

    def set_running(running: bool) -> dict[Any, Any]:
        return {generate: gr.update(interactive=not running), cancel: gr.update(interactive=running)}

    def run_request(
        request: gr.Request,
        mix_file: str | None,
        style_file: str | None,
        quality_name: str,
        take_count: int,
        first_seed: int,
        keeps_seed: bool,
        style_strength: float,
        scale: float,
        from_line: bool,
        strength_from_line: float,
        *steering_values: Any,
    ) -> Iterator[dict[Any, Any]]:
        mix_path, sketch = None if mix_file is None else Path(mix_file), None
        if from_line:
            try:
                mix_path, sketch = sessions.lines.newest(visitor_of(request))
            except ValueError as error:
                yield {status: error_html(str(error))}
                return
        if mix_path is None:
            yield {status: error_html("There is no mix yet: drop one first, a wav, flac, mp3 or ogg file.")}
            return
        try:
            controls = steering.read(steering_values)
        except ValueError as error:
            yield {status: error_html(explain(error, []))}
            return
        first_seed = first_seed if keeps_seed else secrets.randbelow(_GREATEST_DRAWN)
        style_path = None if style_file is None else Path(style_file)
        quality = Quality(quality_name)
        generation_request = GenerationRequest(
            mix_path,
            style_path,
            quality,
            take_count,
            first_seed,
            style_strength,
            scale,
            controls,
            sketch,
            strength_from_line,
        )
        yield {status: message_html("Encoding the mix"), player: "", seed: first_seed, **set_running(True)}
        with closing(sessions.run(generator, generation_request, visitor_of(request))) as updates:
            for html, takes in updates:
                yield {status: html} if takes is None else {status: html, player: player_html(takes)}

    def stop(request: gr.Request) -> dict[Any, Any]:
        sessions.stems.stop(visitor_of(request))
        return {cancel: gr.update(interactive=False)}

    def leave(request: gr.Request) -> None:
        sessions.stems.end(visitor_of(request))

    settings = [mix, style, quality, count, seed, keep_seed, strength, guidance, plays_line, line_strength]
    inputs = [*settings, *steering.components.values()]
    run = generate.click(run_request, inputs, [status, player, seed, generate, cancel], **QUIETLY)
    # Generate stays off until the run is over: an earlier click would be lost.
    run.then(lambda: set_running(False), None, [generate, cancel], **QUIETLY)
    cancel.click(stop, None, [cancel], **QUIETLY)
    plays_line.change(lambda on: gr.update(visible=on), [plays_line], [line_strength], **QUIETLY)
    page.unload(leave)
    return plays_line
