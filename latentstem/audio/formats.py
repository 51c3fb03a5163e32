"""Formats of audio files to write: from the suffix of a path to libsndfile's name of how samples are stored."""

import os
from pathlib import Path
from typing import Literal

from latentstem.audio.errors import AudioFileError

Bits = Literal["16", "24", "32f"]
"""Storage of a sample: an integer of 16 or 24 bits, or a float of 32."""

# libsndfile's names. Formats of lossy compression store no samples, and have no bits to choose.
_SUBTYPES: dict[str, dict[str | None, str]] = {
    ".wav": {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"},
    ".flac": {"16": "PCM_16", "24": "PCM_24"},
    ".ogg": {None: "VORBIS"},
    ".mp3": {None: "MPEG_LAYER_III"},
}

SUFFIXES = tuple(_SUBTYPES)
"""Suffixes of the files that can be written, in lower case."""


def storage(path: str | os.PathLike[str], bits: Bits | None = None) -> str:
    """Return how samples are stored in a file, as libsndfile names it.

    Args:
        path: Path of the file; its suffix (.wav, .flac, .ogg, .mp3) chooses the format.
        bits: Storage of a sample; None is 24 bits, or the only one of a format of lossy compression.

    Raises:
        AudioFileError: The suffix is unknown, or its format cannot have these bits.
    """
    suffix = Path(path).suffix
    subtypes = _SUBTYPES.get(suffix.lower())
    if subtypes is None:
        raise AudioFileError(f"{path}: suffix {suffix!r} is not known; expected .wav, .flac, .ogg or .mp3")
    if bits is None:
        bits = "24" if "24" in subtypes else None
    if bits not in subtypes:
        possible = ", ".join(name for name in subtypes if name) or "no choice of bits"
        raise AudioFileError(
            f"{path}: a {suffix.lower()} file cannot hold samples of {bits} bits, it has {possible}; "
            "leave the bits out, or write a .wav"
        )
    return subtypes[bits]


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that no file of this system can have, whether there is one or not.

    Args:
        path: Path of a file to read or to write.

    Raises:
        AudioFileError: The path is longer than the system takes, holds a zero byte, or leads through a folder that must
            not be looked into.
    """
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioFileError(f"{path}: is no path of a file ({reason}); choose another name or folder") from error


def check_readable(path: str | os.PathLike[str]) -> None:
    """Refuse what is no file.

    Args:
        path: Path of a file to read.

    Raises:
        AudioFileError: There is no such file, or it is a folder or a device, or the path is too long or no text.
    """
    check_path(path)
    if not Path(path).exists():
        raise AudioFileError(f"{path}: no such file; check the path")
    if Path(path).is_dir():
        raise AudioFileError(f"{path}: is a folder, expected an audio file; name a file in it")
    if not Path(path).is_file():
        raise AudioFileError(f"{path}: is not a regular file; copy the audio to one")


def check_writable(path: str | os.PathLike[str], bits: Bits | None = None) -> None:
    """Raise now, before work that takes long, where `write_audio` would refuse a path later.

    Args:
        path: Path of the file to write.
        bits: Storage of a sample, see `storage`.

    Raises:
        AudioFileError: The suffix is unknown or its format cannot have these bits, the path is a folder, or the folder
            that it names is missing or cannot be written to.

    Example:
        >>> from latentstem.audio import check_writable
        >>> check_writable("bass.wav")
    """
    path = Path(path)
    storage(path, bits)
    check_path(path)
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise AudioFileError(f"{path}: folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise AudioFileError(f"{path}: folder {path.parent} cannot be written to; choose another")
