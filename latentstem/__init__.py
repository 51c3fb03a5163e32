"""Diffusion building blocks for music stem accompaniment, in PyTorch, speaking diffusers.

Every public name lives here and is imported when it is first used (PEP 562), so `import latentstem` costs
nothing and a layer of `latentstem.nn` never loads diffusers. Saved folders name `latentstem` and a class, never
a file: moving a file does not break them.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# The four diffusers base classes are here because diffusers looks them up on the library a class belongs to.
_NAMES_BY_MODULE = {
    "diffusers.guiders.guider_utils": ("BaseGuidance",),
    "diffusers.models.modeling_utils": ("ModelMixin",),
    "diffusers.pipelines.pipeline_utils": ("DiffusionPipeline",),
    "diffusers.schedulers.scheduling_utils": ("SchedulerMixin",),
    "latentstem.audio.errors": ("AudioContentError", "AudioError", "AudioFileError", "AudioLengthError"),
    "latentstem.audio.formats": ("check_writable",),
    "latentstem.audio.io": ("AudioReader", "AudioWriter", "read_audio", "write_audio"),
    "latentstem.audio.level": ("REFERENCE_RMS", "ActiveLevelMeter", "reference_gain", "active_rms"),
    "latentstem.audio.loops": ("crossfade_seam", "resample_periodic", "circular_pad"),
    "latentstem.audio.resampling": ("resample", "resample_blocks", "resampled_length"),
    "latentstem.audio.stft": ("istft", "overlap_add", "stft"),
    "latentstem.audio.temporary": ("TemporaryAudio",),
    "latentstem.audio.tiling": ("tile_stream", "tiled"),
    "latentstem.audio.validation": ("match_channels", "prepare_audio"),
    "latentstem.audio.yin": ("yin",),
    "latentstem.guidance.functional": ("classifier_free_guidance", "rescale_std"),
    "latentstem.guidance.inpainting": ("InpaintRegions",),
    "latentstem.guidance.rescaled_cfg": ("RescaledClassifierFreeGuidance",),
    "latentstem.guidance.style_grounding": ("StyleGrounding",),
    "latentstem.guidance.style_space": ("StyleSpace",),
    "latentstem.losses.adversarial": ("hinge_discriminator_loss", "hinge_generator_loss", "r1_penalty"),
    "latentstem.losses.pitch": ("pitch_cross_entropy",),
    "latentstem.losses.spectral": (
        "MultiScaleSpectralDistance",
        "log_frequency_bands",
        "log_magnitude_distance",
        "multi_scale_spectral_distance",
    ),
    "latentstem.models.autoencoder_spectral": (
        "AutoencoderSpectral",
        "AutoencoderSpectralDecoderOutput",
        "AutoencoderSpectralEncoderOutput",
    ),
    "latentstem.models.codec": ("Codec", "as_codec", "load_codec"),
    "latentstem.models.contrastive": ("ContrastiveStemModel",),
    "latentstem.models.discriminator": ("SpectralDiscriminator",),
    "latentstem.models.encodec": ("EncodecCodec",),
    "latentstem.models.latent_scaling": ("denormalize_latents", "normalize_latents"),
    "latentstem.models.unet_stem": ("StemUNet1DModel", "StemUNet1DOutput", "StemUNetStage"),
    "latentstem.nn.attention": ("SelfAttention1D", "biased_attention"),
    "latentstem.nn.convnext": ("ConvNeXtBlock1D",),
    "latentstem.nn.embeddings": ("TimestepEmbedding", "sinusoidal_embedding"),
    "latentstem.nn.oscillators": ("OscillatorBank",),
    "latentstem.nn.position": ("DynamicPositionBias", "reuse_position_tables"),
    "latentstem.nn.resnet": ("ChannelNorm", "Downsample1D", "FrameConv1d", "ResnetBlock1D", "Upsample1D"),
    "latentstem.pipelines.codec": ("StemCodecPipeline",),
    "latentstem.pipelines.diffusion": ("StemDiffusionPipeline",),
    "latentstem.pipelines.init_stem": ("InitStem", "KeptRegions"),
    "latentstem.pipelines.input_files": ("EncodedMix", "LoadedInitStem", "encode_mix_file", "read_init_stem_file"),
    "latentstem.pipelines.output": ("StemPipelineOutput",),
    "latentstem.pipelines.output_files": ("write_stem_file",),
    "latentstem.pipelines.quality": ("Quality",),
    "latentstem.pipelines.reranking": ("Candidate", "best_candidates", "draw_candidates"),
    "latentstem.pipelines.stem_accompaniment": ("StemAccompanimentPipeline",),
    "latentstem.sampling.denoised": ("DenoisedCoefficients", "denoised_coefficients"),
    "latentstem.sampling.hooks": ("DenoisedHook", "DenoisedStep", "on_denoised"),
    "latentstem.sampling.overlapping": ("OverlappingWindows",),
    "latentstem.schedulers.cosine_ddim": ("CosineDDIMScheduler", "CosineDDIMSchedulerOutput"),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = ["__version__", "pretrained_path", *sorted(_MODULE_OF)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'latentstem' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def pretrained_path(name: str) -> str:
    """Folder of weights shipped with the package, for `from_pretrained`.

    Args:
        name: name of the weights; `"bass-gm"` is the default that the command line uses.

    Returns:
        Path of the folder as a string.

    Raises:
        ValueError: no such weights are shipped; the message names those that are.

    Example:
        >>> from latentstem import pretrained_path
        >>> pretrained_path("tuba")
        Traceback (most recent call last):
        ValueError: no weights named 'tuba' are shipped with latentstem; the shipped ones are: ...
    """
    shipped = Path(__file__).parent / "weights"
    known = sorted(index.parent.name for index in shipped.glob("*/model_index.json"))
    if name not in known:
        listed = ", ".join(known) or "none in this installation"
        raise ValueError(f"no weights named {name!r} are shipped with latentstem; the shipped ones are: {listed}")
    return str(shipped / name)
