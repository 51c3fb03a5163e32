"""A finished stem as the page shows it: files to hear, pictures to see, and how well it fits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from latentstem.audio.temporary import TemporaryAudio
from latentstem.pipelines.file_to_file import MixFile, write_temporary_audio
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.pictures import spectrogram_png, waveform_outline


@dataclass(frozen=True)
class Sound:
    """One thing to hear and see.

    Attributes:
        file: A WAV at the mix's rate, as long as the mix.
        picture: Its spectrogram, a PNG.
        outline: Its waveform, see `waveform_outline`.

    Example:
        >>> Sound(Path("bass.wav"), Path("bass.png"), np.zeros((2, 600))).file.name
        'bass.wav'
    """

    file: Path
    picture: Path
    outline: np.ndarray


@dataclass(frozen=True)
class Result:
    """One finished stem.

    Attributes:
        seed: It came from.
        seconds: Its length.
        score: How well it fits, to be compared with other takes of this mix; None where the weights have no judge.
        mix: What it accompanies.
        stem: The stem alone.
        both: The mix with the stem in it.

    Example:
        >>> sound = Sound(Path("bass.wav"), Path("bass.png"), np.zeros((2, 600)))
        >>> Result(seed=0, seconds=20.0, score=None, mix=sound, stem=sound, both=sound).stem.file.name
        'bass.wav'
    """

    seed: int
    seconds: float
    score: float | None
    mix: Sound
    stem: Sound
    both: Sound


def write_result(pipe: StemAccompanimentPipeline, mix: MixFile, latents: Tensor, seed: int, folder: Path) -> Result:
    """Decode a stem and write what is to be heard and seen of it.

    Args:
        pipe: Whose autoencoder plays it, and whose judge says how well it fits.
        mix: What it accompanies.
        latents: Normalized, `(1, latent_channels, frames)`.
        seed: It came from; stands in the files' names.
        folder: Where the files go. The mix is written there with the first take, and used by the others.

    Returns:
        The take.

    Raises:
        latentstem.audio.AudioFileError: A file cannot be written.
    """
    name = mix.reader.path.stem
    made = f"{name}-{pipe.config['target']}-{seed}"
    stem, both = folder / f"{made}.wav", folder / f"{made}-with-mix.wav"
    # What a browser makes of an mp3 may begin some milliseconds off: the mix is played as it was heard here.
    files = {"mix": folder / f"{name}-mix.wav", "stem": stem, "both": both}
    sounds: dict[str, Sound] = {}

    def draw(spools: dict[str, TemporaryAudio], rate: int) -> None:
        for what, spool in spools.items():
            if not files[what].exists():
                write_temporary_audio(spool, files[what], rate)
            picture = files[what].with_suffix(".png")
            if not picture.exists():
                picture.write_bytes(spectrogram_png(spool, rate))
            sounds[what] = Sound(files[what], picture, waveform_outline(spool))

    mix.write_stem(pipe, latents, stem, both, draw)
    score = None if pipe.reranker is None else pipe.score(mix.latents, latents).item()
    return Result(seed, mix.samples / mix.reader.sampling_rate, score, **sounds)
