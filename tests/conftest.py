"""Seeds, hypothesis profiles and the rule that CI may not skip what needs FluidSynth."""

import os
import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

for profile, examples in (("dev", 20), ("ci", 20), ("thorough", 200)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,  # torch warms up on first use
        derandomize=profile == "ci",
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(autouse=True)
def seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - third parties draw from the global state
    torch.manual_seed(0)


def pytest_collection_modifyitems(config, items):
    if not torch.cuda.is_available():
        no_gpu = pytest.mark.skip(reason="needs a CUDA device")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(no_gpu)
    if "slow" not in config.getoption("-m"):
        unasked = pytest.mark.skip(reason="slow: run with -m slow")
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(unasked)
