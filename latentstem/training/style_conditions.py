"""Codes of a style encoder as a global condition of a denoiser's training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentstem.data.stems.track import StemTrack
from latentstem.models.style_encoder import StyleEncoder
from latentstem.training.latents import TrackCondition, cache_latents


@torch.no_grad()
def style_condition(
    encoder: StyleEncoder, references: Sequence[Path], target: str, autoencoder: Any, cache: Path, workers: int = 0
) -> TrackCondition:
    """Encode references once, and make the function that gives each track the code of its own.

    Args:
        encoder: Trained encoder.
        references: Folders in which `<track>/<target>.wav` is a reference for the track of this name: other notes on
            its instrument, as `compose_references` makes them, or, for want of such, the folder of the tracks itself.
        target: Name of the stem.
        autoencoder: Any codec that `latentstem.models.as_codec` takes.
        cache: Folder of the cached latents of the references, created if absent.
        workers: Number of processes that read audio.

    Returns:
        A function from a track, and a number of frames that does not matter, to its code, `(code_dim,)`. It raises a
        `ValueError` for a track without a reference.

    Raises:
        latentstem.data.stems.layouts.StemError: If a folder holds no usable track.
    """
    encoder.eval()
    codes: dict[str, Tensor] = {}
    for folder in references:
        tracks = cache_latents(folder, target, autoencoder, cache, submixes=1, seed=0, workers=workers)
        codes |= {track.name: encoder(track.stem[None].to(encoder.device))[0].cpu() for track in tracks}

    def code_of(track: StemTrack, frames: int) -> Tensor:
        if track.name not in codes:
            named = ", ".join(str(folder / track.name) for folder in references)
            raise ValueError(f"{track.name} has no reference for its style; expected a sounding {target} in {named}")
        return codes[track.name]

    return code_of
