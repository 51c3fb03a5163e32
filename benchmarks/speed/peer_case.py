"""Run one case of `peers.py` in a process of its own, and print its time and memory as one line of JSON.

Run it as `python -m benchmarks.speed.peer_case encode/latentstem`; a name that ends in `+bf16` runs under autocast.
"""

import fnmatch
import json
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

BFLOAT16 = "+bf16"
LENGTHS = (30, 60, 120, 240, 3600)
IN_BFLOAT16 = ("encode/latentstem", "decode/latentstem", "*/encodec-24k", "forward/*", "sampling/*")
"""Cases that also run in bfloat16: those of latentstem and of the nearest peers."""
LONG = 20.0
"""Seconds of a first run above which it is the only one: warming up is negligible."""
SPEND = 2.0
"""Seconds to spend on repetitions of short cases."""


def cases(heavy: bool = False) -> list[str]:
    """List the names of all cases in the order of a round; the heavy ones take 20 GB of memory."""
    codecs = ("latentstem", "music2latent", "oobleck", "same", "dac-44k", "encodec-24k", "encodec-48k")
    nets = ("latentstem", "audio-diffusion-pytorch", "x-transformers", "stable-audio-dit")
    samplers = (
        *("latentstem", "latentstem-unguided", "latentstem-audio", "latentstem-standard", "latentstem-fast"),
        *("audio-diffusion-pytorch", "stable-audio-dit"),
    )
    names = [
        *(f"{way}/{codec}" for codec in codecs for way in ("encode", "decode")),
        *(f"forward/{net}" for net in nets),
        *(f"sampling/{sampler}" for sampler in samplers),
        *(f"attention/{kind}-{frames}" for frames in (646, 4096) for kind in ("plain", "biased")),
        *(f"attention/x-transformers-{kind}-646" for kind in ("plain", "biased")),
        *(f"attention/x-transformers-{kind}-4096" for kind in ("plain", "biased") if heavy),
        *(f"length/{way}-{seconds}s" for seconds in LENGTHS for way in ("encode", "decode")),
        *(f"files/latentstem-{minutes}min" for minutes in (2, 60)),
        "forward/latentstem-batch2",
    ]
    also = [f"{name}{BFLOAT16}" for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in IN_BFLOAT16)]
    return names + also


def builder(case: str, seconds: float) -> Callable[[], Any]:
    """Return the function that builds a case."""
    from benchmarks.speed import peer_models as models

    name, bfloat16 = case.removesuffix(BFLOAT16), case.endswith(BFLOAT16)
    group, _, what = name.partition("/")
    if group == "attention":
        kind, frames = what.rsplit("-", 1)
        if kind.startswith("x-transformers"):
            audio_seconds = int(frames) * models.HOP / models.RATE
            return partial(models.x_transformers, int(frames), audio_seconds, kind.endswith("biased"))
        return partial(models.ours_attention, int(frames), kind == "biased")
    if group == "length":
        way, length = what.rsplit("-", 1)
        return partial(models.ours_stream, way, float(length.removesuffix("s")))
    if group == "files":
        return partial(models.ours_files, float(what.removeprefix("latentstem-").removesuffix("min")))
    if group in ("encode", "decode"):
        codecs = {
            "latentstem": models.ours_codec,
            "music2latent": models.music2latent,
            "oobleck": models.oobleck,
            "same": models.same,
            "dac-44k": models.dac,
            "encodec-24k": partial(models.encodec, False),
            "encodec-48k": partial(models.encodec, True),
        }
        return partial(codecs[what], group, seconds)
    frames = models.latents(seconds).shape[-1]
    others = {
        "forward/latentstem": models.ours_forward,
        "forward/latentstem-batch2": partial(models.ours_forward, batch=2, bfloat16=bfloat16),
        "forward/audio-diffusion-pytorch": models.adp_forward,
        "forward/x-transformers": partial(models.x_transformers, frames),
        "forward/stable-audio-dit": models.dit_forward,
        "sampling/latentstem": models.ours_sampling,
        "sampling/latentstem-unguided": partial(models.ours_sampling, guided=False),
        "sampling/latentstem-audio": partial(models.ours_sampling, from_audio=True),
        "sampling/latentstem-standard": partial(models.ours_sampling, from_audio=True, quality="standard"),
        "sampling/latentstem-fast": partial(models.ours_sampling, from_audio=True, quality="fast"),
        "sampling/audio-diffusion-pytorch": models.adp_sampling,
        "sampling/stable-audio-dit": models.dit_sampling,
    }
    return partial(others[name], seconds)


def main(
    case: Annotated[str, typer.Argument(help="Name of the case, such as encode/latentstem.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of audio.")] = 60.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
) -> None:
    if case not in cases(heavy=True):
        raise typer.BadParameter(f"got case {case!r}; expected one of {', '.join(cases(heavy=True))}")
    start = time.perf_counter()
    import torch  # not at the top: a cold start includes it

    from benchmarks.speed.matmul_floor import best_seconds, gemm_rate

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with torch.no_grad():
        work = builder(case, seconds)()
        load_seconds = time.perf_counter() - start
        rates = {name: gemm_rate(dtype) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}

        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=case.endswith(BFLOAT16)):
                work.run()

        before = peak_memory()
        first_seconds = best_seconds(run, 0.0)
        run_seconds = first_seconds if first_seconds > LONG else best_seconds(run, SPEND)
        measured = {
            "seconds": run_seconds,
            "first_seconds": first_seconds,
            "load_seconds": load_seconds,
            "audio_seconds": work.audio_seconds,
            "parameters": sum(parameter.numel() for parameter in work.net.parameters()),
            "peak_memory": peak_memory(),
            "peak_before_running": before,
            "bfloat16": case.endswith(BFLOAT16),
            "gemm_rates": rates,
            "package": f"{work.package} {version(work.package)}",
            **work.after(),
        }
    print(json.dumps(measured))


def peak_memory() -> int:
    """Return the peak resident memory of this process so far, in bytes."""
    # Not getrusage: on Linux a child starts from the peak of its parent.
    status = Path("/proc/self/status")
    if status.is_file():
        return 1024 * int(re.findall(r"VmHWM:\s*(\d+)", status.read_text())[0])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    typer.run(main)
