"""What diffusers saves and loads of ours: in fresh processes, alone, swapped, and as the hub checks it."""

import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import BaseGuidance, DDIMScheduler, DiffusionPipeline, ModelMixin, SchedulerMixin
from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES, _get_custom_components_and_folders

import latentstem
from latentstem import CosineDDIMScheduler, StemAccompanimentPipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def saved(build_pipeline, tmp_path_factory):
    """A tiny pipeline, the folder it was saved to, and what it makes of a fixed mix."""
    guidance = {"guidance_scale": 2.5, "guidance_rescale": 0.3, "per_channel": True}
    pipe = build_pipeline(carriers=4, max_signal_rate=0.99, with_reranker=True, **guidance)
    folder = tmp_path_factory.mktemp("saved")
    pipe.save_pretrained(folder)
    return pipe, folder, digest(pipe)


def digest(pipe):
    mix = 0.1 * torch.sin(torch.arange(9000) * 0.03)[None]
    out = pipe(mix, sampling_rate=44100, num_inference_steps=3, generator=torch.Generator().manual_seed(0))
    return hashlib.sha256(out.audios.numpy().tobytes()).hexdigest()


FRESH = """
import hashlib, sys
{imports}
import torch
from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES
assert "latentstem" in LOADABLE_CLASSES
pipe = StemAccompanimentPipeline.from_pretrained(sys.argv[1])
pipe.set_progress_bar_config(disable=True)
mix = 0.1 * torch.sin(torch.arange(9000) * 0.03)[None]
out = pipe(mix, sampling_rate=44100, num_inference_steps=3, generator=torch.Generator().manual_seed(0))
print(hashlib.sha256(out.audios.numpy().tobytes()).hexdigest())
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import diffusers\nfrom latentstem import StemAccompanimentPipeline",
        "from latentstem import StemAccompanimentPipeline\nimport diffusers",
    ],
    ids=["diffusers first", "latentstem first"],
)
def test_a_fresh_process_makes_the_same_bits(saved, imports):
    _, folder, expected = saved
    program = FRESH.format(imports=imports)
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected


def test_the_saved_folder_names_the_package_and_passes_the_check_of_the_hub(saved):
    _, folder, _ = saved
    index = json.loads((folder / "model_index.json").read_text())
    assert index["style_encoder"] == [None, None]
    libraries = {name: value[0] for name, value in index.items() if isinstance(value, list) and value[0]}
    assert libraries == dict.fromkeys(("autoencoder", "unet", "scheduler", "guider", "reranker"), "latentstem")
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    custom, folders = _get_custom_components_and_folders(str(folder), index, files)
    assert custom == {}
    assert sorted(folders) == sorted([*libraries, "style_encoder"])


def test_every_component_saves_and_loads_alone(saved, tmp_path):
    pipe, folder, expected = saved
    loaded = {}
    for name, component in pipe.components.items():
        if component is None:  # optional
            continue
        component.save_pretrained(tmp_path / name)
        loaded[name] = type(component).from_pretrained(tmp_path / name)
        within = type(component).from_pretrained(folder, subfolder=name)
        for key, value in component.config.items():
            if not key.startswith("_"):
                for other in (loaded[name], within):
                    assert json.dumps(other.config[key]) == json.dumps(value)
    rebuilt = StemAccompanimentPipeline(**loaded)
    rebuilt.set_progress_bar_config(disable=True)
    assert digest(rebuilt) == expected


def test_a_component_swapped_in_while_loading_is_used_and_held_against_the_trained_schedule(saved):
    pipe, folder, _ = saved
    stock = DDIMScheduler.from_config(pipe.scheduler.config)
    swapped = StemAccompanimentPipeline.from_pretrained(folder, scheduler=stock)
    swapped.set_progress_bar_config(disable=True)
    assert isinstance(swapped.scheduler, DDIMScheduler)
    assert swapped(duration=0.1, num_inference_steps=2).audios.shape == (1, 1, 4410)
    foreign = StemAccompanimentPipeline.from_pretrained(folder, scheduler=CosineDDIMScheduler(max_signal_rate=0.95))
    with pytest.raises(ValueError, match="another noise schedule"):
        foreign(duration=0.1, num_inference_steps=2)


def test_importing_any_class_that_diffusers_loads_registers_the_package():
    bases = (ModelMixin, SchedulerMixin, BaseGuidance, DiffusionPipeline)
    assert set(LOADABLE_CLASSES["latentstem"]) == {base.__name__ for base in bases}
    rooms = [
        importlib.import_module(f"latentstem.{room}") for room in ("models", "schedulers", "guidance", "pipelines")
    ]
    exported = {name: getattr(room, name) for room in rooms for name in room.__all__}
    loadable = [value for value in exported.values() if isinstance(value, type) and issubclass(value, bases)]
    assert len(loadable) >= 10
    for kind in loadable:
        source = Path(sys.modules[kind.__module__].__file__).read_text()
        assert "import latentstem._diffusers" in source or "from latentstem._diffusers" in source, kind.__name__
        assert getattr(latentstem, kind.__name__) is kind  # diffusers asks the package, and a warning would be an error
