"""Other solvers and guiders in the same pipeline. Run it from the root of the repository."""

import time

import torch
from diffusers import ClassifierFreeGuidance, DPMSolverMultistepScheduler, UniPCMultistepScheduler

from latentstem import (
    CosineDDIMScheduler,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    read_audio,
    resample,
    write_audio,
)

pipe = StemAccompanimentPipeline.from_pretrained("bass")
pipe.set_progress_bar_config(disable=True)
mix = resample(*read_audio("examples/audio/mix-1.flac"), pipe.sampling_rate)


def accompany(name: str, steps: int) -> None:
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(0)
    out = pipe(mix, sampling_rate=pipe.sampling_rate, num_inference_steps=steps, generator=generator)
    write_audio(f"bass-{name}.wav", out.audios[0], out.sampling_rate)
    print(f"bass-{name}.wav: {steps} steps, {time.perf_counter() - started:.1f} s")


# Any solver that reads the config of the one the net was trained with.
for name, solver, steps in (
    ("ddim", CosineDDIMScheduler, 32),
    ("unipc", UniPCMultistepScheduler, 16),
    ("dpm", DPMSolverMultistepScheduler, 16),
):
    pipe.scheduler = solver.from_config(pipe.scheduler.config)
    accompany(name, steps)

# Any guider of diffusers with two predictions; this one removes added deviation, and can act for a part of the steps.
for name, guider in (
    ("guided-gently", RescaledClassifierFreeGuidance(guidance_scale=2.0)),
    ("guided-early", RescaledClassifierFreeGuidance(guidance_scale=6.0, stop=0.5)),
    ("guided-by-diffusers", ClassifierFreeGuidance(guidance_scale=3.0)),
):
    pipe.guider = guider
    accompany(name, 16)
