"""Controls as visitors give them, what the page says about them below their boxes, and guesses of them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from latentstem.audio.io import read_audio
from latentstem.conditioning.controls import Controls
from latentstem.ui.chord_strip import strip_html
from latentstem.ui.status import NO_MIX, error_html, explain


def read_controls(
    sets_tempo: bool = False,
    bpm: float | None = None,
    downbeat: float | None = None,
    chords: str | None = None,
    sets_density: bool = False,
    density: float = 0.0,
    sets_register: bool = False,
    register: float = 0.0,
) -> Controls:
    """Return the controls that a visitor gives; the others are left to the net.

    Args:
        sets_tempo: Whether `bpm` and `downbeat` count.
        bpm: Beats a minute; None for an empty box.
        downbeat: Second of the mix at which a bar begins; None for an empty box, which is 0.
        chords: Chord chart as text; never the name of a file, as it may be on the command line.
        sets_density: Whether `density` counts.
        density: Notes a second.
        sets_register: Whether `register` counts.
        register: Mean MIDI pitch.

    Raises:
        ValueError: A value cannot be read or is out of range; the message is that of the command line.

    Example:
        >>> read_controls(sets_tempo=True, bpm=96.0, chords=" ", density=3.0).names
        ['beat']
    """
    return Controls(
        bpm=bpm if sets_tempo else None,
        downbeat=(downbeat if sets_tempo else None) or 0.0,
        chords=chords if chords and chords.strip() else None,
        density=density if sets_density else None,
        register=register if sets_register else None,
    )


def tempo_and_chords_html(
    seconds: float | None,
    sets_tempo: bool = False,
    bpm: float | None = None,
    downbeat: float | None = None,
    chords: str | None = None,
) -> tuple[str, str]:
    """Return what is shown below the boxes of the tempo and of the chords.

    Args:
        seconds: Length of the mix in seconds; None without a mix.
        sets_tempo: Whether `bpm` and `downbeat` count.
        bpm: Beats a minute; None for an empty box.
        downbeat: Second of the mix at which a bar begins; None for an empty box.
        chords: Chord chart as text.

    Returns:
        HTML for each: an error or nothing; and an error, or chords and beats over the time of the mix, or nothing.

    Example:
        >>> tempo_and_chords_html(None, sets_tempo=True, bpm=2.0)[0]
        '<p class="message error" role="alert">got a tempo of 2 beats a minute; expected 4 to 1000</p>'
    """
    try:
        controls = read_controls(sets_tempo, bpm, downbeat)
    except ValueError as error:
        return error_html(explain(error, [])), ""
    wrong = ""
    try:
        controls = read_controls(sets_tempo, bpm, downbeat, chords)
    except ValueError as error:  # the beats are still shown
        wrong = error_html(explain(error, []))
    return "", wrong + (strip_html(controls, seconds) if seconds else "")


def can_listen() -> bool:
    """Return whether what estimates the controls of a mix is installed: the extra `evaluation`."""
    return all(find_spec(name) for name in ("librosa", "mir_eval", "scipy", "sklearn"))


def hear_mix(mix: str | None, max_duration: float) -> tuple[dict[str, Any], str]:
    """Estimate tempo and chords of a mix.

    Args:
        mix: File of the mix; None if there is none.
        max_duration: Longest file that is read, in seconds.

    Returns:
        Values by the arguments of `read_controls`, and what to say about them.

    Raises:
        ValueError: There is no mix, or its file cannot be used.
    """
    if mix is None:
        raise ValueError(NO_MIX)
    from latentstem.evaluation.mix_analysis import analyse_mix

    audio, rate = read_audio(Path(mix), max_duration)
    analysis = analyse_mix(audio.mean(0).numpy(), rate)
    values: dict[str, Any] = {"chords": analysis.chart}
    tempo = "No beats were heard"
    if analysis.bpm is not None:
        values |= {"sets_tempo": True, "bpm": round(analysis.bpm, 2), "downbeat": round(analysis.downbeat, 2)}
        tempo = f"{analysis.bpm:.1f} beats a minute"
    return (
        values,
        f"{tempo}, {analysis.key or 'no key'}. These are guesses: correct what is wrong, and empty what is not wanted.",
    )
