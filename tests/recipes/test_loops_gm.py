"""The short recipe of loops end to end, on the shipped autoencoder."""

import json
import re

import pytest

from latentstem import LoopPipeline
from latentstem.recipes.loops_gm import LoopRecipe, main


@pytest.mark.fluidsynth
def test_the_short_recipe_leaves_weights_that_share_an_autoencoder_and_a_card(tmp_path, fresh_accelerator):
    recipe = LoopRecipe(tmp_path / "run", workers=1, short=True)
    weights = main(recipe)
    assert not (weights / "autoencoder").exists()
    assert json.loads((weights / "shared.json").read_text()) == {"autoencoder": "bass"}
    pipe = LoopPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    audio = pipe(bpm=174, bars=1, prompt="drum and bass, no voice", num_inference_steps=2, generator=0).audios
    assert audio.shape == (1, 1, pipe.count_samples(174, 1)) and audio.isfinite().all()
    card = (weights / "README.md").read_text()
    assert "python -m latentstem.recipes.loops_gm --output runs/loops-gm --loops" in card and str(tmp_path) not in card
    assert re.search(r"\| denoiser \| 8 \| \d+\.\d \|", card) and "{" not in card
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "train").rglob("*.wav")}
    assert main(recipe) == weights  # nothing is rendered twice
    assert {path: path.stat().st_mtime_ns for path in written} == written
