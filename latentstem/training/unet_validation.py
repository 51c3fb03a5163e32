"""U-Net validation: error of the prediction with matched and swapped mixes, and a score of generated stems.

Chord share judges generated stems, and is what counts, but a dozen songs give it an interval of a tenth; drums, which
play no chords, are judged by the F measure of their onsets instead. The error of the prediction at fixed noise (for a
velocity: Salimans and Ho 2022, arXiv 2202.00512) is far less noisy, since every net is given the very same inputs; at
high noise its distance from the error with a swapped mix says how much the net takes from the mix. A net that ignores
the mix scores alike in both.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentstem.data.corpus import read_annotation
from latentstem.data.stems.folder import StemFolder, StemTrack
from latentstem.evaluation.harmony import chord_share
from latentstem.evaluation.pitch import track_pitch
from latentstem.evaluation.rhythm import onset_f1, onset_times
from latentstem.evaluation.scores import written_onsets
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance
from latentstem.models.codec import as_codec
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.plotting.spectrogram import write_preview
from latentstem.sampling.objectives import Objective
from latentstem.training.latents import LatentTrack

HIGH_NOISE = (832, 960)
"""Timesteps of the noisiest quarter of 1024, at which the mix decides what will be played."""


class UNetValidation:
    """Validates a U-Net on annotated tracks, which are encoded once.

    Args:
        root: Folder of annotated tracks (with `song.json`).
        target: Name of the stem.
        autoencoder: An `AutoencoderSpectral`, or what `latentstem.models.as_codec` takes.
        scheduler: The schedule that is trained.
        latents: Of the same tracks, in their order, each with its whole accompaniment first.
        songs: Tracks to accompany; the velocity error is taken over all there are.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.

    Example:
        >>> validation = UNetValidation(root, "bass", autoencoder, scheduler, latents)  # doctest: +SKIP
        >>> validation(unet, Path("previews/0001000"))  # doctest: +SKIP
        {'chord_share': 0.71, 'velocity_error': 0.412, 'velocity_error_swapped': 0.538}
    """

    def __init__(
        self,
        root: Path,
        target: str,
        autoencoder: Any,
        scheduler: Any,
        latents: Sequence[LatentTrack],
        songs: int = 12,
    ):
        self.autoencoder, self.scheduler, self.target = autoencoder, scheduler, target
        self.latents = latents
        codec = as_codec(autoencoder)
        folder = StemFolder(root, target, channels=codec.audio_channels, sampling_rate=codec.sampling_rate)
        self.root, self.tracks = root, folder.tracks[:songs]

    def __call__(self, unet: StemUNet1DModel, preview: Path) -> dict[str, float]:
        """Judge a net, and leave one of its basses to listen to.

        Args:
            unet: In evaluation mode.
            preview: Path of the preview's files, without a suffix.

        Returns:
            `chord_share`, or `onset_f1` where the target is played on drums, and, where there are tracks to swap mixes
            among, `velocity_error` and `velocity_error_swapped`, both at `HIGH_NOISE`.
        """
        pipeline = build_pipeline(unet, self.autoencoder, self.scheduler)
        mixes, stems = accompany(pipeline, self.tracks, self.target)
        rate = pipeline.sampling_rate
        write_preview(preview, {"mix": mixes[0], "stem": stems[0], "both": mixes[0] + stems[0]}, rate)
        songs = [read_annotation(self.root / track.name) for track in self.tracks]
        if all(self.target in song.names and song.part(self.target).is_drum for song in songs):
            onsets = [written_onsets(song.part(self.target)) for song in songs]
            figures = {"onset_f1": float(np.mean(onset_f1s(stems, rate, onsets)))}
        else:
            figures = {"chord_share": float(np.mean(chord_shares(stems, rate, self.root, self.tracks)))}
        if len(self.latents) > 1:
            errors = velocity_errors(unet, self.scheduler, self.latents, HIGH_NOISE)
            figures["velocity_error"] = float(errors["mix"].mean())
            figures["velocity_error_swapped"] = float(errors["swapped"].mean())
        return {name: round(figure, 4) for name, figure in figures.items()}


def build_pipeline(
    unet: StemUNet1DModel, autoencoder: Any, scheduler: Any, target: str = "bass"
) -> StemAccompanimentPipeline:
    """The pipeline that a trained U-Net is published in.

    Args:
        unet: The denoiser.
        autoencoder: Whose latents it was trained on.
        scheduler: Whose schedule it was trained with.
        target: Name of the stem it was trained on.

    Returns:
        A pipeline with the default guidance.

    Example:
        >>> build_pipeline(unet, autoencoder, scheduler).save_pretrained("pipeline")  # doctest: +SKIP
    """
    return StemAccompanimentPipeline(autoencoder, unet, scheduler, RescaledClassifierFreeGuidance(), target=target)


@torch.inference_mode()
def velocity_errors(
    unet: StemUNet1DModel,
    scheduler: Any,
    tracks: Sequence[LatentTrack],
    timesteps: Sequence[int],
    frames: int | None = None,
) -> dict[str, np.ndarray]:
    """Mean squared error of the prediction, with the mix, without it, and with another track's mix.

    The noise is a function of the tracks' places and lengths alone, so that nets, conditions and lengths of pieces are
    compared on the same draws. The mix is the first sub-mix, the whole accompaniment; the swapped one is the next
    track's. All other conditions are those of the track.

    Args:
        unet: In evaluation mode, on any device.
        scheduler: The schedule it was trained with.
        tracks: Normalized latents, at least two tracks; all are cut to the length of the shortest.
        timesteps: At which to ask.
        frames: Cut the tracks into pieces of this length, which the net hears one by one; what is left at the end is
            dropped. None leaves them whole.

    Returns:
        "mix", "none" and "swapped", each to errors `(timesteps, tracks)`.

    Raises:
        ValueError: If there is nothing to swap, or the tracks are shorter than a piece.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8,), layers_per_block=(1,), attention_levels=(False,),
        ... ).eval()
        >>> tracks = [LatentTrack("song", torch.randn(4, 40), {"mix": torch.randn(1, 4, 40)}) for _ in range(3)]
        >>> from latentstem import CosineDDIMScheduler
        >>> errors = velocity_errors(unet, CosineDDIMScheduler(), tracks, [100, 900])
        >>> sorted(errors), errors["mix"].shape
        (['mix', 'none', 'swapped'], (2, 3))
    """
    length = min(track.stem.shape[-1] for track in tracks)
    frames = frames or length
    if len(tracks) < 2 or length < frames:
        raise ValueError(
            f"got {len(tracks)} tracks, the shortest of {length} frames; expected two or more, of {frames} frames"
        )
    kept = length // frames * frames

    def pieces(whole: Tensor) -> Tensor:
        """From (tracks, channels, frames) to (tracks * pieces, channels, frames of a piece)."""
        cut = whole[..., :kept].unflatten(-1, (-1, frames)).movedim(2, 1)
        return cut.flatten(0, 1).to(unet.device)

    stem = pieces(torch.stack([track.stem[:, :length] for track in tracks]))
    given = {name: torch.stack([track.frames[name][0, :, :length] for track in tracks]) for name in tracks[0].frames}
    mixes, others = given.pop("mix"), {name: pieces(value) for name, value in given.items()}
    for name in tracks[0].vectors:
        vectors = torch.stack([track.vectors[name] for track in tracks])
        others[name] = vectors.repeat_interleave(kept // frames, dim=0).to(unet.device)
    conditions = {
        "mix": others | {"mix": pieces(mixes)},
        "none": others,
        "swapped": others | {"mix": pieces(mixes.roll(-1, dims=0))},
    }
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
) -> tuple[Tensor, Tensor]:
    """Generate a stem for the beginning of each track, the noise of which is its place's.

    Args:
        pipeline: To generate with.
        tracks: To accompany.
        target: Name of the stem, which is left out of the mix.
        seconds: Length of the beginning.
        num_inference_steps: Steps of the sampler.

    Returns:
        Mixes and stems, `(tracks, channels, samples)` each, on the CPU.

    Example:
        >>> mixes, stems = accompany(pipeline, StemFolder("songs").tracks, "bass")  # doctest: +SKIP
    """
    rate, channels = pipeline.sampling_rate, pipeline.audio_channels
    mixes = torch.stack([_read_mix(track, target, int(seconds * rate), channels, rate) for track in tracks])
    pipeline.set_progress_bar_config(disable=True)
    (stems,) = pipeline(
        mixes,
        sampling_rate=rate,
        num_inference_steps=num_inference_steps,
        generator=[torch.Generator().manual_seed(index) for index in range(len(mixes))],
        return_dict=False,
    )
    return mixes, torch.as_tensor(stems).cpu()


def chord_shares(stems: Tensor, sampling_rate: int, root: Path, tracks: Sequence[StemTrack]) -> list[float]:
    """Chord share of stems for annotated tracks; see `latentstem.evaluation.chord_share`.

    Args:
        stems: `(tracks, channels, samples)`, from the tracks' beginnings; pitch is tracked in the mean of the channels.
        sampling_rate: In Hz.
        root: Folder of the tracks, each with its `song.json`.
        tracks: Whose chords they are held against.

    Returns:
        One share a track.

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
    """F measure of the onsets of stems; see `latentstem.evaluation.onset_f1`.

    Args:
        stems: `(tracks, channels, samples)`; the first channel is analysed.
        sampling_rate: In Hz.
        onsets: Written ones of each track in seconds; what lies beyond the stems is left out.

    Returns:
        One figure a track.

    Example:
        >>> time = torch.arange(22050) / 44100
        >>> strokes = (torch.sin(2 * torch.pi * 110 * time) * torch.exp(-8 * time)).repeat(4)
        >>> onset_f1s(strokes[None, None], 44100, [np.array([0.0, 0.5, 1.0, 1.5, 7.0])])
        [1.0]
    """
    seconds = stems.shape[-1] / sampling_rate
    return [
        onset_f1(written[written < seconds], onset_times(stem[0].numpy(), sampling_rate))
        for stem, written in zip(stems, onsets, strict=True)
    ]


def _read_mix(track: StemTrack, target: str, samples: int, channels: int, sampling_rate: int) -> Tensor:
    """Whole accompaniment of a track, `(channels, samples)`."""
    others = (track.read(name, 0, samples, channels, sampling_rate) for name in track.files if name != target)
    return sum(others, torch.zeros(channels, samples))
