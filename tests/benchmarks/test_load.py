"""The page and the server under load: the benchmark that looks for what breaks, in small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import latentstem

pytest.importorskip("gradio")

ROOT = Path(latentstem.__file__).parents[1]
JOBS = 10


@pytest.fixture(scope="module")
def figures(build_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    build_pipeline(carriers=8).save_pretrained(folder / "weights")
    words = f"--clients 4 --jobs {JOBS} --minutes 0.1 --slowly 1 --within 3".split()
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.speed.load", *words),
            *("--weights", folder / "weights", "--results", folder),
        ],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    return json.loads((folder / "load.json").read_text())["figures"]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["ui", "serve"])
def test_a_server_under_load_keeps_its_order_and_answers_all(figures, program):
    crowd, visits = figures[program]["crowd"], figures[program]["visits"]
    assert crowd["problems"] == visits["problems"] == []
    counts = crowd["counts"]
    assert counts["accepted"] == JOBS and counts["slow uploads"] == 1 and counts["done"] > 0
    assert sum(counts.get(end, 0) for end in ("done", "cancelled", "gone", "deleted")) == JOBS
    assert crowd["overtaken"] == 0
    assert visits["counts"]
