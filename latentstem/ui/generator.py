"""What the page does when Generate is pressed: the calls of `latentstem accompany`, one after the other, watched."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from latentstem.audio.io import AudioContentError, AudioReader, read_audio
from latentstem.audio.level import SILENCE_RMS, ActiveLevelMeter
from latentstem.audio.resampling import resample
from latentstem.pipelines.candidates import draw_candidates
from latentstem.pipelines.file_to_file import MixFile
from latentstem.pipelines.quality import Quality
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.background import in_background
from latentstem.ui.live_preview import Sketch
from latentstem.ui.results import Result, write_result


@dataclass(frozen=True)
class GenerationRequest:
    """What was asked for.

    Attributes:
        mix: The file to accompany.
        style: A recording whose sound the stems take on.
        quality: How much time to take.
        count: How many stems.
        seed: Of the first stem; the others count up.
        style_strength: How far the sound moves to the style's, from 0 to 1.
        guidance_scale: How strongly the mix is followed; None: as the weights say.

    Example:
        >>> GenerationRequest(Path("mix.wav"), count=3, seed=5).seeds
        range(5, 8)
    """

    mix: Path
    style: Path | None = None
    quality: Quality = Quality.STANDARD
    count: int = 1
    seed: int = 0
    style_strength: float = 1.0
    guidance_scale: float | None = None

    @property
    def seeds(self) -> range:
        """The seed of each stem."""
        return range(self.seed, self.seed + self.count)


@dataclass(frozen=True)
class Queued:
    """Another request is being worked on.

    Example:
        >>> Queued()
        Queued()
    """


@dataclass(frozen=True)
class Sampling:
    """How far it is.

    Attributes:
        take: Which stem, from 0.
        takes: Of how many.
        step: Steps done for this one; 0 while the mix is heard.
        steps: Of how many.
        sketch: A picture of what the stem is becoming; None where there is no new one.

    Example:
        >>> Sampling(take=1, takes=2, step=4, steps=8).share
        0.75
    """

    take: int
    takes: int
    step: int
    steps: int
    sketch: bytes | None = None

    @property
    def share(self) -> float:
        """Of the whole work, how much is done, from 0 to 1."""
        return (self.take + self.step / self.steps) / self.takes


Event = Queued | Sampling | Result
"""What is told of the work at a time."""


class Generator:
    """A pipeline that works on one request at a time.

    Args:
        pipe: Loaded, on its device.
        max_duration: Longest file that is read, in seconds.

    Example:
        >>> import tempfile, torch
        >>> import latentstem
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mix = Path(folder) / "mix.wav"
        ...     latentstem.write_audio(mix, 0.1 * torch.randn(1, 44100), 44100)
        ...     *progress, take = Generator(pipe).generate(GenerationRequest(mix, quality=Quality.FAST), Path(folder))
        ...     take.stem.file.name, latentstem.read_audio(take.stem.file)[0].shape
        ('mix-bass-0.wav', torch.Size([1, 44100]))
        >>> [event.step for event in progress]
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """

    def __init__(self, pipe: StemAccompanimentPipeline, max_duration: float = 900.0):
        self.pipe = pipe
        self.max_duration = max_duration
        self._lock = threading.Lock()
        pipe.set_progress_bar_config(disable=True)

    def generate(
        self, request: GenerationRequest, folder: Path, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """Make the stems, and tell how far it is.

        Args:
            request: What to make.
            folder: Where the files go; there must be one.
            stop: Set by whoever wants it to end, after the step that it is at; so does closing the iterator.

        Yields:
            Progress, and each take as it is finished.

        Raises:
            ValueError: Something that the caller can mend, an `AudioError` where it is a file; one line.
        """
        return in_background(partial(self._work, request, folder), stop)

    def _work(self, request: GenerationRequest, folder: Path, emit: Callable[[Event], None]) -> None:
        while not self._lock.acquire(timeout=0.2):
            emit(Queued())
        try:
            steps = request.quality.apply_to(self.pipe)
            emit(Sampling(0, request.count, 0, steps))
            for path in filter(None, (request.mix, request.style)):
                check_sounding(path, self.max_duration)
            style = None if request.style is None else self._read_style(request.style)
            mix = MixFile.encode(self.pipe, request.mix, self.max_duration)
            for take, seed in enumerate(request.seeds):
                (made,) = draw_candidates(
                    self.pipe,
                    [seed],
                    mix.latents,
                    style=style,
                    style_strength=request.style_strength,
                    num_inference_steps=steps,
                    guidance_scale=request.guidance_scale,
                    callback_on_step_end=_watch(Sampling(take, request.count, 0, steps), Sketch(self.pipe, mix), emit),
                    callback_on_step_end_tensor_inputs=["denoised"],
                )
                emit(write_result(self.pipe, mix, made.latents, seed, folder))
        finally:
            self._lock.release()

    def _read_style(self, path: Path) -> Tensor:
        audio, rate = read_audio(path, self.max_duration)
        return resample(audio, rate, self.pipe.sampling_rate)[None]


def _watch(begin: Sampling, sketch: Sketch, emit: Callable[[Event], None]) -> Callable[..., dict[str, Tensor]]:
    """What the pipeline calls after each step; it changes nothing."""

    def on_step(_: Any, step: int, __: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        emit(replace(begin, step=step + 1, sketch=sketch(tensors["denoised"])))
        return {}

    return on_step


def check_sounding(path: Path, max_duration: float) -> None:
    """Refuse a file that cannot be read, and one in which nothing sounds.

    Args:
        path: The file.
        max_duration: Longest file that is read, in seconds.

    Raises:
        latentstem.AudioError: It cannot be used, see `AudioReader`; or it is silence.
    """
    level = ActiveLevelMeter()
    for block in AudioReader(path, max_duration):
        level.update(block[None])
    if level.rms.item() <= SILENCE_RMS:
        raise AudioContentError(
            f"{path}: is silence from beginning to end; choose a recording in which something sounds"
        )
