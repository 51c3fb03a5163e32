"""Plot a song: sections, keys, chords, the notes of all parts, and spectrograms, over one time axis."""

import numpy as np
import pretty_midi
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.compose.harmony import names_in
from latentstem.data.score import Part, Song
from latentstem.plotting.spectrogram import log_frequency_spectrogram

_LEFT, _RIGHT = 0.95, 0.35  # inches beside the time axis
_TARGET = "#c1121f"
_PARTS = {"bass": "#7f5539", "chords1": "#3a6ea5", "chords2": "#4f9d69", "chords3": "#8d6cab", "lead": "#e09f3e"}
_PARTS |= {"voice": "#c2569b"}
_OTHER, _INK, _DRUMS, _PLAIN = "#6c757d", "#22252a", "#5c636a", "#ececec"
_SECTIONS = {
    "intro": "#dfe7ef",
    "verse": "#cfe3d4",
    "chorus": "#f6d9b8",
    "bridge": "#dcd3ea",
    "break": "#ececec",
    "outro": "#d9dde2",
}
# Rows of the drum panel from the bottom up, with their General MIDI keys.
_KIT = {
    "kick": {35, 36},
    "snare": {37, 38, 39, 40},
    "toms": {41, 43, 45, 47, 48, 50},
    "hi-hat": {42, 44, 46},
    "cymbals": {49, 51, 52, 53, 55, 57, 59},
}


def plot_song(
    song: Song, mix: np.ndarray | None = None, stem: np.ndarray | None = None, target: str = "bass"
) -> Figure:
    """Plot a song.

    Args:
        song: Song from `compose` or `read_annotation`.
        mix: Mix of all parts but the target at 44.1 kHz, `(samples,)`, to add a spectrogram.
        stem: Stem of the target at 44.1 kHz, `(samples,)`, to add a spectrogram.
        target: Name of the part that is drawn in red and on top.

    Returns:
        The figure, to save with `savefig`: sections and keys, chords, the notes of all parts (the target in red, the
        drums below), and the spectrograms, over one time axis in seconds with the bar lines drawn through.

    Raises:
        ValueError: If the audio is not `(samples,)`.

    Example:
        >>> from latentstem.data.compose.composer import compose
        >>> figure = plot_song(compose(3, duration=8.0))
        >>> len(figure.axes)
        5
    """
    sounds = {name: audio for name, audio in (("mix", mix), (target, stem)) if audio is not None}
    for name, audio in sounds.items():
        if np.ndim(audio) != 1:
            raise ValueError(f"{name} has shape {np.shape(audio)}, expected (samples,): average its channels")
    drums = [part for part in song.parts if part.is_drum]
    # Long songs are drawn wider, so that their chords can be read.
    width = min(30.0, max(14.0, 0.13 * song.duration))
    heights = [0.32, 0.32, 0.48, 3.6, 0.95 if drums else 0.01, *(1.7 for _ in sounds)]
    total = sum(heights) + 1.5
    figure = Figure(figsize=(width, total))
    grid = figure.add_gridspec(
        len(heights),
        1,
        height_ratios=heights,
        hspace=0.09,
        left=_LEFT / width,
        right=1 - _RIGHT / width,
        top=1 - 0.82 / total,
        bottom=0.53 / total,
    )
    panels = [figure.add_subplot(grid[row]) for row in range(len(heights))]
    sections, keys, chords, roll, kit, *spectrograms = panels
    inches = (width - _LEFT - _RIGHT) / song.duration
    shades = ("#e6e8ec", "#f3f4f6")
    _draw_strip(
        sections,
        "section",
        [(part.start, part.end, part.name, _SECTIONS.get(part.name, _PLAIN)) for part in song.sections],
        inches,
    )
    named = [(key.start, key.end, f"{names_in(key.tonic, key.mode)[key.tonic]} {key.mode}") for key in song.keys]
    merged = _merge_chords(song)
    _draw_strip(keys, "key", [(*key, shades[index % 2]) for index, key in enumerate(named)], inches)
    _draw_strip(chords, "chord", [(*chord, shades[index % 2]) for index, chord in enumerate(merged)], inches)
    _draw_roll(roll, song, target)
    _draw_drums(kit, drums[0] if drums else None, target)
    for panel, (name, audio) in zip(spectrograms, sounds.items(), strict=True):
        _draw_spectrogram(panel, name, audio, song)
    visible = [panel for panel in panels if panel is not kit or drums]
    for panel in panels:
        panel.set_xlim(0, song.duration)
        if panel is not visible[-1]:
            panel.tick_params(axis="x", bottom=False, labelbottom=False)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    visible[-1].set_xlabel("time [s]")
    _draw_title(figure, song, target, width, total)
    return figure


def _draw_title(figure: Figure, song: Song, target: str, width: float, total: float) -> None:
    swing = f", swing {song.swing:.2f}" if song.swing > 0.5 else ""
    title = f"Song {song.seed}   {song.metre}, {song.tempo:g} beats a minute{swing}"
    figure.text(_LEFT / width, 1 - 0.30 / total, title, fontsize=14, fontweight="bold", color=_INK, va="center")
    keys = [Line2D([], [], color=_colour(part, target), linewidth=5, label=_label(part)) for part in song.parts]
    figure.legend(
        handles=keys,
        loc="center left",
        bbox_to_anchor=((_LEFT - 0.1) / width, 1 - 0.62 / total),
        ncols=len(keys),
        frameon=False,
        fontsize=9.5,
        handlelength=1.0,
        handletextpad=0.5,
        columnspacing=1.6,
    )


def _label(part: Part) -> str:
    if part.is_drum:
        return "drums"
    return f"{part.name}: {pretty_midi.program_to_instrument_name(part.program).lower()}"


def _colour(part: Part, target: str) -> str:
    if part.name == target:
        return _TARGET
    return _DRUMS if part.is_drum else _PARTS.get(part.name, _OTHER)


def _merge_chords(song: Song) -> list[tuple[float, float, str]]:
    """Return start, end and symbol of the chords, with equal neighbours merged."""
    merged: list[tuple[float, float, str]] = []
    for chord in song.chords:
        if merged and merged[-1][2] == chord.symbol:
            merged[-1] = (merged[-1][0], chord.end, chord.symbol)
        else:
            merged.append((chord.start, chord.end, chord.symbol))
    return merged


def _draw_strip(panel: Axes, title: str, cells: list[tuple[float, float, str, str]], inches: float) -> None:
    """Draw coloured cells (start, end, text, colour), with vertical text in narrow cells and none in tiny ones.

    `inches` is the width of a second.
    """
    for start, end, text, colour in cells:
        panel.add_patch(Rectangle((start, 0), end - start, 1, facecolor=colour, edgecolor="white", linewidth=1.0))
        room = (end - start) * inches
        # A letter is about 0.72 times as wide as its size, a point is 1/72 of an inch.
        size = next((size for size in (10.0, 8.5, 7.0) if 0.72 * size / 72 * len(text) + 0.06 < room), None)
        upright = size is None and title == "chord" and room > 0.12
        if upright:
            size = 7.0 if len(text) < 6 else 5.5
        if size and (not upright or len(text) <= 8):
            rotation = 90 if upright else 0
            middle = (start + end) / 2
            panel.text(middle, 0.47, text, ha="center", va="center", fontsize=size, rotation=rotation, color=_INK)
    panel.set_ylim(0, 1)
    panel.set_yticks([0.5], [title])
    panel.tick_params(axis="y", length=0)
    panel.spines[["left", "bottom"]].set_visible(False)


def _draw_roll(panel: Axes, song: Song, target: str) -> None:
    """Draw the notes of all pitched parts, the target on top; louder notes are more opaque."""
    pitched = [part for part in song.parts if not part.is_drum]
    pitches = [note.pitch for part in pitched for note in part.notes] or [48]
    low, high = min(pitches) - 2, max(pitches) + 2
    _draw_grid(panel, song)
    for part in pitched:
        is_target = part.name == target
        height = 1.15 if is_target else 0.8
        bars = [Rectangle((note.start, note.pitch - height / 2), note.end - note.start, height) for note in part.notes]
        faces = [
            to_rgba(_colour(part, target), 1.0 if is_target else 0.25 + 0.6 * note.velocity / 127)
            for note in part.notes
        ]
        order = 3 if is_target else 2
        panel.add_collection(PatchCollection(bars, facecolors=faces, edgecolors="white", linewidths=0.3, zorder=order))
    panel.set_ylim(low, high)
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    panel.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    panel.hlines(octaves, 0, song.duration, color="#dddddd", linewidth=0.6, zorder=0)
    panel.set_ylabel("pitch")


def _draw_grid(panel: Axes, song: Song) -> None:
    """Draw bar lines, section lines, and in short songs faint beat lines."""
    if len(song.beats) < 160:
        panel.vlines(song.beats, 0, 127, color="#eeeeee", linewidth=0.6, zorder=0)
    panel.vlines(song.bars, 0, 127, color="#bbbbbb", linewidth=0.7, zorder=0)
    panel.vlines([section.start for section in song.sections[1:]], 0, 127, color="#777777", linewidth=1.2, zorder=1)


def _draw_drums(panel: Axes, part: Part | None, target: str) -> None:
    if part is None:
        panel.set_axis_off()
        return
    rows = {key: row for row, keys in enumerate(_KIT.values()) for key in keys}
    heights = np.array([rows.get(note.pitch, len(_KIT)) for note in part.notes])
    colours = [to_rgba(_colour(part, target), 0.3 + 0.7 * note.velocity / 127) for note in part.notes]
    starts = [note.start for note in part.notes]
    panel.vlines(starts, heights - 0.38, heights + 0.38, colors=colours, linewidth=1.6)
    names = [*_KIT, "other"] if any(note.pitch not in rows for note in part.notes) else list(_KIT)
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.set_yticks(range(len(names)), names, fontsize=7.5)
    panel.tick_params(axis="y", length=0)


def _draw_spectrogram(panel: Axes, name: str, audio: np.ndarray, song: Song) -> None:
    level = log_frequency_spectrogram(torch.as_tensor(audio, dtype=torch.float32)[None], SAMPLING_RATE)
    loudest = float(level.max())
    panel.imshow(
        level,
        origin="lower",
        aspect="auto",
        extent=(0, len(audio) / SAMPLING_RATE, 0, 8),
        vmin=loudest - 65,
        vmax=loudest,
        cmap="magma",
        interpolation="nearest",
    )
    panel.vlines(song.bars, 0, 8, color="white", alpha=0.18, linewidth=0.6)
    panel.set_yticks([1, 3, 5, 7], ["C2", "C4", "C6", "C8"])
    panel.set_ylabel(name)
