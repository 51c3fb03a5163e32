"""A finished stem with the files, pictures and score that the page shows."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from latentstem.conditioning.controls import Controls
from latentstem.pipelines.input_files import EncodedMix, LoadedInitStem
from latentstem.pipelines.output_files import add_to_mix, decode_stem, file_tags, write_temporary_audio
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.ui.pictures import spectrogram_png, waveform_outline


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
        seed: Seed of the stem's noise.
        seconds: Length in seconds.
        score: How well the stem fits, comparable with other takes of this mix; None for weights without a reranker.
        mix: Mix that the stem accompanies.
        stem: Stem alone.
        both: Mix with the stem in it.
        controls: Controls that the stem was generated with.

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
    controls: Controls = field(default_factory=Controls)


def write_result(
    pipe: StemAccompanimentPipeline,
    mix: EncodedMix,
    latents: Tensor,
    seed: int,
    controls: Controls,
    folder: Path,
    sketch: LoadedInitStem | None = None,
) -> Result:
    """Decode a stem, and write its audio and pictures.

    Args:
        pipe: Pipeline whose autoencoder decodes the stem, and whose reranker scores it.
        mix: Mix that the stem accompanies.
        latents: Normalized latents `(1, latent_channels, frames)`.
        seed: Seed of the stem's noise, part of the files' names.
        controls: Controls that the stem was generated with.
        folder: Folder of the files. The first take writes the mix there for the others.
        sketch: Stem that the latents were sampled from, which the new one is as loud as; None is noise.

    Returns:
        The take.

    Raises:
        latentstem.audio.AudioFileError: A file cannot be written.
    """
    mix_name, rate = mix.reader.path.stem, mix.reader.sampling_rate
    stem_name = f"{mix_name}-{pipe.config['target']}-{seed}"
    # A browser may begin an mp3 some milliseconds off, so the mix is written as it was encoded here.
    files = {
        "mix": folder / f"{mix_name}-mix.wav",
        "stem": folder / f"{stem_name}.wav",
        "both": folder / f"{stem_name}-with-mix.wav",
    }
    tags = {"mix": None, "stem": file_tags(mix), "both": file_tags(mix)}
    sounds: dict[str, Sound] = {}
    with decode_stem(pipe, mix, latents, folder, sketch) as stem, add_to_mix(mix, stem, folder) as tracks:
        for name, audio in tracks.items():
            if name != "mix" or not files[name].exists():
                write_temporary_audio(audio, files[name], rate, tags=tags[name])
            picture = files[name].with_suffix(".png")
            if not picture.exists():
                picture.write_bytes(spectrogram_png(audio, rate))
            sounds[name] = Sound(files[name], picture, waveform_outline(audio))
    score = None if pipe.reranker is None else pipe.score(mix.latents, latents).item()
    return Result(seed, mix.samples / rate, score, **sounds, controls=controls)
