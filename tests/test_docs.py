"""What the pages and README say can be run: every block of Python, every line of the command line, every script."""

import contextlib
import functools
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import typer
from accelerate.state import AcceleratorState

import latentstem
from latentstem.cli import app, main
from latentstem.training import unet
from latentstem.training.lora import add_lora, save_lora
from latentstem.training.unet_conditions import with_conditions

ROOT = Path(latentstem.__file__).parents[1]
PAGES = ROOT / "docs" / "pages"
MARKDOWN = {str(path.relative_to(ROOT)): path for path in (ROOT / "README.md", *sorted(PAGES.rglob("*.md")))}

FENCE = re.compile(r"^```( \{\.)?(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)

TUTORIALS = ("make-a-stem", "ground-in-your-bass", "finetuning", "train-on-your-stems", "evaluate-a-bass")

GIVEN = {
    "docs/pages/benchmarks/method.md": ("pipe", "mix"),
    "docs/pages/benchmarks/sound.md": ("pipe", "mix", "reference"),
    "docs/pages/controls.md": ("torch", "pipe", "mix"),
    "docs/pages/evaluation.md": ("true_basses", "generated_basses", "mixes", "basses", "generated"),
    "docs/pages/faq.md": ("torch", "pipe", "mix"),
    "docs/pages/long-music.md": ("mix",),
}
"""Names that a page uses and says, in words, where they come from."""

TYPED = (
    "README.md",
    *(f"docs/pages/{name}.md" for name in TUTORIALS),
    "docs/pages/controls.md",
    "docs/pages/long-music.md",
)
"""Documents whose Python is type-checked; other pages use what diffusers does not annotate."""

STEPS = 2
"""Denoising steps at most, in place of up to 64; a training takes two."""


class Block(NamedTuple):
    language: str
    code: str
    line: int


def blocks(path):
    """The fenced blocks of a page, with the scripts that they include in place."""
    text = path.read_text()
    for fence in FENCE.finditer(text):
        code = SNIPPET.sub(lambda snippet: (ROOT / snippet[1]).read_text(), fence["code"])
        yield Block(fence["language"], code, text.count("\n", 0, fence.start()) + 2)


def with_python():
    for name, path in MARKDOWN.items():
        if any(block.language == "python" for block in blocks(path)):
            yield pytest.param(name, marks=pytest.mark.fluidsynth if name.endswith("corpus.md") else ())


def command_lines():
    """The words of every call of `latentstem`, and of scripts of the repository."""
    for path in MARKDOWN.values():
        for block in blocks(path):
            if block.language in ("python", "text"):
                continue
            for line in re.sub(r"\\\n\s*", "", block.code).splitlines():
                reader = shlex.shlex(line, posix=True, punctuation_chars="&|")
                reader.whitespace_split = True
                for separator, group in groupby(reader, key=lambda word: word in ("&&", "|")):
                    words = list(group)
                    if not separator and Path(words[0]).name in ("latentstem", "python") and "-c" not in words:
                        yield words


LINES = {" ".join(words): words for words in command_lines()}
COMMANDS = [pytest.param(words[1:], id=line) for line, words in LINES.items() if words[0] != "python"]
SCRIPTS = [pytest.param(words[1:], id=line) for line, words in LINES.items() if words[0] == "python"]


@pytest.fixture(scope="module")
def belongings(tmp_path_factory):
    """A folder with what a reader has: a clone, a mix, basses, and two songs of stems."""
    place = tmp_path_factory.mktemp("reader")
    for name in ("docs", "examples", "latentstem"):
        (place / name).symlink_to(ROOT / name)
    mix, rate = latentstem.read_audio(place / "examples/audio/mix-1.flac")
    mix = mix[:, : 9 * rate]
    for name in ("mix.flac", "mix.wav", "bass.wav"):
        latentstem.write_audio(place / name, mix, rate)
    for folder in ("my-stems", "my-songs"):
        for number, stem in ((1, "bass"), (1, "drums"), (2, "bass"), (2, "drums")):
            song = place / folder / f"song {number}"
            song.mkdir(parents=True, exist_ok=True)
            start = (number + (stem == "drums")) * rate
            latentstem.write_audio(song / f"{stem}.wav", mix[:, start : start + 6 * rate], rate)
    shutil.copytree(place / "my-songs/song 1", place / "my-stems/first song")
    for name in ("songs/one.flac", "more/two.flac"):
        (place / name).parent.mkdir()
        latentstem.write_audio(place / name, mix[:, : 4 * rate], rate)
    return place


@pytest.fixture
def workplace(belongings, tmp_path, monkeypatch):
    """The working directory of a test: a copy of `belongings`, to be written to."""
    place = shutil.copytree(belongings, tmp_path / "reader", symlinks=True)
    monkeypatch.chdir(place)
    monkeypatch.setenv("WEIGHTS", latentstem.pretrained_path("bass"))
    return place


@pytest.fixture
def quick(monkeypatch):
    """Sampling and training in a few steps: what is executed is the text, what is left out is time."""
    call, train = latentstem.StemAccompanimentPipeline.__call__, unet.train

    @functools.wraps(call)
    def few_steps(self, *args, num_inference_steps=64, **options):
        return call(self, *args, num_inference_steps=min(num_inference_steps, STEPS), **options)

    monkeypatch.setattr(latentstem.StemAccompanimentPipeline, "__call__", few_steps)
    monkeypatch.setattr(
        unet, "train", lambda settings: train(replace(settings, steps=2, submixes=1, mixed_precision="no"))
    )
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def given(name):
    """The names that a page takes as given."""
    mix = latentstem.read_audio("mix.wav")[0]
    basses = np.random.default_rng(0).standard_normal((6, 44100)).astype(np.float32) / 10
    values = {"torch": torch, "mix": mix, "reference": mix[None], "mixes": 0.5 * basses[::-1], "basses": basses}
    values |= {"generated": basses + 0.01, "true_basses": basses, "generated_basses": 0.5 * basses}
    if "pipe" in GIVEN.get(name, ()):
        values["pipe"] = latentstem.StemAccompanimentPipeline.from_pretrained("bass")
    return {wanted: values[wanted] for wanted in GIVEN.get(name, ())}


def tiny_encodec(folder):
    """An EnCodec of random weights where a page loads one by its name on the hub."""
    transformers = pytest.importorskip("transformers")
    transformers.EncodecModel(transformers.EncodecConfig(num_filters=4, hidden_size=16)).save_pretrained(folder)


def clap_loops(folder, pipe):
    """Loops that take CLAP's embeddings, where a page loads a net that the reader has trained."""
    unet = with_conditions(pipe.unet, {"global_conditions": {"clap": 16}})
    latentstem.LoopPipeline(pipe.autoencoder, unet, pipe.scheduler, pipe.guider).save_pretrained(folder)


def tiny_bassnet(folder):
    """A BassNet of random weights where a page loads one that the reader has trained."""
    model = latentstem.BassNetModel(steps=10, channels=8, blocks=2, control_blocks=1)
    latentstem.BassNetPipeline(model.eval()).save_pretrained(folder)


@pytest.mark.parametrize("name", list(MARKDOWN))
def test_every_fence_is_a_block_that_the_tests_see(name):
    text = MARKDOWN[name].read_text()
    fences = [line for line in text.splitlines() if re.match(r"\s*(```|~~~)", line)]
    assert len(fences) == 2 * len(list(blocks(MARKDOWN[name])))
    assert {block.language for block in blocks(MARKDOWN[name])} <= {"python", "bash", "text", ""}


@pytest.mark.slow
def test_the_python_of_readme_and_tutorials_type_checks(tmp_path):
    pyright = Path(sys.executable).with_name("pyright")
    if not pyright.is_file():
        pytest.skip("needs pyright, of the extra lint")
    given_names = """
    import torch
    from latentstem import StemAccompanimentPipeline

    pipe = StemAccompanimentPipeline.from_pretrained("bass")
    mix = torch.zeros(1, 44100)
    """
    for name in TYPED:
        code = "\n".join(block.code for block in blocks(MARKDOWN[name]) if block.language == "python")
        (tmp_path / f"{Path(name).stem}.py").write_text(textwrap.dedent(given_names) + code)
    words = [pyright, "--pythonpath", sys.executable, "--level", "error", tmp_path]
    checked = subprocess.run(words, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", list(with_python()))
def test_the_python_of_a_page_runs(name, workplace, quick, save_clap, build_loop_pipeline):
    """Its blocks one after the other in one namespace; scripts among them write what they say."""
    if name.endswith(("evaluation.md", "loops.md")):
        pytest.importorskip("transformers")
        save_clap("laion/clap-htsat-unfused")
    if name.endswith("loops.md"):
        tiny_encodec("facebook/encodec_48khz")
        clap_loops("runs/loops/clap/pipeline", build_loop_pipeline())
    if name.endswith("bassnet.md"):
        tiny_bassnet("runs/bassnet/pipeline")
    namespace = {"__name__": "__main__", **given(name)}
    for block in blocks(MARKDOWN[name]):
        if block.language == "python":
            code = compile("\n" * (block.line - 1) + block.code, str(MARKDOWN[name]), "exec")
            exec(code, namespace)


def test_every_script_for_tutorials_is_on_a_page():
    included = {snippet for path in MARKDOWN.values() for snippet in SNIPPET.findall(path.read_text())}
    for script in included:
        assert (ROOT / script).is_file(), script
    names = ("bass_accompaniment", "ground_in_your_bass", "swap_solver_and_guider", "one_part", "train_on_your_stems")
    assert included == {f"examples/{name}.py" for name in (*names, "evaluate_a_bass", "line_to_stem")}


def make_inputs(words):
    """Writes the sounds and the weights that a command line reads and a reader has."""
    outputs = {word for option, word in pairwise(words) if option in ("-o", "--output")}
    for option, word in pairwise(["", *words]):
        path = Path(word)
        if option == "--weights" and not path.exists() and "/" in word:
            path.parent.mkdir(parents=True, exist_ok=True)
            if "--target" in words:
                save_band(path, words[words.index("--target") + 1])
            else:
                path.symlink_to(latentstem.pretrained_path("bass"))
        elif option == "--adapter":
            unet = latentstem.StemUNet1DModel.from_pretrained(latentstem.pretrained_path("bass"), subfolder="unet")
            add_lora(unet, rank=1)
            save_lora(unet, path)
        elif path.suffix in (".wav", ".flac") and word not in outputs and not path.exists():
            latentstem.write_audio(path, *latentstem.read_audio("mix.wav"))


def save_band(path, target):
    """Writes weights that know another stem beside the bass."""
    pipe = latentstem.StemAccompanimentPipeline.from_pretrained("bass")
    unet = with_conditions(pipe.unet, {"global_conditions": {"target": 2}})
    codec, scheduler, guider = pipe.autoencoder, pipe.scheduler, pipe.guider
    latentstem.StemAccompanimentPipeline(codec, unet, scheduler, guider, targets=["bass", target]).save_pretrained(path)


def parse(words):
    """Reads a command line as the program would, without the work."""
    command = typer.main.get_command(app)
    words = list(words)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_line_works(words, workplace, quick, monkeypatch):
    """Run where that takes seconds; where it takes minutes, read by the program's own parser."""
    words = [os.path.expandvars(word) for word in words]
    words = [part for word in words for part in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    if words[0] == "train":
        for net in ("autoencoder", "unet", "contrastive", "bassnet", "style_encoder", "prompt_encoder", "loops"):
            monkeypatch.setattr(f"latentstem.training.{net}.train", lambda settings: settings.output)
        assert main(words) == 0
    elif words[0] in ("accompany", "data") or words[-1] in ("--help", "--version"):
        make_inputs(words)
        assert main(words) == 0
    else:
        parse(words)


def test_an_unknown_option_would_be_seen():
    with pytest.raises(typer.TyperException, match="no-such-option"):
        parse(["evaluate", "bass-gm", "--no-such-option"])


@pytest.mark.parametrize("words", SCRIPTS)
def test_every_script_that_is_named_has_the_options(words):
    """By its source: a script's options are parameters of its `main`, or fields of its settings."""
    script, *words = words
    if script == "-m":
        module, *words = words
        script = f"{module.replace('.', '/')}.py"
    options = (ROOT / script).with_name(f"{Path(script).stem}_options.py")
    source = "".join(file.read_text() for file in (ROOT / script, options) if file.is_file())
    for word in words:
        if word.startswith("--"):
            name = word.removeprefix("--").replace("-", "_")
            assert re.search(rf"\b{name}: |--{word[2:]}\b", source), f"{script} {word}"


DOTTED = re.compile(r"(?<![\w/.])latentstem(?:\.\w+)+")
QUOTED = re.compile(r"`([^`\n]+)`")
FOLDERS = "latentstem|benchmarks|examples|docs|tests"
FILE = re.compile(rf"[\w.-]+(?:/[\w.-]+)*\.(?:py|pyi|md|json|zip)|(?:{FOLDERS})(?:/[\w.-]+)*/")
OF_A_RUN = ("runs/", "card.md", "evaluation.", "losses.json", "song.json", "config.json", "bass.mid", "decoder/")
"""Files that are written by what a page describes, and are not in the repository."""


def resolve(name):
    """The module or attribute of a dotted name."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            return functools.reduce(getattr, parts[end:], importlib.import_module(".".join(parts[:end])))
    raise AttributeError(name)


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_module_and_object_that_a_page_names_is_there(name):
    for dotted in set(DOTTED.findall(MARKDOWN[name].read_text())) - {"latentstem.wav"}:
        resolve(dotted)


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_file_of_the_repository_that_a_page_names_is_there(name):
    """By its path from the root of the repository or, on the map of the package, from that of the package."""
    named = {text for text in QUOTED.findall(MARKDOWN[name].read_text()) if FILE.fullmatch(text)}
    named = {text for text in named if not text.startswith(OF_A_RUN) and not text.endswith(OF_A_RUN)}
    missing = [text for text in named if not any((root / text).exists() for root in (ROOT, ROOT / "latentstem"))]
    assert missing == []


def test_a_name_that_is_gone_would_be_seen():
    assert DOTTED.findall("`latentstem.data.hearing.listen`, see latentstem.nn") == [
        "latentstem.data.hearing.listen",
        "latentstem.nn",
    ]
    with pytest.raises(AttributeError):
        resolve("latentstem.data.hearing.listen")
    assert FILE.fullmatch("data/hearing.py") and FILE.fullmatch("latentstem/hearing/")


def public_names():
    others = ("__version__", "pretrained_path", "BaseGuidance", "ModelMixin", "DiffusionPipeline", "SchedulerMixin")
    return [name for name in latentstem.__all__ if name not in others]


def test_the_tour_uses_every_public_part():
    code = "\n".join(block.code for block in blocks(PAGES / "tour.md") if block.language == "python")
    assert [name for name in public_names() if not re.search(rf"\b{name}\b", code)] == []


def test_the_api_lists_every_public_name():
    from latentstem import evaluation

    pages = "\n".join(page.read_text() for page in (PAGES / "api").glob("*.md"))
    listed = re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)
    assert len(listed) == len(set(listed))
    wanted = {f"latentstem.{name}" for name in (*public_names(), "pretrained_path")}
    wanted |= {f"latentstem.evaluation.{name}" for name in evaluation.__all__}
    assert wanted - set(listed) == set()
