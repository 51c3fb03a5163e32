"""Generate stems for the page, one request after another, with progress events."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from latentstem.audio.io import AudioReader
from latentstem.audio.level import ActiveLevelMeter
from latentstem.pipelines.init_stem import first_step
from latentstem.pipelines.input_files import (
    EncodedMix,
    LoadedInitStem,
    check_level,
    encode_mix_file,
    read_init_stem_file,
    read_style_files,
)
from latentstem.pipelines.reranking import draw_candidates
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.adapters import AdapterChoice
from latentstem.ui.background import in_background
from latentstem.ui.live_preview import LivePreview
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result, write_result
from latentstem.ui.turns import Turns


@dataclass(frozen=True)
class Queued:
    """The request waits for others to end.

    Attributes:
        ahead: Number of requests that come before it.

    Example:
        >>> Queued(2).ahead
        2
    """

    ahead: int


def tell_queue(emit: Callable[[Any], None]) -> Callable[[int | None], None]:
    """Return the function that `Turns.wait` calls, which emits how many come before a request whenever that changes.

    Args:
        emit: Takes an event; with None it only raises if the request was cancelled, see `in_background`.

    Example:
        >>> tell_queue(print)(2)
        Queued(ahead=2)
    """
    return lambda ahead: emit(None if ahead is None else Queued(ahead))


@dataclass(frozen=True)
class Sampling:
    """Progress of a request.

    Attributes:
        take: Index of the stem, from 0.
        takes: Number of stems.
        step: Number of steps done for this stem; 0 while the mix is encoded.
        steps: Number of steps for each stem.
        preview: Spectrogram of the stem so far, a PNG; None without a new one.

    Example:
        >>> Sampling(take=1, takes=2, step=4, steps=8).fraction
        0.75
    """

    take: int
    takes: int
    step: int
    steps: int
    preview: bytes | None = None

    @property
    def fraction(self) -> float:
        """Fraction of the request that is done, from 0 to 1."""
        return (self.take + self.step / self.steps) / self.takes


Event = Queued | Sampling | Result
"""Progress or result of a request."""


class Generator:
    """A pipeline that works on one request at a time.

    Args:
        pipe: Pipeline, on its device.
        max_duration: Longest file that is read, in seconds.
        previews: Whether spectrograms of the stem are drawn while it is sampled.
        adapters: Names of the adapters in the denoiser, of which a request chooses one or none.

    Attributes:
        adapters: Choice of the adapter.
        turns: Turns of all that computes; one request works at a time.

    Example:
        >>> import tempfile, torch
        >>> import latentstem
        >>> from latentstem.pipelines.quality import Quality
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mix = Path(folder) / "mix.wav"
        ...     latentstem.write_audio(mix, 0.1 * torch.randn(1, 44100), 44100)
        ...     *progress, take = Generator(pipe).generate(GenerationRequest(mix, quality=Quality.FAST), Path(folder))
        ...     take.stem.file.name, latentstem.read_audio(take.stem.file)[0].shape
        ('mix-bass-0.wav', torch.Size([1, 44100]))
        >>> [event.step for event in progress]
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """

    def __init__(
        self,
        pipe: StemAccompanimentPipeline,
        max_duration: float = 900.0,
        previews: bool = True,
        adapters: Sequence[str] = (),
    ):
        self.pipe, self.adapters = pipe, AdapterChoice(pipe.unet, adapters)
        self.max_duration, self.previews = max_duration, previews
        self.turns = Turns()
        pipe.set_progress_bar_config(disable=True)

    def generate(
        self, request: GenerationRequest, folder: Path, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """Generate the stems of a request.

        Args:
            request: Settings of the stems.
            folder: Existing folder for the files.
            stop: Event that ends the work after the current step; so does closing the iterator.

        Yields:
            Progress, and each take when it is finished.

        Raises:
            ValueError: The caller can mend the request or its files; the message is one line.
        """
        return in_background(partial(self._work, request, folder), stop)

    def _work(self, request: GenerationRequest, folder: Path, emit: Callable[[Event | None], None]) -> None:
        with self.turns.wait(tell_queue(emit)):
            steps = request.quality.apply_to(self.pipe)
            self.adapters.use(request.adapter)
            left_out = 0 if request.sketch is None else first_step(request.strength, steps)
            emit(Sampling(0, request.count, 0, steps - left_out))
            mix, sketch, call = self._read_inputs(request)
            for take, seed in enumerate(request.seeds):
                (candidate,) = draw_candidates(
                    self.pipe,
                    [seed],
                    mix.latents,
                    num_inference_steps=steps,
                    callback_on_step_end=_report_steps(
                        Sampling(take, request.count, -left_out, steps - left_out),
                        LivePreview(self.pipe, mix) if self.previews else None,
                        emit,
                    ),
                    callback_on_step_end_tensor_inputs=["denoised"],
                    **call,
                )
                own = replace(request, seed=seed, count=1)
                emit(write_result(self.pipe, mix, candidate.latents, own, folder, sketch))

    def _read_inputs(self, request: GenerationRequest) -> tuple[EncodedMix, LoadedInitStem | None, dict[str, Any]]:
        """Read the files of a request; returns the arguments of the pipeline's call besides."""
        for path in filter(None, (*request.styles, request.sketch)):
            check_sounding(path, self.max_duration)
        style = read_style_files(self.pipe, request.styles, self.max_duration) if request.styles else None
        mix = encode_mix_file(self.pipe, request.mix, self.max_duration, request.loop)
        sketch = None
        if request.sketch is not None:
            sketch = read_init_stem_file(
                self.pipe, request.sketch, mix, request.strength, request.keep, self.max_duration
            )
        call = {
            "style": style,
            "style_strength": request.style_strength,
            "style_weights": request.style_weights,
            "guidance_scale": request.guidance_scale,
            "controls": request.controls_of_part,
            "loop": request.loop,
            "target": request.target,
            **({} if sketch is None else sketch.options),
        }
        return mix, sketch, call


def _report_steps(
    begin: Sampling, preview: LivePreview | None, emit: Callable[[Event], None]
) -> Callable[..., dict[str, Tensor]]:
    """Return a callback for the pipeline that emits progress after each step and changes nothing."""

    def on_step(_: Any, step: int, __: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        picture = None if preview is None else preview(tensors["denoised"])
        emit(replace(begin, step=begin.step + step + 1, preview=picture))
        return {}

    return on_step


def check_sounding(path: Path, max_duration: float) -> None:
    """Refuse a file that cannot be read, and a silent one.

    Args:
        path: File to check.
        max_duration: Longest file that is read, in seconds.

    Raises:
        latentstem.AudioError: The file cannot be used, see `AudioReader`, or it is silent.
    """
    level = ActiveLevelMeter()
    for block in AudioReader(path, max_duration):
        level.update(block[None])
    check_level(str(path), level.rms.item())
