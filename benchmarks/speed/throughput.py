"""Throughput of one device: seconds of audio a second by dtype and batch, matrix rate, memory against length.

Run it as `python -m benchmarks.speed.throughput --device cuda --compiled`; it also runs on a CPU. A forward is compared
with its own linear layers as bare products of the same dtype.
"""

import math
import resource
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import load_pipeline
from benchmarks.common.report import RESULTS, print_table, write_report
from benchmarks.speed.matmul_floor import best_seconds, floor, gemm_rate
from latentstem import Quality, StemAccompanimentPipeline

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    seconds: Annotated[float, typer.Option(min=1.0, help="Seconds of audio of each item.")] = 60.0,
    batches: Annotated[list[int] | None, typer.Option(min=1, help="Mixes at once; 1 and 16 if absent.")] = None,
    lengths: Annotated[list[float] | None, typer.Option(help="Seconds of mixes in the plot of memory.")] = None,
    compiled: Annotated[bool, typer.Option("--compiled", help="Compile the net.")] = False,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    batches, lengths = batches or [1, 16], lengths or [60.0, 240.0, 960.0, 3600.0]
    pipe = load_pipeline(None, device)
    eager = pipe.unet
    rows = []
    for dtype, batch in track([(dtype, batch) for dtype in DTYPES for batch in batches], description="batches"):
        pipe.unet = eager  # operations are counted before anything is compiled
        row = {"dtype": dtype, "batch": batch, **_forward(pipe, dtype, batch, seconds, compiled)}
        for quality in (Quality.FAST, Quality.BEST):
            row[str(quality)] = _sampling(pipe, dtype, batch, seconds, quality)
        rows.append(row)
    memory = [
        {"seconds": length, **_sampling(pipe, "bf16", 1, length, Quality.FAST)}
        for length in track(lengths, description="lengths")
    ]
    print_table(
        f"{seconds:g} s of audio an item, seconds of audio generated a second",
        ["dtype", "batch", "fast", "best", "peak GB", "TFLOP/s", "of square products", "of its own products"],
        [
            [
                row["dtype"],
                str(row["batch"]),
                *(f"{row[quality]['rate']:.0f}" for quality in ("fast", "best")),
                f"{row['best']['peak_memory'] / 1e9:.2f}",
                f"{row['flops_a_second'] / 1e12:.2f}",
                f"{row['share_of_square']:.0%}",
                f"{row['share_of_own_shapes']:.0%}",
            ]
            for row in rows
        ],
        caption="fastest of several",
    )
    settings = {"device": device, "seconds": seconds, "compiled": compiled}
    figures = {"batches": rows, "lengths": memory}
    write_report("throughput", settings, figures, plot(figures), results)


@torch.no_grad()
def _forward(pipe: StemAccompanimentPipeline, dtype: str, batch: int, seconds: float, compiled: bool) -> dict[str, Any]:
    """Measure one guided forward against the device's matrix rate; leave the net compiled if requested."""
    frames = math.ceil(seconds * pipe.sampling_rate / pipe.hop_length)
    noisy, mix = torch.randn(2, 2 * batch, pipe.unet.config.latent_channels, frames, device=pipe.device)
    timestep = torch.tensor(500, device=pipe.device)

    def run() -> None:
        with _autocast(pipe, dtype):
            pipe.unet(noisy, timestep, {"mix": mix})

    run()
    counted = floor(pipe.unet, run, DTYPES[dtype])
    if compiled:
        pipe.unet = torch.compile(pipe.unet, dynamic=True)
        run()
    rate = counted["flops"] / best_seconds(run, 2.0)
    size = 1024 if pipe.device.type == "cpu" else 8192
    return {
        "flops_a_second": rate,
        "share_of_square": rate / gemm_rate(DTYPES[dtype], size, device=pipe.device),
        "share_of_own_shapes": rate / (counted["linear_flops"] / counted["linear_seconds"]),
    }


def _sampling(
    pipe: StemAccompanimentPipeline, dtype: str, batch: int, seconds: float, quality: Quality
) -> dict[str, float]:
    """Measure seconds of audio generated a second, from audio to audio, and peak memory in bytes."""
    steps = quality.apply_to(pipe)
    mix = 0.1 * torch.randn(batch, 1, round(seconds * pipe.sampling_rate))
    cuda = pipe.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()

    def run() -> None:
        with _autocast(pipe, dtype):
            pipe(mix, sampling_rate=pipe.sampling_rate, num_inference_steps=steps)

    run()
    took = best_seconds(run, 2.0)
    peak = torch.cuda.max_memory_allocated() if cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"rate": batch * seconds / took, "took": took, "peak_memory": peak}


def _autocast(pipe: StemAccompanimentPipeline, dtype: str) -> Any:
    return torch.autocast(pipe.device.type, torch.bfloat16, enabled=dtype == "bf16")


def plot(figures: dict[str, Any]) -> Figure:
    rows, memory = figures["batches"], figures["lengths"]
    figure = Figure(figsize=(11, 4), layout="constrained")
    speed, length, peak = figure.subplots(1, 3)
    names = [f"{row['dtype']}, batch {row['batch']}" for row in rows]
    for quality, shift in (("fast", 0.2), ("best", -0.2)):
        positions = [index + shift for index in range(len(rows))]
        bars = speed.barh(positions, [row[quality]["rate"] for row in rows], height=0.4, label=quality)
        speed.bar_label(bars, fmt="%.0f", padding=3, fontsize="small")
    speed.set(xscale="log", xlabel="seconds of audio generated a second", yticks=range(len(rows)), yticklabels=names)
    speed.margins(x=0.2)
    speed.legend()
    minutes = [row["seconds"] / 60 for row in memory]
    length.plot(minutes, [row["took"] for row in memory], "o-")
    length.set(xscale="log", yscale="log", xlabel="minutes of audio", ylabel="seconds, fast, bf16")
    peak.plot(minutes, [row["peak_memory"] / 1e9 for row in memory], "o-")
    peak.set(xscale="log", xlabel="minutes of audio", ylabel="peak memory, GB")
    peak.set_ylim(bottom=0)
    return figure


if __name__ == "__main__":
    typer.run(main)
