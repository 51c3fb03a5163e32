"""The package as a whole: what importing costs, what is declared, what is public."""

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

# What a room may import from outside is what the extra that it comes with installs.
EXTRA_OF = {
    "data": "data",
    "evaluation": "evaluation",
    "training": "training",
    "plotting": "cli",
    "recipes": "training",
    "cli": "cli",
    "ui": "ui",
}
AUDIO_EXTRA = ("io.py", "resampling.py")  # of latentstem.audio, the rest of which needs torch alone
MODULE_OF_PACKAGE = {"scikit-learn": "sklearn"}
CORE = {"nn", "audio", "losses", "conditioning", "models", "schedulers", "sampling", "guidance", "pipelines"}


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


def run_fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


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
        if path == ROOT / "latentstem" / "plotting" / "song.py":
            allowed.update(declared("data", project))
        if path == ROOT / "latentstem" / "models" / "encodec.py":
            allowed.update(declared("encodec", project))
        if room in ("nn", "audio", "losses"):
            allowed -= {"diffusers", "safetensors"}
        assert {name.split(".")[0] for name in imports(path)} <= allowed, path


def test_the_sampling_rate_is_written_once():
    written = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == 44100
    ]
    assert [place.partition(":")[0] for place in written] == ["latentstem/audio/rate.py"], written


def test_nothing_unpickles():
    for path in SOURCES:
        assert not {"pickle", "dill", "joblib"} & {name.split(".")[0] for name in imports(path)}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "load" and isinstance(node.value, ast.Name):
                assert node.value.id != "torch", f"{path}:{node.lineno} calls torch.load"


def test_the_figures_of_merit_load_transformers_only_where_clap_is_loaded():
    code = "import sys, latentstem.evaluation; print(*({'transformers', 'diffusers'} & set(sys.modules)), 'no more')"
    assert run_fresh(code).split() == ["no", "more"]


def test_importing_the_package_costs_next_to_nothing():
    code = (
        "import sys, time; start = time.perf_counter(); import latentstem; "
        "print(time.perf_counter() - start, 'torch' in sys.modules)"
    )
    runs = [run_fresh(code).split() for _ in range(3)]
    assert min(float(seconds) for seconds, _ in runs) < 0.2
    assert all(torch_loaded == "False" for _, torch_loaded in runs)


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
        if room_of(path) in CORE
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
