"""Settings of a job as a client sends them, and the request that they stand for."""

import math
import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from latentstem.audio.formats import SUFFIXES
from latentstem.audio.io import AudioReader
from latentstem.conditioning.controls import Controls
from latentstem.pipelines.init_stem import Ranges, default_strength
from latentstem.pipelines.quality import DEFAULT_QUALITY, Quality
from latentstem.ui.requests import GenerationRequest

MOST_STEMS = 8
"""Greatest number of stems of one job."""

_LONGEST_NAME = 60
_RANGE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)?\s*")
_Share = Annotated[float, Field(ge=0, le=1)]


class JobSettings(BaseModel):
    """Settings of a job, with the names and the meaning of the options of `latentstem accompany`.

    Attributes:
        quality: Trade-off of time and quality: fast, standard or best.
        count: Number of stems.
        seed: Seed of the first stem; further stems count up from it.
        style_strength: How far the sound moves to that of the style, from 0 to 1.
        blend: Share of the second style, from 0 to 1.
        guidance_scale: How strongly the stem follows the mix; without it that of the weights.
        strength: How far to go from `init`, above 0 and up to 1; without it 0.6, or 1 where parts stay.
        keep: Parts of `init` that stay, in seconds, such as "0:8,16:"; the rest is made anew.
        loop: Whether the mix is one turn of a loop.
        bpm: Beats a minute.
        downbeat: Second at which a bar begins.
        chords: Chord chart, such as "| C | Am7 F |".
        density: Notes a second.
        register: Mean MIDI pitch.
        target: Name of the stem, one of those that the weights know; without it that of the weights.

    Example:
        >>> JobSettings(seed=5, chords="| C | Am |", bpm=96).read({"mix": Path("mix.wav")}).seed
        5
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_by_name=True, validate_by_alias=True)

    quality: Quality = DEFAULT_QUALITY
    count: Annotated[int, Field(ge=1, le=MOST_STEMS)] = 1
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0
    style_strength: _Share = 1.0
    blend: _Share = 0.5
    guidance_scale: Annotated[float, Field(ge=0, le=1000)] | None = None
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    keep: str | None = None
    loop: bool = False
    bpm: float | None = None
    downbeat: float = 0.0
    chords: Annotated[str, Field(max_length=20_000)] | None = None
    density: float | None = None
    register_: Annotated[float | None, Field(alias="register")] = None
    target: str | None = None

    def read(self, files: dict[str, Path]) -> GenerationRequest:
        """Return the request.

        Args:
            files: Files by their roles: "mix", and perhaps "style", "second_style" and "init".

        Raises:
            ValueError: A value cannot be read or is out of range, or values do not go together.
        """
        kept = None if self.keep is None else read_ranges(self.keep)
        if "init" not in files and (kept is not None or self.strength is not None):
            raise ValueError("strength and keep are about a stem to start from; send it as init")
        return GenerationRequest(
            files["mix"],
            files.get("style"),
            self.quality,
            self.count,
            self.seed,
            self.style_strength,
            self.guidance_scale,
            Controls(self.bpm, self.downbeat, chords=self.chords, density=self.density, register=self.register_),
            files.get("init"),
            default_strength(kept) if self.strength is None else self.strength,
            kept,
            self.loop,
            files.get("second_style"),
            self.blend,
            target=self.target,
        )


def read_ranges(text: str) -> Ranges:
    """Return the ranges of a text such as "0:8,16:".

    Args:
        text: Ranges in seconds, separated by commas; the last may be open.

    Raises:
        ValueError: The text is none.

    Example:
        >>> read_ranges("0:8,16:")
        [(0.0, 8.0), (16.0, None)]
    """
    ranges = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None or (match[2] is not None and not float(match[1]) < float(match[2]) < math.inf):
            raise ValueError(f"got {part!r:.40} in keep; expected seconds such as 0:8,16:")
        ranges.append((float(match[1]), None if match[2] is None else float(match[2])))
    return ranges


def file_name(name: str | None, role: str) -> str:
    """Return a safe name for an uploaded file, which the names of the stems begin with.

    Args:
        name: Name that the client gives; may be anything.
        role: What it is used for without one.

    Raises:
        ValueError: It has not the suffix of an audio file.

    Example:
        >>> file_name("../my <song>.wav", "mix")
        'my _song_.wav'
    """
    base = Path(name or "").name
    stem, suffix = Path(base).stem, Path(base).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{role}: got a file with the name {base!r:.60}; expected one that ends in {', '.join(SUFFIXES)}"
        )
    stem = re.sub(r"[^\w .+-]", "_", stem)[:_LONGEST_NAME].strip(" .") or role
    return f"{stem}{suffix}"


def check_files(files: dict[str, Path], max_duration: float) -> None:
    """Refuse files whose headers show that they cannot be used, before the job waits for its turn.

    Args:
        files: Files by their roles.
        max_duration: Longest file that is read, in seconds.

    Raises:
        latentstem.AudioError: A file cannot be used, see `AudioReader`.
    """
    for path in files.values():
        AudioReader(path, max_duration)
