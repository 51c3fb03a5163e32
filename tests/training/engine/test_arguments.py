"""Settings from the command line: every field has its option, its type and its help."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.contrastive import ContrastiveTraining
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.unet import UNetTraining


@dataclass(frozen=True)
class Journey:
    """Where to go.

    Args:
        goal: Place to reach, 100 % of the way.
        speed: How fast,
            over all the way.
        span: Least and greatest.
        stops: Places between.
        hours: How long.
        extras: What else.
    """

    goal: Path
    speed: float = 3.5
    span: tuple[int, int] = (1, 2)
    stops: tuple[str, ...] = ("inn", "mill")
    hours: float | None = None
    extras: dict[str, int] | None = None


def test_defaults_are_the_dataclass_own():
    assert parse_settings(Journey, ["--goal", "a/b"]) == Journey(Path("a/b"))


def test_every_type_is_read():
    words = "--goal x --speed 2 --span 4 5 --stops a b c --hours 1.5 --extras".split()
    expected = Journey(Path("x"), 2.0, (4, 5), ("a", "b", "c"), 1.5, {"bags": 3})
    assert parse_settings(Journey, [*words, '{"bags": 3}']) == expected


@pytest.mark.parametrize(
    "words",
    [[], ["--goal", "x", "--speed", "fast"], ["--goal", "x", "--span", "4"], ["--goal", "x", "--extras", "[1]"],
     ["--goal", "x", "--sped", "3"]],
    ids=["required", "type", "count", "json", "unknown"],
)  # fmt: skip
def test_wrong_words_end_with_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_settings(Journey, words)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("settings", [AutoencoderTraining, ContrastiveTraining, UNetTraining])
def test_the_options_of_a_training_are_in_groups(settings, capsys):
    with pytest.raises(SystemExit):
        parse_settings(settings, ["--help"])
    sections = re.split(r"^(\w+):\n", capsys.readouterr().out, flags=re.MULTILINE)
    groups = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(groups) == ["options", "Data", "Model", "Objective", "Optimisation", "Run"]
    assert re.findall(r"^  (--?\w+)", groups["options"], re.MULTILINE) == ["-h"]
    for group, options in {
        "Data": "data target workers",
        "Optimisation": "steps learning-rate",
        "Run": "output seed",
    }.items():
        for option in options.split():
            assert re.search(rf"^  --{option} ", groups[group], re.MULTILINE), option


@pytest.mark.parametrize("settings", [Journey, AutoencoderTraining, ContrastiveTraining, UNetTraining])
def test_help_describes_every_field(settings, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        parse_settings(settings, ["--help"])
    options = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  --")]
    named = [option.split()[0] for option in options]
    assert sorted(named) == sorted(f"--{f.name.replace('_', '-')}" for f in fields(settings))
    for option in options:
        assert len(option.split("  ", 1)) == 2, f"{option} has no help"
