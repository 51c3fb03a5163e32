"""Loops by solver: what an evaluation of the net buys; and what stretching and transitions keep.

- Solvers: Euler, midpoint, Heun and RK4 at equal numbers of evaluations, from equal noise: distance from where all of
  them lead (RK4 with many steps), Frechet distance of latent frames to those of composed loops, and share of the loops
  with the asked tempo. DDIM on this schedule takes the steps of Euler.
- Stretch: composed loops at other tempi, by inversion: share with the new tempo, and share whose timbre (MFCCs) is
  nearer to that of the loop before than to another loop's.
- Transitions: the quietest beat over the median one, in dB.

Run it as `python -m benchmarks.quality.loop_solvers`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.loop_words import RenderedLoop, rendered_loops
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE
from benchmarks.quality.loops import hear_beats, repeated, score_beats
from latentstem import IADBScheduler, LoopPipeline
from latentstem.data import TEST_SEEDS
from latentstem.evaluation.frechet import frechet_distance
from latentstem.evaluation.mfcc import timbre
from latentstem.pipelines import stretch_loop, transition

SOLVERS = ("euler", "midpoint", "heun", "rk4")
EVALUATIONS = (4, 8, 16, 32, 64)
CONVERGED = 64
"""Steps of RK4 that stand for the exact solution."""
RATIOS = (0.8, 0.9, 1.1, 1.25)
BARS = 2


def main(
    weights: Annotated[str, typer.Option(help="Name of shipped weights of loops, or folder.")] = "loops-gm",
    loops: Annotated[int, typer.Option(min=8, help="Loops of each solver.")] = 32,
    stretched: Annotated[int, typer.Option(min=2, help="Composed loops that are stretched.")] = 8,
    ways: Annotated[int, typer.Option(min=1, help="Transitions.")] = 6,
    cache: Annotated[Path, typer.Option(help="Where rendered loops are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe: Any = LoopPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    composed = list(rendered_loops(TEST_SEEDS[:100], cache))
    solvers = measure_solvers(pipe, loops, composed)
    pipe.scheduler = IADBScheduler()
    stretch = measure_stretch(pipe, composed[:stretched])
    levels = measure_transitions(pipe, ways)
    header = ("solver", *(f"{count}" for count in EVALUATIONS))
    for figure in ("distance", "frechet", "tempo"):
        rows = [(name, *(f"{solvers[name][str(n)].get(figure, np.nan):.3f}" for n in EVALUATIONS)) for name in SOLVERS]
        print_table(f"{figure}, by evaluations of the net", header, rows, caption="")
    rows = [(name, format_interval(value)) for name, value in {**stretch, "transition, dB": levels}.items()]
    print_table("Stretch and transitions", ("", ""), rows)
    settings = {"weights": Path(weights).name, "loops": loops, "stretched": stretched, "ways": ways}
    report = {"solvers": solvers, "stretch": stretch, "transition_db": levels}
    write_report("loop_solvers", settings, report, plot(report), results)


@torch.no_grad()
def measure_solvers(pipe: Any, loops: int, composed: Sequence[RenderedLoop]) -> dict[str, Any]:
    """Compare the solvers at equal evaluations, see the module."""
    true = torch.cat([pipe.encode_mix(_tensor(loop.audio))[0][0].T for loop in composed]).numpy()
    frames = pipe.boundary(loop=True).count_frames(pipe.count_samples(120, BARS))
    noise = torch.randn(loops, pipe.unet.config.latent_channels, frames, generator=torch.Generator().manual_seed(0))
    call = {"num_waveforms_per_prompt": loops, "latents": noise, "output_type": "latent"}
    pipe.scheduler = IADBScheduler(solver="rk4")
    converged = pipe(120, BARS, num_inference_steps=CONVERGED, **call).audios
    figures: dict[str, Any] = {}
    for solver in track(SOLVERS, "solvers"):
        pipe.scheduler = IADBScheduler(solver=solver)
        figures[solver] = {}
        for count in EVALUATIONS:
            if count < pipe.scheduler.order:
                continue
            latents = pipe(120, BARS, num_inference_steps=count // pipe.scheduler.order, **call).audios
            generated = latents.transpose(1, 2).reshape(-1, latents.shape[1]).numpy()
            samples = pipe.count_samples(120, BARS)
            audio = pipe.decode_latents(latents, samples, torch.ones(loops), None, pipe.boundary(loop=True))
            beats = [hear_beats(repeated(each.mean(0).numpy(), pipe.sampling_rate), "dp") for each in audio]
            figures[solver][str(count)] = {
                "distance": float((latents - converged).square().mean().sqrt()),
                "frechet": float(frechet_distance(generated, true)),
                "tempo": float(np.mean([score_beats(each, 120)[0] for each in beats])),
            }
    return figures


def measure_stretch(pipe: Any, composed: Sequence[RenderedLoop]) -> dict[str, Any]:
    """Stretch composed loops, see the module."""
    timbres = [timbre(loop.audio, 44100) for loop in composed]
    deviation = np.std(timbres, axis=0) + 1e-6
    tempo, kept = [], []
    for index, loop in enumerate(track(composed, "stretching")):
        bpm, bars = loop.song.tempo, len(loop.song.bars)
        beats = len(loop.song.beats) // bars
        audio = _tensor(loop.audio)[..., : pipe.count_samples(bpm, bars, beats)]
        missing = pipe.count_samples(bpm, bars, beats) - audio.shape[-1]
        audio = torch.nn.functional.pad(audio, (0, missing))
        for ratio in RATIOS:
            new = bpm * ratio
            out = stretch_loop(pipe, audio, pipe.sampling_rate, bpm, new, bars, beats)[0].mean(0).numpy()
            heard = hear_beats(repeated(out, pipe.sampling_rate), "dp")
            tempo.append(score_beats(heard, new)[0])
            own = timbre(out, pipe.sampling_rate)
            distances = [(((own - other) / deviation) ** 2).sum() for other in timbres]
            kept.append(float(np.mean([distances[index] < far for k, far in enumerate(distances) if k != index])))
    return {"new tempo": interval(tempo), "nearer to itself": interval(kept)}


def measure_transitions(pipe: Any, ways: int) -> dict[str, float]:
    """Compare the quietest beat of transitions with the median one, see the module."""
    prompts = [("techno", "house"), ("dark", "bright"), ("hip-hop", "reggae"), ("drum and bass", "techno")]
    drops = []
    for seed in range(ways):
        way = transition(pipe, prompts[seed % len(prompts)], (128, 118), loops=4, bars=BARS, seed=seed)
        beats = way[0].unfold(0, round(pipe.sampling_rate * 60 / 123 * 4), round(pipe.sampling_rate * 60 / 123))
        levels = 10 * torch.log10(beats.square().mean(-1) + 1e-9)
        drops.append(float(levels.min() - levels.median()))
    return interval(drops)


def _tensor(audio: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(audio)[None, None]


def plot(report: dict[str, Any]) -> Figure:
    solvers = report["solvers"]
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    figure.suptitle("Loops by solver, from equal noise")
    labels = {
        "distance": "distance from the exact solution",
        "frechet": "Fréchet distance to composed loops",
        "tempo": "loops with the asked tempo",
    }
    for axis, (name, label) in zip(figure.subplots(1, 3), labels.items(), strict=True):
        for solver, rows in solvers.items():
            axis.plot([int(n) for n in rows], [row[name] for row in rows.values()], "o-", label=solver)
        axis.set(xscale="log", xlabel="evaluations of the net", title=label)
        axis.set_xticks(EVALUATIONS, [str(n) for n in EVALUATIONS])
        axis.minorticks_off()
        if name == "distance":
            axis.set_yscale("log")
    axis.legend()
    return figure


if __name__ == "__main__":
    typer.run(main)
