"""Pictures are drawn from the committed reports alone, in the colors that all of them share."""

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from benchmarks import redraw
from benchmarks.common.plotting import OURS, SERIES
from benchmarks.common.report import RESULTS


@pytest.mark.parametrize("name", ["mutants", "under_load"])
def test_a_picture_is_drawn_from_its_report(name, tmp_path):
    shutil.copy(RESULTS / f"{name}.json", tmp_path)
    redraw.main([name], tmp_path)
    drawn = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"))
    ours = [int(OURS[index : index + 2], 16) for index in (1, 3, 5)]
    assert (drawn == ours).all(-1).mean() > 0.02  # its bars
    assert (drawn == 255).all(-1).mean() > 0.3


def test_every_committed_report_can_be_drawn_or_is_named_among_those_that_need_more():
    names = {path.stem for path in RESULTS.glob("*.json")}
    for name in names - set(redraw.NEED_MORE):
        (script,) = (Path(redraw.__file__).parent).glob(f"*/{redraw.SCRIPTS.get(name, name)}.py")
        source = script.read_text()
        assert "\ndef plot(" in source or "import plot\n" in source, name


def test_the_first_line_of_a_picture_is_ours():
    colors = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert tuple(colors) == SERIES and colors[0] == OURS
    assert len(set(colors)) == len(colors)
