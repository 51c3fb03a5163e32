"""Seeds, hypothesis profiles and the rule that CI may not skip what needs FluidSynth."""

import functools
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


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if item.get_closest_marker("slow") and "slow" not in item.config.getoption("-m"):
        pytest.skip("slow: run with -m slow")
    if item.get_closest_marker("fluidsynth") and (reason := _missing_synthesizer()):
        if os.environ.get("LATENTSTEM_REQUIRE_FLUIDSYNTH"):
            pytest.fail(f"LATENTSTEM_REQUIRE_FLUIDSYNTH is set, but {reason}", pytrace=False)
        pytest.skip(reason)


@functools.cache
def _missing_synthesizer():
    """Why music cannot be rendered here, or None."""
    from latentstem.data.synthesis import SOUNDFONTS, SynthesisError, soundfont_path, synthesizer_path

    try:
        synthesizer_path()
        for name in SOUNDFONTS:
            soundfont_path(name)
    except SynthesisError as error:
        return str(error)
    return None
