"""Controls as visitors give them, and what the page says about them below their boxes."""

from latentstem.conditioning.controls import Controls
from latentstem.ui.chord_strip import strip_html
from latentstem.ui.status import error_html, explain


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
