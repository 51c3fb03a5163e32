"""The tab of the page with stems: layout and event handlers."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from latentstem.pipelines.controls import known_controls
from latentstem.pipelines.quality import DEFAULT_QUALITY, Quality
from latentstem.ui.components import QUIETLY, draw_seed, recording, visitor_of
from latentstem.ui.generator import Generator
from latentstem.ui.player import SCRIPT, STYLE, player_html
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.sessions import Sessions
from latentstem.ui.status import NO_MIX, error_html, explain, message_html
from latentstem.ui.steering_section import SteeringInputs, build_steering
from latentstem.ui.styles import style_file, style_names
from latentstem.ui.take_actions import GENERATING, begin_with, change_take, find_take

_WELCOME = "Drop a mix and press Generate."
_MOST_TAKES = 8
_GREATEST_SEED = 2**53 - _MOST_TAKES  # what a browser's numbers hold


@dataclass(frozen=True)
class StemForm:
    """Inputs of the form.

    Attributes:
        components: Inputs by name; those of the steering come after them in a call.
        steering: Inputs of the steering.
        styles: Choice of a style that needs no upload, which goes into the field of the style.
    """

    components: dict[str, Component]
    steering: SteeringInputs
    styles: gr.Dropdown

    @property
    def inputs(self) -> list[Component]:
        """All inputs, in the order of their values in a call."""
        return [*self.components.values(), *self.steering.components.values()]

    def read(self, values: Sequence[Any], sessions: Sessions, visitor: str) -> GenerationRequest:
        """Return the settings; without a mix its name is empty.

        Args:
            values: Values of the inputs.
            sessions: Sessions with the lines of the pad.
            visitor: Session of the visitor.

        Raises:
            ValueError: A value cannot be read or is out of range, or there is no line to play.
        """
        form = dict(zip(self.components, values, strict=False))
        mix, sketch = Path(form["mix"] or ""), None
        if form["plays_line"]:
            mix, sketch = sessions.lines.newest(visitor)
        return GenerationRequest(
            mix,
            None if form["style"] is None else Path(form["style"]),
            Quality(form["quality"]),
            form["count"],
            form["seed"] if form["keep_seed"] else draw_seed(),
            form["style_strength"],
            form["guidance_scale"],
            self.steering.read(values[len(form) :]),
            sketch,
            form["freedom"],
            loop=form["loop"],
            second_style=None if form["second_style"] is None else Path(form["second_style"]),
            blend=form["blend"],
            part=_read_part(form["begin"], form["end"], form["plays_line"]),
            adapter=form.get("adapter") or None,
            target=form.get("target"),
        )

    def put_back(self, values: Sequence[Any], seed: int) -> dict[Any, Any]:
        """Return updates that put the settings of a take into the form.

        Args:
            values: Values of the inputs that it was generated from.
            seed: Its seed, which is kept.
        """
        updates = {component: gr.update(value=value) for component, value in zip(self.inputs, values, strict=True)}
        form = self.components
        return updates | {form["seed"]: gr.update(value=seed), form["keep_seed"]: gr.update(value=True)}

    def with_loop(self, file: Path, bpm: float, chords: str) -> dict[Any, Any]:
        """Return updates that put a loop into the form as its mix, with what is known of it, for the default stem.

        Args:
            file: File of the loop.
            bpm: Its beats a minute.
            chords: Its chord chart; empty if it is not known.
        """
        values = {"mix": str(file), "loop": True, "begin": 0, "end": 0, "plays_line": False}
        known = {"sets_tempo": True, "bpm": bpm, "downbeat": 0, "chords": chords}
        inputs = self.components | self.steering.components
        if "target" in inputs:
            known["target"] = inputs["target"].value  # the default, whatever is chosen
        return {inputs[name]: gr.update(value=value) for name, value in (values | known).items() if name in inputs}


def build_stems(generator: Generator, sessions: Sessions, page: gr.Blocks, with_lines: bool = False) -> StemForm:
    """Build the form and the player of the stems, in the tab that is open.

    Args:
        generator: Generator of the stems.
        sessions: Runs and files of the visitors.
        page: Page of the tab.
        with_lines: Whether the page has a pad, whose lines can be played.

    Returns:
        The inputs of the form.

    Example:
        >>> with gr.Tab("Stem"):  # doctest: +SKIP
        ...     build_stems(generator, sessions, page)
    """
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            form = _build_form(generator, with_lines)
            with gr.Row():
                generate = gr.Button("Generate", variant="primary")
                cancel = gr.Button("Cancel", variant="stop", interactive=False)
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(message_html(_WELCOME), elem_id="status")
            player = gr.HTML("", elem_id="player", css_template=STYLE, js_on_load=SCRIPT, apply_default_css=False)

    def set_running(running: bool) -> dict[Any, Any]:
        return {generate: gr.update(interactive=not running), cancel: gr.update(interactive=running)}

    def run(request: GenerationRequest, visitor: str, values: Sequence[Any]) -> Iterator[dict[Any, Any]]:
        yield {status: message_html("Encoding the mix"), form.components["seed"]: request.seed, **set_running(True)}
        with closing(sessions.run(generator, request, visitor, values)) as updates:
            for html, takes in updates:
                # The buttons every time: a page that is short of time passes over updates, the first one among them.
                shown = {status: html, **set_running(True)}
                yield shown if takes is None else {**shown, player: player_html(takes)}

    def press(session: gr.Request, *values: Any) -> Iterator[dict[Any, Any]]:
        visitor = visitor_of(session)
        try:
            request = form.read(values, sessions, visitor)
            if not request.mix.name:
                raise ValueError(NO_MIX)
        except ValueError as error:
            yield {status: error_html(explain(error, []))}
            return
        yield from run(request, visitor, values)

    def act(session: gr.Request, event: gr.EventData, *values: Any) -> Iterator[dict[Any, Any]]:
        visitor, data = visitor_of(session), event._data if isinstance(event._data, dict) else {}
        try:
            if data.get("action") == "settings":
                take = find_take(sessions.history, visitor, data)
                yield form.put_back(take.form, take.result.seed)
                return
            if data.get("action") not in GENERATING:
                change_take(sessions.history, visitor, data)
                yield {player: player_html(sessions.history.takes(visitor))}
                return
            if sessions.is_running(visitor):
                raise ValueError("a run is going on; cancel it first, or wait for its end")
            take = find_take(sessions.history, visitor, data)
            request = begin_with(take, form.read(values, sessions, visitor), data)
        except Exception as error:
            yield {status: error_html(explain(error, []))}
            return
        yield from run(request, visitor, values)
        yield set_running(False)

    def stop(session: gr.Request) -> dict[Any, Any]:
        sessions.stems.stop(visitor_of(session))
        return {cancel: gr.update(interactive=False)}

    def arrive(session: gr.Request) -> str:
        return player_html(sessions.history.takes(visitor_of(session)))

    def leave(session: gr.Request) -> None:
        sessions.stems.end(visitor_of(session))

    def take_style(session: gr.Request, name: str) -> dict[Any, Any]:
        visitor = visitor_of(session)
        try:
            file = style_file(name, sessions.history.takes(visitor), sessions.files.home_of(visitor))
        except Exception as error:
            return {status: error_html(explain(error, []))}
        return {form.components["style"]: str(file), form.styles: None}

    def offer(session: gr.Request) -> dict[str, Any]:
        return gr.update(choices=style_names(sessions.history.takes(visitor_of(session))))

    changing = [status, player, form.components["seed"], generate, cancel]
    pressed = generate.click(press, form.inputs, changing, **QUIETLY)
    # Generate stays off until the run is over: an earlier click would be lost.
    pressed.then(lambda: set_running(False), None, [generate, cancel], **QUIETLY)
    others = [component for component in form.inputs if component is not form.components["seed"]]
    player.click(act, form.inputs, [*changing, *others], trigger_mode="multiple", **QUIETLY)
    cancel.click(stop, None, [cancel], **QUIETLY)
    form.styles.select(take_style, form.styles, [status, form.components["style"], form.styles], **QUIETLY)
    form.styles.focus(offer, None, form.styles, **QUIETLY)
    page.load(arrive, None, [player], **QUIETLY)
    page.unload(leave)
    return form


def _build_form(generator: Generator, with_lines: bool) -> StemForm:
    guidance_scale = float(generator.pipe.guider.guidance_scale)
    mix = recording("Mix", "mix")
    targets = generator.pipe.target_names
    target = gr.Radio(targets, value=generator.pipe.config["target"], label="Stem") if len(targets) > 1 else None
    with gr.Accordion("A part of the mix (optional)", open=False), gr.Row():
        begin = gr.Number(0, label="From second", minimum=0, min_width=120)
        end = gr.Number(0, label="To second", info="0 is the end", minimum=0, min_width=120)
    loop = gr.Checkbox(False, label="The mix is a loop", info="The end of a take then leads into its beginning")
    plays_line = gr.Checkbox(
        False, label="Play the bass line", info="Of the other tab, for its mix", visible=with_lines
    )
    with gr.Accordion("Style (optional)", open=False):
        style = recording("A recording whose sound the stem takes on", "style")
        styles = gr.Dropdown(style_names([]), value=None, label="Or one of these", info="Your last ones, and ours")
        strength = gr.Slider(0, 1, 1, step=0.05, label="Style strength")
        second_style = recording("A second recording, to be blended with the first", "second-style")
        blend = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second")
    steering = build_steering(known_controls(generator.pipe), mix, generator.max_duration)
    quality = gr.Radio(list(Quality), value=DEFAULT_QUALITY, label="Quality", info="8, 16 or 64 steps")
    count = gr.Slider(1, _MOST_TAKES, 2, step=1, label="Takes")
    with gr.Row():
        with gr.Column(min_width=160):
            seed = gr.Number(0, label="First seed", precision=0, minimum=0, maximum=_GREATEST_SEED)
            keep_seed = gr.Checkbox(False, label="Keep the seed", info="Else every press gives new takes")
        guidance = gr.Slider(1, max(10, guidance_scale), guidance_scale, step=0.5, label="Guidance")
    freedom = gr.Slider(
        0.1, 1, 0.6, step=0.05, label="How freely", info="For variations of a take, and for a line of the pad"
    )
    names = generator.adapters.names
    adapter = gr.Radio([("none", ""), *names], value=names[0], label="Adapter") if names else None
    return StemForm(
        {
            "mix": mix,
            "style": style,
            "quality": quality,
            "count": count,
            "seed": seed,
            "keep_seed": keep_seed,
            "style_strength": strength,
            "guidance_scale": guidance,
            "plays_line": plays_line,
            "freedom": freedom,
            "loop": loop,
            "second_style": second_style,
            "blend": blend,
            "begin": begin,
            "end": end,
            **({} if adapter is None else {"adapter": adapter}),
            **({} if target is None else {"target": target}),
        },
        steering,
        styles,
    )


def _read_part(begin: float | None, end: float | None, plays_line: bool) -> tuple[float, float | None] | None:
    """Return the part of the mix that is asked for; None for all of it."""
    if not begin and not end:
        return None
    if plays_line:
        raise ValueError("a bass line of the other tab is for the whole mix; set both seconds of the part to 0")
    return begin or 0.0, end or None
