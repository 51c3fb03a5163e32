"""One net for bass, drums, chords and lead: what a short training from the shipped net of bass makes of it.

The net learns to be told which stem to generate (`latentstem train unet --targets`). On test songs with an unseen
soundfont its stems are scored beside the true ones and beside themselves against other songs, which is the score of a
net that ignores its mix: chords of the bass, onsets and beats of the drums, and the share of the chroma energy of
chords and lead on the tones of the chord, or of the scale. A classifier of timbre that learned from true stems of
validation songs says which stem each sounds like, when the net is told its name and when it is told another.

Run it as `python -m benchmarks.training.several_stems --output runs/several-stems`: an hour of one core. What is
finished is not made again.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import librosa
import numpy as np
import soundfile
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import generate
from benchmarks.common.plotting import plot_interval, role_colors
from benchmarks.common.report import RESULTS, interval, print_table, short_interval, write_report
from benchmarks.common.songs import DEFAULT_CACHE, SAMPLING_RATE, RenderedSong, unseen_songs
from latentstem import StemAccompanimentPipeline, pretrained_path
from latentstem.data import TRAIN_SEEDS, VALIDATION_SEEDS, Song
from latentstem.data.compose.composer import compose
from latentstem.data.compose.harmony import SCALES
from latentstem.data.corpus import write_corpus
from latentstem.evaluation import (
    beat_f1,
    beat_times,
    chord_share,
    onset_f1,
    onset_times,
    program_classifier,
    timbre,
    track_pitch,
)
from latentstem.evaluation.scores import written_onsets
from latentstem.training.engine.history import read_history
from latentstem.training.unet import UNetTraining, train

TARGETS = {"bass": "bass", "drums": "drums", "chords": "chords1", "lead": "lead"}
CASES = {"true": "true stem", "generated": "generated", "swapped": "generated, of other songs"}
CONTROLS = ("beat", "chords", "density", "register", "level")
"""Those of the shipped net, which it keeps."""
CHROMA_HOP = 2048
"""Samples from one frame of a chroma to the next."""
Measure = tuple[Callable[[np.ndarray], Any], Callable[[Any, Song], float]]


def main(
    output: Annotated[Path, typer.Option(help="Folder of songs and training; what is there is not made again.")],
    songs: Annotated[int, typer.Option(min=20, help="Songs to train on.")] = 240,
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes of the training.")] = 32.0,
    test_songs: Annotated[int, typer.Option(min=2, help="Test songs of each stem.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 16,
    threads: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    cache: Annotated[Path, typer.Option(help="Where rendered test songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    torch.set_num_threads(threads)
    for folder, seeds in (("train", TRAIN_SEEDS[:songs]), ("validation", VALIDATION_SEEDS[:40])):
        write_corpus(output / folder, seeds, duration=20.0, workers=1, compose=compose)
    folder = train(_settings(output, minutes))
    pipe: Any = StemAccompanimentPipeline.from_pretrained(str(folder))
    pipe.set_progress_bar_config(disable=True)
    classifier = program_classifier(*_true_stems(output / "validation"))
    figures: dict[str, Any] = {}
    for target, part in TARGETS.items():
        unseen = unseen_songs(0, test_songs, 20.0, cache, target=part)
        call = {"num_inference_steps": steps, "target": target}
        stems = generate(pipe, unseen, 4, f"generating {target}", **call)
        others = [name for name in TARGETS if name != target]
        mislabelled = generate(
            pipe, unseen, 4, f"{target}, told another", **{**call, "target": others[len(figures) % len(others)]}
        )
        figures[target] = score_target(target, unseen, stems) | {
            "named": _share_named(classifier, stems, target),
            "named_true": _share_named(classifier, [song.stem for song in unseen], target),
            "named_told_another": _share_named(classifier, mislabelled, target),
        }
    rows = [
        (target, name, *(short_interval(own[name][row]) for row in ("true", "generated", "swapped")))
        for target, own in figures.items()
        for name in own
        if isinstance(own[name], dict) and "true" in own[name]
    ]
    print_table("One net for four stems", ("stem", "", "true", "generated", "of other songs"), rows)
    history = read_history(folder.parent / "history.jsonl")
    settings = {"songs": songs, "minutes": minutes, "test_songs": test_songs, "steps": steps, "targets": TARGETS}
    training = {name: history[-1].get(name) for name in ("step", "prediction_error")}
    write_report("several_stems", settings, {"training": training, "stems": figures}, plot({"stems": figures}), results)


def score_target(
    target: str, songs: Sequence[RenderedSong], stems: Sequence[np.ndarray] | np.ndarray
) -> dict[str, Any]:
    """Score the stems of one target: the true ones, the generated ones, and these against every other song.

    Args:
        target: Name of the stem.
        songs: Test songs.
        stems: A stem for each, `(samples,)`.

    Returns:
        Means with intervals by measure, and by "true", "generated" and "swapped".
    """
    figures = {}
    for name, (analyze, score) in _measures(target).items():
        true = [analyze(song.stem) for song in songs]
        generated = [analyze(stem) for stem in track(stems, f"{target}: {name}")]
        swapped = [
            float(np.mean([score(own, song.song) for other, own in enumerate(generated) if other != index]))
            for index, song in enumerate(songs)
        ]
        figures[name] = {
            "true": interval([score(own, song.song) for own, song in zip(true, songs, strict=True)]),
            "generated": interval([score(own, song.song) for own, song in zip(generated, songs, strict=True)]),
            "swapped": interval(swapped),
        }
    return figures


def chroma_of(audio: np.ndarray) -> np.ndarray:
    """Compute the energy of each pitch class in every frame of mono audio `(samples,)`, `(12, frames)`."""
    return librosa.feature.chroma_stft(y=audio, sr=SAMPLING_RATE, norm=None, n_fft=8192, hop_length=CHROMA_HOP)


def chroma_share(chroma: np.ndarray, song: Song, of_scale: bool) -> float:
    """Compute the share of the chroma energy on the tones of the sounding chord, or of the key's scale.

    Args:
        chroma: Energy of the pitch classes, from `chroma_of`, `(12, frames)`.
        song: Song with chords and keys.
        of_scale: Whether the tones are those of the scale.

    Returns:
        The share, 0 to 1; 0 in silence.
    """
    times = librosa.times_like(chroma, sr=SAMPLING_RATE, hop_length=CHROMA_HOP)
    allowed = np.zeros(chroma.shape, dtype=bool)
    for start, end, tones in _sounding_tones(song, of_scale):
        allowed[tones] |= (times >= start) & (times < end)
    return float(chroma[allowed].sum() / max(chroma.sum(), 1e-12))


def _sounding_tones(song: Song, of_scale: bool) -> list[tuple[float, float, list[int]]]:
    """Start and end in seconds of each chord or key, and its pitch classes."""
    if of_scale:
        return [(key.start, key.end, [(key.tonic + step) % 12 for step in SCALES[key.mode]]) for key in song.keys]
    return [(chord.start, chord.end, sorted(set(chord.pitch_classes))) for chord in song.chords]


def _measures(target: str) -> dict[str, Measure]:
    """What is found in a stem, once, and its score against a song, by the name of the measure."""
    if target == "bass":
        return {
            "chord share": (
                lambda audio: track_pitch(audio, SAMPLING_RATE),
                lambda pitch, song: chord_share(pitch, song.chords),
            )
        }
    if target == "drums":
        return {
            "onset F1": (
                lambda audio: onset_times(audio, SAMPLING_RATE),
                lambda onsets, song: onset_f1(written_onsets(song.part("drums")), onsets),
            ),
            "beat F1": (
                lambda audio: beat_times(audio, SAMPLING_RATE),
                lambda beats, song: beat_f1(np.array(song.beats), beats),
            ),
        }
    return {
        "chroma on the chord": (chroma_of, lambda chroma, song: chroma_share(chroma, song, of_scale=False)),
        "chroma on the scale": (chroma_of, lambda chroma, song: chroma_share(chroma, song, of_scale=True)),
    }


def _true_stems(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    """Timbres of the true stems of the songs in a folder, and the targets that they are."""
    found = [
        (timbre(*soundfile.read(file)), target)
        for target, stem in TARGETS.items()
        for file in sorted(folder.glob(f"*/{stem}.wav"))
    ]
    timbres, names = zip(*found, strict=True)
    return list(timbres), list(names)


def _share_named(classifier: Any, stems: Sequence[np.ndarray] | np.ndarray, target: str) -> dict[str, float]:
    named = classifier.predict(np.stack([timbre(stem, SAMPLING_RATE) for stem in stems]))
    return interval([float(name == target) for name in named])


def plot(figures: dict[str, Any]) -> Figure:
    rows = [
        (target, name, own[name]) for target, own in figures["stems"].items() for name in own if "true" in own[name]
    ]
    figure = Figure(figsize=(9, 0.5 * len(rows) + 1.5), layout="constrained")
    axis = figure.subplots()
    colors = role_colors(CASES.values(), ours=("generated",), truth=("true stem",))
    for case, label in CASES.items():
        axis.plot([], [], "o", color=colors[label], label=label)
        for place, (_, _, cells) in enumerate(rows):
            plot_interval(axis, place, cells[case], colors[label])
    axis.set(yticks=range(len(rows)), yticklabels=[f"{target}: {name}" for target, name, _ in rows], xlim=(0, 1))
    axis.invert_yaxis()
    axis.legend(loc="lower left")
    return figure


def _settings(output: Path, minutes: float) -> UNetTraining:
    weights = Path(pretrained_path("bass"))
    return UNetTraining(
        output / "train",
        output / "net",
        weights / "autoencoder",
        validation=output / "validation",
        latents=output / "latents",
        targets=TARGETS,
        controls=CONTROLS,
        init_from=weights / "unet",
        submixes=2,
        learning_rate=1.5e-3,
        ema_decay=0.998,
        minutes=minutes,
        save_minutes=5.0,
        validations=3,
    )


if __name__ == "__main__":
    typer.run(main)
