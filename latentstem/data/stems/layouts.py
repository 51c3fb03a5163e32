"""Layouts of published stem data sets, each recognized by the contents of a track's folder.

- MUSDB18-HQ, and the band corpus: `<track>/<stem>.wav`, with `mixture.wav` beside them.
- MoisesDB: `<track>/<stem>/<any>.wav`; the files of a folder are summed. Its `data.json` is not needed.
- Slakh2100: `<track>/stems/S<NN>.flac`, and `metadata.yaml` that gives each file its class of instrument; the files
  of one class are summed. `mix.flac` is the mixture.

A mixture holds the target, so it is never a stem.
"""

import re
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".wav", ".flac")
MIXTURE = "mixture"
DRUMS = "drums"
SLAKH_METADATA = "metadata.yaml"
SLAKH_STEMS = "stems"
SLAKH_MIXTURE = "mix"


class StemError(ValueError):
    """A folder of stems that cannot be used; the message says in one line what was found and what to do."""


@dataclass(frozen=True)
class TrackFiles:
    """The audio files of one track.

    Attributes:
        stems: Names of the stems to the files whose sum each of them is, in alphabetical order.
        mixture: File that holds the sum of all stems, if there is one.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("drums.wav", "bass.wav", "mixture.wav", "notes.txt"):
        ...     (root / name).touch()
        >>> files = track_files(root)
        >>> list(files.stems), files.mixture.name
        (['bass', 'drums'], 'mixture.wav')
    """

    stems: dict[str, tuple[Path, ...]]
    mixture: Path | None


def track_files(folder: Path) -> TrackFiles:
    """Find the stems of a track.

    Args:
        folder: The track's folder.

    Returns:
        Files of the track; no stems where the folder has none of the layouts.

    Raises:
        StemError: If Slakh's metadata gives no class of instrument for a file.
    """
    if (folder / SLAKH_METADATA).is_file() and (folder / SLAKH_STEMS).is_dir():
        return TrackFiles(_slakh_stems(folder), _audio(folder).get(SLAKH_MIXTURE))
    files = _audio(folder)
    mixture = files.pop(MIXTURE, None)
    if files:
        return TrackFiles({name: (path,) for name, path in files.items()}, mixture)
    inside = {path.name: tuple(_audio(path).values()) for path in _visible(folder) if path.is_dir()}
    return TrackFiles({name: paths for name, paths in inside.items() if paths}, mixture)


def _visible(folder: Path) -> list[Path]:
    # Copies by way of a Mac leave `._bass.wav` beside `bass.wav`.
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _audio(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in _visible(folder) if path.suffix.lower() in SUFFIXES and path.is_file()}


def _slakh_stems(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Files by class of instrument; metadata also names files that were never rendered."""
    metadata = folder / SLAKH_METADATA
    classes = _slakh_classes(metadata.read_text(encoding="utf-8", errors="replace"))
    stems: dict[str, tuple[Path, ...]] = {}
    for name, path in _audio(folder / SLAKH_STEMS).items():
        if name not in classes:
            raise StemError(f"{metadata} gives no inst_class for {path.name}: restore the file or remove the stem")
        stems[classes[name]] = (*stems.get(classes[name], ()), path)
    return dict(sorted(stems.items()))


def _slakh_classes(metadata: str) -> dict[str, str]:
    """Class of instrument, in lower case, of every stem in Slakh's metadata.

    One program wrote all of them in one form, the keys of a stem indented by four spaces: no YAML reader is needed.
    """
    classes: dict[str, str] = {}
    for name, block in re.findall(r"^  (\S+):[ ]*\n((?: {4,}.*\n?)+)", metadata, re.MULTILINE):
        values = dict(re.findall(r"^ {4}(\w+):[ ]*(.*?)[ ]*$", block, re.MULTILINE))
        kind = DRUMS if values.get("is_drum") == "true" else values.get("inst_class", "").strip("'\"").lower()
        if kind:
            classes[name] = kind
    return classes
