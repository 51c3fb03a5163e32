"""Render parts to audio by the FluidSynth command line from a General MIDI soundfont, with MIDI by pretty_midi.

All parts of a song are rendered in one run, one after the other on channels of their own, because opening a soundfont
costs more than rendering 30 seconds from it; the run is then cut into stems.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pretty_midi

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.score import Part

GAP = 3.0
"""Seconds between two parts in a run, in which releases and reverberation die away."""

SOUNDFONTS = {
    "fluidr3": ("fluidr3mono-gm-soundfont", "/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"),
    "musescore": ("musescore-general-soundfont-small", "/usr/share/sounds/sf3/MuseScore_General*.sf3"),
    "timgm6mb": ("timgm6mb-soundfont", "/usr/share/sounds/sf2/TimGM6mb.sf2"),
}
"""Name to (Debian package, installed path) of each soundfont. TimGM6mb is for tests only: no net is trained on it."""


class SynthesisError(RuntimeError):
    """FluidSynth could not render."""


class SynthesizerNotFoundError(SynthesisError):
    """The FluidSynth program is not installed."""


class SoundfontNotFoundError(SynthesisError):
    """A soundfont is not installed."""


def soundfont_path(name: str) -> Path:
    """Find an installed soundfont.

    Args:
        name: Name of the soundfont: "fluidr3", "musescore" or "timgm6mb".

    Raises:
        SoundfontNotFoundError: If the soundfont is not installed; the error names the Debian package.
        ValueError: If `name` is no key of `SOUNDFONTS`.
    """
    if name not in SOUNDFONTS:
        raise ValueError(f"unknown soundfont {name!r}, expected one of {', '.join(SOUNDFONTS)}")
    package, pattern = SOUNDFONTS[name]
    found = sorted(path for path in Path(pattern).parent.glob(Path(pattern).name) if path.is_file())
    if not found:
        raise SoundfontNotFoundError(f"soundfont {name!r} not found at {pattern}: install Debian package {package}")
    return found[0]


def synthesizer_path() -> str:
    """Find the FluidSynth program.

    Raises:
        SynthesizerNotFoundError: If the program is not on the path.
    """
    found = shutil.which("fluidsynth")
    if found is None:
        raise SynthesizerNotFoundError("program 'fluidsynth' not found: install Debian package fluidsynth")
    return found


def render_parts(
    parts: Sequence[Part],
    soundfont: str,
    duration: float,
    reverb: bool = False,
    chorus: bool = False,
    scratch: Path | None = None,
    banks: Sequence[int] = (),
) -> list[np.ndarray]:
    """Render each part to mono audio of its own.

    Args:
        parts: Parts to render: at most 15 melodic ones, and any number of drum parts.
        soundfont: Name of the soundfont, a key of `SOUNDFONTS`.
        duration: Seconds of audio a part; sound beyond is cut.
        reverb: Whether to apply FluidSynth's reverberation.
        chorus: Whether to apply FluidSynth's chorus.
        scratch: Folder for temporary files; the system's by default.
        banks: MIDI bank of each part's program; by default that of General MIDI for all.

    Returns:
        One float32 array of `round(duration * 44100)` samples a part, at FluidSynth's own level, bit-equal
        from run to run.

    Raises:
        SynthesisError: If FluidSynth or the soundfont is missing, or FluidSynth fails.
        ValueError: If there are more melodic parts than MIDI has channels.
    """
    if sum(not part.is_drum for part in parts) > 15:
        raise ValueError(f"{len(parts)} parts given, expected at most 15 that are no drums")
    drums = [index for index, part in enumerate(parts) if part.is_drum]
    if len(drums) > 1:
        # MIDI has one channel of drums with one kit: the last drum part is rendered in a run of its own.
        last = drums[-1]
        rest = [*parts[:last], *parts[last + 1 :]], soundfont, duration, reverb, chorus, scratch
        others = render_parts(*rest, [*banks[:last], *banks[last + 1 :]])
        (sound,) = render_parts(parts[last : last + 1], soundfont, duration, reverb, chorus, scratch)
        return [*others[:last], sound, *others[last:]]
    program, font = synthesizer_path(), soundfont_path(soundfont)
    slot = duration + GAP
    with tempfile.TemporaryDirectory(prefix="latentstem-", dir=scratch) as folder:
        score, sound, setup = Path(folder, "song.mid"), Path(folder, "song.raw"), Path(folder, "setup")
        _score(parts, slot).write(str(score))
        # Loading by a setup file with a 0 ("do not reset the channels"), and no reset by the player, spares the
        # default grand piano on 16 channels: 1 second of 2 with MuseScore_General. The sound is bit-equal.
        # The channels that pretty_midi gives the parts: in order, but for the tenth, which has the drums. A change of
        # program, which follows at the first sample, keeps the bank.
        channels = iter(channel for channel in range(16) if channel != 9)
        melodic = [(next(channels), part, bank) for part, bank in zip(parts, banks, strict=False) if not part.is_drum]
        chosen = [f"select {channel} 1 {bank} {part.program}\n" for channel, part, bank in melodic if bank]
        setup.write_text(f'load "{font}" 0\n' + "".join(chosen))
        command = [program, "-n", "-i", "-q", "-r", str(SAMPLING_RATE), "-g", "0.4"]
        command += ["-R", "1" if reverb else "0", "-C", "1" if chorus else "0"]
        command += ["-o", "synth.dynamic-sample-loading=1", "-o", "synth.lock-memory=0", "-o", "synth.cpu-cores=1"]
        command += ["-o", "synth.default-soundfont=", "-o", "player.reset-synth=0", "-f", str(setup)]
        command += ["-T", "raw", "-O", "float", "-E", "little", "-F", str(sound), str(score)]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if run.returncode != 0 or not sound.is_file():
            reason = (run.stderr or run.stdout).strip().splitlines()[-1:] or ["no message"]
            raise SynthesisError(f"fluidsynth failed with exit code {run.returncode}: {reason[0]}")
        stereo = np.fromfile(sound, dtype="<f4").reshape(-1, 2)
    # FluidSynth renders silence, with exit code 0, when it cannot read the soundfont.
    if any(part.notes for part in parts) and not stereo.any():
        raise SynthesisError(f"fluidsynth rendered silence: reinstall Debian package {SOUNDFONTS[soundfont][0]}")
    mono = np.float32(0.5) * (stereo[:, 0] + stereo[:, 1])  # eight times as fast as `mean`
    length = round(duration * SAMPLING_RATE)
    starts = [round(index * slot * SAMPLING_RATE) for index in range(len(parts))]
    if len(mono) < starts[-1] + length:
        mono = np.pad(mono, (0, starts[-1] + length - len(mono)))
    return [mono[start : start + length].copy() for start in starts]


def _score(parts: Sequence[Part], slot: float) -> pretty_midi.PrettyMIDI:
    """Write the parts one after the other, `slot` seconds apart, each on its own channel."""
    score = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120.0)
    for index, part in enumerate(parts):
        instrument = pretty_midi.Instrument(part.program, is_drum=part.is_drum, name=part.name)
        instrument.notes = [
            pretty_midi.Note(note.velocity, note.pitch, note.start + index * slot, note.end + index * slot)
            for note in part.notes
        ]
        # A last event at the end of the slot keeps the run going until the part's last note has decayed.
        instrument.control_changes = [pretty_midi.ControlChange(11, 127, (index + 1) * slot)]
        score.instruments.append(instrument)
    return score
