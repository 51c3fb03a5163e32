"""The rooms of the package: imports point one way, in no circle, and plain torch stays plain."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import latentstem

ROOT = Path(latentstem.__file__).parents[1]

# A room may import from rooms of its own level and of those above it in this list; `docs/pages/architecture.md` has the
# same as a picture.
LEVELS = [
    {"nn", "audio", "losses", "conditioning", "_checks", "_diffusers", "_exports", "_shipped", "_transformers"},
    {"models", "schedulers"},
    {"sampling"},
    {"guidance"},
    {"data", "plotting"},
    {"pipelines"},
    {"evaluation", "ui"},
    {"serve"},
    {"training"},
    {"recipes", "cli", "__main__"},
    {"benchmarks"},
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

_SCHEDULE = "latentstem.schedulers.cosine_ddim"
# Arrows that point the right way, and yet would make a second codec or schedule a change of these files.
APART = [
    ("latentstem.models.codec", "latentstem.models.autoencoder_spectral"),
    ("latentstem.sampling.denoised", _SCHEDULE),
    ("latentstem.sampling.hooks", _SCHEDULE),
    ("latentstem.pipelines.diffusion", _SCHEDULE),
    ("latentstem.training.unet", _SCHEDULE),
    ("latentstem.training.unet_validation", _SCHEDULE),
]

PLAIN = ("nn", "audio", "losses", "conditioning")
WITH_FILES = {"latentstem.audio.io", "latentstem.audio.resampling"}  # need the `audio` extra
HEAVY = {"diffusers", "transformers", "torchaudio", "soundfile", "soxr", "librosa", "matplotlib"}


@functools.cache
def modules():
    """Dotted name to file of every module of the package and of the benchmarks."""
    files = [file for folder in ("latentstem", "benchmarks") for file in sorted((ROOT / folder).rglob("*.py"))]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return dict(zip(names, files, strict=True))


def room_of(module):
    """The room of a module; the root of the package is none."""
    first, _, rest = module.partition(".")
    return first if first == "benchmarks" else rest.partition(".")[0]


@functools.cache
def imports():
    """Module to modules of ours that it imports, wherever in the file; the root of the package counts as none."""
    found = {}
    for module, file in modules().items():
        names = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: imports of the package are written out in full"
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        found[module] = {home for home in map(_home, names) if home not in (None, module, "latentstem")}
    return found


def _home(name):
    """The module that holds an imported name; None where it is not ours."""
    parts = name.split(".")
    while parts and ".".join(parts) not in modules():
        parts.pop()
    return ".".join(parts) or None


def run_fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_every_room_has_a_level():
    assert {room_of(module) for module in modules()} - {""} <= set(LEVEL_OF)


def test_imports_point_one_way():
    wrong = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if room_of(module) and LEVEL_OF[room_of(other)] > LEVEL_OF[room_of(module)]
    ]
    assert wrong == []


def test_rooms_do_not_import_in_circles():
    rooms = {room: set() for room in LEVEL_OF}
    for module, others in imports().items():
        if room := room_of(module):
            rooms[room] |= {room_of(other) for other in others} - {room}
    graphlib.TopologicalSorter(rooms).prepare()  # raises CycleError, which names the circle


def test_modules_do_not_import_in_circles():
    """Not even within functions; and importing a module runs the `__init__` of each package around it."""
    needs = {}
    for module, others in imports().items():
        around = {package for other in others for package in _packages(other) if not f"{module}.".startswith(package)}
        needs[module] = others | {package.removesuffix(".") for package in around}
    graphlib.TopologicalSorter(needs).prepare()


def _packages(module):
    parts = module.split(".")
    return [".".join(parts[:end]) + "." for end in range(2, len(parts))]


@pytest.mark.parametrize(("module", "other"), APART)
def test_what_must_stay_apart(module, other):
    assert other not in imports()[module]


def test_the_plain_torch_rooms_load_nothing_else():
    plain = sorted(name for name in modules() if room_of(name) in PLAIN and name not in WITH_FILES)
    assert {f"latentstem.{room}" for room in PLAIN} <= set(plain)
    code = f"import sys, {', '.join(plain)}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = set(run_fresh(code).split())
    assert "torch" in loaded and not loaded & HEAVY


def test_importing_the_layers_alone_loads_neither_diffusers_nor_torchaudio():
    code = "import sys, latentstem.nn; print(*({'diffusers', 'torchaudio'} & set(sys.modules)), 'no more')"
    assert run_fresh(code).split() == ["no", "more"]


def test_the_page_s_server_loads_gradio_only_when_its_environment_is_set():
    """Gradio reads where its files go, and whether it reports its use, while it is imported."""
    pytest.importorskip("gradio")
    code = "import sys, latentstem.ui.server; print(*({'gradio'} & set(sys.modules)), 'no more')"
    assert run_fresh(code).split() == ["no", "more"]


def test_the_rules_see_what_they_forbid(monkeypatch):
    """An arrow upwards and a circle, put in here, are found."""
    planted = {**imports(), "latentstem.nn.attention": {"latentstem.training.unet"}}
    monkeypatch.setitem(globals(), "imports", lambda: planted)
    with pytest.raises(AssertionError, match=r"latentstem\.nn\.attention imports latentstem\.training\.unet"):
        test_imports_point_one_way()
    with pytest.raises(graphlib.CycleError):
        test_rooms_do_not_import_in_circles()
    with pytest.raises(graphlib.CycleError):
        test_modules_do_not_import_in_circles()
