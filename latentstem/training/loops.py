"""Training of a denoiser of loops, which takes a tempo and a prompt in place of a mix.

The data are loops that `write_corpus` renders from `compose_loop`, whole and over and over. The prompt is now a caption
that is true of the loop and now its sound, by the codes of a `PromptEncoder`, so that the net can be asked for a sound
by either. With CLAP in its place, as LADMG has it, the net learns from the embedding of the sound alone.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate.utils import set_seed
from torch import Tensor

from latentstem.conditioning.clap import ClapCondition
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.prompt_encoder import PromptEncoder
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines.loop import LoopPipeline
from latentstem.plotting.spectrogram import write_preview
from latentstem.sampling.objectives import Objective
from latentstem.schedulers.iadb import IADBScheduler
from latentstem.training.denoising import EMBEDDINGS, denoising_loss
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.muon import muon_and_adamw
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latent_crops import LatentCrops
from latentstem.training.latents import LatentOptions, LatentTrack, cache_for_training
from latentstem.training.prompts import clap_condition, draw_captions, word_condition
from latentstem.training.song_conditions import annotated_controls
from latentstem.training.unet_conditions import condition_channels, draw_dropped
from latentstem.training.unet_validation import HIGH_NOISE, prediction_errors

PROMPT_SCALE = 6.0
"""Guidance scale of the prompt: more words are obeyed than at 4, that of the tempo (`benchmarks/quality/loops.py`)."""

_WORDS, _SOUND, _PROMPT, _CLAP = "words", "sound", "prompt", "clap"


@dataclass(frozen=True)
class LoopTraining(LatentOptions):
    """Settings of a training of a denoiser of loops.

    The other options are described at `latentstem.training.latents.LatentOptions` and
    `latentstem.training.engine.options.RunOptions`.

    Args:
        prompt_encoder: Folder of a trained prompt encoder, for prompts in words or by a recording.
        clap: Folder of CLAP weights, or their name in the local cache of the Hugging Face hub, in place of a
            prompt encoder; the net learns to follow the embeddings of the loops' sound as the condition "clap".
        output: Folder for the training state, the logs, the previews and, in `pipeline/`, the trained weights.
        target: Name of the stem that holds a loop.
        submixes: Number of random sub-mixes encoded per track; a loop has none.
        model: Keyword arguments of `StemUNet1DModel` that differ from the defaults, as a JSON object.
        init_from: Folder of a published U-Net to start from.
        controls: Names of controls to train on, read from the `song.json` of each track: beat, or sawtooth as LADMG has
            it, and chords. Every block takes them, or the input those that `model` names in "frame_conditions".
        word_share: Fraction of the items whose prompt is a caption; of the others it is the sound of the loop.
        code_noise: Standard deviation of the noise added to the codes, as a fraction of their length.
        condition_dropout: Probability that a condition of an item is replaced by its null vector, drawn for each
            condition separately; with equal probability over a part of the time.
        noise_emphasis: Exponent by which the density of timesteps grows with their noise; 0 draws all alike.
        batch_frames: Latent frames per step, over all crops.
        crop_frames: Least and greatest length of a crop in latent frames; one length per batch, drawn at random.
        learning_rate: Peak learning rate of AdamW; that of Muon is twice as high.
        validations: Number of validations, evenly spread over the training; the net with the least prediction error is
            published.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "prompt_encoder": "Data",
        "model": "Model",
        "word_share": "Objective",
        "batch_frames": "Optimisation",
    }

    prompt_encoder: Path | None = None
    _: KW_ONLY
    clap: str | None = None
    target: str = "loop"
    submixes: int = 0
    steps: int = 200_000
    learning_rate: float = 3e-3
    ema_decay: float = 0.9995
    model: dict[str, Any] | None = None
    init_from: Path | None = None
    controls: tuple[str, ...] = ("beat", "chords")
    word_share: float = 0.5
    code_noise: float = 0.1
    condition_dropout: float = 0.1
    noise_emphasis: float = 0.5
    batch_frames: int = 6144
    crop_frames: tuple[int, int] = (64, 192)


def train(settings: LoopTraining) -> Path:
    """Train a denoiser of loops, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.

    Returns:
        Folder of the published `LoopPipeline`, with the moving average of the denoiser that validated best.

    Raises:
        ValueError: If there are both a prompt encoder and CLAP or none of them, a track is not annotated, a control is
            unknown, or the output folder holds the state of another net.
        OSError: If there are no weights of CLAP by that name.
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
    """
    if (settings.prompt_encoder is None) == (settings.clap is None):
        raise ValueError("a net of loops learns prompts from a prompt_encoder or from clap; give one of them")
    set_seed(settings.seed)
    autoencoder, encoder = load_codec(settings.autoencoder), None
    codec = as_codec(autoencoder)
    controls = annotated_controls(settings.controls, settings.target, codec)
    kinds = condition_channels(controls, settings.data, settings.target, codec)
    if settings.prompt_encoder is not None:
        encoder = PromptEncoder.from_pretrained(settings.prompt_encoder)
        asked, channels, given = _PROMPT, encoder.config["code_dim"], {_WORDS: word_condition(settings.target, codec)}
    else:
        clap = ClapCondition.from_pretrained(str(settings.clap))
        asked, channels, given = _CLAP, clap.channels, {_CLAP: clap_condition(clap, settings.target, codec)}
    kinds["global_conditions"] = {asked: channels}
    model = _initial_model(settings, codec.latent_channels, kinds).train()
    scheduler = IADBScheduler()
    objective = Objective(scheduler)
    optimizers = muon_and_adamw(model, EMBEDDINGS, settings.learning_rate, weight_decay=1e-2)
    run = TrainingRun.of(model, optimizers, settings)
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    tracks, validation = cache_for_training(settings, autoencoder, run.accelerator, {**controls, **given})
    if encoder is not None:
        encoder.to(run.accelerator.device).eval()
        tracks = add_sounds(tracks, encoder)
        validation = [_with_prompt(track) for track in add_sounds(validation, encoder)]
    run.resume()  # the minutes are counted from here: the tracks are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other crops
    frames, lengths = settings.batch_frames, settings.crop_frames
    batches = iter(LatentCrops(tracks, frames, lengths, seed, run.budget.step, run.accelerator.device))

    def build(averaged: Any) -> LoopPipeline:
        guider = RescaledClassifierFreeGuidance(condition_scales={asked: PROMPT_SCALE})
        return LoopPipeline(autoencoder, averaged, scheduler, guider, encoder)

    def validate(averaged: Any) -> dict[str, float]:
        if len(validation) < 2:
            return {}
        prompt = {asked: validation[0].vectors[asked][None]}
        _write_loop(build(averaged), prompt, settings.output / "previews" / f"{run.budget.step:07d}")
        errors = prediction_errors(averaged, scheduler, validation, HIGH_NOISE, condition=asked)
        means = {"": errors[asked], "_swapped": errors["swapped"], "_none": errors["none"]}
        return {f"prediction_error{name}": round(float(error.mean()), 4) for name, error in means.items()}

    target = settings.output / "pipeline"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        loops, values = next(batches)
        if encoder is not None:
            values[_PROMPT] = draw_prompts(encoder, values.pop(_WORDS), values.pop(_SOUND), settings.word_share)
        values[asked] = add_noise(values[asked], settings.code_noise)
        dropped = draw_dropped(values, 0.0, settings.condition_dropout)
        loss = denoising_loss(run, objective, loops, values, dropped, settings.noise_emphasis)
        run.update(loss)
        run.report(bar, {"loss": loss})
        run.checkpoint(
            validate,
            "prediction_error",
            lambda averaged, folder: build(averaged).save_pretrained(folder),
            target,
        )
    bar.close()
    return target


@torch.no_grad()
def add_sounds(tracks: Sequence[LatentTrack], encoder: PromptEncoder) -> list[LatentTrack]:
    """Add the codes of the sounds of loops, as the vector "sound".

    Args:
        tracks: Latents of loops.
        encoder: Trained encoder.
    """
    return [
        replace(
            track, vectors=track.vectors | {_SOUND: encoder.embed_sound(track.stem[None].to(encoder.device))[0].cpu()}
        )
        for track in tracks
    ]


@torch.no_grad()
def draw_prompts(encoder: PromptEncoder, truth: Tensor, sounds: Tensor, word_share: float) -> Tensor:
    """Draw for each loop the code of a caption that is true of it, or of its sound.

    Args:
        encoder: Trained encoder.
        truth: 1 for words that are true and -1 for others, `(batch, words)`.
        sounds: Codes of the sounds, `(batch, code_dim)`.
        word_share: Fraction of the captions.

    Returns:
        Codes of unit length, `(batch, code_dim)`.
    """
    captions = encoder.embed_words(draw_captions(truth)).to(sounds)
    return torch.where(torch.rand(len(truth), 1, device=truth.device) < word_share, captions, sounds)


def add_noise(codes: Tensor, deviation: float) -> Tensor:
    """Turn codes of unit length by noise.

    Args:
        codes: Codes, `(batch, code_dim)`.
        deviation: Expected length of the noise, as a fraction of a code's length.

    Returns:
        Codes of unit length, of the same shape.

    Example:
        >>> codes = torch.nn.functional.normalize(torch.randn(2, 32), dim=-1)
        >>> torch.allclose(add_noise(codes, 0.1).norm(dim=-1), torch.ones(2))
        True
    """
    noise = deviation * torch.randn_like(codes) / codes.shape[-1] ** 0.5
    return torch.nn.functional.normalize(codes + noise, dim=-1)


def _with_prompt(track: LatentTrack) -> LatentTrack:
    """Take the sound of a loop as its prompt."""
    return replace(track, vectors={_PROMPT: track.vectors[_SOUND]})


def _initial_model(settings: LoopTraining, latent_channels: int, kinds: dict[str, dict[str, int]]) -> StemUNet1DModel:
    if settings.init_from is None:
        options: dict[str, Any] = {"frame_conditions": {}, **kinds, **(settings.model or {})}
        controls: dict[str, int] = options.get("control_conditions") or {}
        at_input = options["frame_conditions"]
        options["control_conditions"] = {name: size for name, size in controls.items() if name not in at_input}
        return StemUNet1DModel(latent_channels=latent_channels, **options)
    return StemUNet1DModel.from_pretrained(settings.init_from)


def _write_loop(pipe: LoopPipeline, prompt: dict[str, Tensor], preview: Path) -> None:
    """Write a loop for the sound of the first validation loop."""
    pipe.set_progress_bar_config(disable=True)
    loop = pipe(bpm=124, bars=2, conditions=prompt, num_inference_steps=16, generator=0).audios[0]
    write_preview(preview, {"loop": loop.cpu()}, pipe.sampling_rate)


if __name__ == "__main__":
    print(f"{train(parse_settings(LoopTraining))}: trained weights")
