"""What a visitor asks for with one press of a button."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentstem.conditioning.controls import Controls
from latentstem.pipelines.init_stem import Ranges
from latentstem.pipelines.quality import DEFAULT_QUALITY, Quality


@dataclass(frozen=True)
class GenerationRequest:
    """Settings of one press of Generate.

    Attributes:
        mix: File of the mix to accompany.
        style: Recording whose sound the stems take on; None leaves the sound to the net.
        quality: Trade-off of time and quality.
        count: Number of stems.
        seed: Seed of the first stem; further stems count up from it.
        second_style: Recording whose sound is blended with that of `style`; None blends none.
        blend: Share of the second style, from 0 to 1.
        style_strength: How far the sound moves to that of the style, from 0 to 1.
        guidance_scale: How strongly the stem follows the mix; None takes that of the weights.
        controls: Musical controls of the stems; what is left out is left to the net.
        sketch: Stem that sampling starts from, as long as the mix; None starts from noise.
        strength: How far the stems go from the sketch, above 0 and up to 1.
        keep: Ranges (start, end) of the sketch in seconds that stay as they are; None keeps nothing.
        loop: Whether the mix is one turn of a loop; the end of a stem then leads into its beginning.
        part: Seconds (start, end) of a song that the stems are for, with None for its end; `controls` are those of the
            whole song. None is all of it.
        adapter: Name of the adapter of the denoiser; None takes none.
        target: Name of the stem to generate; None is that of the weights.

    Example:
        >>> GenerationRequest(Path("mix.wav"), count=3, seed=5).seeds
        range(5, 8)
    """

    mix: Path
    style: Path | None = None
    quality: Quality = DEFAULT_QUALITY
    count: int = 1
    seed: int = 0
    style_strength: float = 1.0
    guidance_scale: float | None = None
    controls: Controls = field(default_factory=Controls)
    sketch: Path | None = None
    strength: float = 0.8
    keep: Ranges | None = None
    loop: bool = False
    second_style: Path | None = None
    blend: float = 0.5
    part: tuple[float, float | None] | None = None
    adapter: str | None = None
    target: str | None = None

    @property
    def seeds(self) -> range:
        """Seed of each stem."""
        return range(self.seed, self.seed + self.count)

    @property
    def styles(self) -> list[Path]:
        """Recordings of the style; a second one counts alone too."""
        return [path for path in (self.style, self.second_style) if path is not None]

    @property
    def style_weights(self) -> list[float] | None:
        """Share of each recording of the style; None without a blend."""
        return [1 - self.blend, self.blend] if len(self.styles) > 1 else None

    @property
    def controls_of_part(self) -> Controls:
        """Musical controls, in the seconds of the part."""
        return self.controls if self.part is None else self.controls.from_second(self.part[0])

    def describe(self) -> dict[str, Any]:
        """Return the settings for people and scripts, with the names of the files alone.

        Example:
            >>> GenerationRequest(Path("/tmp/mix.wav"), seed=5).describe()["mix"]
            'mix.wav'
        """
        return {
            "mix": self.mix.name,
            "style": None if self.style is None else self.style.name,
            "second_style": None if self.second_style is None else self.second_style.name,
            "blend": self.blend if len(self.styles) > 1 else None,
            "style_strength": self.style_strength,
            "quality": self.quality.value,
            "seed": self.seed,
            "guidance_scale": self.guidance_scale,
            "controls": {name: value for name, value in vars(self.controls).items() if value is not None},
            "sketch": None if self.sketch is None else self.sketch.name,
            "strength": None if self.sketch is None else self.strength,
            "keep": self.keep,
            "loop": self.loop,
            "part": self.part,
            "adapter": self.adapter,
            "target": self.target,
        }
