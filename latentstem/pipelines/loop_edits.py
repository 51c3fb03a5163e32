"""Loops made from loops: another tempo by inversion, and a way from one loop to another.

Both are applications that the authors of LADMG propose and did not build.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentstem.audio.loops import crossfade_seam
from latentstem.conditioning.controls import Controls
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.loop import LoopPipeline


@torch.no_grad()
def stretch_loop(
    pipe: LoopPipeline,
    loop: Tensor | np.ndarray,
    sampling_rate: int,
    bpm: float,
    new_bpm: float,
    bars: int = 4,
    beats_per_bar: int = 4,
    num_inference_steps: int = 32,
) -> Tensor:
    """Play a loop at another tempo: invert it to noise with its own beat, and sample that noise with the new one.

    Nothing is resampled, so pitch and timbre stay. The loop's own sound is the prompt both ways.

    Args:
        pipe: Pipeline with an `IADBScheduler` and a prompt encoder.
        loop: The loop, `(channels, samples)`, `(1, channels, samples)` or `(samples,)`, of exactly its tempo and bars.
        sampling_rate: Sampling rate of the loop in Hz, that of the pipeline.
        bpm: Beats a minute of the loop.
        new_bpm: Beats a minute of the result.
        bars: Number of bars of both.
        beats_per_bar: Number of beats in a bar.
        num_inference_steps: Number of steps each way.

    Returns:
        The loop at the new tempo, `(1, channels, samples)`, as loud as before.

    Raises:
        ArgumentError: The scheduler cannot be inverted, or the loop is not as long as its tempo and bars.

    Example:
        >>> stretch_loop(pipe, loop, 44100, bpm=124, new_bpm=90, bars=2)  # doctest: +SKIP
    """
    if "invert" not in inspect.signature(pipe.scheduler.set_timesteps).parameters:
        raise ArgumentError("{kind} cannot be inverted; use IADBScheduler", kind=type(pipe.scheduler).__name__)
    boundary, own = pipe.boundary(loop=True), pipe.count_samples(bpm, bars, beats_per_bar)
    audio = pipe.prepare_loop(loop, sampling_rate, own)
    latents, gain = pipe.encode_mix(audio, boundary)
    code = {} if pipe.prompt_encoder is None else pipe.encode_prompt(None, audio, sampling_rate)
    beat = Controls(bpm=bpm, beats_per_bar=beats_per_bar)
    conditions = {**pipe.encode_controls(beat, latents.shape[-1], boundary.frames_per_second(own)), **code}
    pipe.scheduler.set_timesteps(num_inference_steps, device=latents.device, invert=True)
    # Guidance would lead both ways past the path between noise and data.
    plain = pipe.guider.new(enabled=False)
    noise = pipe.denoise(latents, conditions, plain, boundary=boundary)
    samples = pipe.count_samples(new_bpm, bars, beats_per_bar)
    frames = boundary.count_frames(samples)
    # The nearest frame of each, not a mean of two, which would have less than the variance of noise.
    nearest = ((torch.arange(frames, device=noise.device) + 0.5) * noise.shape[-1] / frames).long()
    beat = Controls(bpm=new_bpm, beats_per_bar=beats_per_bar)
    conditions = {**pipe.encode_controls(beat, frames, boundary.frames_per_second(samples)), **code}
    pipe.scheduler.set_timesteps(num_inference_steps, device=latents.device)
    sampled = pipe.denoise(noise[..., nearest], conditions, plain, boundary=boundary)
    return pipe.decode_latents(sampled, samples, gain, None, boundary)


@torch.no_grad()
def transition(
    pipe: LoopPipeline,
    prompts: tuple[str | None, str | None],
    tempi: tuple[float, float],
    loops: int = 5,
    bars: int = 2,
    seed: int = 0,
    **call: Any,
) -> Tensor:
    """Lead from one loop to another over some loops in between, from one tempo and one prompt to the others.

    All loops grow from one draw of noise, so that neighbours resemble each other, and each fades into the next over a
    beat.

    Args:
        pipe: The pipeline.
        prompts: Prompt of the first and of the last loop.
        tempi: Beats a minute of the first and of the last loop.
        loops: Number of loops, the first and the last included, at least 2.
        bars: Number of bars of each.
        seed: Seed of the noise.
        **call: Further arguments of the pipeline's call, such as `num_inference_steps`.

    Returns:
        The loops one after the other, `(channels, samples)`, at most 1 in magnitude.

    Raises:
        ArgumentError: There are fewer than two loops, or the call cannot work.

    Example:
        >>> transition(pipe, ("dark techno", "bright house"), (130, 122))  # doctest: +SKIP
    """
    if loops < 2:
        raise ArgumentError("got {loops} loops; expected 2 or more, the first and the last", loops=loops)
    codes = [pipe.encode_prompt(prompt) for prompt in prompts]
    lengths = [pipe.boundary(loop=True).count_frames(pipe.count_samples(bpm, bars)) for bpm in tempi]
    shape = (1, pipe.unet.config.latent_channels, max(lengths))
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    turns: list[Tensor] = []
    before = noise
    for weight in torch.linspace(0, 1, loops).tolist():
        bpm = tempi[0] + weight * (tempi[1] - tempi[0])
        frames = pipe.boundary(loop=True).count_frames(pipe.count_samples(bpm, bars))
        code = _between(codes, weight)
        turn = pipe(bpm, bars, conditions=code, latents=noise[..., :frames], **call).audios[0].cpu()
        beat = round(60 / bpm * pipe.sampling_rate)
        # The loop before goes on with its own beginning.
        turns.append(crossfade_seam(turn, before[..., :beat]) if turns else turn)
        before = turn
    return torch.cat(turns, dim=-1).clamp(-1, 1)


def _between(codes: Sequence[dict[str, Tensor]], weight: float) -> dict[str, Tensor]:
    """Return the code on the way from the first to the last, as far as both are given."""
    first, last = codes
    if not (first and last):
        return first if weight < 0.5 else last
    return {
        name: torch.nn.functional.normalize((1 - weight) * code + weight * last[name], dim=-1)
        for name, code in first.items()
    }
