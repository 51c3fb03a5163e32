"""Ends of a stem: where it begins and stops, or one turn of a loop, which goes on around them."""

from dataclasses import dataclass

from torch import Tensor

from latentstem.audio.loops import circular_pad, crossfade_seam, resample_periodic

# Latent frames of context on either side of a loop: more than the receptive field of the shipped autoencoder, and as
# much as the U-Net needs for a seam like any other place (tried: 8 and 32 frames do not differ).
LOOP_CONTEXT = 8

# Seconds over which the continuation of a loop's end fades into its beginning: the oscillators' phases at the two
# places differ, and a bass note of 40 Hz takes two periods to change from one to the other.
LOOP_FADE = 0.06


@dataclass(frozen=True)
class Boundary:
    """The ends of audio that begins and stops: nothing is padded, and nothing cropped.

    `LoopBoundary` overrides every method.

    Args:
        hop_length: Samples of a latent frame.
        sampling_rate: Sampling rate in Hz.

    Example:
        >>> import torch
        >>> boundary = Boundary(hop_length=4, sampling_rate=100)
        >>> boundary.count_frames(9)  # the last one holds one sample
        3
        >>> boundary.pad(torch.arange(3))
        tensor([0, 1, 2])
    """

    hop_length: int
    sampling_rate: int

    def count_frames(self, num_samples: int) -> int:
        """Return the number of latent frames of so many samples; the last frame may be begun only."""
        return -(-num_samples // self.hop_length)

    def frames_per_second(self, num_samples: int) -> float:
        """Return the rate of the latent frames of so many samples."""
        return self.sampling_rate / self.hop_length

    def pad_audio(self, audio: Tensor) -> Tensor:
        """Add context on both ends of audio `(..., samples)`."""
        return audio

    def pad(self, frames: Tensor) -> Tensor:
        """Add context on both ends of latents or conditions `(..., frames)`."""
        return frames

    def crop(self, frames: Tensor) -> Tensor:
        """Remove the context that `pad` or `pad_audio` added from `(..., frames)`."""
        return frames

    def padded_samples(self, frames: int, num_samples: int) -> int:
        """Return the number of samples to decode from padded latents.

        Args:
            frames: Latent frames without context.
            num_samples: Length of the stem.
        """
        return num_samples

    def close(self, audio: Tensor, num_samples: int) -> Tensor:
        """Remove the context from decoded audio.

        Args:
            audio: Decoded from padded latents, `(..., padded_samples)`.
            num_samples: Length of the stem.

        Returns:
            The stem, `(..., num_samples)`.
        """
        return audio


class LoopBoundary(Boundary):
    """The ends of one turn of a loop: each goes on with the other.

    A loop has a whole number of latent frames; turning its audio by a frame turns its latents by a frame.

    Args:
        hop_length: Samples of a latent frame.
        sampling_rate: Sampling rate in Hz.

    Example:
        >>> import torch
        >>> boundary = LoopBoundary(hop_length=4, sampling_rate=100)
        >>> boundary.count_frames(9)  # the nearest whole number
        2
        >>> padded = boundary.pad(torch.arange(10))
        >>> padded.tolist()[:9], torch.equal(boundary.crop(padded), torch.arange(10))
        ([2, 3, 4, 5, 6, 7, 8, 9, 0], True)
    """

    def count_frames(self, num_samples: int) -> int:
        """Return the whole number of latent frames nearest to so many samples, at least 1."""
        return max(1, round(num_samples / self.hop_length))

    def frames_per_second(self, num_samples: int) -> float:
        """Return the rate at which a whole number of latent frames is one turn."""
        return self.count_frames(num_samples) * self.sampling_rate / num_samples

    def pad_audio(self, audio: Tensor) -> Tensor:
        """Resample a turn to a whole number of frames, by half a frame at most, and add context on both ends."""
        frames = self.count_frames(audio.shape[-1])
        return circular_pad(resample_periodic(audio, frames * self.hop_length), LOOP_CONTEXT * self.hop_length)

    def pad(self, frames: Tensor) -> Tensor:
        """Add what comes before the beginning and after the end of a turn."""
        return circular_pad(frames, LOOP_CONTEXT)

    def crop(self, frames: Tensor) -> Tensor:
        """Remove the context on both ends."""
        return frames[..., LOOP_CONTEXT:-LOOP_CONTEXT]

    def padded_samples(self, frames: int, num_samples: int) -> int:
        """Return the number of samples of a turn with its context."""
        return (frames + 2 * LOOP_CONTEXT) * self.hop_length

    def close(self, audio: Tensor, num_samples: int) -> Tensor:
        """Crossfade what follows the turn into its beginning, and resample the turn to its own length."""
        context = LOOP_CONTEXT * self.hop_length
        turn, beyond = audio[..., context:-context], audio[..., -context:]
        fade = round(LOOP_FADE * self.sampling_rate)
        return resample_periodic(crossfade_seam(turn, beyond[..., :fade]), num_samples)
