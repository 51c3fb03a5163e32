"""Loops: do they have the tempo, the words and the sound that are asked for, and do they repeat.

- Tempo: loops of 60 to 180 beats a minute, without words and for "drums". Trackers that know nothing of the request
  hear a loop over and over: share of the loops whose tempo is the asked one within 4 %, octaves apart, and F1 of the
  beats within 50 ms of the asked grid, beside composed loops, beside loops that were told no tempo and have the length
  of whole bars alone, and beside the tempo that was asked of another loop. The trackers are dynamic programming (Ellis
  2007) and the predominant local pulse (Grosche and Mueller 2011), both of librosa, and, where essentia is installed
  (`pip install essentia`), several features that agree (Zapata, Davies and Gomez 2014), which errs the least on
  composed loops.
- Words: loops for "WORD" and for "no WORD", told apart by a classifier that learned from composed loops: balanced
  accuracy, beside that on composed loops, with guidance, with no scale of the prompt's own, without guidance, and
  with the prompts of other loops. Words of instruments and styles that it tells in 0.95 of composed loops are clear.
- Reference: the composed loop, among 25, whose timbre (means and deviations of MFCCs) is nearest to those of loops for
  it; among the composed loops as recorded, and as the codec plays them, whose own sound then does not count; and
  whether what the codec plays of a composed loop is nearest to that loop.
- Seam: the step from the last sample to the first, as a quantile of the steps inside.

Run it as `python -m benchmarks.quality.loops`.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import librosa
import mir_eval
import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.loop_words import RATE, RenderedLoop, WordJudge, fit_words, rendered_loops
from benchmarks.common.plotting import plot_means, role_colors
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE
from latentstem import LoopPipeline
from latentstem.data import TEST_SEEDS, TRAIN_SEEDS
from latentstem.evaluation.mfcc import timbre

TEMPI = tuple(range(60, 181, 10))
CLEAR = 0.95
"""Balanced accuracy on composed loops from which on the classifier knows a word."""
QUALITIES = ("minor", "major", "slow", "fast", "sparse", "busy", "dark", "bright")
"""Words of neither an instrument nor a style; of these slow and fast cannot be obeyed at a given tempo."""
WORD_CALLS: dict[str, dict[str, Any]] = {
    "guided": {},
    "at the scale of the tempo": {"condition_scales": {}},
    "unguided": {"guidance_scale": 1.0, "condition_scales": {}},
}
"""Arguments of the calls whose words are heard."""
ASKED_BPM = 118.0
"""Tempo of the loops that are asked for in words."""
OCTAVES = (1 / 3, 1 / 2, 1, 2, 3)
WITHIN = 0.04
BEAT_WINDOW = 0.05
HEARD = 20.0
"""Seconds that a loop is repeated for the trackers."""
TRACKERS = {"dynamic programming": "dp", "predominant pulse": "plp"}
if importlib.util.find_spec("essentia"):
    TRACKERS = {"several features": "multifeature", **TRACKERS}
OF_REFERENCE = 4
"""Loops for each reference."""
TEMPO_CALLS: dict[str, dict[str, Any]] = {
    "generated": {},
    "generated_drums": {"prompt": "drums"},
    "untold": {"condition_scales": {"beat": 0.0}},
}
"""Arguments of the calls whose tempo is heard; the last has the length of whole bars and nothing else of the tempo."""
AUTHORS = (120, 130)
"""Tempi at which the authors of LADMG saw theirs obeyed."""


def main(
    weights: Annotated[str, typer.Option(help="Name of shipped weights of loops, or folder.")] = "loops-gm",
    seeds: Annotated[int, typer.Option(min=2, help="Loops of each tempo.")] = 8,
    per_word: Annotated[int, typer.Option(min=2, help='Loops for each word, and as many for "no WORD".')] = 6,
    references: Annotated[int, typer.Option(min=2, help="Composed loops that are references.")] = 25,
    learned: Annotated[int, typer.Option(min=50, help="Composed loops that the classifier learns from.")] = 4000,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 16,
    cache: Annotated[Path, typer.Option(help="Where rendered loops are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe: Any = LoopPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    tests = list(rendered_loops(TEST_SEEDS[: max(200, references)], cache))
    tempo = measure_tempo(pipe, seeds, steps, tests)
    _print_tempo(tempo)
    judge = fit_words(TRAIN_SEEDS[:learned], cache)
    words = measure_words(pipe, judge, per_word, steps, tests)
    _print_words(words)
    reference = measure_reference(pipe, tests[:references], steps)
    seam = measure_seam(pipe, steps)
    print_table(
        "Reference and seam",
        ("", ""),
        [
            (f"own reference nearest of {references}", format_interval(reference["recorded"])),
            ("  of those as the codec plays them", format_interval(reference["decoded"])),
            ("  round trips of the codec", format_interval(reference["round_trip"])),
            ("step over the seam, as a quantile", format_interval(seam)),
        ],
    )
    settings = {
        "weights": Path(weights).name,
        "seeds": seeds,
        "per_word": per_word,
        "references": references,
        "learned": learned,
        "steps": steps,
    }
    figures = {"tempo": tempo, "words": words, "reference": reference, "seam": seam}
    write_report("loops", settings, figures, plot(figures), results)


def hear_beats(audio: np.ndarray, tracker: str) -> np.ndarray:
    """Track the beats of a sound at `RATE`.

    Args:
        audio: Mono audio `(samples,)`.
        tracker: "dp", "plp" or "multifeature".

    Returns:
        Times in seconds.
    """
    if tracker == "multifeature":
        import essentia.standard  # pyright: ignore[reportMissingImports]

        full = librosa.resample(audio, orig_sr=RATE, target_sr=44100)  # the only rate that it takes
        return np.array(essentia.standard.RhythmExtractor2013(method=tracker)(full.astype(np.float32))[1])
    strength = librosa.onset.onset_strength(y=audio, sr=RATE)
    if tracker == "dp":
        return librosa.beat.beat_track(onset_envelope=strength, sr=RATE, units="time")[1]
    pulse = librosa.beat.plp(onset_envelope=strength, sr=RATE, tempo_min=50, tempo_max=240)
    return librosa.frames_to_time(np.flatnonzero(librosa.util.localmax(pulse) & (pulse > 0.05)), sr=RATE)


def score_beats(beats: np.ndarray, bpm: float) -> tuple[float, float]:
    """Compare heard beats with a tempo whose first beat is at 0.

    Args:
        beats: Times in seconds.
        bpm: Asked beats a minute.

    Returns:
        Whether the heard tempo is the asked one, octaves apart, as 0 or 1; and the F measure of the beats against the
        grid of the octave at which it is greatest.
    """
    if len(beats) < 4:
        return 0.0, 0.0
    heard = 60.0 / float(np.median(np.diff(beats)))
    right = min(abs(heard / (bpm * octave) - 1) for octave in OCTAVES) <= WITHIN
    end = beats[-1] + BEAT_WINDOW
    grids = [np.arange(0.0, end, 60.0 / (bpm * octave)) for octave in (0.5, 1, 2)]
    # Not all of a grid is heard: the trackers begin late.
    grids = [grid[grid >= beats[0] - BEAT_WINDOW] for grid in grids]
    scores = [mir_eval.beat.f_measure(grid, beats, f_measure_threshold=BEAT_WINDOW) for grid in grids]
    return float(right), float(max(scores))


def hear_tempi(pipe: Any, seeds: int, steps: int, **asked: Any) -> dict[str, list[list[np.ndarray]]]:
    """Generate loops of every tempo and track their beats.

    Args:
        pipe: Pipeline of loops.
        seeds: Number of loops of each tempo.
        steps: Number of denoising steps.
        **asked: Further arguments of the calls.

    Returns:
        Times of the beats in seconds, of each loop of each of `TEMPI`, by tracker.
    """
    heard: dict[str, list[list[np.ndarray]]] = {name: [] for name in TRACKERS}
    for bpm in track(TEMPI, "tempi"):
        bars = max(1, round(8.0 * bpm / 240))
        call = {"num_waveforms_per_prompt": seeds, "generator": 100, "num_inference_steps": steps}
        audios = pipe(bpm, bars, **call, **asked).audios
        loops = [repeated(each.mean(0).numpy(), pipe.sampling_rate) for each in audios]
        for name, tracker in TRACKERS.items():
            heard[name].append([hear_beats(loop, tracker) for loop in loops])
    return heard


def score_tempi(heard: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Score the beats of loops of every tempo, as `hear_tempi` returns them for a tracker.

    Args:
        heard: Times of beats by tempo and loop.

    Returns:
        The scores of `score_beats`, `(tempi, loops, 2)`.
    """
    return np.array([[score_beats(beats, bpm) for beats in row] for bpm, row in zip(TEMPI, heard, strict=True)])


def by_tempo(scores: np.ndarray) -> dict[str, Any]:
    """Return means with intervals: at the tempi of LADMG's authors, at the others, and at each.

    Args:
        scores: As `score_tempi` returns them.
    """
    inside = np.array([AUTHORS[0] <= bpm <= AUTHORS[1] for bpm in TEMPI])
    return {
        "inside": _tempo_intervals(scores[inside]),
        "outside": _tempo_intervals(scores[~inside]),
        "by_tempo": {str(bpm): _tempo_intervals(own) for bpm, own in zip(TEMPI, scores, strict=True)},
    }


def _tempo_intervals(scores: np.ndarray) -> dict[str, Any]:
    return {"tempo": interval(scores[..., 0].ravel()), "beat_f1": interval(scores[..., 1].ravel())}


def measure_tempo(pipe: Any, seeds: int, steps: int, composed: Sequence[RenderedLoop]) -> dict[str, Any]:
    """Hear the tempo of generated and of composed loops, see the module."""
    heard = {row: hear_tempi(pipe, seeds, steps, **asked) for row, asked in TEMPO_CALLS.items()}
    figures: dict[str, Any] = {}
    for name, tracker in TRACKERS.items():
        scores = {row: score_tempi(of[name]) for row, of in heard.items()}
        others = np.array(
            [
                np.mean([score_beats(beats, bpm) for bpm in TEMPI if bpm != asked], axis=0)
                for asked, row in zip(TEMPI, heard["generated"][name], strict=True)
                for beats in row
            ]
        )
        ceiling = np.array(
            [score_beats(hear_beats(repeated(loop.audio, 44100), tracker), loop.song.tempo) for loop in composed]
        )
        drums = np.array([loop.words["drums"] for loop in composed])
        parts = by_tempo(scores["generated"])
        figures[name] = {
            **{row: _tempo_intervals(values) for row, values in scores.items()},
            "generated_inside": parts["inside"],
            "generated_outside": parts["outside"],
            "other_requests": _tempo_intervals(others),
            "composed": _tempo_intervals(ceiling),
            "composed_drums": _tempo_intervals(ceiling[drums]),
            "by_tempo": parts["by_tempo"],
        }
    return figures


def repeated(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Play a loop over and over, for about as long as the trackers need.

    Args:
        audio: Mono audio `(samples,)`.
        sampling_rate: Its sampling rate in Hz.

    Returns:
        Mono audio at `RATE`.
    """
    turns = max(1, round(HEARD * sampling_rate / len(audio)))
    return librosa.resample(np.tile(audio, turns), orig_sr=sampling_rate, target_sr=RATE)


def measure_words(
    pipe: Any, judge: WordJudge, per_word: int, steps: int, composed: Sequence[RenderedLoop]
) -> dict[str, Any]:
    """Tell loops for "WORD" from loops for "no WORD", see the module."""
    heard: dict[str, dict[str, list[dict[str, bool]]]] = {row: {} for row in WORD_CALLS}
    for word in track(judge.words, "words"):
        for row, asked in WORD_CALLS.items():
            heard[row][word] = []
            for prompt in (word, f"no {word}"):
                call = {"num_waveforms_per_prompt": per_word, "generator": 500, "num_inference_steps": steps}
                out = pipe(ASKED_BPM, 2, prompt=prompt, **asked, **call).audios
                loops = (repeated(each.mean(0).numpy(), pipe.sampling_rate) for each in out)
                heard[row][word] += [judge(loop, RATE, ASKED_BPM) for loop in loops]
    of_composed = [judge(loop.audio, 44100, loop.song.tempo) for loop in track(composed, "composed loops")]
    wanted = np.repeat([True, False], per_word)
    told: dict[str, dict[str, float]] = {row: {} for row in (*WORD_CALLS, "shuffled", "composed")}
    for index, word in enumerate(judge.words):
        other = judge.words[(index + len(judge.words) // 2) % len(judge.words)]
        answers = {row: own[word] for row, own in heard.items()} | {"shuffled": heard["guided"][other]}
        for row, own in answers.items():
            told[row][word] = _balanced([answer[word] for answer in own], wanted)
        truth = np.array([loop.words[word] for loop in composed])
        told["composed"][word] = _balanced([answer[word] for answer in of_composed], truth)
    clear = [word for word in judge.words if word not in QUALITIES and told["composed"][word] >= CLEAR]
    figures: dict[str, Any] = {}
    for row, values in told.items():
        figures[row] = {"all": interval(list(values.values())), "by_word": values}
        if clear:
            figures[row]["clear"] = interval([values[word] for word in clear])
    return {**figures, "clear_words": clear}


def _balanced(predicted: Sequence[bool], truth: np.ndarray) -> float:
    told = np.array(predicted)
    shares = [told[truth].mean() if truth.any() else 1.0, (~told[~truth]).mean() if (~truth).any() else 1.0]
    return float(np.mean(shares))


@torch.no_grad()
def measure_reference(pipe: Any, composed: Sequence[RenderedLoop], steps: int) -> dict[str, dict[str, float]]:
    """Find the reference of loops by their timbre, see the module."""
    recorded, decoded = [], []
    for loop in composed:
        latents, gain = pipe.encode_mix(torch.from_numpy(loop.audio)[None, None])
        played = pipe.decode_latents(latents, len(loop.audio), gain, None).mean((0, 1)).numpy()
        recorded.append(timbre(loop.audio, 44100))
        decoded.append(timbre(played, pipe.sampling_rate))
    found: dict[str, list[float]] = {"recorded": [], "decoded": []}
    for index, loop in enumerate(track(composed, "references")):
        call = {"sampling_rate": 44100, "num_inference_steps": steps, "generator": 1000 * index}
        reference = torch.from_numpy(loop.audio)[None]
        audios = pipe(loop.song.tempo, 2, reference=reference, num_waveforms_per_prompt=OF_REFERENCE, **call).audios
        own = [timbre(audio.mean(0).numpy(), pipe.sampling_rate) for audio in audios]
        for name, references in (("recorded", recorded), ("decoded", decoded)):
            found[name].append(float(np.mean(_nearest(own, references) == index)))
    round_trip = _nearest(decoded, recorded) == np.arange(len(composed))
    return {**{name: interval(values) for name, values in found.items()}, "round_trip": interval(round_trip.tolist())}


def _nearest(timbres: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> np.ndarray:
    """Index of the reference next to each timbre, distances in standard deviations of the references."""
    deviation = np.std(references, axis=0) + 1e-6
    differences = (np.stack(timbres)[:, None] - np.stack(references)[None]) / deviation
    return (differences**2).sum(-1).argmin(1)


def measure_seam(pipe: Any, steps: int) -> dict[str, float]:
    """Compare the step over the seam with those inside, as a quantile of them."""
    quantiles = []
    for index, bpm in enumerate((77.0, 93.7, 120.0, 124.3, 151.1, 174.0)):
        for loop in pipe(bpm, 2, num_waveforms_per_prompt=4, generator=900 + index, num_inference_steps=steps).audios:
            jumps = (loop.roll(-1, -1) - loop).abs()[0]
            quantiles.append(float((jumps[:-1] < jumps[-1]).float().mean()))
    return interval(quantiles)


def _print_tempo(figures: Mapping[str, Any]) -> None:
    rows = {
        "generated": "generated",
        "generated_inside": "  at 120 to 130",
        "generated_outside": "  elsewhere",
        "generated_drums": 'generated for "drums"',
        "untold": "  told no tempo",
        "other_requests": "against other requests",
        "composed": "composed loops",
        "composed_drums": "  with drums",
    }
    for name, own in figures.items():
        table = [
            (label, *(format_interval(own[row][score]) for score in ("tempo", "beat_f1")))
            for row, label in rows.items()
        ]
        print_table(f"Tempo, {name}", ("", "within 4 %", "beat F1"), table)


def _print_words(figures: Mapping[str, Any]) -> None:
    rows = (*WORD_CALLS, "shuffled", "composed")
    table = [
        (row, *(format_interval(figures[row][group]) for group in ("all", "clear") if group in figures[row]))
        for row in rows
    ]
    print_table("Words told apart", ("", "all words", "clear words")[: len(table[0])], table)


def plot(figures: Mapping[str, Any]) -> Figure:
    tempo, words = figures["tempo"], figures["words"]
    figure = Figure(figsize=(13, 9), layout="constrained")
    (top, below) = figure.subfigures(2, 1)
    for axis, score, title in zip(
        top.subplots(1, 2, sharey=True),
        ("tempo", "beat_f1"),
        ("loops with the asked tempo, within 4 %", "beats on the asked ones, F1 within 50 ms"),
        strict=True,
    ):
        for name, own in tempo.items():
            plot_means(axis, TEMPI, [own["by_tempo"][str(bpm)][score] for bpm in TEMPI], label=name)
        axis.set(title=title, xlabel="asked beats a minute", ylim=(0, 1.05))
        axis.legend()
    axis = below.subplots()
    order = sorted(words["composed"]["by_word"], key=lambda word: -words["guided"]["by_word"][word])
    markers = {"composed": "_", "guided": "o", "at the scale of the tempo": "^", "unguided": ".", "shuffled": "x"}
    colors = role_colors(markers, WORD_CALLS, ["composed"])
    for row, marker in markers.items():
        axis.plot(order, [words[row]["by_word"][word] for word in order], marker, color=colors[row], label=row)
    axis.axhline(0.5, color="0.8", linewidth=1)
    axis.set(title='"WORD" told from "no WORD", balanced accuracy', ylim=(0, 1.05))
    axis.tick_params(axis="x", rotation=60)
    axis.legend(ncols=4)
    return figure


if __name__ == "__main__":
    typer.run(main)
