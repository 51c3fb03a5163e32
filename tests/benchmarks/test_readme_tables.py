"""Tables and findings of README and of the site are those of the committed reports, and a difference is seen."""

import json
import re
import shutil

import pytest
import typer

from benchmarks.readme_tables import DOCUMENTS, RESULTS, ROOT, fill_tables, main

README, OVERVIEW, PAGE, *_, FAQ, BASSNET, LOOPS, SECURITY, CONTRIBUTING = DOCUMENTS


def reports(name):
    return json.loads((RESULTS / f"{name}.json").read_text())["figures"]


@pytest.fixture
def copies(tmp_path):
    """The documents and the reports, to change."""
    for name in DOCUMENTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(RESULTS, tmp_path / "results", ignore=shutil.ignore_patterns("*.png"))
    return tmp_path, tmp_path / "results"


def row_of(file, start):
    (row,) = (line for line in file.read_text().splitlines() if line.startswith(start))
    return row


def test_the_tables_are_those_of_the_committed_reports():
    main(check=True)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        (README, "| composed songs: chord share | 0."),
        (PAGE, "| root on downbeat | 0."),
        (BASSNET, "| composed: median point | 0."),
        (OVERVIEW, "- [Harmony]("),
        (FAQ, "| drums alone | 8 | 0."),
        (CONTRIBUTING, "| `audio` | 0."),
    ],
)
def test_a_changed_figure_fails_the_check_and_is_written_back(copies, capsys, name, start):
    root, results = copies
    before = (root / name).read_text()
    line = row_of(root / name, start)
    (root / name).write_text(before.replace(line, re.sub(r"(\| |\*\*)0\.", r"\g<1>1.", line, count=1), 1))
    with pytest.raises(typer.Exit) as left:
        main(True, root, results)
    assert left.value.exit_code == 1
    assert f"+{line}" in capsys.readouterr().out.splitlines()
    main(False, root, results)
    assert (root / name).read_text() == before


def test_a_changed_report_fails_the_check_of_both_documents(copies):
    root, results = copies
    file = results / "accompaniment.json"
    report = json.loads(file.read_text())
    report["figures"]["rows"]["generated"]["onset_f1"] |= {"mean": 0.125, "low": 0.0625, "high": 0.25}
    file.write_text(json.dumps(report))
    with pytest.raises(typer.Exit):
        main(True, root, results)
    main(False, root, results)
    for name, start in ((README, "| composed songs: onset F1"), (PAGE, "| onset F1")):
        assert row_of(root / name, start).split(" | ")[1] == "0.12 [0.06, 0.25]"


@pytest.mark.parametrize("tables", DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_stands_around_the_tables_is_left_alone(tables):
    empty = "\n".join(f"before {name}\n<!-- table: {name} -->\n<!-- end -->\nafter" for name in tables)
    filled = fill_tables(empty, tables, reports)
    written = [line for table in tables.values() for line in table(reports)]
    assert [line for line in filled.splitlines() if line and line not in written] == empty.splitlines()
    assert fill_tables(filled, tables, reports) == filled


def test_a_table_that_is_missing_or_unknown_is_named():
    marked = "<!-- table: fit -->\n<!-- end -->\n<!-- table: taste -->\n<!-- end -->\n"
    with pytest.raises(ValueError, match=r"got tables marked \['fit', 'taste'\], expected each of fit, retrieval"):
        fill_tables(marked, DOCUMENTS[PAGE], reports)
