"""How a net is told the beat: LADMG's saw-tooth or sine and cosine of beat and bar, at the input or in every block.

Four denoisers of loops are trained for equal steps on equal loops. Loops of 60 to 180 beats a minute for "drums" are
heard by the trackers of `benchmarks.quality.loops`, within the range that LADMG's authors saw obeyed and elsewhere.

Run it as `python -m benchmarks.training.beat_conditions --output runs/beat-conditions`: 80 minutes of one core.
What is finished is not run again.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from matplotlib.figure import Figure

from benchmarks.common.plotting import plot_means
from benchmarks.common.report import RESULTS, format_interval, print_table, write_report
from benchmarks.quality.loops import AUTHORS, TEMPI, TRACKERS, by_tempo, hear_tempi, score_tempi
from latentstem import LoopPipeline, pretrained_path
from latentstem.data import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import write_corpus
from latentstem.recipes.loops_gm import LOOP, UNET
from latentstem.training.engine.history import read_history
from latentstem.training.loops import LoopTraining, train

BEAT_CHANNELS = {"beat": 4, "sawtooth": 1}
VARIANTS = {
    f"{name}, {place}": (control, at_input)
    for place, at_input in (("every block", False), ("input", True))
    for name, control in (("sine and cosine", "beat"), ("saw-tooth", "sawtooth"))
}
SCORES = {"tempo": "loops with the asked tempo, within 4 %", "beat_f1": "beats on the asked ones, F1 within 50 ms"}


def main(
    output: Annotated[Path, typer.Option(help="Folder of loops and trainings; what is there is not made again.")],
    loops: Annotated[int, typer.Option(min=20, help="Loops to train on.")] = 600,
    training_steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 1000,
    seeds: Annotated[int, typer.Option(min=2, help="Loops of each tempo.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 32,
    variants: Annotated[list[str], typer.Option(help="Nets to train.")] = list(VARIANTS),  # noqa: B006
    threads: Annotated[int, typer.Option(min=1, help="Threads of each training.")] = 1,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    torch.set_num_threads(threads)
    for folder, numbers in (("train", TRAIN_SEEDS[:loops]), ("validation", VALIDATION_SEEDS[:40])):
        write_corpus(output / folder, numbers, (), 20.0, None, compose_loop, mixdown=LOOP)
    for variant in variants:
        file = _folder(output, variant) / "figures.json"
        if not file.is_file():
            pipeline = train(_settings(output, variant, training_steps))
            file.write_text(json.dumps(measure(pipeline, seeds, steps)) + "\n")
    done = {variant: _folder(output, variant) / "figures.json" for variant in VARIANTS}
    figures = {variant: json.loads(file.read_text()) for variant, file in done.items() if file.is_file()}
    for tracker in TRACKERS:
        rows = [
            (
                variant,
                *(format_interval(own[tracker][part][score]) for part in ("inside", "outside") for score in SCORES),
            )
            for variant, own in figures.items()
        ]
        header = ("", "tempo, 120 to 130", "beat F1, 120 to 130", "tempo, elsewhere", "beat F1, elsewhere")
        print_table(f"Tempo by beat condition, {tracker}", header, rows)
    settings = {"loops": loops, "training_steps": training_steps, "seeds": seeds, "steps": steps, "model": UNET}
    write_report("beat_conditions", settings, figures, plot(figures), results)


def measure(pipeline: Path, seeds: int, steps: int) -> dict[str, Any]:
    """Hear the tempo of loops for "drums".

    Args:
        pipeline: Folder of a trained `LoopPipeline`.
        seeds: Number of loops of each tempo.
        steps: Number of denoising steps.

    Returns:
        The error of the net that was published, and the figures of `by_tempo` by tracker.
    """
    history = read_history(pipeline.parent / "history.jsonl")
    pipe: Any = LoopPipeline.from_pretrained(pipeline)
    pipe.set_progress_bar_config(disable=True)
    heard = hear_tempi(pipe, seeds, steps, prompt="drums")
    return {
        "prediction_error": min(record["prediction_error"] for record in history),
        **{name: by_tempo(score_tempi(own)) for name, own in heard.items()},
    }


def plot(figures: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    tracker = next(iter(TRACKERS))
    for axis, (score, title) in zip(figure.subplots(1, 2, sharey=True), SCORES.items(), strict=True):
        for variant, own in figures.items():
            means = own[tracker]["by_tempo"]
            plot_means(axis, TEMPI, [means[str(bpm)][score] for bpm in TEMPI], label=variant)
        axis.axvspan(*AUTHORS, color="0.9", zorder=0)
        axis.set(title=title, xlabel="asked beats a minute", ylim=(0, 1.05))
        axis.legend()
    return figure


def _settings(output: Path, variant: str, steps: int) -> LoopTraining:
    control, at_input = VARIANTS[variant]
    inputs = {"frame_conditions": {control: BEAT_CHANNELS[control]}} if at_input else {}
    shipped = Path(pretrained_path("loops-gm"))
    return LoopTraining(
        output / "train",
        _folder(output, variant),
        validation=output / "validation",
        autoencoder=Path(pretrained_path("bass")) / "autoencoder",
        latents=output / "latents",
        prompt_encoder=shipped / "prompt_encoder",
        controls=(control, "chords"),
        model={**UNET, **inputs},
        ema_decay=0.998,
        validations=4,
        steps=steps,
    )


def _folder(output: Path, variant: str) -> Path:
    return output / variant.replace(", ", "-").replace(" ", "-")


if __name__ == "__main__":
    typer.run(main)
