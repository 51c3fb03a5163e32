"""Fit of `latentstem.StyleSpace` to songs with annotated instruments; the space is saved in the autoencoder's config.

Style grounding then changes only the part of the mean latent that tells instruments apart.
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
from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.submix import TrackSubmixes
from latentstem.guidance.style_grounding import StyleGrounding
from latentstem.guidance.style_space import StyleSpace
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.training.engine.arguments import parse_settings


@dataclass(frozen=True)
class StyleFit:
    """Settings of the fit of a style space.

    Args:
        data: Folder of annotated tracks (with `song.json`).
        autoencoder: Folder of the trained autoencoder, in whose config the space is saved.
        target: Name of the stem.
        dimensions: Greatest number of dimensions of the space; at most one less than there are instruments.
        workers: Number of processes that read the stems.
    """

    data: Path
    autoencoder: Path
    target: str = "bass"
    dimensions: int = 8
    workers: int = 0


def fit(settings: StyleFit) -> Path:
    """Encode the stems, fit the style space, and write it into the autoencoder's config.

    An instrument is a General MIDI program of one soundfont, or, where every song has its own, that of a track, whose
    two halves then differ in notes alone.

    Args:
        settings: Settings of the fit.

    Returns:
        Path of the config, which is replaced in one step.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
        FileNotFoundError: If a track is not annotated.
        ValueError: If there are fewer than two instruments, or none of them is in two tracks.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = AutoencoderSpectral.from_pretrained(settings.autoencoder).eval()
    model.to(device)
    means, instruments = [], []
    reading = {"channels": model.audio_channels, "sampling_rate": model.sampling_rate}
    tracks = StemFolder(settings.data, settings.target, **reading).tracks
    stems = DataLoader(TrackSubmixes(tracks, settings.target, **reading), None, num_workers=settings.workers)
    for track, (stem,) in zip(tracks, tqdm(stems, desc="styles", mininterval=5), strict=True):
        annotation = json.loads((settings.data / track.name / ANNOTATION).read_text())
        program = Song.from_dict(annotation["song"]).part(settings.target).program
        own = "instruments" in annotation
        for piece in stem.chunk(2, dim=-1) if own else (stem,):
            mean = sounding_mean(model, piece)
            if mean is not None:
                means.append(mean)
                instruments.append(track.name if own else (program, annotation.get("soundfont")))
    dimensions = min(settings.dimensions, len(set(instruments)) - 1)
    space = StyleSpace.fit(torch.stack(means), instruments, dimensions)
    model.register_to_config(**space.to_config())
    file = settings.autoencoder / model.config_name
    partial = file.with_suffix(".partial")
    partial.write_text(model.to_json_string())
    partial.replace(file)
    return file


@torch.inference_mode()
def sounding_mean(model: AutoencoderSpectral, stem: Tensor) -> Tensor | None:
    """Compute the mean normalized latent of a stem over its sounding frames.

    Args:
        model: The autoencoder.
        stem: Audio `(audio_channels, samples)`.

    Returns:
        `(latent_channels,)` on the CPU; None if the stem is silent.
    """
    return StyleGrounding.from_audio(stem[None].to(model.device), model).reference.cpu() if stem.any() else None


if __name__ == "__main__":
    print(f"{fit(parse_settings(StyleFit))}: style space")
