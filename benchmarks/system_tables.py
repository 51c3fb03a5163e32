"""Tables of BassNet and of loops, the second and the third system."""

from collections.abc import Mapping
from typing import Any

from benchmarks.common.report import markdown_table, short_interval
from benchmarks.findings import Results


def patterns_table(figure: str, results: Results) -> list[str]:
    """Tabulate a figure of BassNet's trainings on artificial sets, the paper's in brackets: a row a size of window."""
    report, drawn = results("bassnet_patterns"), results("bassnet_draws")["trainings"]
    trainings, paper = report["trainings"], report["paper"][figure]
    datasets = sorted({name.split()[0] for name in trainings})

    def tell(of: Mapping[str, Any], name: str) -> str:
        ours = [own for full, own in of.items() if full.rsplit(" ", 1)[0] == name]
        values = [own["accuracy"] if figure == "accuracy" else own["errors"][figure] for own in ours]
        return " and ".join(f"{value:.3f}" for value in values)

    cells = []
    for size in paper:
        row = [size.replace("plain", "without cross-reconstruction")]
        for dataset, theirs in zip(datasets, paper[size], strict=True):
            row.append(f"{tell(trainings, f'{dataset} {size}')} ({theirs:.3f})")
        cells.append([*row, tell(drawn, f"A4 {size}")])
    return markdown_table(["window", *datasets, "A4, controls drawn"], cells)


def positions_table(results: Results) -> list[str]:
    """Tabulate BassNet's ablation by what its control sees of a window: a row a net, a column a set."""
    seen = {"every position": results("bassnet_positions"), "the mean": results("bassnet_patterns")}
    datasets = sorted({name.split()[0] for name in seen["every position"]["trainings"]})
    rows = []
    for size, label in (("40/40", "with cross-reconstruction"), ("40/40 plain", "without")):
        for head, report in seen.items():
            named = [report["trainings"][f"{dataset} {size} 0"]["accuracy"] for dataset in datasets]
            rows.append([f"{label}, {head}", *(f"{value:.3f}" for value in named)])
        paper = dict(zip(("A1", "A2", "A3", "A4"), seen["the mean"]["paper"]["accuracy"][size], strict=True))
        rows.append([f"{label}, the paper", *(f"{paper[dataset]:.3f}" for dataset in datasets)])
    return markdown_table(["40/40", *datasets], rows)


def lines_table(results: Results) -> list[str]:
    """Tabulate how well lines of BassNet fit their mixes: a row a set of songs and a kind of line."""
    kinds = {
        "best": "best of 25 points",
        "median": "median point",
        "swapped": "lines of other songs",
        "true": "true notes",
    }
    cells = [
        [f"{of_set}: {label}", *(short_interval(rows[kind][metric]) for metric in ("harmony", "onset_f1"))]
        for of_set, rows in results("bassnet_lines")["sets"].items()
        for kind, label in kinds.items()
    ]
    return markdown_table(["songs", "in harmony with the mix", "onset F1"], cells)


def loops_table(results: Results) -> list[str]:
    """Tabulate what loops obey: a row a question, with its floor and its ceiling."""
    report = results("loops")
    rows = []
    for tracker, own in report["tempo"].items():
        for score, label in (("tempo", "tempo within 4 %, octaves apart"), ("beat_f1", "beats within 50 ms, F1")):
            values = (own[row][score] for row in ("generated", "other_requests", "composed"))
            rows.append([f"{label} ({tracker})", *map(short_interval, values)])
            drums = (short_interval(own[row][score]) for row in ("generated_drums", "composed_drums"))
            rows.append([f"the same, with drums ({tracker})", next(drums), "", next(drums)])
            rows.append([f"the same, told no tempo ({tracker})", short_interval(own["untold"][score]), "", ""])
    groups = {
        "all": "words told right",
        "clear": "instruments and styles that are told right in 0.95 of composed loops",
    }
    for group, label in groups.items():
        if group in report["words"]["composed"]:
            values = (report["words"][row][group] for row in ("guided", "shuffled", "composed"))
            rows.append([label, *map(short_interval, values)])
    found = report["reference"]
    rows.append(
        ["own reference nearest of 25", short_interval(found["recorded"]), "0.04", short_interval(found["round_trip"])]
    )
    rows.append(["the same, as the autoencoder plays them", short_interval(found["decoded"]), "0.04", "1"])
    rows.append(["step over the seam, among those inside", short_interval(report["seam"]), "", "0.5"])
    return markdown_table(["", "generated", "of other requests", "composed loops"], rows)


def beats_table(results: Results) -> list[str]:
    """Tabulate how nets of loops are told the beat: a row a net."""
    rows = []
    for variant, own in results("beat_conditions").items():
        heard = own["several features"]
        cells = [heard[part][score] for score in ("tempo", "beat_f1") for part in ("inside", "outside")]
        rows.append([variant, *map(short_interval, cells), f"{own['prediction_error']:.3f}"])
    header = ["", "tempo, 120 to 130", "tempo, elsewhere", "beats, 120 to 130", "beats, elsewhere", "error"]
    return markdown_table(header, rows)
