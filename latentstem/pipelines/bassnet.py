"""BassNet as a pipeline: from a mix and a control to a bass line (Grachten, Lattner and Deruty 2020)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_flags
from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.audio.validation import prepare_audio
from latentstem.data.line import HOP, LOWEST_LEVEL, PitchLine
from latentstem.models.bassnet import BassNetDecoderOutput, BassNetModel
from latentstem.models.bassnet_input import (
    BASSNET_RATE,
    BASSNET_TRANSFORM,
    ONSET_SHAPE,
    bassnet_spectrogram,
    scale_spectrum,
)
from latentstem.pipelines.bassnet_control import Control, ControlPattern, control_path
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.shipped import ShippedByName

_WINDOWS = 16  # that are generated at once: more cost memory and save no time


@dataclass
class BassNetPipelineOutput(BaseOutput):
    """Bass lines.

    Attributes:
        lines: A line for each mix, as long as it.
        controls: Control of each window of each mix, `(mixes, windows, control_dim)`; `pipe.window_times` says where
            these are.
    """

    lines: list[PitchLine]
    controls: Tensor


class BassNetPipeline(ShippedByName, DiffusionPipeline):
    """Generate a bass line that accompanies a mix, and that a control of a few numbers shapes.

    Windows of the mix overlap by half; what is generated for them is cross-faded.

    Args:
        model: The net.
        patterns: Where the controls of basses of each known pattern lie: names to the fields of a `ControlPattern`, as
            the training measures them; they can be named as controls.

    Attributes:
        patterns: Known patterns by name.

    Raises:
        ValueError: A pattern is none, or of another size than the control.

    Example:
        >>> import torch
        >>> from latentstem import BassNetModel
        >>> pipe = BassNetPipeline(BassNetModel(steps=10, channels=8, blocks=2, control_blocks=1).eval())
        >>> mix = 0.1 * torch.randn(32000)
        >>> out = pipe(mix, sampling_rate=16000, control=(0.3, -1.0))
        >>> out.lines[0].duration, out.controls.shape
        (2.0, torch.Size([1, 41, 2]))

        The control of a bass that plays along serves for another mix:

        >>> bass = 0.1 * torch.randn(32000)
        >>> control = pipe.infer_control(mix, bass, sampling_rate=16000).mean(dim=(0, 1))
        >>> line = pipe(0.1 * torch.randn(48000), sampling_rate=16000, control=control).lines[0]
    """

    model_cpu_offload_seq = "model"

    def __init__(self, model: BassNetModel, patterns: Mapping[str, Mapping[str, Any]] | None = None):
        super().__init__()
        self.register_modules(model=model)
        self.patterns = ControlPattern.read(patterns or {}, model.config["control_dim"])
        self.register_to_config(patterns={name: vars(pattern) for name, pattern in self.patterns.items()})
        self.sampling_rate = BASSNET_RATE
        steps, resolutions = model.config["steps"], model.config["resolutions"]
        self.windows = MultiResolutionWindows(steps, steps << (resolutions - 1))

    @torch.no_grad()
    def __call__(
        self,
        mix: Tensor | np.ndarray,
        sampling_rate: int | None = None,
        control: Control | None = None,
        like: Tensor | np.ndarray | None = None,
        return_dict: bool = True,
    ) -> BassNetPipelineOutput:
        """Generate bass lines.

        Args:
            mix: Mix to accompany, floats in [-1, 1] at any level: `(batch, channels, samples)`, `(channels, samples)`
                or `(samples,)`.
            sampling_rate: Sampling rate of `mix` and `like` in Hz; must be `pipe.sampling_rate`, nothing is resampled.
            control: Point, name of a known pattern, or path of the control, for all mixes; None is the origin.
            like: Bass that plays along with the mix, as long as it, whose own control is inferred and used.
            return_dict: Whether to return a `BassNetPipelineOutput`; False returns a tuple of lines and controls.

        Returns:
            The lines and the controls.

        Raises:
            TypeError: Audio is not of floats.
            ValueError: The arguments cannot work; the message says what to do.
        """
        check_flags(return_dict=return_dict)
        if control is not None and like is not None:
            raise ArgumentError("got both control and like; expected one of them")
        mixes = self._prepare(mix, sampling_rate, "mix")
        if like is not None:
            controls = self.infer_control(mix, like, sampling_rate)
        else:
            steps = -(-mixes.shape[-1] // BASSNET_TRANSFORM.hop_length)
            path = self._path(control)
            controls = path(0, self.windows.count(steps))[None].expand(len(mixes), -1, -1)
        lines = []
        for own, points in zip(bassnet_spectrogram(mixes[:, 0]), controls, strict=True):
            pieces = own.split(_WINDOWS * self.windows.hop, dim=-1)
            parts = self._generate(iter(pieces), lambda first, stop, points=points: points[first:stop])
            lines.append(join_lines(list(parts)))
        if not return_dict:
            return cast(BassNetPipelineOutput, (lines, controls))  # most callers never ask for it
        return BassNetPipelineOutput(lines, controls)

    def stream(self, blocks: Iterable[Tensor], gain: float, control: Control | None = None) -> Iterator[PitchLine]:
        """Generate the line of one mix that comes in blocks, at an amount of memory that does not grow.

        Args:
            blocks: The mix at `pipe.sampling_rate`, `(samples,)` float each, of any lengths.
            gain: Factor that brings the whole mix to the reference loudness, see `latentstem.audio.reference_gain`.
            control: Point, name of a known pattern, or path of the control; None is the origin.

        Yields:
            The line, piece after piece; together they are the line that a call gives.

        Raises:
            ValueError: The control is none of this net.
        """
        yield from self.decode_stream(self.analyse_stream(blocks, gain), control)

    @torch.no_grad()
    def analyse_stream(self, blocks: Iterable[Tensor], gain: float) -> Iterator[Tensor]:
        """Analyse one mix that comes in blocks: the half of `stream` that no control changes.

        Args:
            blocks: The mix, as `stream` takes it.
            gain: Factor, as `stream` takes it.

        Yields:
            The spectrogram that `bassnet_spectrogram` gives, piece after piece, `(bins, steps)`.
        """
        pieces = BASSNET_TRANSFORM.stream(
            (block.to(self._execution_device) * gain for block in blocks), tile_frames=_WINDOWS * self.windows.hop
        )
        yield from map(scale_spectrum, pieces)

    @torch.no_grad()
    def decode_stream(self, spectrograms: Iterable[Tensor], control: Control | None = None) -> Iterator[PitchLine]:
        """Generate the line of one mix from what `analyse_stream` gives.

        Args:
            spectrograms: The spectrogram of the mix, `(bins, steps)` float each, of any numbers of steps but 0.
            control: Point, name of a known pattern, or path of the control; None is the origin.

        Yields:
            The line, as `stream` does.

        Raises:
            ValueError: The control is none of this net.
        """
        path = self._path(control)
        yield from self._generate((piece.to(self._execution_device) for piece in spectrograms), path)

    @torch.no_grad()
    def infer_control(
        self, mix: Tensor | np.ndarray, bass: Tensor | np.ndarray, sampling_rate: int | None = None
    ) -> Tensor:
        """Infer the control under which the net would play as a bass does.

        Args:
            mix: Mix without the bass, as a call takes it.
            bass: Bass that plays along with it, shaped like `mix`.
            sampling_rate: Sampling rate of both in Hz; must be `pipe.sampling_rate`.

        Returns:
            Mean of the control in each window, `(mixes, windows, control_dim)`.

        Raises:
            TypeError: Audio is not of floats.
            ValueError: The two differ in length or number, or cannot be used.
        """
        mixes, basses = self._prepare(mix, sampling_rate, "mix"), self._prepare(bass, sampling_rate, "bass")
        if mixes.shape != basses.shape:
            raise ArgumentError(
                f"got a bass of shape {tuple(basses.shape)} and a mix of shape {tuple(mixes.shape)}; expected one that "
                "plays along with the mix, as long as it"
            )
        spectra = (bassnet_spectrogram(audio[:, 0]) for audio in (mixes, basses))
        windows = [self.windows.compress(self.windows.cut(spectrum)).transpose(-1, -2) for spectrum in spectra]
        means = [
            self.model.encode(*(part.to(self.model.dtype) for part in parts)).mean
            for parts in zip(*(each.flatten(0, 1).split(_WINDOWS) for each in windows), strict=True)
        ]
        return torch.cat(means).unflatten(0, (len(mixes), -1)).float()

    def window_times(self, count: int) -> np.ndarray:
        """Return the times in seconds on which the first windows of a mix are centred, `(count,)`."""
        return np.arange(count) * self.windows.hop * HOP

    def _prepare(self, audio: Tensor | np.ndarray, sampling_rate: int | None, name: str) -> Tensor:
        rate = self.sampling_rate
        audio = prepare_audio(audio, sampling_rate, name=name, expected_rate=rate, expected_channels=1)
        return audio.to(self._execution_device)

    def _path(self, control: Control | None) -> Callable[[int, int], Tensor]:
        """A function to the points of the control at windows `first` to `stop - 1`; refuses another size."""
        path = control_path(control, self.model.config["control_dim"], self.patterns)
        return lambda first, stop: torch.from_numpy(path.at(self.window_times(stop)[first:])).float()

    def _generate(self, pieces: Iterator[Tensor], controls: Callable[[int, int], Tensor]) -> Iterator[PitchLine]:
        """Generate lines from spectrograms `(bins, steps)` that continue each other.

        Windows are those of `MultiResolutionWindows.cut`; the last one of a group is kept, to be cross-faded with the
        first one of the next.
        """
        windows, hop = self.windows, self.windows.hop
        waiting, carried, first, total = None, None, 0, 0
        piece = next(pieces)
        while piece is not None:
            following = next(pieces, None)
            total += piece.shape[-1]
            waiting = torch.cat([piece[:, :1].expand(-1, hop) if waiting is None else waiting, piece], dim=-1)
            if following is None:
                end = windows.count(total) * hop - first * hop  # up to the end of the last window
                waiting = torch.cat([waiting, waiting[:, -1:].expand(-1, end + hop - waiting.shape[-1])], dim=-1)
            count = waiting.shape[-1] // hop - 1
            if count > 0:
                cut = waiting[:, : (count + 1) * hop].unfold(-1, windows.expanded, hop).movedim(-2, 0)
                generated = self._decode(cut, controls(first, first + count))
                waiting, first = waiting[:, count * hop :], first + count
                generated = generated if carried is None else torch.cat([carried, generated])
                carried = generated[-1:]
                steps = (len(generated) - 1) * hop
                if steps:
                    kept = min(steps, total - (first - len(generated)) * hop) if following is None else steps
                    yield _line(windows.overlap_add(generated, steps)[:, :kept])
            piece = following

    def _decode(self, windows: Tensor, controls: Tensor) -> Tensor:
        """Probabilities of all bins, onset and level of windows `(count, bins, expanded)`: two features more."""
        compressed = self.windows.compress(windows).transpose(-1, -2).to(self.model.dtype)
        controls = controls.to(compressed)
        parts = []
        for mix, control in zip(compressed.split(_WINDOWS), controls.split(_WINDOWS), strict=True):
            decoded = self.model.decode(mix, control)
            assert isinstance(decoded, BassNetDecoderOutput)
            pitch = decoded.f0.float().softmax(-1).transpose(-1, -2)
            others = torch.stack([decoded.onset, decoded.level], dim=-2).float().sigmoid()
            parts.append(self.windows.expand(torch.cat([pitch, others], dim=-2)))
        return torch.cat(parts)


def _line(features: Tensor) -> PitchLine:
    """Read a line from probabilities of the bins, onset and level, `(bins + 2, steps)`."""
    pitch, (onset, level) = features[:-2].cpu(), features[-2:].cpu().numpy()
    # The mean of the likeliest bin and its neighbours: bends are finer than bins.
    likeliest = pitch.argmax(0).clamp(1, len(pitch) - 2)
    around = pitch.gather(0, torch.stack([likeliest - 1, likeliest, likeliest + 1]))
    position = likeliest + (around[2] - around[0]) / around.sum(0).clamp(min=1e-9)
    octaves = position.numpy().astype(float) / BASSNET_TRANSFORM.bins_per_octave
    frequency = BASSNET_TRANSFORM.lowest * 2**octaves
    # Each onset was spread over some steps: what is left is the probability of a beginning in this one.
    return PitchLine(frequency, (1 - level.astype(float)) * LOWEST_LEVEL, onset.astype(float) / sum(ONSET_SHAPE))


def join_lines(lines: Sequence[PitchLine]) -> PitchLine:
    """Join the pieces of a line.

    Args:
        lines: The pieces in order, at least one.

    Returns:
        The line.

    Example:
        >>> piece = PitchLine(np.full(10, 55.0), np.full(10, -12.0), np.zeros(10))
        >>> len(join_lines([piece, piece]))
        20
    """
    return PitchLine(*(np.concatenate([getattr(line, name) for line in lines]) for name in vars(lines[0])))
