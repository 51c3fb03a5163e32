"""Distance of the strengths of the partials of a tone whose pitch is known."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentstem._checks import check_finite, check_tensors
from latentstem.audio.fourier import stft
from latentstem.audio.rate import SAMPLING_RATE

_STEADY = 0.03
"""Greatest relative change of the pitch within a window in which partials are compared."""
_REACH = 0.3
"""Distance from a partial, as a fraction of the pitch, up to which power counts as its own."""


class PartialDistance(nn.Module):
    """Measure the L1 distance of the strengths of partials, in nepers, where the pitch of the audio is steady.

    `mean |log A_h - log A'_h|`, with A_h the amplitude of partial h: the root of the power within three tenths of the
    pitch around its multiple h, over a floor. What a string is plucked or a pickup placed at weakens single partials,
    and a distance of whole spectra hardly sees one among its neighbours.

    Args:
        sampling_rate: Sampling rate of the audio in Hz.
        window_length: Length of the Hann window in samples: two periods of the lowest pitch and more.
        partials: Number of partials that are compared.
        highest: Frequency in Hz up to which they are.
        floor_db: Level in dB, a full-scale sinusoid having 0, below which strengths count as equal. A partial counts
            whose true strength is at least 8 dB above it.

    Shape:
        Two audios `(batch, channels, samples)`, and the pitch in Hz `(batch, frames)` at equal distances from the
        beginning to the end, 0 where there is none, to a scalar: 0 where no pitch is steady.

    Example:
        >>> import torch
        >>> time = torch.arange(32768) / 44100
        >>> tone = sum(torch.sin(2 * torch.pi * 110 * h * time) / h for h in range(1, 9))[None, None] / 8
        >>> weak = tone - torch.sin(2 * torch.pi * 330 * time)[None, None] / 48  # half the third partial
        >>> pitch, distance = torch.full((1, 64), 110.0), PartialDistance()
        >>> distance(tone, tone, pitch).item(), round(distance(weak, tone, pitch).item() * 8, 1)
        (0.0, 0.7)
    """

    def __init__(
        self,
        sampling_rate: int = SAMPLING_RATE,
        window_length: int = 8192,
        partials: int = 48,
        highest: float = 8000.0,
        floor_db: float = -90.0,
    ):
        super().__init__()
        self.window_length, self.highest = window_length, highest
        self.spacing = sampling_rate / window_length
        self.floor = 10 ** (floor_db / 10)
        self.register_buffer("numbers", torch.arange(1, partials + 1), persistent=False)

    def forward(self, decoded: Tensor, audio: Tensor, frequency: Tensor) -> Tensor:
        """Return the distance, see above.

        Args:
            decoded: Audio to judge.
            audio: Audio to compare it with.
            frequency: Its pitch in Hz, `(batch, frames)`.

        Raises:
            ValueError: The shapes do not fit; or, where no gradient is recorded, audio or distance are not finite.
        """
        check_tensors(decoded=decoded, audio=audio, frequency=frequency)
        if decoded.shape != audio.shape or audio.ndim != 3 or frequency.shape[:1] != audio.shape[:1]:
            raise ValueError(
                f"got audios of shapes {tuple(decoded.shape)} and {tuple(audio.shape)} and a pitch of shape "
                f"{tuple(frequency.shape)}; expected two (batch, channels, samples) and (batch, frames)"
            )
        hop = self.window_length // 2
        frames = audio.shape[-1] // hop
        if frames < 3:
            return decoded.sum() * 0.0
        used = round(frames * hop / audio.shape[-1] * frequency.shape[-1])
        pitch, steady = self._steady(frequency[:, :used], frames)
        mine, theirs = (self._strengths(each[..., : frames * hop], pitch) for each in (decoded, audio))
        heard = steady[..., None] & (self.get_buffer("numbers") * pitch[..., None] < self.highest)
        # Ten times the floor is nine times and the floor itself; a steady partial has 1.5 times the power of its peak.
        heard = heard[:, None] & (theirs > 0.5 * math.log(10 * self.floor))
        distance = ((mine - theirs).abs() * heard).sum() / heard.sum().clamp(min=1)
        check_finite("the distance", distance, {"decoded": decoded, "audio": audio})
        return distance

    def _steady(self, frequency: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Return the pitch in each window, and whether it holds over the window, which is two hops long."""
        halves = torch.stack([frequency, -frequency], 1)
        halves = F.pad(F.adaptive_max_pool1d(halves, 2 * frames), (1, 1), mode="replicate")
        high, low = F.max_pool1d(halves, 4, 2).unbind(1)
        # The first window and the last one reach beyond the audio.
        high, low = high[:, 1:-1], low[:, 1:-1]
        return high.clamp(min=1.0), (low < 0) & (high <= -(1 + _STEADY) * low)

    def _strengths(self, audio: Tensor, pitch: Tensor) -> Tensor:
        """Half the logarithm of the power of each partial, `(batch, channels, frames, partials)`."""
        spectrum = stft(audio, self.window_length, self.window_length // 2)
        power = (spectrum.real.square() + spectrum.imag.square()).mT[..., 1:-1, :]
        # Summed from the top, where there is least power: a difference of two sums has the digits of the larger one.
        above = F.pad(power.flip(-1).cumsum(-1).flip(-1), (0, 1))
        sums = []
        for side in (-_REACH, _REACH):
            edge = (self.get_buffer("numbers") + side) * pitch[..., None] / self.spacing
            index = (edge + 0.5).round().long().clamp(0, above.shape[-1] - 1)
            sums.append(above.gather(-1, index[:, None].expand(-1, audio.shape[1], -1, -1)))
        return 0.5 * torch.log((sums[0] - sums[1]).clamp(min=0.0) + self.floor)
