"""Validation records: what was written by an earlier version is read under the names of today."""

import json

import pytest
import torch

from latentstem.training.engine.history import History, RecentLosses, read_history

OLD = {"step": 10, "exchanged pitch": 0.1, "twins": 0.6, "velocity_error": 0.5, "velocity_error_swapped": 0.7}
NEW = {"step": 10, "swapped_pitch": 0.1, "timbre_swap": 0.6, "prediction_error": 0.5, "prediction_error_swapped": 0.7}


@pytest.mark.parametrize("record", [OLD, NEW])
def test_records_of_both_versions_are_read_alike(tmp_path, record):
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(record) + "\n")
    assert read_history(path) == [NEW]
    resumed = History(path)
    resumed.load_state_dict({"records": [record]})
    assert resumed.records == [NEW] and resumed.lowest("prediction_error") == 0.5
    resumed.write()
    assert read_history(path) == [NEW]


def test_recent_losses_of_an_earlier_version_go_on_under_their_names_of_today():
    recent = RecentLosses()
    recent.load_state_dict({"steps": 1, "means": {"twins": torch.tensor(2.0)}})
    recent.add({"timbre_swap": torch.tensor(4.0)})
    assert recent.means == {"timbre_swap": 3.0}
