"""Results in README and on the pages of the site: tables and sentences from the reports in `benchmarks/results`.

    python -m benchmarks.readme_tables           # rewrite the tables
    python -m benchmarks.readme_tables --check   # exit code 1 where tables and reports differ

A table stands between the comments `<!-- table: NAME -->` and `<!-- end -->`, a sentence of `benchmarks/findings.py`
between `<!-- finding: NAME -->` and `<!-- end -->`; their figures are those of the committed JSON and of nothing else.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common.report import markdown_table, short_interval
from benchmarks.findings import FINDINGS, METHOD, MUSIC, SOUND, SPEED, Results, overview, paragraph
from benchmarks.robustness_tables import kills_table, load_table, mutants_table
from benchmarks.system_tables import beats_table, lines_table, loops_table, patterns_table, positions_table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

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
PEERS = {"EnCodec 24 kHz": "encodec-24k", "music2latent": "music2latent", "Oobleck": "oobleck"}

SOUNDS = {"timgm6mb": "on an unseen soundfont", "engines": "on unseen synthesizers"}
"""Key of `real_songs.json` -> words of the table of results."""
REFERENCES = {
    "recorded": "six recorded basses",
    "timgm6mb": "eight basses of an unseen soundfont",
    "engines": "18 unseen synthesized basses",
}
"""Key of `timbre.json` -> words of the table of results."""

Tables = Mapping[str, Callable[[Results], list[str]]]
"""Name of each table and sentence of a document to its writer."""


def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a document differs.")] = False,
    root: Annotated[Path, typer.Option(help="Folder of the documents.")] = ROOT,
    results: Annotated[Path, typer.Option(help="Folder of the reports.")] = RESULTS,
) -> None:
    """Write the tables from the reports, or check them."""
    differ = False
    for name, tables in DOCUMENTS.items():
        before = (root / name).read_text()
        after = fill_tables(
            before, tables, lambda report: json.loads((results / f"{report}.json").read_text())["figures"]
        )
        if before == after:
            print(f"{name}: its tables are those of the reports")
        elif check:
            both = before.splitlines(), after.splitlines()
            print(*difflib.unified_diff(*both, name, "reports", lineterm="", n=0), sep="\n")
            differ = True
        else:
            (root / name).write_text(after)
            print(f"{name}: tables written")
    if differ:
        print("tables differ from the reports; run python -m benchmarks.readme_tables")
        raise typer.Exit(1)


def fill_tables(text: str, tables: Tables, results: Results) -> str:
    """Replace every marked table and sentence of a Markdown text.

    Args:
        text: Markdown with marked places, each of the names of `tables` once.
        tables: Writer of each table or sentence, by its name.
        results: Figures of a benchmark by its name.

    Returns:
        The text with the tables of the reports.

    Raises:
        ValueError: The marked places are not those of `tables`.
    """
    marked = re.findall(r"^<!-- (?:table|finding): (.+) -->$", text, re.MULTILINE)
    if sorted(marked) != sorted(tables):
        raise ValueError(f"got tables marked {marked}, expected each of {', '.join(tables)} once")
    for name, table in tables.items():
        lines = "\n".join(table(results))
        pattern = rf"(^<!-- (?:table|finding): {name} -->\n).*?(^<!-- end -->$)"
        text = re.sub(pattern, lambda found, lines=lines: f"{found[1]}\n{lines}\n\n{found[2]}", text, flags=re.M | re.S)
    return text


def results_table(results: Results) -> list[str]:
    """Tabulate what matters most, beside the true bass and what a bass reaches without its mix or reference."""
    cells = []
    composed = results("accompaniment")["rows"]
    for metric in ("chord_share", "root_on_downbeat", "onset_f1"):
        rows = [composed[row][metric] for row in ("generated", "true bass", "generated, swapped mix")]
        cells.append([f"composed songs: {METRICS[metric]}", *map(short_interval, rows)])
    real = results("real_songs")["sounds"]
    for sound, words in SOUNDS.items():
        for metric, label in {"harmony": "in harmony with the band", "onset_f1": "onset F1"}.items():
            rows = [real[sound][row][metric] for row in ("generated", "true bass", "generated, swapped mix")]
            cells.append([f"songs of a game, {words}: {label}", *map(short_interval, rows)])
    timbre = results("timbre")["sets"]
    for of_set, words in REFERENCES.items():
        narrow = next(iter(timbre[of_set]["bands"].values()))
        rows = [short_interval(narrow[row]) for row in ("styled", "itself")]
        cells.append([f"reference recognized, {words}", *rows, f"{timbre[of_set]['chance']:.2f}"])
    return markdown_table(["", "generated", "true bass", "by chance, or for another mix"], cells)


def fit_table(results: Results) -> list[str]:
    """Tabulate how well basses fit their mixes: a row a metric, a column a kind of bass."""
    rows = results("accompaniment")["rows"]
    cells = [[label, *(short_interval(rows[row][metric]) for row in COLUMNS)] for metric, label in METRICS.items()]
    return markdown_table(["", *COLUMNS.values()], cells)


def mixes_table(results: Results) -> list[str]:
    """Tabulate how well basses fit by what their mix holds: a row a kind of mix."""
    groups = results("accompaniment")["groups"]
    rows = {
        "drums alone": groups["mix"]["drums alone"],
        "one instrument with the chords": groups["mix"]["chords alone"],
        "the same songs, all parts": groups["mix"]["everything"],
    }
    rows |= {f"{count} parts beside the bass": group for count, group in groups["stems"].items()}
    rows |= {f"a song in {metre}": group for metre, group in groups["metre"].items()}
    metrics = [metric for metric in METRICS if metric != "voiced_ratio"]
    cells = [
        [words, str(group["songs"]), *(short_interval(group["generated"][metric]) for metric in metrics)]
        for words, group in rows.items()
    ]
    return markdown_table(["the mix", "songs", *(METRICS[metric] for metric in metrics)], cells)


def reconstruction_table(results: Results) -> list[str]:
    """Tabulate what the autoencoder's round trip keeps of basses."""
    trip = results("reconstruction")["groups"]["all"]
    lag = {key: 1000 * trip["onset_lag_size"][key] for key in ("mean", "low", "high")}
    cells = [
        ["pitch kept by the autoencoder's round trip", short_interval(trip["pitch_agreement"])],
        ["onset lag of the round trip, ms", short_interval(lag)],
    ]
    return markdown_table(["", "mean"], cells)


def retrieval_table(results: Results) -> list[str]:
    """Tabulate how often the reranker ranks a bass first for its own mix."""
    pairs = results("retrieval")["basses"]
    cells = [
        [f"25 mixes: {bass} ranked first for its own mix", short_interval(pairs[row]["top_1"])]
        for row, bass in {"generated": "generated bass", "true bass": "true bass"}.items()
    ]
    return markdown_table(["", "mean"], cells)


def deviation_table(results: Results) -> list[str]:
    """Tabulate how much deviation guidance adds, and how much of it rescaling removes."""
    guidance = results("guidance_std")
    cells = [
        ["deviation of the latents, guided over unguided", short_interval(guidance["guided_over_plain"])],
        ["fraction of that excess removed by rescaling", short_interval(guidance["excess_taken_away"])],
    ]
    return markdown_table(["", "mean"], cells)


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
        ("mix to stem, `standard` / `fast`", [f"sampling/{ours}-{case}" for case in ("standard", "fast")]),
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
    return markdown_table(
        ["60 s of audio on two CPU cores", "times real time", "peak memory of the process, GB"], cells
    )


def _sentences(page: str) -> Tables:
    """Writers of the findings that a page of benchmarks explains."""
    return {name: partial(paragraph, name) for name, found in FINDINGS.items() if found.section.startswith(page)}


DOCUMENTS: Mapping[str, Tables] = {
    "README.md": {"results": results_table, "speed": speed_table},
    "docs/pages/benchmarks.md": {"overview": overview},
    f"docs/pages/{MUSIC}": {"fit": fit_table, "retrieval": retrieval_table, **_sentences(MUSIC)},
    f"docs/pages/{SOUND}": {"reconstruction": reconstruction_table, **_sentences(SOUND)},
    f"docs/pages/{SPEED}": _sentences(SPEED),
    f"docs/pages/{METHOD}": {"deviation": deviation_table, **_sentences(METHOD)},
    "docs/pages/faq.md": {"mixes": mixes_table},
    "docs/pages/bassnet.md": {
        "patterns": partial(patterns_table, "accuracy"),
        "positions": positions_table,
        "f0": partial(patterns_table, "f0"),
        "onset": partial(patterns_table, "onset"),
        "lines": lines_table,
    },
    "docs/pages/loops.md": {"loops": loops_table, "beats": beats_table},
    "docs/pages/security.md": {"kills": kills_table, "load": load_table},
    "docs/pages/contributing.md": {"mutants": mutants_table},
}


if __name__ == "__main__":
    typer.run(main)
