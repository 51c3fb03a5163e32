"""What a newcomer runs first: README's command, its ten lines of Python, the shipped weights, the example mixes."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

import latentstem
from latentstem.cli import main
from latentstem.training.latents import cache_latents

ROOT = Path(latentstem.__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLE = ROOT / "examples" / "bass_accompaniment.py"
RECIPE = ROOT / "latentstem" / "recipes" / "bass_gm.py"


def fenced(heading):
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder to write to that has the examples where the root of the repository has them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_bass(folder, mix):
    """Same rate and length to the sample, finite, heard, and not clipped."""
    bass, rate = latentstem.read_audio(folder / "bass.wav")
    reference = soundfile.info(ROOT / mix)
    assert (rate, bass.shape[-1]) == (reference.samplerate, reference.frames)
    assert bass.square().mean().sqrt() > 0.005
    assert (bass.abs() >= 0.999).sum() <= 1


@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_readme_has_one_command_line_for_each_job(heading):
    (block,) = fenced(heading)
    (line,) = block.splitlines()
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -e ")


def test_the_ten_lines_of_readme_are_the_example():
    (block,) = fenced("Ten lines of Python")
    assert block == EXAMPLE.read_text().split('"""\n', 1)[1].lstrip("\n")


def test_the_command_of_readme_makes_a_bass(workplace):
    (block,) = fenced("Run it")
    words = shlex.split(block.rpartition("&&")[2])
    assert words[0] == ".venv/bin/latentstem"
    assert main(words[1:]) == 0
    check_bass(workplace, words[2])


def test_the_ten_lines_of_readme_make_a_bass(workplace):
    runpy.run_path(str(EXAMPLE))
    check_bass(workplace, "examples/audio/mix-1.flac")


@pytest.mark.parametrize("number", [1, 2])
def test_the_example_mixes_are_there(number):
    audio, rate = latentstem.read_audio(ROOT / "examples" / "audio" / f"mix-{number}.flac")
    assert (rate, audio.shape[-1]) == (44100, 12 * 44100)
    assert audio.square().mean().sqrt() > 0.05


@pytest.mark.fluidsynth
def test_the_example_mixes_are_what_the_script_renders(tmp_path):
    """Of unseen songs: their seeds are the composer's test seeds, and the sound is that of the committed script."""
    from latentstem.data.splits import TEST_SEEDS

    script = tmp_path / "render_mixes.py"
    script.write_text((ROOT / "examples" / "render_mixes.py").read_text())
    (tmp_path / "audio").mkdir()
    for number in (1, 2):
        annotation = (ROOT / "examples" / "audio" / f"mix-{number}.json").read_text()
        assert json.loads(annotation)["song"]["seed"] in TEST_SEEDS
        (tmp_path / "audio" / f"mix-{number}.json").write_text(annotation)
    runpy.run_path(str(script))
    mixes = sorted((tmp_path / "audio").glob("*.flac"))
    assert len(mixes) == 2
    for made in mixes:
        kept = ROOT / "examples" / "audio" / made.name
        assert (latentstem.read_audio(made)[0] - latentstem.read_audio(kept)[0]).abs().max() < 1e-3


@pytest.fixture(scope="module")
def short_recipe(make_once):
    """Output of the short version of the recipe of the shipped weights, run as a newcomer runs it, on one thread."""

    def run(folder):
        command = [sys.executable, "-m", "latentstem.recipes.bass_gm", "--output", str(folder / "run"), "--short"]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    return make_once("recipe", run) / "run"


@pytest.mark.fluidsynth
@pytest.mark.parametrize(
    ("training", "loss", "factor"),
    [
        ("autoencoder", "log magnitude", 0.85),  # 0.733
        ("autoencoder", "spectral distance", 0.985),  # 0.966
        ("autoencoder", "twins' distance", 0.96),  # 0.927
        ("decoder", "log magnitude", 0.95),  # 0.892
        ("decoder", "spectral distance", 0.98),  # 0.959
        ("decoder", "twins' distance", 0.985),  # 0.966
        ("unet", "velocity error, mix", 0.87),  # 0.743
    ],
)
def test_the_short_recipe_moves_every_loss(short_recipe, training, loss, factor):
    """On validation songs, to at most such a part of what it was; beside it what was measured.

    In float32 and on one thread, where processors with AVX2 and with AVX-512 end within 0.002 of each other.
    """
    rows = {(row["training"], row["loss"]): row for row in json.loads((short_recipe / "losses.json").read_text())}
    assert rows[training, loss]["after"] < factor * rows[training, loss]["before"]


@pytest.mark.fluidsynth
def test_the_short_recipe_leaves_weights_and_a_card_that_says_how_they_were_made(short_recipe):
    pipe = latentstem.StemAccompanimentPipeline.from_pretrained(short_recipe / "bass-gm")
    mix, rate = latentstem.read_audio(ROOT / "examples" / "audio" / "mix-1.flac")
    out = pipe(mix[:, : 3 * rate], sampling_rate=rate, num_inference_steps=4)
    assert out.audios.shape == (1, 1, 3 * rate) and out.audios.isfinite().all()
    assert latentstem.StyleSpace.from_config(pipe.autoencoder.config) is not None
    card = (short_recipe / "bass-gm" / "README.md").read_text()
    assert "python -m latentstem.recipes.bass_gm --output runs/run --short" in card and str(short_recipe) not in card
    assert re.search(r"\| unet \| 80 \| \d+\.\d \| 0 \|", card) and "{" not in card
    history = [json.loads(line) for line in (short_recipe / "unet" / "history.jsonl").read_text().splitlines()]
    assert {"chord_share", "velocity_error", "velocity_error_swapped"} <= history[-1].keys()


@torch.no_grad()
@pytest.mark.fluidsynth
def test_the_short_recipe_teaches_the_judge_the_pairs_of_its_songs(short_recipe):
    """On validation songs it need not: of so few songs it learns by heart."""
    recipe = runpy.run_path(str(RECIPE))
    short = replace(recipe["Recipe"](short_recipe), **recipe["SHORT"])
    settings = recipe["_settings"](short, short_recipe / "train", short_recipe / "validation")["judge"]
    codec = latentstem.AutoencoderSpectral.from_pretrained(settings.autoencoder)
    given = settings.latents, settings.submixes, settings.seed, settings.production
    pairs = cache_latents(settings.data, settings.target, codec, *given)
    losses = recipe["_judge_moved"](short, pairs)
    assert losses["after"] < 0.5 * losses["before"]


@pytest.mark.fluidsynth
def test_the_recipe_does_nothing_twice_and_refuses_to_mix_two_runs(short_recipe, tmp_path):
    short_recipe = shutil.copytree(short_recipe, tmp_path / "run")  # another worker may be reading the first
    recipe = runpy.run_path(str(RECIPE))

    def fail(settings):
        raise AssertionError("a finished training was run again")

    recipe["main"].__globals__.update(TRAIN=dict.fromkeys(recipe["TRAIN"], fail))
    weights = [path.read_bytes() for path in sorted((short_recipe / "bass-gm").rglob("*.safetensors"))]
    asked = recipe["Recipe"](short_recipe, short=True)
    recipe["main"](asked)
    assert weights == [path.read_bytes() for path in sorted((short_recipe / "bass-gm").rglob("*.safetensors"))]
    with pytest.raises(SystemExit, match="was begun with"):
        recipe["main"](replace(asked, songs=7))
