"""Presets of a soundfont, read from its list of presets, and variations of a General MIDI program among them.

SoundFont 2.04 specification, section 7.2: the chunk `phdr` holds records of 38 bytes, name, program and bank first.
"""

import struct
from dataclasses import dataclass
from functools import cache

from latentstem.data.render.fluidsynth import SynthesisError, soundfont_path

DRUM_BANK = 128
"""Bank of the drum kits."""
_RECORD = 38
# Presets whose loudness follows a breath controller, which no part of a song moves: MuseScore's "expressive" ones.
_EXPRESSIVE = " Expr."


@dataclass(frozen=True)
class Preset:
    """A sound of a soundfont.

    Attributes:
        bank: MIDI bank; 0 has General MIDI, 128 the drum kits.
        program: Program of the bank, 0 to 127.
        name: Name that the soundfont gives it.

    Example:
        >>> Preset(0, 33, "Fingered Bass").program
        33
    """

    bank: int
    program: int
    name: str


@cache
def read_presets(soundfont: str) -> tuple[Preset, ...]:
    """Read the presets of an installed soundfont.

    Args:
        soundfont: Name of the soundfont, a key of `latentstem.data.render.fluidsynth.SOUNDFONTS`.

    Returns:
        The presets in order of bank and program.

    Raises:
        SynthesisError: If the soundfont is not installed, or its file lists no presets.
    """
    path = soundfont_path(soundfont)
    data = path.read_bytes()
    # The last chunks of the file are those of the presets. Some files leave out the padding of chunks of odd length,
    # so they cannot be walked from the front.
    place = data.rfind(b"phdr")
    size = struct.unpack("<I", data[place + 4 : place + 8])[0] if place >= 0 else 0
    records = data[place + 8 : place + 8 + size]
    if size < _RECORD or len(records) < size or size % _RECORD:
        raise SynthesisError(f"{path} lists no presets: reinstall its Debian package")
    presets = []
    for first in range(0, size - _RECORD, _RECORD):  # the last record only ends the list
        name, program, bank = struct.unpack_from("<20sHH", records, first)
        presets.append(Preset(bank, program, name.split(b"\0")[0].decode("latin-1").strip()))
    return tuple(sorted(presets, key=lambda preset: (preset.bank, preset.program)))


def variations(soundfont: str, program: int, is_drum: bool = False) -> tuple[Preset, ...]:
    """Return the presets of a soundfont that can stand for a General MIDI program.

    Args:
        soundfont: Name of the soundfont.
        program: General MIDI program, or, for drums, the kit.
        is_drum: Whether the program is a drum kit.

    Returns:
        The preset of the program and those of other banks with its number; for drums, all kits whose number differs
        from the kit's by less than eight, in which the variants of a kit are kept. Never empty: if the soundfont has
        none of them, its first preset, or its first kit.
    """
    presets = read_presets(soundfont)
    if is_drum:
        kits = [preset for preset in presets if preset.bank == DRUM_BANK]
        return tuple(kit for kit in kits if kit.program // 8 == program // 8) or tuple(kits[:1])
    melodic = [preset for preset in presets if preset.bank != DRUM_BANK and not preset.name.endswith(_EXPRESSIVE)]
    return tuple(preset for preset in melodic if preset.program == program) or tuple(melodic[:1])
