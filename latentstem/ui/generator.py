"""Generate stems for the page, one request after another, with progress events."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from latentstem.audio.io import AudioContentError, AudioReader, read_audio
from latentstem.audio.level import SILENCE_RMS, ActiveLevelMeter
from latentstem.audio.resampling import resample
from latentstem.conditioning.controls import Controls
from latentstem.pipelines.init_stem import first_step
from latentstem.pipelines.input_files import encode_mix_file, read_init_stem_file
from latentstem.pipelines.quality import Quality
from latentstem.pipelines.reranking import draw_candidates
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.background import in_background
from latentstem.ui.live_preview import LivePreview
from latentstem.ui.results import Result, write_result


@dataclass(frozen=True)
class GenerationRequest:
    """Settings of one press of Generate.

    Attributes:
        mix: File of the mix to accompany.
        style: Recording whose sound the stems take on; None leaves the sound to the net.
        quality: Trade-off of time and quality.
        count: Number of stems.
        seed: Seed of the first stem; further stems count up from it.
        style_strength: How far the sound moves to that of the style, from 0 to 1.
        guidance_scale: How strongly the stem follows the mix; None takes that of the weights.
        controls: Musical controls of the stems; what is left out is left to the net.
        sketch: Stem that sampling starts from, as long as the mix; None starts from noise.
        strength: How far the stems go from the sketch, above 0 and up to 1.

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
    controls: Controls = field(default_factory=Controls)
    sketch: Path | None = None
    strength: float = 0.8

    @property
    def seeds(self) -> range:
        """Seed of each stem."""
        return range(self.seed, self.seed + self.count)


@dataclass(frozen=True)
class Queued:
    """The request waits for another one to end.

    Example:
        >>> Queued()
        Queued()
    """


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

    Example:
        >>> import tempfile, torch
        >>> import latentstem
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

    def __init__(self, pipe: StemAccompanimentPipeline, max_duration: float = 900.0):
        self.pipe = pipe
        self.max_duration = max_duration
        self._lock = threading.Lock()
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

    @contextmanager
    def turn(self, wait: Callable[[], None]) -> Iterator[None]:
        """Hold the right to compute, which one request has at a time.

        Args:
            wait: Called again and again until the turn has come; an error that it raises gives up.
        """
        while not self._lock.acquire(timeout=0.2):
            wait()
        try:
            yield
        finally:
            self._lock.release()

    def _work(self, request: GenerationRequest, folder: Path, emit: Callable[[Event], None]) -> None:
        with self.turn(partial(emit, Queued())):
            steps = request.quality.apply_to(self.pipe)
            left_out = 0 if request.sketch is None else first_step(request.strength, steps)
            emit(Sampling(0, request.count, 0, steps - left_out))
            for path in filter(None, (request.mix, request.style, request.sketch)):
                check_sounding(path, self.max_duration)
            style = None if request.style is None else self._read_style(request.style)
            mix = encode_mix_file(self.pipe, request.mix, self.max_duration)
            sketch = None
            if request.sketch is not None:
                sketch = read_init_stem_file(
                    self.pipe, request.sketch, mix, request.strength, max_duration=self.max_duration
                )
            for take, seed in enumerate(request.seeds):
                (candidate,) = draw_candidates(
                    self.pipe,
                    [seed],
                    mix.latents,
                    style=style,
                    style_strength=request.style_strength,
                    num_inference_steps=steps,
                    guidance_scale=request.guidance_scale,
                    controls=request.controls,
                    callback_on_step_end=_report_steps(
                        Sampling(take, request.count, -left_out, steps - left_out), LivePreview(self.pipe, mix), emit
                    ),
                    callback_on_step_end_tensor_inputs=["denoised"],
                    **({} if sketch is None else sketch.options),
                )
                emit(write_result(self.pipe, mix, candidate.latents, seed, request.controls, folder, sketch))

    def _read_style(self, path: Path) -> Tensor:
        audio, rate = read_audio(path, self.max_duration)
        return resample(audio, rate, self.pipe.sampling_rate)[None]


def _report_steps(
    begin: Sampling, preview: LivePreview, emit: Callable[[Event], None]
) -> Callable[..., dict[str, Tensor]]:
    """Return a callback for the pipeline that emits progress after each step and changes nothing."""

    def on_step(_: Any, step: int, __: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        emit(replace(begin, step=begin.step + step + 1, preview=preview(tensors["denoised"])))
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
    check_level(path, level.rms.item())


def check_level(path: Path, level: float) -> None:
    """Refuse a silent file.

    Args:
        path: The file, for the message.
        level: Level of what sounds in it, see `latentstem.audio.active_rms`.

    Raises:
        latentstem.AudioError: It is silent.
    """
    if level <= SILENCE_RMS:
        raise AudioContentError(
            f"{path}: is silence from beginning to end; choose a recording in which something sounds"
        )
