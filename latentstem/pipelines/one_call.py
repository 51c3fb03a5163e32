"""From a file of a mix to a file of a stem in one call."""

import os
from pathlib import Path
from typing import Any

import torch

from latentstem.audio.io import MAX_DURATION
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.input_files import encode_mix_file, read_style_files
from latentstem.pipelines.output_files import write_stem_file
from latentstem.pipelines.quality import DEFAULT_QUALITY, Quality
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

_OWN = ("mix", "mix_latents", "sampling_rate", "output_type", "return_dict", "init_stem", "keep", "strength")


def accompany(
    mix: str | os.PathLike[str],
    output: str | os.PathLike[str],
    style: str | os.PathLike[str] | None = None,
    seed: int = 0,
    quality: Quality | str = DEFAULT_QUALITY,
    pipe: StemAccompanimentPipeline | str = "bass",
    with_mix: str | os.PathLike[str] | None = None,
    max_duration: float = MAX_DURATION,
    **call: Any,
) -> Path:
    """Write a stem that fits a mix, at the mix's own rate and length, as `latentstem accompany` does.

    Args:
        mix: File of the mix: wav, flac, mp3 or ogg, one or two channels, any rate.
        output: File of the stem; its suffix chooses the format.
        style: Recording whose sound the stem takes on; None leaves it to the net.
        seed: Seed of the noise.
        quality: Trade-off of time and quality; an explicit `num_inference_steps` counts instead of its steps.
        pipe: Pipeline, or name or folder of weights; for several stems, load a pipeline once and pass it.
        with_mix: File of the mix with the stem in it; None writes none.
        max_duration: Longest file that is read, in seconds.
        call: Further arguments of the pipeline's call, such as `controls`, `guidance_scale` or `loop`.

    Returns:
        The file of the stem.

    Raises:
        latentstem.AudioError: A file cannot be used or written.
        ValueError: The arguments cannot work; the message says what to do.

    Example:
        >>> import tempfile
        >>> import latentstem
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     latentstem.write_audio(f"{folder}/mix.wav", 0.1 * torch.randn(2, 48000), 48000)
        ...     stem = latentstem.accompany(f"{folder}/mix.wav", f"{folder}/bass.flac", quality="fast")
        ...     audio, rate = latentstem.read_audio(stem)
        >>> audio.shape, rate
        (torch.Size([1, 48000]), 48000)
    """
    if own := [name for name in _OWN if name in call]:
        raise ArgumentError(f"got {', '.join(own)}; accompany reads files: use the pipeline's own call for them")
    if not isinstance(pipe, StemAccompanimentPipeline):
        pipe = StemAccompanimentPipeline.from_pretrained(pipe)
        pipe.set_progress_bar_config(disable=True)
    scheduler = pipe.scheduler
    try:
        steps = Quality(quality).apply_to(pipe)
        encoded = encode_mix_file(pipe, mix, max_duration, bool(call.get("loop")))
        options = {
            "style": None if style is None else read_style_files(pipe, [style], max_duration),
            "num_inference_steps": steps,
            "sampling_rate": pipe.sampling_rate,
            "generator": torch.Generator().manual_seed(seed),
            **call,
        }
        latents = pipe(mix_latents=encoded.latents, output_type="latent", **options).audios
    finally:
        pipe.scheduler = scheduler
    write_stem_file(pipe, encoded, latents, output, with_mix)
    return Path(output)
