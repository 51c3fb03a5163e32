"""The section of the page with the controls that the net knows: layout and event handlers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from latentstem.audio.errors import AudioError
from latentstem.audio.io import AudioReader
from latentstem.conditioning.controls import Controls
from latentstem.ui.chord_strip import STYLE
from latentstem.ui.components import QUIETLY
from latentstem.ui.status import error_html, explain, message_html
from latentstem.ui.steering import can_listen, hear_mix, read_controls, tempo_and_chords_html

_WORDS = {"beat": "tempo", "chords": "chords", "density": "how busy", "register": "how low"}


@dataclass(frozen=True)
class SteeringInputs:
    """Inputs of the section.

    Attributes:
        components: Inputs by the arguments of `read_controls`.

    Example:
        >>> SteeringInputs({}).read([])  # nothing is steered
        Controls(bpm=None, downbeat=0.0, beats_per_bar=4, chords=None, density=None, register=None, level=None)
    """

    components: dict[str, Component]

    def read(self, values: Sequence[Any]) -> Controls:
        """Return the controls that a visitor gives.

        Args:
            values: Values of the components, in their order.

        Raises:
            ValueError: A value cannot be read or is out of range.
        """
        return read_controls(**dict(zip(self.components, values, strict=True)))


def build_steering(known: Collection[str], mix: gr.Audio, max_duration: float) -> SteeringInputs:
    """Build the section in the column that is open, with inputs for the controls that a net knows.

    Args:
        known: Names of the net's controls; without any of the page's there is no section.
        mix: Field of the mix.
        max_duration: Longest mix, in seconds.

    Example:
        >>> with gr.Column():  # doctest: +SKIP
        ...     inputs = build_steering(["beat", "chords"], mix, 900.0)
    """
    words = [word for name, word in _WORDS.items() if name in known]
    components: dict[str, Component] = {}
    if words:
        with gr.Accordion(f"Steering: {', '.join(words)}", open=False, elem_id="steering"):
            if "beat" in known or "chords" in known:
                components |= _build_tempo_and_chords(known, mix, max_duration)
            if "density" in known:
                components["sets_density"], sliders = _build_box("How busy")
                with sliders:
                    components["density"] = gr.Slider(0, 12, 4, step=0.5, label="Notes a second")
            if "register" in known:
                components["sets_register"], sliders = _build_box("How low")
                with sliders:
                    info = "28 is the low E of a bass guitar"
                    components["register"] = gr.Slider(0, 72, 36, step=1, label="Mean MIDI pitch", info=info)
    return SteeringInputs(components)


def _build_tempo_and_chords(known: Collection[str], mix: gr.Audio, max_duration: float) -> dict[str, Component]:
    components: dict[str, Component] = {}
    hear = gr.Button("Listen to the mix", size="sm", visible=can_listen())
    heard = gr.HTML("", visible=False, elem_id="heard")
    if "beat" in known:
        components["sets_tempo"], numbers = _build_box("Tempo")
        with numbers:
            components["bpm"] = gr.Number(120, label="Beats a minute", info="From 4 to 1000", min_width=120)
            components["downbeat"] = gr.Number(
                0, label="Downbeat", info="Second at which a bar begins", min_width=120, step=0.01
            )
    below_tempo = gr.HTML("", visible=False, elem_id="tempo-error")
    if "chords" in known:
        bars = "| C | Am7 F | % | N |, or " if "beat" in known else ""
        components["chords"] = gr.Textbox(
            "",
            lines=2,
            max_lines=8,
            label="Chords",
            info=f"{bars}C:0 Am7:2.5 with seconds",
            placeholder="left to the net",
        )
    below_chords = gr.HTML("", visible=False, css_template=STYLE, apply_default_css=False, elem_id="chord-strip")
    length = gr.State(None)

    def measure(mix_file: str | None) -> float | None:
        try:
            return None if mix_file is None else AudioReader(Path(mix_file), max_duration).duration
        except AudioError:  # the run will say so
            return None

    def show(seconds: float | None, *values: Any) -> list[Any]:
        below = tempo_and_chords_html(seconds, **dict(zip(components, values, strict=True)))
        return [gr.update(value=html, visible=bool(html)) for html in below]  # an empty one would leave a gap

    def listen(mix_file: str | None) -> dict[Any, Any]:
        try:
            values, text = hear_mix(mix_file, max_duration)
        except Exception as error:
            text = error_html(explain(error, [] if mix_file is None else [Path(mix_file)]))
            return {heard: gr.update(value=text, visible=True)}
        updates = {components[name]: gr.update(value=value) for name, value in values.items() if name in components}
        return {heard: gr.update(value=message_html(text), visible=True), **updates}

    hear.click(listen, mix, [heard, *components.values()], **QUIETLY)
    shown: Any = (show, [length, *components.values()], [below_tempo, below_chords])
    mix.change(measure, mix, length, **QUIETLY).then(*shown, **QUIETLY)
    for component in components.values():
        component.change(*shown, trigger_mode="always_last", **QUIETLY)  # type: ignore[attr-defined]
    return components


def _build_box(label: str) -> tuple[gr.Checkbox, gr.Row]:
    """Build a box to tick, and the row of its inputs, which is hidden until then.

    Gradio's number box cannot be empty at first, nor its slider.
    """
    box = gr.Checkbox(False, label=label, info="Left to the net unless ticked")
    row = gr.Row(visible=False)
    box.change(lambda ticked: gr.update(visible=ticked), box, row, **QUIETLY)
    return box, row
