"""A bass line with the notes and files that the page shows: a piano roll over the mix's spectrogram, sound and MIDI."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.line import PitchLine
from latentstem.data.render.line_synth import LineSynthesizer
from latentstem.data.score import Note
from latentstem.pipelines.bassnet_files import LineOfFile, play_line, write_line_midi
from latentstem.pipelines.output_files import add_to_mix, write_temporary_audio
from latentstem.ui.kept_mix import KeptMix
from latentstem.ui.player import audio_html, download_html, file_url, transport_html

_VIEWS = {"both": "Mix + line", "stem": "Line", "mix": "Mix"}
_LOWEST = 21  # MIDI pitch of the spectrogram's first bin
_BINS = 3  # a semitone
_LEAST_TOP = 72  # pitch up to which a roll reaches at least


@dataclass(frozen=True)
class LineFiles:
    """Files of a line, those with sound at the mix's rate and as long as it.

    Attributes:
        mix: WAV of the mix.
        stem: WAV of the line alone, played by a plain synthesizer.
        both: WAV of the mix with the line in it.
        midi: MIDI file of the notes.

    Example:
        >>> LineFiles(*map(Path, ("mix.wav", "bassline.wav", "both.wav", "bassline.mid"))).midi.name
        'bassline.mid'
    """

    mix: Path
    stem: Path
    both: Path
    midi: Path


@dataclass(frozen=True)
class LineResult:
    """A line as the page shows it.

    Attributes:
        notes: Notes in order.
        mix: Mix that the line accompanies.
        files: Files that are heard: until those of the line are written, those of the line before; None if there was
            none.
        finished: Whether the files are those of the line.

    Example:
        >>> LineResult((Note(0.0, 1.0, 33, 90),), mix, None).notes[0].pitch  # doctest: +SKIP
        33
    """

    notes: Sequence[Note]
    mix: KeptMix
    files: LineFiles | None
    finished: bool = False


class _CheckingSynthesizer(LineSynthesizer):
    """A synthesizer that asks before each piece whether it is still wanted."""

    def __init__(self, check: Callable[[], None]):
        super().__init__(SAMPLING_RATE)
        self.check = check

    def __call__(self, line: PitchLine):
        self.check()
        return super().__call__(line)


def write_line(mix: KeptMix, line: PitchLine, folder: Path, check: Callable[[], None]) -> LineFiles:
    """Play a line, and write its sound and notes.

    Args:
        mix: Mix that the line accompanies; the first line writes it beside its spectrogram for the others.
        line: The line.
        folder: Existing folder of the files.
        check: Called between pieces; an error that it raises ends the work.

    Returns:
        The files.

    Raises:
        latentstem.audio.AudioFileError: A file cannot be written.
    """
    files = LineFiles(
        mix.picture.with_name("mix.wav"),
        folder / "bassline.wav",
        folder / "bassline-with-mix.wav",
        folder / "bassline.mid",
    )
    write_line_midi(line, files.midi)
    made = LineOfFile(line, mix.measured)
    with (
        play_line(made, folder, _CheckingSynthesizer(check)) as played,
        add_to_mix(mix.measured, played, folder) as tracks,
    ):
        for name, audio in tracks.items():
            check()
            file = getattr(files, name)
            if name != "mix" or not file.exists():
                write_temporary_audio(audio, file, mix.measured.reader.sampling_rate)
    return files


def line_html(result: LineResult) -> str:
    """Return the piano roll of a line with its transport; `player.js` adds the behaviour.

    Args:
        result: The line.

    Returns:
        HTML.

    Example:
        >>> html = line_html(LineResult((Note(0.5, 1.0, 33, 90),), mix, None))  # doctest: +SKIP
        >>> '<rect x="0.5" y="-33.5" width="0.5" height="1"' in html  # doctest: +SKIP
        True
    """
    reader, files = result.mix.measured.reader, result.files
    seconds = result.mix.measured.samples / reader.sampling_rate
    sounds = [] if files is None else [("both", files.both), ("stem", files.stem), ("mix", files.mix)]
    downloads = ""
    if files is not None and result.finished:
        labels = {"line, WAV": files.stem, "with mix, WAV": files.both, "MIDI": files.midi}
        downloads = "".join(download_html(file, label) for label, file in labels.items())
    command = shlex.join(["latentstem", "accompany", reader.path.name, "--init", "bassline.wav", "--strength", "0.8"])
    return f"""
<section class="takes" aria-label="Bass line">
  {transport_html(_VIEWS, seconds)}
  <article class="take" data-take="0" aria-label="Line">
    <header><span>{_count(result.notes)}</span><span class="downloads">{downloads}</span></header>
    <div class="picture roll" tabindex="0" role="slider" aria-label="Position in the line" aria-valuemin="0"
      aria-valuemax="{seconds:.1f}" aria-valuenow="0">
      {piano_roll(result.notes, result.mix)}<i class="playhead"></i>
    </div>
    {"".join(audio_html(view, file) for view, file in sounds)}
  </article>
  <p class="hint">A plain synthesizer plays the line. For a bass that plays about these notes, give the line a sound
    below, or download it and run <code>{escape(command)}</code></p>
</section>"""


def piano_roll(notes: Sequence[Note], mix: KeptMix) -> str:
    """Return the notes of a line as an SVG over the mix's spectrogram, time to the right and pitch upwards.

    Args:
        notes: The notes.
        mix: Mix that they accompany.

    Returns:
        HTML: an SVG in seconds and MIDI pitches below zero, and names of octaves.

    Example:
        >>> piano_roll([Note(0.0, 1.0, 33, 90)], mix).count("<rect")  # doctest: +SKIP
        1
    """
    bottom = _LOWEST - 0.5 / _BINS
    top = max([_LEAST_TOP, *(note.pitch + 3 for note in notes)])
    seconds, height = f"{mix.seconds:g}", mix.bins / _BINS
    rects = "".join(
        f'<rect x="{note.start:g}" y="{-note.pitch - 0.5:g}" width="{note.end - note.start:g}" height="1" '
        f'fill-opacity="{0.4 + 0.6 * note.velocity / 127:.2f}"/>'
        for note in notes
    )
    octaves = "".join(
        f'<span class="octave" aria-hidden="true" style="top: {100 * (top - pitch) / (top - bottom):.1f}%">'
        f"C{pitch // 12 - 1}</span>"
        for pitch in range(24, int(top), 12)
    )
    return (
        f'<svg viewBox="0 {-top} {seconds} {top - bottom:.4f}" preserveAspectRatio="none" role="img" '
        f'aria-label="Piano roll: {_count(notes)}"><image href="{file_url(mix.picture)}" x="0" '
        f'y="{-bottom - height:.4f}" width="{seconds}" height="{height:g}" preserveAspectRatio="none"/>{rects}</svg>'
        f"{octaves}"
    )


def _count(notes: Sequence[Note]) -> str:
    return f"{len(notes)} note{'' if len(notes) == 1 else 's'}"
