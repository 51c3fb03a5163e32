"""Options that several commands share."""

from typing import Annotated

import typer

from latentstem.audio.formats import Bits
from latentstem.cli.errors import above_zero, finite

EDIT, FILES, EXPERT = "Edit", "Files", "Expert"

Tempo = Annotated[
    float,
    typer.Option(
        min=4.0,
        max=1000.0,
        callback=finite,
        help="Tempo of OUT.mid in beats per minute, that of your project. The times are right at any tempo.",
        rich_help_panel=FILES,
    ),
]
"""Option of the commands that write MIDI."""
SampleFormat = Annotated[
    Bits | None,
    typer.Option(
        help="Sample format of wav and flac files; 32f is a float, for wav alone. Default: 24.",
        rich_help_panel=FILES,
    ),
]
"""Option of the commands that write audio."""
Weights = Annotated[str, typer.Option(help="Name of shipped weights, or folder of saved ones.", rich_help_panel=EXPERT)]
"""Option of the commands that generate."""
Device = Annotated[
    str, typer.Option(help="Device to compute on: auto, cpu, cuda, cuda:1, mps.", rich_help_panel=EXPERT)
]
"""Option of the commands that compute."""
MaxDuration = Annotated[
    float, typer.Option(callback=above_zero, help="Longest file that is read, in seconds.", rich_help_panel=EXPERT)
]
"""Option of the commands that read audio."""
