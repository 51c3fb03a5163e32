"""README's tables of results, written from the reports in `benchmarks/results`.

    python -m benchmarks.readme_tables           # rewrite the tables in README.md
    python -m benchmarks.readme_tables --check   # exit code 1 where README.md and the reports differ

A table stands in README.md between the comments `<!-- table: NAME -->` and `<!-- end -->`; its figures are those of the
committed JSON and of nothing else.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "results"

COLUMNS = {
    "generated": "generated",
    "true bass": "true bass",
    "another player's bass": "second bass of the composer",
    "generated, swapped mix": "generated, swapped mix",
    "copy of the mix's low end": "low end of the mix",
    "nearest training bass": "nearest training bass",
}
"""Row of `accompaniment.json` -> column of the table of fit."""
METRICS = {
    "chord_share": "chord share",
    "root_on_downbeat": "root on downbeat",
    "onset_f1": "onset F1",
    "voiced_ratio": "voiced frames, over those of the true bass",
}
STYLES = {
    "no style": "no style",
    "whole mean, strength 0.5": "strength 0.5",
    "whole mean, strength 1": "strength 1",
}
"""Case of `style_grounding.json` -> column of the table of styles."""
STYLE_METRICS = {
    "latent_movement": "movement of the mean latent towards the reference",
    "timbre_movement": "movement of the MFCCs towards the reference",
    "nearest": "instrument found by the nearest mean latent",
    "named": "instrument found by a classifier of MFCCs",
    "chord_share": "chord share",
}
PEERS = {"EnCodec 24 kHz": "encodec-24k", "music2latent": "music2latent", "Oobleck": "oobleck"}

Results = Callable[[str], Mapping[str, Any]]
"""Name of a benchmark -> the figures of its report."""


def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where README differs.")] = False,
    readme: Annotated[Path, typer.Option(help="File with the marked tables.")] = README,
    results: Annotated[Path, typer.Option(help="Folder of the reports.")] = RESULTS,
) -> None:
    """Write README's tables from the reports, or check them."""
    before = readme.read_text()
    after = fill_tables(before, lambda name: json.loads((results / f"{name}.json").read_text())["figures"])
    if before == after:
        print(f"{readme.name}: its tables are those of the reports")
    elif check:
        both = before.splitlines(), after.splitlines()
        print(*difflib.unified_diff(*both, "README", "reports", lineterm="", n=0), sep="\n")
        print(f"{readme.name} differs from the reports; run python -m benchmarks.readme_tables")
        raise typer.Exit(1)
    else:
        readme.write_text(after)
        print(f"{readme.name}: tables written")


def fill_tables(text: str, results: Results) -> str:
    """Replace every marked table of a Markdown text.

    Args:
        text: Markdown with marked tables, each of the names of `TABLES` once.
        results: Figures of a benchmark by its name.

    Returns:
        The text with the tables of the reports.

    Raises:
        ValueError: The marked tables are not those of `TABLES`.
    """
    marked = re.findall(r"^<!-- table: (.+) -->$", text, re.MULTILINE)
    if sorted(marked) != sorted(TABLES):
        raise ValueError(f"got tables marked {marked}, expected each of {', '.join(TABLES)} once")
    for name, table in TABLES.items():
        lines = "\n".join(table(results))
        pattern = rf"(^<!-- table: {name} -->\n).*?(^<!-- end -->$)"
        text = re.sub(pattern, lambda found, lines=lines: f"{found[1]}\n{lines}\n\n{found[2]}", text, flags=re.M | re.S)
    return text


def fit_table(results: Results) -> list[str]:
    """Tabulate how well basses fit their mixes: a row a metric, a column a kind of bass."""
    rows = results("accompaniment")["rows"]
    cells = [[label, *(_interval(rows[row][metric]) for row in COLUMNS)] for metric, label in METRICS.items()]
    return _markdown(["", *COLUMNS.values()], cells)


def style_table(results: Results) -> list[str]:
    """Tabulate what a style reference changes: a row a metric, a column a strength."""
    cases = results("style_grounding")["cases"]
    cells = [[label, *(_interval(cases[case][metric]) for case in STYLES)] for metric, label in STYLE_METRICS.items()]
    return _markdown(["", *STYLES.values()], cells)


def other_table(results: Results) -> list[str]:
    """Tabulate what belongs to the autoencoder, the reranker and guidance alone."""
    trip = results("reconstruction")["groups"]["all"]
    pairs = results("retrieval")["basses"]
    guidance = results("guidance_std")
    lag = {key: 1000 * trip["onset_lag_size"][key] for key in ("mean", "low", "high")}
    cells = [
        ["pitch kept by the autoencoder's round trip", _interval(trip["pitch_agreement"])],
        ["onset lag of the round trip, ms", _interval(lag)],
        ["25 mixes: generated bass ranked first for its own mix", _interval(pairs["generated"]["top_1"])],
        ["25 mixes: true bass ranked first for its own mix", _interval(pairs["true bass"]["top_1"])],
        ["deviation of the latents, guided over unguided", _interval(guidance["guided_over_plain"])],
        ["fraction of that excess removed by rescaling", _interval(guidance["excess_taken_away"])],
    ]
    return _markdown(["", "mean"], cells)


def speed_table(results: Results) -> list[str]:
    """Tabulate speed and memory, beside other libraries where they do the same."""
    # The autoencoders take an hour; denoisers, and lengths, are measured by runs of their own (`--only`, `--name`).
    cases: dict[str, Any] = {}
    for part in ("peers", "peers_denoisers", "peers_lengths"):
        cases |= results(part)["cases"]
    ours = "latentstem"
    table = [
        (f"{way}, beside {', '.join(PEERS)}", [f"{way}/{name}" for name in (ours, *PEERS.values())])
        for way in ("encode", "decode")
    ]
    table += [
        (
            "sample, 64 guided steps on latents, beside StableAudioDiT with DDIM",
            [f"sampling/{ours}", "sampling/stable-audio-dit"],
        ),
        ("mix to stem, `best` / `fast`", [f"sampling/{ours}-audio", f"sampling/{ours}-fast"]),
        ("an hour from file to file, `fast`", [f"files/{ours}-60min"]),
    ]
    cells = [
        [
            label,
            " / ".join(f"{cases[name]['times_real_time']:.3g}" for name in names),
            " / ".join(f"{cases[name]['peak_memory'] / 1e9:.2g}" for name in names),
        ]
        for label, names in table
    ]
    return _markdown(["60 s of audio on two CPU cores", "times real time", "peak memory of the process, GB"], cells)


TABLES: dict[str, Callable[[Results], list[str]]] = {
    "fit": fit_table,
    "style": style_table,
    "other": other_table,
    "speed": speed_table,
}


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = (header, ["---"] * len(header), *rows)
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"


if __name__ == "__main__":
    typer.run(main)
