"""A small folder of stems made of noise, and the skip for machines without FluidSynth."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from latentstem.data.render.fluidsynth import SOUNDFONTS


def _missing() -> list[str]:
    missing = [] if shutil.which("fluidsynth") else ["fluidsynth"]
    for package, pattern in SOUNDFONTS.values():
        if not list(Path(pattern).parent.glob(Path(pattern).name)):
            missing.append(package)
    return missing


def pytest_collection_modifyitems(items):
    missing = _missing()
    # CI sets the variable: there the tests run and fail instead of being skipped.
    if missing and not os.environ.get("LATENTSTEM_REQUIRE_FLUIDSYNTH"):
        reason = pytest.mark.skip(reason=f"install Debian packages {' '.join(missing)}")
        for item in items:
            if item.get_closest_marker("fluidsynth"):
                item.add_marker(reason)


@pytest.fixture
def write_stems(tmp_path):
    """Write one track: stem name to `(samples, channels)` audio."""

    def write(track: str, stems: dict[str, np.ndarray], rate: int = 44100, suffix: str = ".wav") -> Path:
        folder = tmp_path / track
        folder.mkdir(exist_ok=True)
        for name, audio in stems.items():
            subtype = "FLOAT" if suffix == ".wav" else "PCM_24"
            soundfile.write(folder / f"{name}{suffix}", audio, rate, subtype=subtype)
        return tmp_path

    return write


@pytest.fixture
def noise():
    """Noise of its own for every stem, shape `(samples, channels)`, well below clipping."""

    def make(seed: int, samples: int = 60_000, channels: int = 1) -> np.ndarray:
        return np.random.default_rng(seed).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)

    return make
