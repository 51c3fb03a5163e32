"""Files that audio is written to: the suffix says which kind, and the kind how a sample can be stored."""

import os
from pathlib import Path
from typing import Literal

from latentstem.audio.errors import AudioFileError

Bits = Literal["16", "24", "32f"]
"""How a sample is stored: as a whole number of 16 or 24 bits, or as a float of 32."""

# libsndfile's names. What is compressed with losses stores no samples, and has no bits to choose.
_SUBTYPES: dict[str, dict[str | None, str]] = {
    ".wav": {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"},
    ".flac": {"16": "PCM_16", "24": "PCM_24"},
    ".ogg": {None: "VORBIS"},
    ".mp3": {None: "MPEG_LAYER_III"},
}

SUFFIXES = tuple(_SUBTYPES)
"""Of the files that can be written, in lower case."""


def storage(path: str | os.PathLike[str], bits: Bits | None = None) -> str:
    """How samples are stored in a file, as libsndfile names it.

    Args:
        path: the file; its suffix (.wav, .flac, .ogg, .mp3) chooses the kind.
        bits: of a sample; None is 24, or what the kind has where it stores no samples.

    Raises:
        AudioFileError: the suffix is unknown, or its files cannot have these bits.
    """
    suffix = Path(path).suffix
    kinds = _SUBTYPES.get(suffix.lower())
    if kinds is None:
        raise AudioFileError(f"{path}: suffix {suffix!r} is not known; expected .wav, .flac, .ogg or .mp3")
    if bits is None:
        bits = "24" if "24" in kinds else None
    if bits not in kinds:
        possible = ", ".join(kind for kind in kinds if kind) or "no choice of bits"
        raise AudioFileError(
            f"{path}: a {suffix.lower()} file cannot hold samples of {bits} bits, it has {possible}; "
            "leave the bits out, or write a .wav"
        )
    return kinds[bits]


def check_writable(path: str | os.PathLike[str], bits: Bits | None = None) -> None:
    """Raise `AudioFileError` now where `write_audio` would refuse the path later: for work that takes long.

    Example:
        >>> from latentstem.audio import check_writable
        >>> check_writable("bass.wav")
    """
    path = Path(path)
    storage(path, bits)
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise AudioFileError(f"{path}: folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise AudioFileError(f"{path}: folder {path.parent} cannot be written to; choose another")
