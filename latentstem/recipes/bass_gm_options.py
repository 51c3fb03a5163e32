"""Options of the recipe `latentstem.recipes.bass_gm`, and the paths that follow from them."""

import json
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

TRAININGS: tuple[str, ...] = ("autoencoder", "decoder", "style_encoder", "unet", "reranker")
"""Names of the trainings in order, each that of a folder in the output folder."""
PUBLISHED = {
    "autoencoder": "autoencoder",
    "decoder": "autoencoder",
    "style_encoder": "style_encoder",
    "unet": "pipeline",
    "reranker": "reranker",
}
"""Folder of the trained weights in the folder of each training."""
CONTROLS = ("beat", "chords", "density", "register", "level")
"""Controls of a stem with pitches."""
AUTOENCODER: dict[str, Any] = {"noise_bands": 96, "quiet_magnitudes": True, "levels_per_octave": 12}
"""Keyword arguments of `AutoencoderSpectral` with which it knows the quiet overtones that tell instruments apart."""
UNET: dict[str, Any] = {"dropout": 0.1, "block_out_channels": [160, 256, 320]}
"""Keyword arguments of `StemUNet1DModel`."""
SEED = 0
SHORT: dict[str, Any] = {
    "songs": 8,
    "duration": 4.0,
    "validation_songs": 3,
    "styles": 6,
    "steps": (40, 24, 30, 80, 40),
    "minutes": None,
    "mixed_precision": "no",
    "validations": 1,
    "batch_size": 2,
    "crop_frames": 16,
    "batch_frames": 256,
    "workers": 0,
    "render_workers": 1,
    "submixes": 2,
    "mix_noise": 0.3,
    "adversarial_after": 1.0,
    "autoencoder": {"channels": 32, "latent_hidden_channels": 32, "latent_channels": 16, "carriers": 128},
    "unet": {"block_out_channels": [32, 64, 64], "attention_head_dim": 32},
    "reranker": {"channels": 64},
    "reranker_frames": 24,
}
"""Narrow nets, few songs, few steps: the whole recipe in a minute of one core, in float32 on every processor."""


@dataclass(frozen=True)
class Recipe:
    """Render the corpus, train the nets, publish the weights.

    Args:
        output: Folder for the corpus, the training states and, in `bass-gm/` if the target is the bass, the weights.
        target: Part of the songs to generate: "bass", "drums", "lead", "voice" or "chords1".
        songs: Number of songs to train on.
        duration: Length of a song in seconds.
        validation_songs: Number of songs to validate on, of seeds that are never trained on.
        styles: Number of timbre pairs to train the style encoder on, whose instruments play in none of the songs: the
            denoiser is then trained on codes like those of a recording that a user brings.
        steps: Optimiser steps of the five trainings: autoencoder, decoder alone, style encoder, denoiser, reranker.
        minutes: Minutes of the five trainings in place of steps; the result then depends on the speed of the machine.
        batch_size: Crops per step of the autoencoder and the decoder.
        crop_frames: Latent frames per crop of the autoencoder and the decoder.
        adversarial_after: Fraction of the decoder's training after which the adversarial term joins; 1 leaves it out.
        batch_frames: Latent frames per step of the denoiser.
        reranker_frames: Latent frames per crop of the reranker.
        workers: Number of processes that read audio for the trainings.
        render_workers: Number of processes that render songs; without it one per core.
        submixes: Number of random sub-mixes of each song for the denoiser and the reranker.
        mix_noise: Greatest standard deviation of the noise on the mix latents of the denoiser; a few songs need more
            than a thousand songs, or the denoiser recognizes each by its mix.
        mixed_precision: Precision of the nets, "no", "bf16", or "auto" for bf16 where the machine computes in it.
        save_minutes: Minutes between saves of a training state.
        validations: Number of validations of each training except the decoder's; the best net is published.
        shard_mebibytes: Greatest size of a file of weights in MiB; without it one file per net.
        autoencoder: Keyword arguments of `AutoencoderSpectral` that differ from the defaults, as a JSON object; without
            it those of `AUTOENCODER`.
        unet: Keyword arguments of `StemUNet1DModel` that differ from a dropout of 0.1, the middle widths of
            `benchmarks/training/scaling.py` and the defaults, as a JSON object.
        reranker: Keyword arguments of `ContrastiveStemModel` that differ from 160 channels and the defaults, as a JSON
            object.
        short: Run the recipe with few songs, small nets and few steps, in place of the options above.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "output": "Run",
        "target": "Data",
        "steps": "Optimisation",
        "workers": "Data",
        "mix_noise": "Optimisation",
        "save_minutes": "Run",
        "autoencoder": "Model",
        "short": "Run",
    }

    output: Path
    target: str = "bass"
    songs: int = 2000
    duration: float = 20.0
    validation_songs: int = 24
    styles: int = 1000
    steps: tuple[int, int, int, int, int] = (3000, 1200, 1000, 12000, 1000)
    minutes: tuple[float, float, float, float, float] | None = None
    batch_size: int = 8
    crop_frames: int = 24
    adversarial_after: float = 0.1
    batch_frames: int = 6144
    reranker_frames: int = 96
    workers: int = 1
    render_workers: int | None = None
    submixes: int = 3
    mix_noise: float = 0.1
    mixed_precision: str = "auto"
    save_minutes: float = 10.0
    validations: int = 10
    shard_mebibytes: float | None = None
    autoencoder: dict[str, Any] | None = None
    unet: dict[str, Any] | None = None
    reranker: dict[str, Any] | None = None
    short: bool = False

    @property
    def train(self) -> Path:
        """Folder of the songs to train on."""
        return self.output / "train"

    @property
    def validation(self) -> Path:
        """Folder of the songs to validate on."""
        return self.output / "validation"

    @property
    def instruments(self) -> Path:
        """Folder after which those of the style encoder's timbre pairs and references are named."""
        return self.output / "styles"

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the controls that the denoiser is trained on: drums play no chords and have no register."""
        return ("beat", "density", "level") if self.target == "drums" else CONTROLS

    @property
    def weights(self) -> Path:
        """Folder of the published weights."""
        return self.output / f"{self.target}-gm"

    def trained(self, training: str) -> Path:
        """Return the folder of the weights of one of the `TRAININGS`."""
        return self.output / training / PUBLISHED[training]


def timbre_pairs(songs: Path) -> Path:
    """Return the folder of timbre pairs of the songs in a folder.

    Args:
        songs: Folder of songs.

    Returns:
        Folder of the targets of these songs, each with the same notes on another instrument.
    """
    return songs.with_name(f"{songs.name}-timbre-pairs")


def references(songs: Path) -> Path:
    """Return the folder of style references of the songs in a folder.

    Args:
        songs: Folder of songs.

    Returns:
        Folder of other notes on the instruments of their targets.
    """
    return songs.with_name(f"{songs.name}-references")


def format_command(recipe: Recipe) -> str:
    """Write the command line of a recipe, with the name of the output folder in place of its path.

    Args:
        recipe: Options of the recipe.

    Returns:
        The command with all options that differ from their defaults.

    Example:
        >>> format_command(Recipe(Path("/home/me/runs/mine"), songs=100, steps=(9, 9, 9, 90, 9)))
        'python -m latentstem.recipes.bass_gm --output runs/mine --songs 100 --steps 9 9 9 90 9'
    """
    words = ["python", "-m", "latentstem.recipes.bass_gm", "--output", f"runs/{recipe.output.name}"]
    for field in fields(recipe)[1:]:
        value = getattr(recipe, field.name)
        if value == field.default:
            continue
        words.append(f"--{field.name.replace('_', '-')}")
        if isinstance(value, tuple):
            words += map(str, value)
        elif value is not True:
            words.append(json.dumps(value) if isinstance(value, dict) else str(value))
    return shlex.join(words)
