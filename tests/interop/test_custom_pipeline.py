"""Loading by programs that know diffusers alone, by the one way it allows: `custom_pipeline`."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import latentstem

EXAMPLE = Path(latentstem.__file__).parents[1] / "examples" / "custom_pipeline"

PROGRAM = """
import hashlib, sys
import torch
from diffusers import DiffusionPipeline

def load(trusted):
    assert not any(name.split(".")[0] == "latentstem" for name in sys.modules)
    return DiffusionPipeline.from_pretrained(sys.argv[1], custom_pipeline=sys.argv[2], trust_remote_code=trusted)

try:
    load(trusted=False)
except ValueError as error:
    assert "trust_remote_code=True" in str(error)
else:
    raise AssertionError("code that is not trusted was run")
pipe = load(trusted=True)
pipe.set_progress_bar_config(disable=True)
out = pipe(duration=0.2, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
print(type(pipe).__module__, hashlib.sha256(out.audios.numpy().tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def saved(build_pipeline, tmp_path_factory):
    """The folder of a tiny pipeline, and what it makes of nothing."""
    pipe = build_pipeline(carriers=4, with_reranker=True)
    folder = tmp_path_factory.mktemp("saved")
    pipe.save_pretrained(folder)
    out = pipe(duration=0.2, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    return folder, hashlib.sha256(out.audios.numpy().tobytes()).hexdigest()


def run(folder, custom_pipeline, cache):
    """Without trust, then with it, in a process of its own, where diffusers caches a copy of the code.

    Of as many threads as this one: the last bits depend on it.
    """
    command = [sys.executable, "-c", PROGRAM, str(folder), str(custom_pipeline)]
    environment = {
        "HF_MODULES_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
        "PYTHONPATH": ":".join(sys.path),
    }
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_a_folder_with_the_example_loads_once_it_is_trusted_without_importing_latentstem(saved, tmp_path):
    folder, expected = saved
    done = run(folder, EXAMPLE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [latentstem.StemAccompanimentPipeline.__module__, expected]


@pytest.mark.slow
def test_a_folder_of_weights_may_hold_the_code_itself(saved, tmp_path):
    folder, expected = saved
    own = tmp_path / "weights"
    shutil.copytree(folder, own)
    shutil.copy(EXAMPLE / "pipeline.py", own)
    done = run(own, own, tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == expected
