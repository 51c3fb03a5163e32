"""The package as a whole: what importing costs, what is declared, what is public."""

import ast
import functools
import importlib
import inspect
import pkgutil
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
    "serve": "serve",
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
        if path.name in ("clap.py", "_transformers.py"):
            allowed.update(declared("clap", project))
        if path == ROOT / "latentstem" / "plotting" / "song.py":
            allowed.update(declared("data", project))
        if path == ROOT / "latentstem" / "models" / "encodec.py":
            allowed.update(declared("encodec", project))
        if room in ("nn", "audio", "losses", "conditioning"):
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
    """Two files, and a few of Python's own: a count, as a time would be that of the machine."""
    code = "import sys; before = set(sys.modules); import latentstem; print(*set(sys.modules) - before)"
    loaded = set(run_fresh(code).split())
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} == {
        "latentstem",
        "latentstem._exports",
    }
    assert len(loaded) < 60


def test_the_command_line_loads_the_page_only_where_it_is_opened():
    code = "import sys, latentstem.cli.ui; print(*({'gradio', 'uvicorn', 'fastapi'} & set(sys.modules)), 'no more')"
    assert run_fresh(code).split() == ["no", "more"]


ROOMS = sorted(".".join(stub.parent.relative_to(ROOT).parts) for stub in (ROOT / "latentstem").rglob("__init__.pyi"))

ROOT_OF_0_1_0 = """
    AudioContentError AudioError AudioFileError AudioLengthError AudioReader AudioWriter AutoencoderSpectral
    AutoencoderSpectralDecoderOutput AutoencoderSpectralEncoderOutput BaseGuidance Candidate CarrierBank ChannelNorm
    ContrastiveStemModel ConvNeXtBlock1D CosineDDIMScheduler CosineDDIMSchedulerOutput DenoisedCoefficients DenoisedHook
    DenoisedStep DiffusionPipeline Downsample1D DynamicPositionBias FrameConv1d InitStem InitStemFile KeepRegions
    KeptAudio MixFile ModelMixin MultiScaleSpectralDistance Quality REFERENCE_RMS RescaledClassifierFreeGuidance
    ResnetBlock1D SchedulerMixin SelfAttention1D SoundingLevel SpectralDiscriminator Spool StemAccompanimentPipeline
    StemCodecPipeline StemDiffusionPipeline StemPipelineOutput StemUNet1DModel StemUNet1DOutput StemUNetStage
    StyleGrounding StyleSpace TimestepEmbedding Upsample1D Windows best_candidates biased_attention check_writable
    classifier_free_guidance close_turn denoised_coefficients denormalize_latents draw_candidates
    hinge_discriminator_loss hinge_generator_loss istft log_frequency_bands log_magnitude_distance
    multi_scale_spectral_distance normalize_latents on_denoised overlap_add pitch_cross_entropy prepare_audio r1_penalty
    read_audio reference_gain resample resample_blocks resample_turn resampled_length rescale_std reuse_position_tables
    sinusoidal_embedding sounding_rms stft tile_stream wrap_turn write_audio yin
""".split()


def test_the_rooms_that_users_import_from_have_a_stub():
    rooms = "audio conditioning data data.compose data.render data.render.engines data.stems evaluation guidance losses"
    rooms = [*rooms.split(), "models", "nn", "pipelines", "plotting", "sampling", "schedulers", "training"]
    assert ["latentstem", *(f"latentstem.{room}" for room in rooms)] == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_exports_sorted_names_that_exist_and_are_documented(room):
    module = importlib.import_module(room)
    assert module.__all__ == sorted(set(module.__all__)) and set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type) or inspect.isfunction(value):
            assert value.__name__ == name and value.__module__.startswith(f"{room}."[:-1])
            assert inspect.getdoc(value), f"{room}.{name}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_export_has_the_name_of_a_module_beside_it(room):
    """Importing the module would put it in the place of the export."""
    module = importlib.import_module(room)
    beside = {entry.name for entry in pkgutil.iter_modules(module.__path__)}
    assert beside & set(module.__all__) == set()


@pytest.mark.parametrize("room", ROOMS[1:])
def test_a_room_exports_what_stands_in_it_and_the_stub_says_where(room):
    folder = ROOT.joinpath(*room.split("."))
    for node in ast.parse((folder / "__init__.pyi").read_text()).body:
        (alias,) = node.names
        assert node.module.rpartition(".")[0] == room and alias.asname == alias.name
        assert getattr(importlib.import_module(room), alias.name) is getattr(
            importlib.import_module(node.module), alias.name
        )


def test_the_root_exports_about_thirty_names_which_rooms_export_too():
    assert 25 <= len(latentstem.__all__) <= 40
    in_rooms = {name for room in ROOMS[1:] for name in importlib.import_module(room).__all__}
    assert set(latentstem.__all__) - in_rooms == {"__version__", "pretrained_path"}


@pytest.mark.parametrize("name", ROOT_OF_0_1_0)
def test_what_the_root_had_in_0_1_0_is_there_and_names_its_room(name):
    if name in latentstem.__all__ or name in latentstem._LOADED_BY_NAME:
        getattr(latentstem, name)  # a warning would be an error
        return
    with pytest.warns(DeprecationWarning, match=rf"latentstem\.{name} has moved") as caught:
        value = getattr(latentstem, name)
    assert {Path(warning.filename) for warning in caught} == {Path(__file__)}
    statement = str(caught[0].message).partition("write: ")[2]
    namespace = {}
    exec(statement, namespace)
    assert namespace[statement.split()[-1]] is value


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
