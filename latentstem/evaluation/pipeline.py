"""Evaluate a pipeline on annotated songs: scores, round trips and distances of its stems (`latentstem evaluate`)."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from latentstem.audio.level import normalize_level
from latentstem.data.corpus import read_annotation
from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.track import StemTrack
from latentstem.evaluation.frechet import frechet_distance, kernel_distance
from latentstem.evaluation.mfcc import timbre
from latentstem.evaluation.reconstruction import round_trip
from latentstem.evaluation.scores import METRICS, Score, StemAnalysis, score_stem
from latentstem.evaluation.spectrum import log_mel_l1
from latentstem.evaluation.style import sounding_frames
from latentstem.models.codec import decode_audio, encode_audio
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.plotting.scores import plot_scores

TRUE, ROUND_TRIP, GENERATED, SWAPPED = "true stem", "its round trip", "generated", "generated, swapped mix"
"""Kinds of stem: keys of the scores in the reports."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one pipeline.

    Attributes:
        tracks: Names of the songs.
        scores: Kind of stem to one score a song, see `latentstem.evaluation.scores.METRICS`.
        round_trips: Metrics of each song's round trip: those of `latentstem.evaluation.RoundTrip`, and `log_mel_l1`.
        distances: Distances of the generated stems from the true ones: Fréchet and kernel distance of the sounding
            latent frames, and kernel distance of the timbres.

    Example:
        >>> Evaluation(["a"], {"generated": [{"chord_share": 0.9}]}, [], {}).mean("generated", "chord_share")
        0.9
    """

    tracks: list[str]
    scores: dict[str, list[Score]]
    round_trips: list[dict[str, float]]
    distances: dict[str, float]

    def mean(self, kind: str, metric: str) -> float | None:
        """Average a metric over the songs that have it; None where no song has.

        Args:
            kind: Kind of stem, a key of `scores`.
            metric: Key of the metric in `latentstem.evaluation.scores.METRICS`.
        """
        values = [value for score in self.scores[kind] if (value := score[metric]) is not None]
        return float(np.mean(values)) if values else None

    def table(self) -> str:
        """Format the means as Markdown: a table of the scores, then one of the round trips and the distances."""
        lines = ["| metric | " + " | ".join(self.scores) + " |", "| --- |" + " ---: |" * len(self.scores)]
        for metric, name in METRICS.items():
            cells = [_format_value(self.mean(kind, metric)) for kind in self.scores]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines += ["", "| metric | mean |", "| --- | ---: |"]
        for name in self.round_trips[0] if self.round_trips else ():
            mean = float(np.mean([round_trip[name] for round_trip in self.round_trips]))
            lines.append(f"| round trip: {name} | {_format_value(mean)} |")
        lines += [f"| {name} | {_format_value(value)} |" for name, value in self.distances.items()]
        return "\n".join(lines) + "\n"


def evaluate_pipeline(
    pipe: StemAccompanimentPipeline,
    root: Path,
    target: str | None = None,
    num_inference_steps: int = 64,
    seconds: float | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Accompany every song of a folder and score the stems.

    Args:
        pipe: Pipeline to evaluate, with its own guidance.
        root: Folder of annotated songs, from `latentstem.data.corpus.write_corpus`, at least two with the target.
        target: Name of the stem, and of the part in the annotations; by default that of the pipeline.
        num_inference_steps: Steps of the sampler.
        seconds: Length in seconds to which each song is cut; by default the songs are whole.
        on_progress: Function called after each step of the work with the fraction that is done, up to 1.

    Returns:
        The metrics. Each song's noise depends on its index alone.

    Raises:
        ValueError: If the folder holds fewer than two songs with the target.
        FileNotFoundError: If a song is not annotated.
        latentstem.data.stems.layouts.StemError: If the folder holds no usable song.

    Example:
        >>> evaluate_pipeline(pipe, Path("songs")).mean("generated", "chord_share")  # doctest: +SKIP
        0.87
    """
    name, rate = target or pipe.config["target"], pipe.sampling_rate
    tracks = StemFolder(root, name, channels=pipe.audio_channels, sampling_rate=rate).tracks
    if len(tracks) < 2:
        raise ValueError(f"got {len(tracks)} songs in {root}, expected at least 2, to swap their mixes")
    songs = [read_annotation(root / track.name).beginning(seconds or math.inf) for track in tracks]
    # Each song is generated once, its three stems are analysed, and its round trip is compared.
    report = _progress(on_progress, steps=5 * len(tracks))
    pipe.set_progress_bar_config(disable=True)
    sounds: dict[str, list[np.ndarray]] = {TRUE: [], ROUND_TRIP: [], GENERATED: []}
    latents: dict[str, list[np.ndarray]] = {TRUE: [], GENERATED: []}
    for index, track in enumerate(tracks):
        samples = track.length(rate) if seconds is None else min(track.length(rate), round(seconds * rate))
        stem, mix = _stem_and_mix(pipe, track, name, samples)
        generated = _generate(pipe, mix, num_inference_steps, index, name)
        stem_latents = _encode(pipe, stem)
        reconstruction = _decode(pipe, stem_latents, samples)
        for kind, audio in ((TRUE, stem), (ROUND_TRIP, reconstruction), (GENERATED, generated)):
            sounds[kind].append(audio.mean(0).numpy())
        latents[TRUE].append(_sounding_latents(pipe, stem_latents, stem))
        latents[GENERATED].append(_sounding_latents(pipe, _encode(pipe, generated), generated))
        report()

    analyses: dict[str, list[StemAnalysis]] = {kind: [] for kind in sounds}
    for kind, stems in sounds.items():
        for audio in stems:
            analyses[kind].append(StemAnalysis.of(audio, rate))
            report()
    analyses[SWAPPED] = [*analyses[GENERATED][1:], analyses[GENERATED][0]]
    round_trips = []
    for pair in zip(sounds[TRUE], sounds[ROUND_TRIP], analyses[TRUE], analyses[ROUND_TRIP], strict=True):
        round_trips.append(_compare_round_trip(*pair, rate))
        report()
    return Evaluation(
        [track.name for track in tracks],
        {
            kind: [score_stem(*case, name) for case in zip(stems, songs, analyses[TRUE], strict=True)]
            for kind, stems in analyses.items()
        },
        round_trips,
        _distances(sounds, latents, rate),
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write `evaluation.json`, `evaluation.md` and `evaluation.png`, each whole or not at all.

    Args:
        evaluation: Metrics to write.
        folder: Folder of the files; created if absent.

    Returns:
        The paths of the files.

    Example:
        >>> write_evaluation(evaluation, Path("runs/figures"))  # doctest: +SKIP
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"evaluation.{suffix}" for suffix in ("json", "md", "png")]
    partial = [file.with_name(f".{file.stem}.partial{file.suffix}") for file in files]
    partial[0].write_text(json.dumps(asdict(evaluation), indent=1) + "\n")
    partial[1].write_text(evaluation.table())
    plot_scores(evaluation.scores, METRICS).savefig(partial[2], dpi=110)
    for written, file in zip(partial, files, strict=True):
        written.replace(file)
    return files


def _progress(on_progress: Callable[[float], None] | None, steps: int) -> Callable[[], None]:
    """Return a function that counts a step and reports the fraction that is done."""
    counter = itertools.count(1)
    return lambda: None if on_progress is None else on_progress(next(counter) / steps)


def _stem_and_mix(
    pipe: StemAccompanimentPipeline, track: StemTrack, target: str, samples: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the level-matched stem and the sum of the others, `(channels, samples)` each."""
    span = (0, samples, pipe.audio_channels, pipe.sampling_rate)
    others = (track.read(name, *span) for name in track.files if name != target)
    stem = normalize_level(track.read(target, *span)[None])[0]
    return stem, sum(others, torch.zeros(pipe.audio_channels, samples))


def _generate(pipe: StemAccompanimentPipeline, mix: torch.Tensor, steps: int, seed: int, target: str) -> torch.Tensor:
    """Generate a level-matched stem `(channels, samples)` for a mix `(channels, samples)`."""
    (audios,) = pipe(
        mix,
        sampling_rate=pipe.sampling_rate,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(seed),
        target=target if target in pipe.target_names else None,
        return_dict=False,
    )
    return normalize_level(torch.as_tensor(audios).cpu().float())[0]


@torch.no_grad()
def _encode(pipe: StemAccompanimentPipeline, audio: torch.Tensor) -> torch.Tensor:
    """Encode audio `(channels, samples)` to normalized latents `(1, latent_channels, frames)`."""
    return encode_audio(pipe.autoencoder, audio[None].to(pipe.autoencoder.device))


@torch.no_grad()
def _decode(pipe: StemAccompanimentPipeline, latents: torch.Tensor, samples: int) -> torch.Tensor:
    """Decode normalized latents `(1, latent_channels, frames)` to audio `(channels, samples)`."""
    return decode_audio(pipe.autoencoder, latents, samples)[0].cpu()


def _sounding_latents(pipe: StemAccompanimentPipeline, latents: torch.Tensor, audio: torch.Tensor) -> np.ndarray:
    """Select the latents `(frames, channels)` of the frames in which the audio sounds."""
    sounding = torch.from_numpy(sounding_frames(audio.mean(0).numpy(), pipe.hop_length))
    return latents[0].cpu()[:, sounding].T.numpy()


def _compare_round_trip(
    true: np.ndarray, reconstruction: np.ndarray, analysis: StemAnalysis, other: StemAnalysis, rate: int
) -> dict[str, float]:
    """Compare a reconstruction with the true stem, `(samples,)` each; `analysis` is the true stem's, `other` not."""
    metrics = round_trip(true, reconstruction, rate, (analysis.pitch, other.pitch))
    return {**asdict(metrics), "log_mel_l1": log_mel_l1(true, reconstruction, rate)}


def _distances(
    sounds: dict[str, list[np.ndarray]], latents: dict[str, list[np.ndarray]], rate: int
) -> dict[str, float]:
    frames = {kind: np.concatenate(songs) for kind, songs in latents.items()}
    # Time and memory of the kernel distance grow with the square: at most about 4000 frames are taken.
    thinned = {kind: values[:: max(1, len(values) // 2000)] for kind, values in frames.items()}
    timbres = {kind: np.stack([timbre(audio, rate) for audio in sounds[kind]]) for kind in (TRUE, GENERATED)}
    distances = {}
    if min(map(len, frames.values())) > 1:
        distances["Fréchet distance, latent frames"] = frechet_distance(frames[TRUE], frames[GENERATED])
        distances["kernel distance, latent frames"] = kernel_distance(thinned[TRUE], thinned[GENERATED])
    distances["kernel distance, timbre"] = kernel_distance(timbres[TRUE], timbres[GENERATED])
    return distances


def _format_value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
