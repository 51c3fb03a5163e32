"""Prompts for the trainings of loops: words that are true of a track, captions drawn from them, and CLAP embeddings."""

import torch
from torch import Tensor

from latentstem.conditioning.clap import ClapCondition
from latentstem.data.corpus import read_annotation, read_instruments
from latentstem.data.stems.track import StemTrack
from latentstem.data.words import words_of
from latentstem.models.codec import Codec
from latentstem.training.latents import TrackCondition

MEASURED_SAMPLES = 1 << 18
"""Samples of a loop whose spectrum is measured; all turns sound alike."""
MOST_WORDS = 5
"""Greatest number of words that a caption asks for."""
CLAP_SECONDS = 10
"""Seconds of a loop that CLAP hears; it takes no more."""
EXCLUSION = 0.4
"""Fraction of the captions that exclude one or two words."""


def word_condition(target: str, codec: Codec) -> TrackCondition:
    """Make the function that finds which words are true of a track.

    Args:
        target: Name of the stem whose sound is measured.
        codec: Codec whose sampling rate and channels the tracks are read in.

    Returns:
        A function from a track, and a number of frames that does not matter, to `(words,)`: 1 for a word of
        `latentstem.data.words.WORDS` that is true of it, -1 for one that is not. It raises a `ValueError` for a track
        whose instruments are not known.
    """

    def words(track: StemTrack, frames: int) -> Tensor:
        folder = track.files[target][0].parent
        audio = track.read(target, 0, MEASURED_SAMPLES, codec.audio_channels, codec.sampling_rate).mean(0)
        try:
            song, instruments = read_annotation(folder), read_instruments(folder)
        except FileNotFoundError as error:
            raise ValueError(
                f"{folder} has no song.json to find words in; train on loops that `latentstem corpus --preset loops` "
                "writes, or without words"
            ) from error
        found = words_of(song, instruments, audio.numpy(), codec.sampling_rate)
        return torch.tensor([1.0 if true else -1.0 for true in found.values()])

    return words


def clap_condition(clap: ClapCondition, target: str, codec: Codec) -> TrackCondition:
    """Make the function that embeds the sound of a track by CLAP.

    Args:
        clap: CLAP with its weights.
        target: Name of the stem whose sound is embedded.
        codec: Codec whose sampling rate and channels the tracks are read in.

    Returns:
        A function from a track, and a number of frames that does not matter, to its embedding, `(clap.channels,)`.
    """
    rate, channels = codec.sampling_rate, codec.audio_channels

    def embedding(track: StemTrack, frames: int) -> Tensor:
        samples = min(CLAP_SECONDS * rate, track.length(rate))
        return clap.embed_audio(track.read(target, 0, samples, channels, rate)[None], rate)[0].cpu()

    return embedding


def draw_captions(truth: Tensor) -> Tensor:
    """Draw for each track some words that are true of it, and sometimes some that are not, which are excluded.

    Args:
        truth: 1 for words that are true and -1 for others, `(batch, words)`.

    Returns:
        Captions `(batch, words)`: 1 for a word that is asked for, -1 for one that is excluded, 0 for others; at least
        one is asked for where any is true.

    Example:
        >>> truth = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
        >>> bool((draw_captions(truth) * truth >= 0).all())
        True
    """
    batch, device = len(truth), truth.device
    wanted = torch.randint(1, MOST_WORDS + 1, (batch, 1), device=device)
    excluded = torch.randint(1, 3, (batch, 1), device=device) * (torch.rand(batch, 1, device=device) < EXCLUSION)
    return (_draw_some(truth > 0, wanted) | _draw_some(truth < 0, excluded)) * truth


def fits(captions: Tensor, truth: Tensor) -> Tensor:
    """Return which captions are true of which tracks.

    Args:
        captions: `(captions, words)`, as `draw_captions` returns them.
        truth: `(tracks, words)`, as it takes them.

    Returns:
        Bool `(captions, tracks)`.

    Example:
        >>> fits(torch.tensor([[1.0, 0.0], [0.0, -1.0]]), torch.tensor([[1.0, 1.0], [-1.0, -1.0]])).tolist()
        [[True, False], [False, True]]
    """
    return captions @ truth.T == captions.abs().sum(-1, keepdim=True)


def _draw_some(among: Tensor, counts: Tensor) -> Tensor:
    """Draw up to so many of the true entries of each row."""
    keys = torch.rand(among.shape, device=among.device).masked_fill(~among, 2.0)
    return among & (keys.argsort(dim=-1).argsort(dim=-1) < counts)
