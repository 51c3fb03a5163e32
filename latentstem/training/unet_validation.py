"""U-Net validation: prediction error with matched and swapped mixes, and chord share or onset F1 of generated stems.

Chord share, or the onset F1 of drums and of songs whose chords nobody wrote down, is the score that counts, but on a
dozen songs its interval is a tenth wide. The prediction error at fixed noise (of a velocity: Salimans and Ho 2022,
arXiv 2202.00512) is far less noisy, since every net is given equal inputs. At high noise its distance from the error
with a swapped mix measures how much the net is conditioned on the mix; for a net that ignores the mix both errors are
equal.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.guiders.guider_utils import BaseGuidance
from einops import rearrange
from torch import Tensor

from latentstem.data.corpus import ANNOTATION, read_annotation
from latentstem.data.stems.folder import StemFolder, StemTrack
from latentstem.evaluation.harmony import chord_share
from latentstem.evaluation.pitch import track_pitch
from latentstem.evaluation.rhythm import onset_f1, onset_times
from latentstem.evaluation.scores import written_onsets
from latentstem.models.codec import as_codec
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.plotting.spectrogram import write_preview
from latentstem.sampling.objectives import Objective
from latentstem.training.latents import LatentTrack
from latentstem.training.pipeline import build_pipeline

HIGH_NOISE = (832, 960)
"""Timesteps of the noisiest quarter of 1024, at which the mix decides about the notes."""


class UNetValidation:
    """Validation of a U-Net on tracks that are encoded once.

    Args:
        root: Folder of tracks; those with a `song.json` each are judged by what it says.
        target: Name of the stem.
        autoencoder: Any codec that `latentstem.models.as_codec` takes.
        scheduler: Scheduler that the net is trained with.
        latents: Latents of these tracks in order of name, each with the whole accompaniment as first mix.
        songs: Number of tracks to generate stems for; the prediction error is computed over all tracks.
        guider: Guidance with which they are generated; None is the default one.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.

    Example:
        >>> validation = UNetValidation(root, "bass", autoencoder, scheduler, latents)  # doctest: +SKIP
        >>> validation(unet, Path("previews/0001000"))  # doctest: +SKIP
        {'chord_share': 0.71, 'prediction_error': 0.412, 'prediction_error_swapped': 0.538}
    """

    def __init__(
        self,
        root: Path,
        target: str,
        autoencoder: Any,
        scheduler: Any,
        latents: Sequence[LatentTrack],
        songs: int = 12,
        guider: BaseGuidance | None = None,
    ):
        self.autoencoder, self.scheduler, self.target = autoencoder, scheduler, target
        self.latents, self.guider = latents, guider
        codec = as_codec(autoencoder)
        folder = StemFolder(root, target, channels=codec.audio_channels, sampling_rate=codec.sampling_rate)
        self.root, self.tracks = root, folder.tracks[:songs]

    def __call__(self, unet: StemUNet1DModel, preview: Path) -> dict[str, float]:
        """Validate a net, and write one of the generated stems as a preview.

        Args:
            unet: Net in evaluation mode.
            preview: Path of the files of the preview, without a suffix.

        Returns:
            `chord_share`, or `onset_f1` where the target is drums or a track is not annotated, against the onsets heard
            in the true stem then; and, if there are two tracks or more, `prediction_error` and
            `prediction_error_swapped`, both at `HIGH_NOISE`; with conditions besides the mix also
            `prediction_error_alone`.
        """
        pipeline = build_pipeline(unet, self.autoencoder, self.scheduler, self.target, guider=self.guider)
        mixes, stems = accompany(pipeline, self.tracks, self.target, latents=self.latents[: len(self.tracks)])
        rate = pipeline.sampling_rate
        write_preview(preview, {"mix": mixes[0], "stem": stems[0], "both": mixes[0] + stems[0]}, rate)
        onsets = self._onsets(rate, stems.shape[-1])
        if onsets is None:
            metrics = {"chord_share": float(np.mean(chord_shares(stems, rate, self.root, self.tracks)))}
        else:
            metrics = {"onset_f1": float(np.mean(onset_f1s(stems, rate, onsets)))}
        if len(self.latents) > 1:
            errors = prediction_errors(unet, self.scheduler, self.latents, HIGH_NOISE)
            metrics["prediction_error"] = float(errors["mix"].mean())
            metrics["prediction_error_swapped"] = float(errors["swapped"].mean())
            if "alone" in errors:
                metrics["prediction_error_alone"] = float(errors["alone"].mean())
        return {name: round(value, 4) for name, value in metrics.items()}

    def _onsets(self, sampling_rate: int, samples: int) -> list[np.ndarray] | None:
        """Onsets of the true stems in seconds; None where chords tell more."""
        if not all((self.root / track.name / ANNOTATION).is_file() for track in self.tracks):
            true = (track.read(self.target, 0, samples, 1, sampling_rate) for track in self.tracks)
            return [onset_times(stem[0].numpy(), sampling_rate) for stem in true]
        songs = [read_annotation(self.root / track.name) for track in self.tracks]
        if all(self.target in song.names and song.part(self.target).is_drum for song in songs):
            return [written_onsets(song.part(self.target)) for song in songs]
        return None


@torch.inference_mode()
def prediction_errors(
    unet: StemUNet1DModel,
    scheduler: Any,
    tracks: Sequence[LatentTrack],
    timesteps: Sequence[int],
    frames: int | None = None,
    condition: str = "mix",
) -> dict[str, np.ndarray]:
    """Compute the mean squared error of the prediction with a condition, without it, and with that of another track.

    Nets that take more than that are also measured with it alone, which for the mix is how most people use them.

    The noise is a function of the order and the length of the tracks alone, so that nets, conditions and piece lengths
    are compared on equal draws. The mix is the first sub-mix, the whole accompaniment; what is swapped is that of the
    next track. All other conditions are those of the track.

    Args:
        unet: Net in evaluation mode, on any device.
        scheduler: Scheduler that the net was trained with.
        tracks: Normalized latents of at least two tracks; all are cut to the length of the shortest.
        timesteps: Timesteps of the noise.
        frames: Length in frames of the pieces that the tracks are cut into; the rest at the end is dropped. None leaves
            the tracks whole.
        condition: Name of the condition that is left out and swapped.

    Returns:
        Errors `(timesteps, tracks)` under the name of the condition, "none" and "swapped", and under "alone" if the
        tracks have other conditions.

    Raises:
        ValueError: If there are fewer than two tracks, or they are shorter than a piece.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8,), layers_per_block=(1,), attention_levels=(False,),
        ... ).eval()
        >>> tracks = [LatentTrack("song", torch.randn(4, 40), {"mix": torch.randn(1, 4, 40)}) for _ in range(3)]
        >>> from latentstem import CosineDDIMScheduler
        >>> errors = prediction_errors(unet, CosineDDIMScheduler(), tracks, [100, 900])
        >>> sorted(errors), errors["mix"].shape
        (['mix', 'none', 'swapped'], (2, 3))
    """
    length = min(track.stem.shape[-1] for track in tracks)
    frames = frames or length
    if len(tracks) < 2 or length < frames:
        raise ValueError(
            f"got {len(tracks)} tracks, the shortest of {length} frames; expected two or more, of {frames} frames"
        )
    whole_pieces = length // frames * frames

    def pieces(latents: Tensor) -> Tensor:
        return rearrange(
            latents[..., :whole_pieces], "tracks c (pieces frames) -> (tracks pieces) c frames", frames=frames
        ).to(unet.device)

    def in_pieces(values: Tensor) -> Tensor:
        return pieces(values) if values.ndim == 3 else values.repeat_interleave(length // frames, 0).to(unet.device)

    stem = pieces(torch.stack([track.stem[:, :length] for track in tracks]))
    values = stack_conditions(tracks, length)
    own = values.pop(condition)
    others = {name: in_pieces(value) for name, value in values.items()}
    conditions = {
        condition: others | {condition: in_pieces(own)},
        "none": others,
        "swapped": others | {condition: in_pieces(own.roll(-1, dims=0))},
    }
    if others:
        conditions["alone"] = {condition: in_pieces(own)}
    objective = Objective(scheduler)
    errors: dict[str, list[np.ndarray]] = {name: [] for name in conditions}
    generator = torch.Generator().manual_seed(0)
    for timestep in timesteps:
        noise = pieces(torch.randn(len(tracks), stem.shape[1], length, generator=generator))
        steps = torch.full((len(stem),), timestep, device=stem.device)
        noisy, target = objective.add_noise(stem, noise, steps), objective.target(stem, noise, steps)
        for name, values in conditions.items():
            (predicted,) = unet(noisy, steps, values, return_dict=False)
            error = (predicted.float() - target).square().mean((1, 2))
            errors[name].append(error.unflatten(0, (len(tracks), -1)).mean(1).cpu().numpy())
    return {name: np.stack(by_timestep) for name, by_timestep in errors.items()}


def accompany(
    pipeline: StemAccompanimentPipeline,
    tracks: Sequence[StemTrack],
    target: str,
    seconds: float = 12.0,
    num_inference_steps: int = 32,
    latents: Sequence[LatentTrack] = (),
) -> tuple[Tensor, Tensor]:
    """Generate a stem for the beginning of each track, with the index of the track as the seed of its noise.

    Args:
        pipeline: Pipeline to generate with.
        tracks: Tracks to accompany.
        target: Name of the stem to generate, which is left out of the mix.
        seconds: Length of the beginning in seconds.
        num_inference_steps: Number of steps of the sampler.
        latents: Latents of these tracks, whose conditions besides the mix the stems are generated under, at most for
            the length of the shortest.

    Returns:
        Mixes and stems, `(tracks, channels, samples)` each, on the CPU.

    Example:
        >>> mixes, stems = accompany(pipeline, StemFolder("songs").tracks, "bass")  # doctest: +SKIP
    """
    rate, channels = pipeline.sampling_rate, pipeline.audio_channels
    samples = int(seconds * rate)
    if latents:  # conditions last as long as the shortest track
        samples = min(samples, min(track.stem.shape[-1] for track in latents) * pipeline.hop_length)
    mixes = torch.stack([_read_mix(track, target, samples, channels, rate) for track in tracks])
    frames = -(-mixes.shape[-1] // pipeline.hop_length)
    pipeline.set_progress_bar_config(disable=True)
    (stems,) = pipeline(
        mixes,
        sampling_rate=rate,
        conditions=_other_conditions(latents, frames) if latents else None,
        num_inference_steps=num_inference_steps,
        generator=[torch.Generator().manual_seed(index) for index in range(len(mixes))],
        return_dict=False,
    )
    return mixes, torch.as_tensor(stems).cpu()


def stack_conditions(tracks: Sequence[LatentTrack], frames: int) -> dict[str, Tensor]:
    """First variant of all conditions: `(tracks, channels, frames)`, or `(tracks, channels)`."""
    first = tracks[0]
    sequences = {name: torch.stack([track.frames[name][0, :, :frames] for track in tracks]) for name in first.frames}
    return sequences | {name: torch.stack([track.vectors[name] for track in tracks]) for name in first.vectors}


def _other_conditions(tracks: Sequence[LatentTrack], frames: int) -> dict[str, Tensor]:
    return {name: value for name, value in stack_conditions(tracks, frames).items() if name != "mix"}


def chord_shares(stems: Tensor, sampling_rate: int, root: Path, tracks: Sequence[StemTrack]) -> list[float]:
    """Compute the chord share of stems for annotated tracks; see `latentstem.evaluation.chord_share`.

    Args:
        stems: Stems from the beginnings of the tracks, `(tracks, channels, samples)`; pitch is tracked in the mean of
            the channels.
        sampling_rate: Sampling rate in Hz.
        root: Folder of the tracks, each with a `song.json`.
        tracks: Tracks with whose chords the stems are compared.

    Returns:
        One chord share per track.

    Raises:
        FileNotFoundError: If a track is not annotated.

    Example:
        >>> chord_shares(stems, 44100, Path("songs"), StemFolder("songs").tracks)  # doctest: +SKIP
        [0.71, 0.88]
    """
    return [
        chord_share(track_pitch(stem.mean(0).numpy(), sampling_rate), read_annotation(root / track.name).chords)
        for stem, track in zip(stems, tracks, strict=True)
    ]


def onset_f1s(stems: Tensor, sampling_rate: int, onsets: Sequence[np.ndarray]) -> list[float]:
    """Compute the F measure of the onsets of stems; see `latentstem.evaluation.onset_f1`.

    Args:
        stems: Stems from the beginnings of the tracks, `(tracks, channels, samples)`; the mean of their channels is
            analysed.
        sampling_rate: Sampling rate in Hz.
        onsets: Written onsets of each track in seconds; those beyond the end of the stems are left out.

    Returns:
        One F measure per track.

    Example:
        >>> time = torch.arange(22050) / 44100
        >>> strokes = (torch.sin(2 * torch.pi * 110 * time) * torch.exp(-8 * time)).repeat(4)
        >>> onset_f1s(strokes[None, None], 44100, [np.array([0.0, 0.5, 1.0, 1.5, 7.0])])
        [1.0]
    """
    seconds = stems.shape[-1] / sampling_rate
    return [
        onset_f1(written[written < seconds], onset_times(stem.mean(0).numpy(), sampling_rate))
        for stem, written in zip(stems, onsets, strict=True)
    ]


def _read_mix(track: StemTrack, target: str, samples: int, channels: int, sampling_rate: int) -> Tensor:
    """Whole accompaniment of a track, `(channels, samples)`."""
    others = (track.read(name, 0, samples, channels, sampling_rate) for name in track.files if name != target)
    return sum(others, torch.zeros(channels, samples))
