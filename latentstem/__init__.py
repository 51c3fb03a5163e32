"""Diffusion building blocks for music stem accompaniment, in PyTorch, speaking diffusers.

The names that most programs need are here; every subpackage exports its own (`from latentstem.audio import
AudioReader`). All are imported when they are first used, so `import latentstem` costs nothing and a layer of
`latentstem.nn` never loads diffusers. Saved folders name `latentstem` and a class, never a file: moving a file does not
break them.
"""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from latentstem._exports import export_lazily

__version__ = "0.2.0"

# diffusers looks these names up on the package that saved folders name: its own base classes, and ours beside those in
# `__init__.pyi`. `_diffusers.py` has more.
_LOADED_BY_NAME = {
    "BaseGuidance": "diffusers.guiders.guider_utils",
    "DiffusionPipeline": "diffusers.pipelines.pipeline_utils",
    "DistilledGuidance": "latentstem.guidance",
    "ModelMixin": "diffusers.models.modeling_utils",
    "SchedulerMixin": "diffusers.schedulers.scheduling_utils",
    "SpectralDiscriminator": "latentstem.models",
    "StemCodecPipeline": "latentstem.pipelines",
    "StemDiffusionPipeline": "latentstem.pipelines",
}

# What 0.1.0 had here, by the subpackage that has it now.
_MOVED = {
    "latentstem.audio": """
        AudioContentError AudioFileError AudioLengthError AudioReader AudioWriter REFERENCE_RMS check_writable istft
        overlap_add prepare_audio reference_gain resample_blocks resampled_length stft tile_stream yin
    """,
    "latentstem.losses": """
        MultiScaleSpectralDistance hinge_discriminator_loss hinge_generator_loss log_frequency_bands
        log_magnitude_distance pitch_cross_entropy r1_penalty
    """,
    "latentstem.models": """
        AutoencoderSpectralDecoderOutput AutoencoderSpectralEncoderOutput StemUNet1DOutput StemUNetStage
        denormalize_latents normalize_latents
    """,
    "latentstem.nn": """
        ChannelNorm ConvNeXtBlock1D Downsample1D FrameConv1d ResnetBlock1D TimestepEmbedding Upsample1D
        reuse_position_tables sinusoidal_embedding
    """,
    "latentstem.pipelines": "Candidate InitStem best_candidates draw_candidates",
    "latentstem.sampling": "DenoisedCoefficients DenoisedHook DenoisedStep",
    "latentstem.schedulers": "CosineDDIMSchedulerOutput",
}
_ROOM_OF = {name: room for room, names in _MOVED.items() for name in names.split()}
_RENAMED = {
    "CarrierBank": ("latentstem.nn", "OscillatorBank"),
    "InitStemFile": ("latentstem.pipelines", "read_init_stem_file"),
    "KeepRegions": ("latentstem.guidance", "InpaintRegions"),
    "KeptAudio": ("latentstem.pipelines", "KeptRegions"),
    "MixFile": ("latentstem.pipelines", "encode_mix_file"),
    "SoundingLevel": ("latentstem.audio", "ActiveLevelMeter"),
    "Spool": ("latentstem.audio", "TemporaryAudio"),
    "Windows": ("latentstem.sampling", "OverlappingWindows"),
    "close_turn": ("latentstem.audio", "crossfade_seam"),
    "resample_turn": ("latentstem.audio", "resample_periodic"),
    "sounding_rms": ("latentstem.audio", "active_rms"),
    "wrap_turn": ("latentstem.audio", "circular_pad"),
}


def _load_unlisted(name: str) -> Any:
    if name in _LOADED_BY_NAME:
        return getattr(import_module(_LOADED_BY_NAME[name]), name)
    if name not in _ROOM_OF and name not in _RENAMED:
        raise AttributeError(f"module 'latentstem' has no attribute {name!r}")
    room, today = _RENAMED.get(name) or (_ROOM_OF[name], name)
    warnings.warn(
        f"latentstem.{name} has moved and will be removed here; write: from {room} import {today}",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(room), today)


export_lazily(__name__, _load_unlisted)


def pretrained_path(name: str) -> str:
    """Return the folder of weights shipped with the package, for `from_pretrained`.

    Args:
        name: Name of the weights; `"bass"` is the default that the command line uses.

    Returns:
        Path of the folder as a string.

    Raises:
        ValueError: No such weights are shipped; the message names those that are.

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
