"""The shipped weights make what they made when they were shipped, whatever has become of the code around them.

`tests/saved/bass-gm-0.1.0.json` was written by the code of 0.1.0 that shipped them, with the net in float64, which no
processor rounds otherwise. New weights come with a recording of their own.
"""

import json
from pathlib import Path

import pytest
import torch

import latentstem
from latentstem import StemAccompanimentPipeline

RECORDED = json.loads((Path(__file__).parents[1] / "saved" / "bass-gm-0.1.0.json").read_text())


@pytest.fixture(scope="module")
def pipe():
    pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.double()
    return pipe


@pytest.mark.parametrize("name", ["plain", "styled"])
def test_eight_guided_steps_end_where_they_ended(pipe, name):
    place = torch.arange(64 * 32, dtype=torch.float64).reshape(1, 64, 32)
    noise, mix_latents = (1.4 * torch.sin(factor * place.square()).float() for factor in (1.0, 0.37))
    style = 0.5 * torch.cos(torch.arange(64, dtype=torch.float64)).float()
    made = pipe(
        mix_latents=mix_latents,
        latents=noise,
        style_latents=style if name == "styled" else None,
        num_inference_steps=8,
        sampling_rate=44100,
        output_type="latent",
    ).audios[0]
    torch.testing.assert_close(made, torch.tensor(RECORDED[name]), atol=1e-5, rtol=0)
