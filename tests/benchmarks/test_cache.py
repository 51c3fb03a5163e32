"""Arrays are computed once, and a file holds all of them or is not there."""

import numpy as np
import pytest

from benchmarks.common.cache import cached_arrays


def test_arrays_are_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"mix": np.arange(3), "bass": np.ones((2, 2))}

    first, second = (cached_arrays(tmp_path / "new" / "song.npz", compute) for _ in range(2))
    assert len(calls) == 1
    for arrays in (first, second):
        assert list(arrays) == ["mix", "bass"]
        np.testing.assert_array_equal(arrays["mix"], [0, 1, 2])
        np.testing.assert_array_equal(arrays["bass"], np.ones((2, 2)))


def test_a_computation_that_fails_leaves_no_file(tmp_path):
    def fail():
        raise OSError("no synthesizer")

    with pytest.raises(OSError, match="no synthesizer"):
        cached_arrays(tmp_path / "song.npz", fail)
    assert list(tmp_path.iterdir()) == []
