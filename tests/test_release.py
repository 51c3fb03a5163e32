"""What a release says of itself: one version, in one place, which the citation and the changelog follow."""

import re
import tomllib
from pathlib import Path

import latentstem

ROOT = Path(latentstem.__file__).parents[1]


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "latentstem/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", latentstem.__version__)


def test_the_citation_is_of_this_version_and_licence():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [latentstem.__version__]
    licence = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert re.findall(r"^license: (.*)$", citation, re.MULTILINE) == [licence]


def test_the_changelog_begins_with_this_version_and_goes_back_in_time():
    changelog = (ROOT / "docs" / "pages" / "changelog.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)
    assert released[0][0] == latentstem.__version__
    numbers = [tuple(map(int, version.split("."))) for version, _ in released]
    assert numbers == sorted(set(numbers), reverse=True)
    assert [day for _, day in released] == sorted((day for _, day in released), reverse=True)
    kinds = set(re.findall(r"^### (.*)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known to be weak"}
    assert len(re.findall(r"^## ", changelog, re.MULTILINE)) in (len(released), len(released) + 1)  # Unreleased
