"""Style grounding in many settings, on known instruments: the table of arXiv 2402.01412.

Song i is accompanied in the style of one of four General MIDI programs in turn, from the same noise in every case:
without a style; with the whole mean of the reference, as in the paper, at several strengths, with the noise kept
instead of re-derived, and with the deviation of the latents moved too; with the style space of the weights; and, if the
weights have a style encoder, with the code of the reference, alone and with its mean.
Generated basses are decoded, brought to the reference loudness and encoded again; only sounding frames count.

Metrics of style: movement of the mean latent towards the reference, which is what grounding moves; whether the nearest
mean is that of the reference's program; movement of MFCCs, which are independent of the nets; and whether a classifier
of MFCCs, trained on true basses, recognizes the program. Further metrics: Fréchet distance of the latent frames from
those of true basses of the program, chord share, and adherence to the mix by the reranker, if the weights have one;
it chose none of these basses.

Run it as `python -m benchmarks.quality.style_grounding`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import encode, generate, load_pipeline, weights_folder
from benchmarks.common.plotting import series_colors
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, RenderedSong, unseen_bass, unseen_songs
from latentstem import ContrastiveStemModel, StemAccompanimentPipeline, StyleGrounding, StyleSpace
from latentstem.evaluation import (
    chord_share,
    frechet_distance,
    nearest_program,
    program_classifier,
    prompt_adherence,
    sounding_frames,
    style_movement,
    timbre,
    track_pitch,
)
from latentstem.sampling import DenoisedStep

PROGRAMS = (32, 33, 36, 38)
TRUE_SONGS = 6
"""Songs whose basses, with each program, say what the program sounds like."""
METRICS = {
    "latent_movement": "movement, latents",
    "nearest": "nearest mean",
    "timbre_movement": "movement, MFCC",
    "named": "named by MFCC",
    "chord_share": "chord share",
}


class MomentGrounding(StyleGrounding):
    """Grounding that also matches the deviation over time; a variant of this benchmark alone."""

    def __init__(self, latents: torch.Tensor):
        super().__init__(latents.mean(-1))
        self.deviation = latents.std(-1)

    def __call__(self, denoised: torch.Tensor, step: DenoisedStep) -> torch.Tensor:
        """Scale, then move `denoised`, `(batch, channels, frames)`."""
        centred = denoised - denoised.mean(-1, keepdim=True)
        scaled = centred * (self.deviation.unsqueeze(-1) / centred.std(-1, keepdim=True).clamp(min=1e-3))
        return super().__call__(scaled + denoised.mean(-1, keepdim=True), step)


Hook = Callable[[torch.Tensor, StyleSpace], StyleGrounding]


def mean_grounding(**options: Any) -> Hook:
    """Make a hook that grounds the whole mean."""
    return lambda latents, space: StyleGrounding(latents.mean(-1), **options)


def space_grounding(**options: Any) -> Hook:
    """Make a hook that grounds the part of the mean in the style space."""
    return lambda latents, space: StyleGrounding(latents.mean(-1), space=space, **options)


@dataclass(frozen=True)
class Case:
    """How a reference is taken on.

    Attributes:
        hook: Maker of the grounding, if there is one.
        code: Whether the denoiser is given the code of the reference.
    """

    hook: Hook | None = None
    code: bool = False


CASES = {
    "no style": Case(),
    "whole mean, strength 0.25": Case(mean_grounding(strength=0.25)),
    "whole mean, strength 0.5": Case(mean_grounding(strength=0.5)),
    "whole mean, strength 0.75": Case(mean_grounding(strength=0.75)),
    "whole mean, strength 1": Case(mean_grounding()),
    "whole mean, noise kept": Case(mean_grounding(noise="keep")),
    "mean and deviation": Case(lambda latents, space: MomentGrounding(latents)),
    "style space, strength 0.5": Case(space_grounding(strength=0.5, noise="keep")),
    "style space, strength 1": Case(space_grounding(noise="keep")),
    "style space, noise re-derived": Case(space_grounding()),
    "code": Case(code=True),
    "code, whole mean, strength 0.25": Case(mean_grounding(strength=0.25), code=True),
    "code, whole mean, strength 0.5": Case(mean_grounding(strength=0.5), code=True),
    "code, whole mean, strength 1": Case(mean_grounding(), code=True),
}


@dataclass
class Sound:
    """Features of one bass: latents of its sounding frames `(frames, channels)`, its timbre, and all latents."""

    latents: np.ndarray
    timbre: np.ndarray
    whole: np.ndarray

    @classmethod
    def of(cls, pipe: StemAccompanimentPipeline, audio: np.ndarray) -> "Sound":
        """Analyze mono audio `(samples,)`."""
        latents = encode(pipe.autoencoder, audio)
        sounding = sounding_frames(audio, pipe.hop_length)
        return cls(latents[:, sounding if sounding.any() else slice(None)].T, timbre(audio, SAMPLING_RATE), latents)


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=4, help="Number of test songs.")] = 16,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 4,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe = load_pipeline(weights, device)
    space = StyleSpace.from_config(pipe.autoencoder.config)
    if space is None:
        raise typer.BadParameter(
            f"{weights_folder(weights)} has no style space: `python -m latentstem.training.style_space` fits one"
        )
    unseen = unseen_songs(0, songs, duration, cache)
    recordings = {p: unseen_bass(songs + index, p, duration, cache) for index, p in enumerate(PROGRAMS)}
    references = {p: Sound.of(pipe, recording) for p, recording in recordings.items()}
    codes = {p: pipe.encode_style_code(torch.from_numpy(audio)[None, None], None) for p, audio in recordings.items()}
    first = songs + len(PROGRAMS)
    true = {
        p: [Sound.of(pipe, unseen_bass(first + index, p, duration, cache)) for index in range(TRUE_SONGS)]
        for p in track(PROGRAMS, description="true basses of the programs")
    }
    classifier = program_classifier(
        [sound.timbre for sounds in true.values() for sound in sounds],
        [p for p, sounds in true.items() for _ in sounds],
    )
    spread = np.stack([sound.timbre for sounds in true.values() for sound in sounds]).std(axis=0)
    own = [Sound.of(pipe, song.stem) for song in unseen]
    mixes = torch.from_numpy(np.stack([encode(pipe.autoencoder, song.mix) for song in unseen]))

    def pairs(reranker: ContrastiveStemModel, sounds: list[Sound], shift: int = 0) -> np.ndarray:
        with torch.inference_mode():
            stems = reranker.embed_stem(torch.from_numpy(np.stack([sound.whole for sound in sounds])))
            return (reranker.embed_mix(mixes) * stems.roll(shift, dims=0)).mean(1).double().numpy()

    cases: dict[str, dict[str, list[float]]] = {}
    figures: dict[str, Any] = {}
    plain: list[Sound] = []
    for name, case in CASES.items():
        if case.code and pipe.style_encoder is None:
            continue
        stems = _generate(pipe, unseen, references, codes, space, case, batch, name, steps)
        sounds = [Sound.of(pipe, stem) for stem in stems]
        plain = plain or sounds
        cases[name] = _score(sounds, plain, references, true, spread, classifier)
        cases[name]["chord_share"] = [
            chord_share(track_pitch(stem, SAMPLING_RATE), song.song.chords)
            for stem, song in zip(stems, unseen, strict=True)
        ]
        figures[name] = {measure: interval(values) for measure, values in cases[name].items()}
        figures[name]["chord_share_change"] = interval(
            np.subtract(cases[name]["chord_share"], cases["no style"]["chord_share"])
        )
        figures[name]["frechet"] = _distance_from_program(sounds, true)
        if pipe.reranker is not None:
            truth = pairs(pipe.reranker, own), pairs(pipe.reranker, own, shift=1)
            figures[name]["adherence"] = prompt_adherence(pairs(pipe.reranker, sounds), *truth)
    _print(figures)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "programs": PROGRAMS,
        "true_songs": TRUE_SONGS,
    }
    by_song = {"seeds": [song.song.seed for song in unseen], "cases": cases}
    report = {"cases": figures, "songs": by_song}
    write_report("style_grounding", settings, report, plot(report), results)


def _program(index: int) -> int:
    """Return the program of the reference of a song."""
    return PROGRAMS[index % len(PROGRAMS)]


def _generate(
    pipe: StemAccompanimentPipeline,
    songs: list[RenderedSong],
    references: dict[int, Sound],
    codes: Mapping[int, Mapping[str, torch.Tensor]],
    space: StyleSpace,
    case: Case,
    batch: int,
    name: str,
    steps: int,
) -> list[np.ndarray]:
    stems: list[np.ndarray] = [np.empty(0)] * len(songs)
    for first, program in enumerate(PROGRAMS):
        indices = range(first, len(songs), len(PROGRAMS))
        hooks = [] if case.hook is None else [case.hook(torch.from_numpy(references[program].latents.T), space)]
        given = {key: code.expand(len(indices), -1) for key, code in codes[program].items()} if case.code else {}
        generated = generate(
            pipe,
            [songs[index] for index in indices],
            batch,
            f"{name}, {PROGRAM_NAMES[program]}",
            num_inference_steps=steps,
            denoised_hooks=hooks,
            conditions=given,
        )
        for index, stem in zip(indices, generated, strict=True):
            stems[index] = stem
    return stems


def _score(
    sounds: list[Sound],
    plain: list[Sound],
    references: dict[int, Sound],
    true: dict[int, list[Sound]],
    spread: np.ndarray,
    classifier: Any,
) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {measure: [] for measure in METRICS if measure != "chord_share"}
    means = {
        program: np.mean([sound.latents.mean(0) for sound in of_program], axis=0)
        for program, of_program in true.items()
    }
    for index, (sound, base) in enumerate(zip(sounds, plain, strict=True)):
        program, reference = _program(index), references[_program(index)]
        three = (base, sound, reference)
        scores["latent_movement"].append(style_movement(*(each.latents.mean(0) for each in three)))
        scores["timbre_movement"].append(style_movement(*(each.timbre / spread for each in three)))
        scores["nearest"].append(float(nearest_program(sound.latents.mean(0), means) == program))
        scores["named"].append(float(classifier.predict(sound.timbre[None])[0] == program))
    return scores


def _distance_from_program(sounds: list[Sound], true: dict[int, list[Sound]]) -> float:
    """Average, over the programs, the Fréchet distance between sounding frames."""
    distances = []
    for first, program in enumerate(PROGRAMS):
        generated = np.concatenate([sound.latents for sound in sounds[first :: len(PROGRAMS)]])
        distances.append(frechet_distance(np.concatenate([sound.latents for sound in true[program]]), generated))
    return float(np.mean(distances))


def _print(figures: dict[str, Any]) -> None:
    header = ["case", *METRICS.values(), "change, paired", "Fréchet distance", "adherence"]
    rows = [
        [
            name,
            *(format_interval(figure[measure], digits=2) for measure in METRICS),
            format_interval(figure["chord_share_change"]),
            f"{figure['frechet']:.1f}",
            f"{figure['adherence']:.2f}" if "adherence" in figure else "-",
        ]
        for name, figure in figures.items()
    ]
    print_table("Style grounding", header, rows)


def plot(report: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(9.5, 5), layout="constrained")
    axis = picture.subplots()
    colors = series_colors(report["cases"], "whole mean, strength 1")
    for name, figure in report["cases"].items():
        style, cost = figure["timbre_movement"], figure["chord_share"]
        axis.errorbar(
            style["mean"],
            cost["mean"],
            xerr=[[style["mean"] - style["low"]], [style["high"] - style["mean"]]],
            yerr=[[cost["mean"] - cost["low"]], [cost["high"] - cost["mean"]]],
            marker="o",
            capsize=2,
            color=colors[name],
            label=name,
        )
    axis.set(xlabel="movement towards the reference, MFCC", ylabel="chord share", title="Ways of grounding")
    picture.legend(loc="outside right upper", fontsize="small")
    return picture


if __name__ == "__main__":
    typer.run(main)
