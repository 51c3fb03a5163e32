"""Generate all sounds and pictures of the page Listen, in docs/pages/assets/listen, from the two example mixes.

It takes a few minutes on two cores, and needs FluidSynth and the Debian package musescore-general-soundfont-small for
the style references: true basses of songs that no net was trained on. Everything else comes from the shipped weights
with fixed seeds. Sounds are mono mp3; a spectrogram shows time from left to right and C1 to C9
upwards, 70 dB deep.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from matplotlib import colormaps
from PIL import Image
from rich.progress import track
from torch import Tensor

from latentstem import StemAccompanimentPipeline, read_audio, resample
from latentstem.audio import reference_gain
from latentstem.data.compose.composer import compose
from latentstem.data.render.fluidsynth import SAMPLING_RATE, render_parts
from latentstem.plotting.spectrogram import log_frequency_spectrogram

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pages" / "assets" / "listen"

MIXES = (1, 2)
SEEDS = (1, 2)
"""Seeds of further candidates; everything else has seed 0."""
STYLES = {"upright": 101_057, "slap": 101_021, "synth": 101_052}
"""Seed of the song whose bass is the reference, by name of the style."""
STRENGTHS = (0.25, 0.5)
"""Strengths of the style "synth"; 0 and 1 are among the other sounds."""
GUIDANCE = (1.0, 2.0, 8.0)
"""Guidance scales; 4, the default, is among the other sounds."""

DURATION, REFERENCE_DURATION = 12.0, 6.0
PIXELS = (480, 120)
COLOURS = 48
DEPTH_DB = 70.0


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    pipe = StemAccompanimentPipeline.from_pretrained("bass")
    pipe.set_progress_bar_config(disable=True)
    mixes = {number: read_mix(number, pipe.sampling_rate) for number in MIXES}
    styles = {name: reference(seed) for name, seed in STYLES.items()}
    for number, mix in mixes.items():
        save(f"mix-{number}", mix)
    for name, style in styles.items():
        save(f"style-{name}", style)
    for name, number, in_mix, options in track(list(takes(styles)), description="accompanying"):
        bass = accompany(pipe, mixes[number], **options)
        save(name, bass + mixes[number] if in_mix else bass)


def takes(styles: dict[str, Tensor]) -> Iterator[tuple[str, int, bool, dict[str, Any]]]:
    """List the sounds: name of the file, number of the mix, whether the mix is added, options of the call."""
    for number in MIXES:
        yield f"mix-{number}-bass", number, False, {}
        yield f"mix-{number}-both", number, True, {}
        for seed in SEEDS:
            yield f"mix-{number}-seed-{seed}", number, True, {"seed": seed}
        for name, style in styles.items():
            yield f"mix-{number}-{name}", number, False, {"style": style}
        for scale in GUIDANCE:
            yield f"mix-{number}-w-{scale:g}", number, True, {"guidance_scale": scale}
        for strength in STRENGTHS:
            options = {"style": styles["synth"], "style_strength": strength}
            yield f"mix-{number}-synth-{strength:g}", number, False, options


def read_mix(number: int, sampling_rate: int) -> Tensor:
    """Read an example mix, `(1, samples)`."""
    return resample(*read_audio(ROOT / "examples" / "audio" / f"mix-{number}.flac"), sampling_rate)


def reference(seed: int) -> Tensor:
    """Render the bass of a song, `(1, samples)`, at the reference loudness."""
    song = compose(seed, DURATION, genre="")
    (audio,) = render_parts([song.part("bass")], "musescore", DURATION)
    audio = torch.from_numpy(audio[: round(REFERENCE_DURATION * SAMPLING_RATE)])[None]
    return audio * reference_gain(audio[None])


def accompany(pipe: StemAccompanimentPipeline, mix: Tensor, seed: int = 0, **options: Any) -> Tensor:
    """Generate a bass for a mix, `(1, samples)`."""
    generator = torch.Generator().manual_seed(seed)
    result: Any = pipe(mix, sampling_rate=pipe.sampling_rate, generator=generator, **options)
    return result.audios[0]


def save(name: str, audio: Tensor) -> None:
    """Write a sound `(1, samples)` and its picture, scaled down if it exceeds full scale."""
    audio = audio / max(1.0, float(audio.abs().max()) / 0.98)
    sound, partial = FOLDER / f"{name}.mp3", FOLDER / f".{name}.part.mp3"
    soundfile.write(
        partial, audio[0].numpy(), SAMPLING_RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.7
    )
    partial.replace(sound)
    levels = log_frequency_spectrogram(audio, SAMPLING_RATE)
    shades = np.clip(1 + (levels - levels.max()) / DEPTH_DB, 0, 1)
    picture = Image.fromarray((255 * colormaps["magma"](shades[::-1])[..., :3]).astype(np.uint8))
    picture = picture.resize(PIXELS, Image.Resampling.BILINEAR).quantize(COLOURS)
    partial = FOLDER / f".{name}.part.png"
    picture.save(partial, optimize=True)
    partial.replace(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
