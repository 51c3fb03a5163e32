"""The shipped weights make what they made when they were shipped, whatever has become of the code around them.

`tests/saved/NAME-VERSION.json` was written by the code that shipped the weights, with the nets in float64, which no
processor rounds otherwise: `python -m tests.interop.test_shipped_weights NAME VERSION`. New weights come with a file of
their own.
"""

import json
import sys
from pathlib import Path

import pytest
import torch

import latentstem
from latentstem import LoopPipeline, StemAccompanimentPipeline
from latentstem.conditioning import Controls

SAVED = Path(__file__).parents[1] / "saved"
WEIGHTS = {"bass-gm": "0.1.0", "bass": "0.2.0", "loops-gm": "0.2.0"}
"""Name of the weights to the version that shipped them."""


def made_with(pipe):
    """Latents by name, with the conditions of the net."""
    pipe.set_progress_bar_config(disable=True)
    return loops_of(pipe) if isinstance(pipe, LoopPipeline) else stems_of(pipe)


def loops_of(pipe):
    """Latents `(64, 17)` by name: without words, with some, and with the sound of a recording and chords."""
    noise, reference = (
        1.4 * torch.sin(factor * torch.arange(64 * 17, dtype=torch.float64).reshape(1, 64, 17).square()).float()
        for factor in (1.0, 0.71)
    )
    sound = {"conditions": {"prompt": pipe.prompt_encoder.embed_sound(reference.double()).float()}}
    calls = {"plain": {}, "words": {"prompt": "dark techno, kick, no hats"}, "sound": {**sound, "chords": "| Am7 |"}}
    call = {"bpm": 152, "bars": 1, "latents": noise, "num_inference_steps": 8, "output_type": "latent"}
    call["condition_scales"] = {}  # in 0.2.0 the prompt had no scale of its own
    with torch.no_grad():
        return {name: pipe(**call, **more).audios[0] for name, more in calls.items()}


def stems_of(pipe):
    """Latents `(64, 32)` by name: without a style, with one, and, if the net has controls, with all of them."""
    place = torch.arange(64 * 32, dtype=torch.float64).reshape(1, 64, 32)
    noise, mix_latents, reference = (1.4 * torch.sin(factor * place.square()).float() for factor in (1.0, 0.37, 0.71))
    mean = 0.5 * torch.cos(torch.arange(64, dtype=torch.float64)).float()
    calls = {"plain": {}, "styled": {"style_latents": mean}}
    if pipe.unet.config.control_conditions:
        controls = Controls(bpm=120.0, chords="C:0 Am7:1 F/A:2", density=2.0, register=36.0, level=3.0)
        conditions = controls.conditions(32, pipe.sampling_rate / pipe.hop_length)
        calls["steered"] = {"style_latents": reference, "conditions": conditions}
    return {
        name: pipe(
            mix_latents=mix_latents,
            latents=noise,
            num_inference_steps=8,
            sampling_rate=44100,
            output_type="latent",
            **call,
        ).audios[0]
        for name, call in calls.items()
    }


def load(name):
    kind = LoopPipeline if name.startswith("loops") else StemAccompanimentPipeline
    pipe = kind.from_pretrained(latentstem.pretrained_path(name))
    for part in ("unet", "style_encoder", "prompt_encoder"):
        if getattr(pipe, part, None) is not None:
            getattr(pipe, part).double()
    return pipe


@pytest.mark.parametrize("name", WEIGHTS)
def test_eight_guided_steps_end_where_they_ended(name):
    recorded = json.loads((SAVED / f"{name}-{WEIGHTS[name]}.json").read_text())
    made = made_with(load(name))
    assert made.keys() == recorded.keys()
    for call, latents in made.items():
        torch.testing.assert_close(latents, torch.tensor(recorded[call]), atol=1e-5, rtol=0)


if __name__ == "__main__":
    _, shipped, version = sys.argv
    rounded = {call: latents.double().mul(1e6).round().div(1e6) for call, latents in made_with(load(shipped)).items()}
    text = json.dumps({call: latents.tolist() for call, latents in rounded.items()})
    (SAVED / f"{shipped}-{version}.json").write_text(text)
