"""Targets of BassNet: pitch, onset and level of a bass a hundred times a second (Grachten et al. 2020, section 4.2).

The paper takes the pitch from CREPE, the onsets from madmom's net and the level from librosa. Here the pitch is YIN's,
the onsets are those of `latentstem.evaluation`, and a step without a pitch has none, where CREPE names one even in
silence. Where the notes are known, as those of composed songs are, pitch and onsets are exact.

Step k is the time from k to k + 1 hundredths of a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem.audio.pitch import yin
from latentstem.audio.resampling import resample
from latentstem.data.score import Note
from latentstem.evaluation.rhythm import onset_times
from latentstem.models.bassnet_input import BASSNET_RATE, ONSET_SHAPE, STEPS_PER_SECOND

NO_PITCH = -1
"""Bin of a step that has no pitch."""

_HOP = BASSNET_RATE // STEPS_PER_SECOND
_PITCH_WINDOW = 1024  # two periods and a half of the lowest E
_LEVEL_WINDOW = 640  # 40 ms: so long that the level does not follow the periods of the lowest notes
_RANGE_DB = 80.0


@dataclass(frozen=True)
class BassTargets:
    """What a net is to say of each step of a bass.

    Attributes:
        f0: Bin of the fundamental frequency, `NO_PITCH` where there is none, int64 `(steps,)`.
        onset: 1 where a note begins in the step, 0 elsewhere, `(steps,)`.
        level: Level around the middle of the step, through a Hann window of 40 ms: 0 for 80 dB below a full-scale
            sinusoid and less, 1 for such a sinusoid and more, `(steps,)`.

    Example:
        >>> BassTargets(torch.tensor([36, 36]), torch.tensor([1.0, 0.0]), torch.tensor([0.8, 0.75])).f0.tolist()
        [36, 36]
    """

    f0: Tensor
    onset: Tensor
    level: Tensor


def bass_targets(
    audio: Tensor, sampling_rate: int, notes: Sequence[Note] | None = None, steps: int | None = None
) -> BassTargets:
    """Describe a recorded bass step by step.

    Args:
        audio: Mono recording, `(samples,)`.
        sampling_rate: Sampling rate of the recording in Hz.
        notes: Notes that the recording was made from, in order of their start, which give pitch and onsets exactly;
            None tracks both.
        steps: Number of steps, beyond the end of the recording silent; None is those that begin within it.

    Returns:
        The targets, on the CPU.

    Raises:
        ValueError: The audio is not one-dimensional.

    Example:
        >>> tone = 0.1 * torch.sin(2 * torch.pi * 110.0 * torch.arange(44100) / 44100)
        >>> targets = bass_targets(tone, 44100, notes=[Note(0.0, 1.0, pitch=45, velocity=90)])
        >>> targets.f0[50].item(), targets.onset.sum().item(), round(targets.level[50].item(), 2)
        (72, 1.0, 0.75)
    """
    if audio.ndim != 1:
        raise ValueError(f"got audio of shape {tuple(audio.shape)}; expected (samples,): take the mean of the channels")
    steps = -(-len(audio) * STEPS_PER_SECOND // sampling_rate) if steps is None else steps
    tracked = resample(audio.float()[None], sampling_rate, BASSNET_RATE)[0][: steps * _HOP]
    tracked = F.pad(tracked, (0, steps * _HOP - len(tracked)))
    if notes is None:
        f0 = pitch_bins(yin(tracked[None], BASSNET_RATE, _HOP, window_length=_PITCH_WINDOW)[0])
        times = onset_times(audio.cpu().numpy(), sampling_rate).tolist()
    else:
        f0, times = note_bins(notes, steps), [note.start for note in notes]
    return BassTargets(f0, onset_targets(times, steps), _levels(tracked))


def pitch_bins(frequency: Tensor, lowest: float = 27.5, bins_per_octave: int = 36, bins: int = 264) -> Tensor:
    """Find the bin of a constant-Q spectrogram that is nearest to each frequency.

    Args:
        frequency: Frequencies in Hz, 0 where there is none.
        lowest: Frequency of the lowest bin in Hz.
        bins_per_octave: Number of bins an octave.
        bins: Number of bins.

    Returns:
        Bins, int64 in the shape of `frequency`: `NO_PITCH` where there is no frequency, or none of the bins is nearest.

    Example:
        >>> pitch_bins(torch.tensor([27.5, 55.3, 0.0, 9000.0])).tolist()
        [0, 36, -1, -1]
    """
    nearest = (bins_per_octave * (frequency.clamp(min=1e-3) / lowest).log2()).round().long()
    return torch.where((nearest >= 0) & (nearest < bins), nearest, NO_PITCH)


def pitch_probabilities(f0: Tensor, bins: int = 264) -> Tensor:
    """Write bins as probabilities, which windows in several resolutions may average.

    Args:
        f0: Bins, `NO_PITCH` where there is none, int64 `(...)`.
        bins: Number of bins.

    Returns:
        `(..., bins)`: 1 at the bin, and nothing at all where there is no pitch.

    Example:
        >>> pitch_probabilities(torch.tensor([1, NO_PITCH]), bins=3)
        tensor([[0., 1., 0.],
                [0., 0., 0.]])
    """
    return F.one_hot(f0 + 1, bins + 1)[..., 1:].float()


def note_bins(notes: Sequence[Note], steps: int) -> Tensor:
    """Find the bin of the note that sounds in the middle of each step, of several the one that began last.

    Args:
        notes: Notes in order of their start.
        steps: Number of steps.

    Returns:
        Bins, `NO_PITCH` where no note sounds, int64 `(steps,)`.

    Example:
        >>> note_bins([Note(0.01, 0.03, pitch=21, velocity=90)], steps=4).tolist()
        [-1, 0, 0, -1]
    """
    frequency = torch.zeros(steps)
    for note in notes:
        first, end = (round(time * STEPS_PER_SECOND) for time in (note.start, note.end))
        frequency[first:end] = 440.0 * 2 ** ((note.pitch - 69) / 12)
    return pitch_bins(frequency)


def onset_targets(times: Sequence[float], steps: int) -> Tensor:
    """Mark the steps in which a note begins.

    Args:
        times: Onsets in seconds; those beyond the steps are left out.
        steps: Number of steps.

    Returns:
        1 where a note begins, 0 elsewhere, `(steps,)`.

    Example:
        >>> onset_targets([0.0, 0.029], steps=4).tolist()
        [1.0, 0.0, 1.0, 0.0]
    """
    onset = torch.zeros(steps)
    # Decimal times such as 0.29 s lie a rounding error below the beginning of their step.
    marked = (torch.as_tensor(times, dtype=torch.float64) * STEPS_PER_SECOND + 1e-6).long()
    onset[marked[marked < steps]] = 1.0
    return onset


def widen_onsets(onset: Tensor) -> Tensor:
    """Spread each onset over its neighbours, as far as nets that find onsets do: a net cannot know them to 10 ms.

    Args:
        onset: 1 where a note begins, 0 elsewhere, `(steps,)`.

    Returns:
        1 where a note begins, 0.5 a step beside, 0.25 two steps beside, `(steps,)`; of two onsets the greater value.

    Example:
        >>> widen_onsets(torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0])).tolist()
        [0.0, 0.25, 0.5, 1.0, 0.5]
    """
    reach = len(ONSET_SHAPE) // 2
    around = F.pad(onset, (reach, reach)).unfold(0, len(ONSET_SHAPE), 1)
    return (around * torch.tensor(ONSET_SHAPE)).amax(dim=-1)


def _levels(audio: Tensor) -> Tensor:
    """Measure the level around the middle of each step of audio at 16 kHz."""
    padding = (_LEVEL_WINDOW - _HOP) // 2
    squares = F.pad(audio.square(), (padding, padding))
    window = torch.hann_window(_LEVEL_WINDOW)
    power = F.conv1d(squares[None, None], (2 * window / window.sum())[None, None], stride=_HOP)[0, 0]
    return (10 * power.clamp(min=1e-12).log10() / _RANGE_DB + 1).clamp(0.0, 1.0)
