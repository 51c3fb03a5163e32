"""The style space of an autoencoder, from songs whose instruments are annotated: `latentstem.StyleSpace` in its config.

Style grounding changes what these songs say is the instrument, and leaves the rest of the mean to the music.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from latentstem.data.corpus import ANNOTATION
from latentstem.data.score import Song
from latentstem.data.stems import StemFolder
from latentstem.guidance.grounding import StyleGrounding
from latentstem.guidance.style_space import StyleSpace
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.training.arguments import parse_settings
from latentstem.training.latents import TrackSounds


@dataclass(frozen=True)
class StyleFit:
    """Settings of one fit.

    Args:
        data: Folder of annotated tracks (with `song.json`).
        autoencoder: Folder of the trained autoencoder, whose config takes the space.
        target: Name of the stem.
        numbers: Size of the space; one less than there are instruments, if that is less.
        workers: Processes that read the stems.
    """

    data: Path
    autoencoder: Path
    target: str = "bass"
    numbers: int = 8
    workers: int = 0


def fit(settings: StyleFit) -> Path:
    """Encode the stems, fit the space, and write it into the autoencoder's config.

    An instrument is a General MIDI program of one soundfont: two samplings of one program differ as two players do.

    Args:
        settings: See `StyleFit`.

    Returns:
        The config's file, written whole or not at all.

    Raises:
        latentstem.data.stems.StemError: If the folder holds no usable track.
        FileNotFoundError: If a track is not annotated.
        ValueError: If the tracks' instruments allow no fit: fewer than two, or none that plays twice.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = AutoencoderSpectral.from_pretrained(settings.autoencoder).eval()
    model.to(device)
    means, instruments = [], []
    tracks = StemFolder(settings.data, settings.target).tracks
    stems = DataLoader(TrackSounds(tracks, settings.target), None, num_workers=settings.workers)
    for track, (stem,) in zip(tracks, tqdm(stems, desc="styles", mininterval=5), strict=True):
        mean = sounding_mean(model, stem)
        if mean is not None:
            means.append(mean)
            annotation = json.loads((settings.data / track.name / ANNOTATION).read_text())
            part = Song.from_dict(annotation["song"]).part(settings.target)
            instruments.append((part.program, annotation.get("soundfont")))
    numbers = min(settings.numbers, len(set(instruments)) - 1)
    space = StyleSpace.fit(torch.stack(means), instruments, numbers)
    model.register_to_config(**space.to_config())
    file = settings.autoencoder / model.config_name
    partial = file.with_suffix(".partial")
    partial.write_text(model.to_json_string())
    partial.replace(file)
    return file


@torch.inference_mode()
def sounding_mean(model: AutoencoderSpectral, stem: Tensor) -> Tensor | None:
    """Mean normalised latent `(channels,)` of a mono stem `(samples,)` over its sounding frames; None in silence."""
    if not stem.any():
        return None
    audio = stem.expand(1, model.config["audio_channels"], -1).to(model.device)
    return StyleGrounding.from_audio(audio, model).reference.cpu()


if __name__ == "__main__":
    print(f"{fit(parse_settings(StyleFit))}: style space")
