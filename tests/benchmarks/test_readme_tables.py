"""README's tables are those of the committed reports, and a difference is seen."""

import json
import shutil

import pytest
import typer

from benchmarks.readme_tables import README, RESULTS, TABLES, fill_tables, main


def reports(name):
    return json.loads((RESULTS / f"{name}.json").read_text())["figures"]


@pytest.fixture
def copies(tmp_path):
    """A README and the reports, to change."""
    shutil.copy(README, tmp_path / "README.md")
    shutil.copytree(RESULTS, tmp_path / "results", ignore=shutil.ignore_patterns("*.png"))
    return tmp_path / "README.md", tmp_path / "results"


def test_the_tables_of_readme_are_those_of_the_committed_reports():
    main(check=True)


def test_a_changed_figure_in_readme_fails_the_check_and_is_written_back(copies, capsys):
    readme, results = copies
    before = readme.read_text()
    line = next(line for line in before.splitlines() if line.startswith("| chord share"))
    readme.write_text(before.replace(line, line.replace("| chord share | 0.", "| chord share | 1."), 1))
    with pytest.raises(typer.Exit) as left:
        main(True, readme, results)
    assert left.value.exit_code == 1
    assert f"+{line}" in capsys.readouterr().out.splitlines()
    main(False, readme, results)
    assert readme.read_text() == before


def test_a_changed_report_fails_the_check(copies):
    readme, results = copies
    file = results / "accompaniment.json"
    report = json.loads(file.read_text())
    report["figures"]["rows"]["generated"]["onset_f1"] |= {"mean": 0.125, "low": 0.0625, "high": 0.25}
    file.write_text(json.dumps(report))
    with pytest.raises(typer.Exit):
        main(True, readme, results)
    main(False, readme, results)
    (row,) = (line for line in readme.read_text().splitlines() if line.startswith("| onset F1"))
    assert row.split(" | ")[1] == "0.12 [0.06, 0.25]"


def test_what_stands_around_the_tables_is_left_alone():
    empty = "\n".join(f"before {name}\n<!-- table: {name} -->\n<!-- end -->\nafter" for name in TABLES)
    filled = fill_tables(empty, reports)
    assert [line for line in filled.splitlines() if line and not line.startswith("|")] == empty.splitlines()
    assert fill_tables(filled, reports) == filled


def test_a_table_that_is_missing_or_unknown_is_named():
    with pytest.raises(ValueError, match=r"got tables marked \['fit', 'taste'\], expected each of fit, style"):
        fill_tables("<!-- table: fit -->\n<!-- end -->\n<!-- table: taste -->\n<!-- end -->\n", reports)
