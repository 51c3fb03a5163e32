"""What the words of the findings claim beside their figures holds in the committed reports."""

import json

import pytest

from benchmarks.findings import FINDINGS
from benchmarks.readme_tables import RESULTS, ROOT


def reports(name):
    return json.loads((RESULTS / f"{name}.json").read_text())["figures"]


def apart(low, high):
    return low["high"] < high["low"]


def test_roots_and_rhythm_fall_short_of_a_second_bass():
    rows = reports("accompaniment")["rows"]
    for metric in ("root_on_downbeat", "onset_f1"):
        assert apart(rows["generated"][metric], rows["another player's bass"][metric])


def test_synthesizers_fall_short_of_themselves_and_of_recorded_basses():
    recorded, engines = (reports("timbre")["sets"][name]["bands"]["up to 4.4 kHz"] for name in ("recorded", "engines"))
    assert apart(engines["styled"], engines["itself"]) and apart(engines["styled"], recorded["styled"])


def test_the_first_stem_waits_longer_than_it_takes():
    case = reports("peers_denoisers")["cases"]["sampling/latentstem-fast"]
    assert case["load_seconds"] > case["first_seconds"]


def test_the_position_bias_gains_nothing():
    at_eight = {kind: rows["8"]["chord_share"]["value"] for kind, rows in reports("position_bias")["lengths"].items()}
    bias = at_eight.pop("dynamic position bias")
    assert not any(apart(other, bias) for other in at_eight.values())


@pytest.mark.parametrize("name", FINDINGS)
def test_every_finding_stands_in_the_section_that_it_names(name):
    finding = FINDINGS[name]
    page, anchor = finding.section.split("#")
    text = (ROOT / "docs" / "pages" / page).read_text()
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    (section,) = (
        part for title, part in sections.items() if title.lower().replace(",", "").replace(" ", "-") == anchor
    )
    assert f"<!-- finding: {name} -->" in section and finding.sentence(reports) in section
