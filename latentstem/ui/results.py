"""A finished stem with the files, pictures and score that the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from latentstem.audio.temporary import TemporaryAudio
from latentstem.pipelines.input_files import EncodedMix, LoadedInitStem
from latentstem.pipelines.output_files import add_to_mix, decode_stem, file_tags, write_temporary_audio
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.pictures import spectrogram_png, waveform_outline
from latentstem.ui.requests import GenerationRequest


@dataclass(frozen=True)
class Sound:
    """One track of a result.

    Attributes:
        file: WAV file at the mix's rate, as long as the mix.
        picture: PNG file of the spectrogram.
        outline: Outline of the waveform, see `waveform_outline`.

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
        request: Settings that it was generated with; its seed is that of this stem.
        seconds: Length in seconds.
        score: How well the stem fits, comparable with other takes of this mix; None for weights without a reranker.
        mix: Mix that the stem accompanies.
        stem: Stem alone.
        both: Mix with the stem in it.

    Example:
        >>> sound = Sound(Path("bass.wav"), Path("bass.png"), np.zeros((2, 600)))
        >>> request = GenerationRequest(Path("mix.wav"))
        >>> Result(request, seconds=20.0, score=None, mix=sound, stem=sound, both=sound).stem.file.name
        'bass.wav'
    """

    request: GenerationRequest
    seconds: float
    score: float | None
    mix: Sound
    stem: Sound
    both: Sound

    @property
    def seed(self) -> int:
        """Seed of the stem's noise."""
        return self.request.seed


def write_result(
    pipe: StemAccompanimentPipeline,
    mix: EncodedMix,
    latents: Tensor,
    request: GenerationRequest,
    folder: Path,
    sketch: LoadedInitStem | None = None,
) -> Result:
    """Decode a stem, and write its audio and pictures.

    Args:
        pipe: Pipeline whose autoencoder decodes the stem, and whose reranker scores it.
        mix: Mix that the stem accompanies.
        latents: Normalized latents `(1, latent_channels, frames)`.
        request: Settings of the stem; its seed is part of the files' names.
        folder: Folder of the folders of the mix, which the first take writes for the others, and of each seed.
        sketch: Stem that the latents were sampled from, which the new one is as loud as; None is noise.

    Returns:
        The take.

    Raises:
        latentstem.audio.AudioFileError: A file cannot be written.
    """
    mix_name, rate = mix.reader.path.stem, mix.reader.sampling_rate
    stem_name = f"{mix_name}-{request.target or pipe.config['target']}-{request.seed}"
    # A browser may begin an mp3 some milliseconds off, so the mix is written as it was encoded here.
    own, common = folder / str(request.seed), folder / "mix"
    own.mkdir(exist_ok=True)
    common.mkdir(exist_ok=True)
    files = {
        "mix": common / f"{mix_name}.wav",  # a take that begins with this one is named alike
        "stem": own / f"{stem_name}.wav",
        "both": own / f"{stem_name}-with-mix.wav",
    }
    tags = {"mix": None, "stem": file_tags(mix), "both": file_tags(mix)}
    with decode_stem(pipe, mix, latents, folder, sketch) as stem, add_to_mix(mix, stem, folder) as tracks:
        sounds = {name: write_sound(audio, files[name], rate, tags[name]) for name, audio in tracks.items()}
    score = None if pipe.reranker is None else pipe.score(mix.latents, latents).item()
    return Result(request, mix.samples / rate, score, **sounds)


def write_sound(audio: TemporaryAudio, file: Path, sampling_rate: int, tags: Mapping[str, str] | None) -> Sound:
    """Write the file and the picture of a sound, unless they are there.

    Args:
        audio: The sound.
        file: WAV file to write.
        sampling_rate: Sampling rate in Hz.
        tags: Tags of the file.

    Raises:
        latentstem.audio.AudioFileError: The file cannot be written.
    """
    if not file.exists():
        write_temporary_audio(audio, file, sampling_rate, tags=tags)
    picture = file.with_suffix(".png")
    if not picture.exists():
        picture.write_bytes(spectrogram_png(audio, sampling_rate))
    return Sound(file, picture, waveform_outline(audio))
