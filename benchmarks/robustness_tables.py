"""Tables of what the program bears, and of what its tests notice: kills, load, faults."""

from benchmarks.common.report import markdown_table
from benchmarks.findings import Results

WORKS = {
    "rendering": "rendering",
    "unet": "training of the denoiser",
    "autoencoder": "training of the autoencoder",
    "train bassnet": "training of BassNet",
    "train loops": "training of loops",
}
"""What was killed besides commands, by its name in the reports."""


def kills_table(results: Results) -> list[str]:
    """Tabulate SIGKILLs at random moments: a row a command or training."""
    rows = [
        [
            WORKS.get(name, f"`latentstem {name}`"),
            str(len(own["kills"])),
            str(len(own["half_written"])),
            "equal" if own["bit_equal"] else "different",
        ]
        for report in ("resume_after_kill", "kill_commands")
        for name, own in results(report).items()
    ]
    return markdown_table(["", "kills", "half-written files", "end of the next run"], rows)


def load_table(results: Results) -> list[str]:
    """Tabulate a crowd of clients and visitors who come and go: a row a server."""
    rows = []
    for name, own in sorted(results("load").items()):
        counts, memory = own["crowd"]["counts"], own["memory"]
        rows.append(
            [
                f"`latentstem {name}`",
                *(str(counts.get(end, 0)) for end in ("accepted", "done", "cancelled")),
                str(len(own["crowd"]["problems"]) + len(own["visits"]["problems"])),
                f"{memory['after_a_third'] / 1e6:.0f} MB",
                f"{memory['at_the_end'] / 1e6:.0f} MB",
                f"{max(sample['file_bytes'] for sample in own['samples']) / 1e6:.0f} MB",
            ]
        )
    header = ["", "queued", "done", "cancelled", "faults", "memory after ten minutes", "at the end", "files at most"]
    return markdown_table(header, rows)


def mutants_table(results: Results) -> list[str]:
    """Tabulate the share of small faults in the code that the tests notice: a row a room."""
    report = results("mutants")
    rows = [[f"`{room}`", f"{share:.2f}"] for room, share in report["rooms"].items()]
    return markdown_table(["room", "noticed"], [*rows, ["all", f"{report['noticed']:.2f}"]])
