"""All that can be said of a pipeline's stems on annotated songs, in one go: what `latentstem evaluate` runs."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.progress import track

from latentstem.audio.level import reference_gain
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

TRUE, TRIP, MADE, SWAPPED = "true stem", "its round trip", "generated", "generated, swapped mix"


@dataclass(frozen=True)
class Evaluation:
    """Figures of one pipeline.

    Attributes:
        tracks: names of the songs.
        scores: kind of stem -> one score a song, see `latentstem.evaluation.scores.METRICS`.
        round_trips: one a song: see `latentstem.evaluation.RoundTrip`, and `log_mel_l1`.
        distances: of the generated stems from the true ones: Fréchet and kernel distance of the sounding latent
            frames, and of the timbres.

    Example:
        >>> Evaluation(["a"], {"generated": [{"chord_share": 0.9}]}, [], {}).mean("generated", "chord_share")
        0.9
    """

    tracks: list[str]
    scores: dict[str, list[Score]]
    round_trips: list[dict[str, float]]
    distances: dict[str, float]

    def mean(self, kind: str, measure: str) -> float | None:
        """Mean of a measure over the songs that have it; None where none has."""
        known = [figure for score in self.scores[kind] if (figure := score[measure]) is not None]
        return float(np.mean(known)) if known else None

    def table(self) -> str:
        """The means as Markdown: a line a measure, then what the round trip keeps and the distances."""
        lines = ["| measure | " + " | ".join(self.scores) + " |", "| --- |" + " ---: |" * len(self.scores)]
        for measure, name in METRICS.items():
            cells = [_shown(self.mean(kind, measure)) for kind in self.scores]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines += ["", "| figure | mean |", "| --- | ---: |"]
        for name in self.round_trips[0] if self.round_trips else ():
            lines.append(
                f"| round trip: {name} | {_shown(float(np.mean([trip[name] for trip in self.round_trips])))} |"
            )
        lines += [f"| {name} | {_shown(value)} |" for name, value in self.distances.items()]
        return "\n".join(lines) + "\n"


def evaluate_pipeline(
    pipe: StemAccompanimentPipeline,
    root: Path,
    target: str | None = None,
    num_inference_steps: int = 64,
    seconds: float | None = None,
) -> Evaluation:
    """Accompany every song of a folder and judge the stems; progress is shown.

    Args:
        pipe: the pipeline, with its own guidance.
        root: folder of annotated songs, from `latentstem.data.corpus.write_corpus`, at least two with the target.
        target: name of the stem, and of the part in the annotations; None is the pipeline's own.
        num_inference_steps: steps of the sampler.
        seconds: length that is used of each song; all of it if absent.

    Returns:
        The figures. Each song's noise is a function of its place alone.

    Raises:
        ValueError: if there are fewer than two songs.
        FileNotFoundError: if a song is not annotated.
        latentstem.data.stems.layouts.StemError: if the folder holds no usable song.

    Example:
        >>> evaluate_pipeline(pipe, Path("songs")).mean("generated", "chord_share")  # doctest: +SKIP
        0.87
    """
    name, rate = target or pipe.config["target"], pipe.sampling_rate
    tracks = StemFolder(root, name, channels=pipe.audio_channels, sampling_rate=rate).tracks
    if len(tracks) < 2:
        raise ValueError(f"got {len(tracks)} songs in {root}, expected at least 2, to swap their mixes")
    songs = [read_annotation(root / one.name).beginning(seconds or math.inf) for one in tracks]
    pipe.set_progress_bar_config(disable=True)
    sounds: dict[str, list[np.ndarray]] = {TRUE: [], TRIP: [], MADE: []}
    latents: dict[str, list[np.ndarray]] = {TRUE: [], MADE: []}
    for place, one in enumerate(track(tracks, description="accompanying")):
        samples = one.length(rate) if seconds is None else min(one.length(rate), round(seconds * rate))
        stem, mix = _stem_and_mix(pipe, one, name, samples)
        (made,) = pipe(
            mix,
            sampling_rate=rate,
            num_inference_steps=num_inference_steps,
            generator=torch.Generator().manual_seed(place),
            return_dict=False,
        )
        generated = _leveled(torch.as_tensor(made).cpu().float()[0])
        encoded = _encode(pipe, stem)
        trip = _decode(pipe, encoded, samples)
        for kind, audio in ((TRUE, stem), (TRIP, trip), (MADE, generated)):
            sounds[kind].append(audio.mean(0).numpy())
        latents[TRUE].append(_sounding(pipe, encoded, stem))
        latents[MADE].append(_sounding(pipe, _encode(pipe, generated), generated))

    heard = {
        kind: [StemAnalysis.of(audio, rate) for audio in track(some, description=f"hearing: {kind}")]
        for kind, some in sounds.items()
    }
    heard[SWAPPED] = [*heard[MADE][1:], heard[MADE][0]]
    pairs = list(zip(sounds[TRUE], sounds[TRIP], heard[TRUE], heard[TRIP], strict=True))
    return Evaluation(
        [one.name for one in tracks],
        {
            kind: [score_stem(*case, name) for case in zip(some, songs, heard[TRUE], strict=True)]
            for kind, some in heard.items()
        },
        [
            {
                **asdict(round_trip(true, back, rate, (heard_true.pitch, heard_back.pitch))),
                "log_mel_l1": log_mel_l1(true, back, rate),
            }
            for true, back, heard_true, heard_back in track(pairs, description="round trips")
        ],
        _distances(sounds, latents, rate),
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write `evaluation.json`, `evaluation.md` and `evaluation.png`, each whole or not at all.

    Args:
        evaluation: the figures.
        folder: made if absent.

    Returns:
        The files.

    Example:
        >>> write_evaluation(evaluation, Path("runs/figures"))  # doctest: +SKIP
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"evaluation.{suffix}" for suffix in ("json", "md", "png")]
    partial = [file.with_name(f".{file.stem}.partial{file.suffix}") for file in files]
    partial[0].write_text(json.dumps(asdict(evaluation), indent=1) + "\n")
    partial[1].write_text(evaluation.table())
    _picture(evaluation).savefig(partial[2], dpi=110)
    for written, file in zip(partial, files, strict=True):
        written.replace(file)
    return files


def _stem_and_mix(
    pipe: StemAccompanimentPipeline, one: StemTrack, target: str, samples: int
) -> tuple[torch.Tensor, torch.Tensor]:
    part = (0, samples, pipe.audio_channels, pipe.sampling_rate)
    others = (one.read(name, *part) for name in one.files if name != target)
    return _leveled(one.read(target, *part)), sum(others, torch.zeros(pipe.audio_channels, samples))


def _leveled(audio: torch.Tensor) -> torch.Tensor:
    """Audio `(channels, samples)` at the reference loudness; silence stays silent."""
    return audio * reference_gain(audio[None])


@torch.no_grad()
def _encode(pipe: StemAccompanimentPipeline, audio: torch.Tensor) -> torch.Tensor:
    """Normalized latents `(1, latent_channels, frames)` of audio `(channels, samples)`."""
    return encode_audio(pipe.autoencoder, audio[None].to(pipe.autoencoder.device))


@torch.no_grad()
def _decode(pipe: StemAccompanimentPipeline, latents: torch.Tensor, samples: int) -> torch.Tensor:
    """Audio `(channels, samples)` of what `_encode` gave."""
    return decode_audio(pipe.autoencoder, latents, samples)[0].cpu()


def _sounding(pipe: StemAccompanimentPipeline, latents: torch.Tensor, audio: torch.Tensor) -> np.ndarray:
    """Latents `(frames, channels)` of the frames in which the audio sounds."""
    sounding = torch.from_numpy(sounding_frames(audio.mean(0).numpy(), pipe.hop_length))
    return latents[0].cpu()[:, sounding].T.numpy()


def _distances(
    sounds: dict[str, list[np.ndarray]], latents: dict[str, list[np.ndarray]], rate: int
) -> dict[str, float]:
    frames = {kind: np.concatenate(some) for kind, some in latents.items()}
    # The kernel distance takes time and memory by the square: a frame in so many is plenty.
    few = {kind: some[:: max(1, len(some) // 2000)] for kind, some in frames.items()}
    timbres = {kind: np.stack([timbre(audio, rate) for audio in sounds[kind]]) for kind in (TRUE, MADE)}
    figures = {}
    if min(map(len, frames.values())) > 1:
        figures["Fréchet distance, latent frames"] = frechet_distance(frames[TRUE], frames[MADE])
        figures["kernel distance, latent frames"] = kernel_distance(few[TRUE], few[MADE])
    figures["kernel distance, timbre"] = kernel_distance(timbres[TRUE], timbres[MADE])
    return figures


def _picture(evaluation: Evaluation) -> Figure:
    """Every measure by kind of stem: one point a song, and the mean."""
    picture = Figure(figsize=(16, 6), layout="constrained")
    axes = picture.subplots(2, -(-len(METRICS) // 2)).flatten()
    kinds = list(evaluation.scores)
    for axis, (measure, name) in zip(axes, METRICS.items(), strict=False):
        for place, kind in enumerate(kinds):
            known = [figure for score in evaluation.scores[kind] if (figure := score[measure]) is not None]
            spots = place + 0.3 * (np.random.default_rng(0).random(len(known)) - 0.5)
            axis.plot(spots, known, ".", alpha=0.4)
            if known:
                axis.plot([place - 0.3, place + 0.3], [np.mean(known)] * 2, color="black")
        axis.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right")
        axis.set(title=name)
    for axis in axes[len(METRICS) :]:
        axis.set_visible(False)
    return picture


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"
