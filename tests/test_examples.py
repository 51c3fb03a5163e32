"""What a newcomer runs first: README's command, its lines of Python, the shipped weights, the example mixes."""

import json
import re
import runpy
import shlex
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

import latentstem
from latentstem.cli import main

ROOT = Path(latentstem.__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLE = ROOT / "examples" / "bass_accompaniment.py"


def fenced(heading):
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder to write to, with the examples where the root of the repository has them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_bass(folder, mix):
    """Check that rate and length are those of the mix, and that the bass sounds and is not clipped."""
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


def test_the_lines_of_readme_are_the_example():
    (block,) = fenced("In Python")
    assert block == EXAMPLE.read_text().split('"""\n', 1)[1].lstrip("\n")


def test_the_command_of_readme_makes_a_bass(workplace):
    (block,) = fenced("Run it")
    words = shlex.split(block.rpartition("&&")[2])
    assert words[0] == ".venv/bin/latentstem"
    assert main(words[1:]) == 0
    check_bass(workplace, words[2])


def test_the_lines_of_readme_make_a_bass(workplace):
    runpy.run_path(str(EXAMPLE))
    check_bass(workplace, "examples/audio/mix-1.flac")


@pytest.mark.parametrize("index", [1, 2])
def test_the_example_mixes_are_there(index):
    audio, rate = latentstem.read_audio(ROOT / "examples" / "audio" / f"mix-{index}.flac")
    assert (rate, audio.shape[-1]) == (44100, 12 * 44100)
    assert audio.square().mean().sqrt() > 0.05


@pytest.mark.fluidsynth
def test_the_example_mixes_are_what_the_script_renders(tmp_path):
    """The songs have test seeds of the composer, and the committed script renders these sounds."""
    from latentstem.data.splits import TEST_SEEDS

    script = tmp_path / "render_mixes.py"
    script.write_text((ROOT / "examples" / "render_mixes.py").read_text())
    (tmp_path / "audio").mkdir()
    for index in (1, 2):
        annotation = (ROOT / "examples" / "audio" / f"mix-{index}.json").read_text()
        assert json.loads(annotation)["song"]["seed"] in TEST_SEEDS
        (tmp_path / "audio" / f"mix-{index}.json").write_text(annotation)
    runpy.run_path(str(script))
    mixes = sorted((tmp_path / "audio").glob("*.flac"))
    assert len(mixes) == 2
    for rendered in mixes:
        committed = ROOT / "examples" / "audio" / rendered.name
        assert (latentstem.read_audio(rendered)[0] - latentstem.read_audio(committed)[0]).abs().max() < 1e-3


def test_the_notebook_runs_from_a_clone(tmp_path, monkeypatch):
    """Its cells one after another, with a player in place of that of Jupyter."""
    heard = []
    display = types.ModuleType("IPython.display")
    display.__dict__["Audio"] = lambda data, rate: heard.append((np.asarray(data), rate))
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    (tmp_path / "audio").symlink_to(ROOT / "examples" / "audio")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "examples" / "latentstem.ipynb").read_text())["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert len(heard) == 4 and all(np.isfinite(audio).all() and np.abs(audio).max() <= 1 for audio, _ in heard)
    assert 2.9 < names["changed"].min() < names["changed"].max() < 6.1
    assert (tmp_path / "bass.wav").is_file()
