"""Provenance of trained weights for a model card: commit, machine and versions."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("torch", "diffusers", "accelerate", "numpy")


def environment(folder: Path) -> dict[str, str]:
    """Describe the environment of a training.

    Args:
        folder: Folder of the code.

    Returns:
        "commit" (with `+` if files differ from it), "machine" and "versions".

    Example:
        >>> sorted(environment(Path()))
        ['commit', 'machine', 'versions']
    """
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return {
        "commit": commit(folder),
        "machine": f"{os.cpu_count()} cores of {processor()}{gpu}",
        "versions": f"Python {platform.python_version()}, {versions}",
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table in Markdown.

    Args:
        header: Names of the columns.
        rows: Cells of each row, one per column.

    Returns:
        Lines of the table, without a newline at the end.

    Example:
        >>> print(markdown_table(["loss", "before"], [["velocity", "1.0"]]))
        | loss | before |
        | --- | --- |
        | velocity | 1.0 |
    """
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def commit(folder: Path) -> str:
    """Return the commit of a folder's repository, with `+` if files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "outside a repository"


def processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
