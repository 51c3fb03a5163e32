"""The package as a whole: which way imports point, what importing costs, what is declared, what is public."""

import ast
import functools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import latentstem

ROOT = Path(latentstem.__file__).parents[1]
SOURCES = sorted((ROOT / "latentstem").rglob("*.py"))

# A room may import from rooms of its own level and of lower ones (design, section 3).
LEVELS = [
    {"nn", "audio", "losses", "_diffusers"},
    {"models", "schedulers", "sampling"},
    {"guidance", "conditioning"},
    {"pipelines"},
    {"data", "training", "evaluation", "preview", "ui", "cli", "__main__"},
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# What a room may import from outside is what the extra that it comes with installs.
EXTRA_OF = {
    "data": "data",
    "evaluation": "evaluation",
    "training": "training",
    "preview": "cli",
    "cli": "cli",
    "ui": "ui",
}
AUDIO_EXTRA = ("io.py", "resampling.py")  # of latentstem.audio, the rest of which needs torch alone
MODULE_OF_PACKAGE = {"scikit-learn": "sklearn"}


def room_of(path):
    return path.relative_to(ROOT / "latentstem").parts[0].removesuffix(".py")


@functools.cache
def imports(path):
    """Dotted names of everything that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports of the package are written out in full"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def edges():
    """(file, room it is in, room it imports from) for every import inside the package; the root counts as none."""
    for path in SOURCES:
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "latentstem" and len(parts) > 1 and parts[1] in LEVEL_OF:
                yield path, room_of(path), parts[1]


def run_fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_every_room_has_a_level():
    assert {room_of(path) for path in SOURCES} - {"__init__"} <= set(LEVEL_OF)


def test_imports_point_one_way():
    wrong = [f"{path}: {room} imports {other}" for path, room, other in edges() if LEVEL_OF[other] > LEVEL_OF[room]]
    assert wrong == []


def test_rooms_do_not_import_in_circles():
    needs = {room: {other for _, one, other in edges() if one == room != other} for room in LEVEL_OF}
    while free := [room for room, others in needs.items() if not others]:
        for room in free:
            del needs[room]
        for others in needs.values():
            others.difference_update(free)
    assert needs == {}


def declared(extra, project):
    """Import names of what installing `latentstem[extra]` brings, extras of extras included."""
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    for requirement in wanted:
        name = requirement.partition(">=")[0].strip()
        if name.startswith("latentstem["):
            for part in name[len("latentstem[") : -1].split(","):
                yield from declared(part, project)
        else:
            yield MODULE_OF_PACKAGE.get(name, name)


def test_every_import_is_declared_where_its_room_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = set(declared(None, project)) | set(sys.stdlib_module_names) | {"latentstem"}
    for path in SOURCES:
        room = room_of(path)
        allowed = set(core)
        if room in EXTRA_OF:
            allowed.update(declared(EXTRA_OF[room], project))
        if path.parent == ROOT / "latentstem" / "audio" and path.name in AUDIO_EXTRA:
            allowed.update(declared("audio", project))
        if path == ROOT / "latentstem" / "evaluation" / "clap.py":
            allowed.update(declared("clap", project))
        if room in ("nn", "audio", "losses"):
            allowed -= {"diffusers", "safetensors"}
        assert {name.split(".")[0] for name in imports(path)} <= allowed, path


def test_nothing_unpickles():
    for path in SOURCES:
        assert not {"pickle", "dill", "joblib"} & {name.split(".")[0] for name in imports(path)}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "load" and isinstance(node.value, ast.Name):
                assert node.value.id != "torch", f"{path}:{node.lineno} calls torch.load"


def test_the_plain_torch_rooms_load_nothing_else():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCES
        if room_of(path) in ("nn", "losses", "audio") and path.name not in AUDIO_EXTRA
    ]
    assert {"latentstem.nn", "latentstem.losses", "latentstem.audio"} <= set(modules)
    code = f"import sys, {', '.join(modules)}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = set(run_fresh(code).split())
    assert "torch" in loaded
    assert not loaded & {"diffusers", "transformers", "torchaudio", "soundfile", "soxr", "librosa", "matplotlib"}


def test_the_figures_of_merit_load_transformers_only_where_clap_is_loaded():
    code = "import sys, latentstem.evaluation; print(*({'transformers', 'diffusers'} & set(sys.modules)), 'no more')"
    assert run_fresh(code).split() == ["no", "more"]


def test_importing_the_package_costs_next_to_nothing():
    """One file, and a few of Python's own: a count, as a time would be that of the machine."""
    code = "import sys; before = set(sys.modules); import latentstem; print(*set(sys.modules) - before)"
    loaded = set(run_fresh(code).split())
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} == {"latentstem"}
    assert len(loaded) < 60


def test_the_command_line_loads_the_page_only_where_it_is_opened():
    code = "import sys, latentstem.cli.ui; print(*({'gradio', 'uvicorn', 'fastapi'} & set(sys.modules)), 'no more')"
    assert run_fresh(code).split() == ["no", "more"]


@pytest.mark.parametrize("name", latentstem.__all__)
def test_every_public_name_is_there(name):
    assert name in dir(latentstem)
    value = getattr(latentstem, name)
    if isinstance(value, type) and value.__module__.startswith("latentstem"):
        assert value.__name__ == name


def test_what_the_core_shows_an_example_of_is_a_public_name():
    shown = {
        node.name
        for path in SOURCES
        if LEVEL_OF.get(room_of(path), 4) < 4
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and "Example:" in (ast.get_docstring(node) or "")
    }
    assert shown - set(latentstem.__all__) == set()


def test_the_stub_for_type_checkers_says_the_same():
    stub = ast.parse((ROOT / "latentstem" / "__init__.pyi").read_text())
    stated = {
        alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert stated == latentstem._MODULE_OF


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Tuba'"):
        latentstem.Tuba  # noqa: B018


def test_unknown_weights_name_the_known_ones(tmp_path, monkeypatch):
    for name in ("bass-gm", "cello"):
        (tmp_path / "weights" / name).mkdir(parents=True)
        (tmp_path / "weights" / name / "model_index.json").write_text("{}")
    monkeypatch.setattr(latentstem, "__file__", str(tmp_path / "__init__.py"))
    assert latentstem.pretrained_path("cello") == str(tmp_path / "weights" / "cello")
    with pytest.raises(ValueError, match=r"no weights named 'tuba'.*: bass-gm, cello"):
        latentstem.pretrained_path("tuba")
