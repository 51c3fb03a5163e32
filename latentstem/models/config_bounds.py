"""Bounds of the configs of the models: each is held against them before its first layer is built.

A function here knows the fields of one class. The bounds lie far beyond what music needs, and what a machine of today
builds in a moment lies within. The counts of weights are estimates: they leave out biases and norms.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import nn

from latentstem._checks import (
    DEEPEST,
    WIDEST,
    check_flags,
    check_list,
    check_number,
    check_weights,
    check_whole,
    entries,
    short,
)
from latentstem.audio.fourier import check_window
from latentstem.audio.limits import MAX_SAMPLING_RATE

Config = Mapping[str, Any]

MOST_LEVELS = 16
"""Greatest number of resolutions of a net, each of half the rate of the one before."""

LONGEST_WINDOW = 65_536
"""Greatest length of a window, and of a latent frame, in samples."""

_MOST_CONDITIONS = 64
_LARGEST_STATISTIC = 1e6
_SMALLEST_DEVIATION = 1e-6


def check_unet(config: Config) -> None:
    """Refuse fields of `StemUNet1DModel` that are out of bounds.

    Args:
        config: Config of the model, complete.

    Raises:
        ValueError: A field is out of bounds, or the net would be too large.
    """
    widths = ("latent_channels", "attention_head_dim", "embedding_dim", "position_hidden_dim", "control_channels")
    check_whole(1, WIDEST, **_fields(config, *widths))
    check_whole(1, DEEPEST, **_fields(config, "position_depth"))
    check_whole(1, 2**31, **_fields(config, "train_length"))
    check_number(0, 1, **_fields(config, "dropout"))
    lists = _fields(config, "block_out_channels", "layers_per_block", "attention_levels")
    check_list(MOST_LEVELS, **lists)
    check_whole(1, WIDEST, **entries(**_fields(config, "block_out_channels")))
    check_whole(0, DEEPEST, **entries(**_fields(config, "layers_per_block")))
    check_flags(**_fields(config, "log_n_scaling"), **entries(**_fields(config, "attention_levels")))
    kinds = _fields(config, "frame_conditions", "global_conditions", "control_conditions")
    for kind, conditions in kinds.items():
        _check_conditions(kind, conditions)
    check_weights(_unet_weights(config), {**_fields(config, *widths, "position_depth"), **lists, **kinds})


def _unet_weights(config: Config) -> int:
    widths, embedding = config["block_out_channels"], config["embedding_dim"]
    frames = config["frame_conditions"]
    latents = config["latent_channels"]
    inputs = 2 * latents if frames is None else latents + sum(frames.values())
    controls = sum((config["control_conditions"] or {}).values())
    control = config["control_channels"] if controls else 0
    count = widths[0] * 3 * (inputs + latents) + 2 * embedding**2
    count += sum((config["global_conditions"] or {}).values()) * embedding
    count += 2 * controls * control + (2 * len(widths) - 1) * control**2
    stages = zip(widths, config["layers_per_block"], config["attention_levels"], strict=False)
    for level, (width, layers, attention) in enumerate(stages):
        block = 6 * width**2 + 2 * width * (embedding + control) + 4 * width**2 * attention
        last = level == len(widths) - 1
        count += block * layers * (1 if last else 2)
        count += 0 if last else 4 * width * widths[level + 1] + 2 * width**2
        count += attention * (config["position_depth"] - 1) * config["position_hidden_dim"] ** 2
    return count


def _check_conditions(kind: str, conditions: Any) -> None:
    if conditions is None:
        return
    if not isinstance(conditions, Mapping) or len(conditions) > _MOST_CONDITIONS:
        raise ValueError(
            f"got {kind}={short(conditions)}; expected numbers of channels by name, at most {_MOST_CONDITIONS} of them"
        )
    for name, channels in conditions.items():
        # Layers are named after the conditions, and torch lets no layer have such a name.
        if not isinstance(name, str) or not name or "." in name or hasattr(nn.ModuleDict, name):
            raise ValueError(
                f"got a condition {short(name)} in {kind}; expected a name without dots that torch.nn.ModuleDict does "
                "not use itself"
            )
        check_whole(1, WIDEST, **{f"{kind}[{name!r}]": channels})


def check_autoencoder(config: Config) -> None:
    """Refuse fields of `AutoencoderSpectral` that are out of bounds.

    Args:
        config: Config of the model, complete.

    Raises:
        ValueError: A field is out of bounds, windows and hops do not go together, or the net would be too large.
    """
    check_whole(1000, MAX_SAMPLING_RATE, **_fields(config, "sampling_rate"))
    check_whole(1, 2, **_fields(config, "audio_channels"))
    widths = ("latent_channels", "channels", "latent_hidden_channels")
    check_whole(1, WIDEST, **_fields(config, *widths))
    layers = ("encoder_layers", "decoder_layers", "latent_layers")
    check_whole(0, DEEPEST, **_fields(config, *layers))
    windows = ("window_length", "encoder_window_length", "hop_length", "stft_hop_length")
    check_whole(1, LONGEST_WINDOW, **_fields(config, *windows))
    check_whole(0, LONGEST_WINDOW, **_fields(config, "low_window_length"))
    check_whole(0, 4096, **_fields(config, "carriers"))
    check_whole(1, 1024, **_fields(config, "carrier_partials"))
    check_whole(1, 255, **_fields(config, "carrier_smoothing"))
    _check_odd(**_fields(config, "carrier_smoothing"))
    check_whole(0, 1024, **_fields(config, "noise_bands"))
    check_whole(0, 128, **_fields(config, "levels_per_octave"))
    check_number(0, config["sampling_rate"] / 2, **_fields(config, "low_highest"))
    check_flags(**_fields(config, "quiet_magnitudes"))
    for window in ("window_length", "encoder_window_length"):
        check_window(config[window], config["stft_hop_length"])
    if config["low_window_length"]:
        if config["hop_length"] % 2:
            raise ValueError(f"got hop_length={config['hop_length']}; expected an even number with low_window_length")
        check_window(config["low_window_length"], config["hop_length"] // 2)
    check_statistics(config, config["latent_channels"])
    check_weights(_autoencoder_weights(config), _fields(config, *widths, *layers, *windows, "audio_channels"))


def _autoencoder_weights(config: Config) -> int:
    width, hidden = config["channels"], config["latent_hidden_channels"]
    low_bins = int(config["low_highest"] * config["low_window_length"] / config["sampling_rate"]) + 1
    low = 2 * config["audio_channels"] * low_bins * hidden + hidden**2 if config["low_window_length"] else 0
    bins = config["audio_channels"] * (config["encoder_window_length"] + 3 * config["window_length"]) // 2
    fold = 2 * config["hop_length"] // config["stft_hop_length"] * width * hidden
    blocks = 8 * width**2 * (config["encoder_layers"] + config["decoder_layers"])
    latent_blocks = 8 * hidden**2 * config["latent_layers"]
    return bins * width + low + fold + blocks + latent_blocks + 2 * hidden * config["latent_channels"]


def check_statistics(config: Config, channels: int) -> None:
    """Refuse statistics of latents that could not normalize them, and a style space that fits no mean latent.

    Args:
        config: Config of a codec, which may hold `latents_mean`, `latents_std`, `style_readout`, `style_directions`.
        channels: Number of channels of the latents.

    Raises:
        ValueError: One of them has another number of entries than there are channels, or an entry is no finite number,
            or a deviation is not positive, or one half of the style space is missing.

    Example:
        >>> check_statistics({"latents_mean": [0.0], "latents_std": [1.0]}, channels=2)
        Traceback (most recent call last):
        ValueError: got 1 entries in latents_mean; expected 2, one a latent channel: measure it again
    """
    bounds = {"latents_mean": -_LARGEST_STATISTIC, "latents_std": _SMALLEST_DEVIATION}
    for name, least in bounds.items():
        if config.get(name) is not None:
            _check_channels(name, config[name], channels)
            check_number(least, _LARGEST_STATISTIC, **entries(**{name: config[name]}))
    space: dict[str, Any] = {name: config.get(name) for name in ("style_readout", "style_directions")}
    if all(rows is None for rows in space.values()):
        return
    for name, rows in space.items():
        check_list(WIDEST, **{name: rows})
        for row, values in entries(**{name: rows}).items():
            _check_channels(row, values, channels)
            check_number(-_LARGEST_STATISTIC, _LARGEST_STATISTIC, **entries(**{row: values}))
    readout, directions = map(len, space.values())
    if readout != directions:
        raise ValueError(f"got {readout} rows in style_readout and {directions} in style_directions; expected as many")


def _check_channels(name: str, values: Any, channels: int) -> None:
    check_list(WIDEST, **{name: values})
    if len(values) != channels:
        raise ValueError(
            f"got {len(values)} entries in {name}; expected {channels}, one a latent channel: measure it again"
        )


def check_style_encoder(config: Config) -> None:
    """Refuse fields of `StyleEncoder` that are out of bounds; raise a ValueError that names one."""
    widths = ("latent_channels", "channels", "code_dim")
    check_whole(1, WIDEST, **_fields(config, *widths))
    check_whole(0, DEEPEST, **_fields(config, "layers"))
    latents, width, code = (config[name] for name in widths)
    count = 3 * latents * width + 4 * width**2 * config["layers"] + 2 * width * code
    check_weights(count, _fields(config, *widths, "layers"))


def check_prompt_encoder(config: Config) -> None:
    """Refuse fields of `PromptEncoder` that are out of bounds; raise a ValueError that names one."""
    if not isinstance(config["words"], Mapping):
        raise ValueError(
            f"got words={short(config['words'])}; expected a mapping from words to others that mean the same"
        )
    words = len(config["words"])
    check_whole(1, WIDEST, **{"the number of words": words})
    check_style_encoder(config)
    check_weights((words + config["code_dim"]) * config["channels"], _fields(config, "channels", "code_dim"))


def check_contrastive(config: Config) -> None:
    """Refuse fields of `ContrastiveStemModel` that are out of bounds; raise a ValueError that names one."""
    widths = ("latent_channels", "channels", "embedding_channels")
    check_whole(1, WIDEST, **_fields(config, *widths))
    check_list(MOST_LEVELS, **_fields(config, "layers"))
    check_whole(0, DEEPEST, **entries(**_fields(config, "layers")))
    latents, width, embedding = (config[name] for name in widths)
    count = 2 * (latents * width + 4 * width**2 * sum(config["layers"]) + width * embedding)
    check_weights(count, _fields(config, *widths, "layers"))


def check_discriminator(config: Config) -> None:
    """Refuse fields of `SpectralDiscriminator` that are out of bounds; raise a ValueError that names one."""
    check_whole(1, 2, **_fields(config, "audio_channels"))
    check_whole(1, WIDEST, **_fields(config, "channels"))
    check_whole(0, MOST_LEVELS, **_fields(config, "layers"))
    check_whole(1, LONGEST_WINDOW, **_fields(config, "window_length", "hop_length"))
    check_window(config["window_length"], config["hop_length"])
    bins = config["audio_channels"] * config["window_length"] // 2
    widths = [config["channels"] * min(2**layer, 4) for layer in range(config["layers"] + 1)]
    count = bins * widths[0] + sum(3 * first**2 + 5 * first * second for first, second in pairwise(widths))
    check_weights(count, _fields(config, "audio_channels", "window_length", "channels", "layers"))


def check_bassnet(config: Config) -> None:
    """Refuse fields of `BassNetModel` that are out of bounds; raise a ValueError that names one."""
    check_whole(1, MOST_LEVELS, **_fields(config, "resolutions"))
    check_whole(1, LONGEST_WINDOW, **_fields(config, "steps", "bins"))
    check_whole(1, WIDEST, **_fields(config, "control_dim", "channels", "descriptor_channels"))
    check_whole(1, DEEPEST, **_fields(config, "blocks"))
    check_flags(**_fields(config, "control_positions"))
    if config["control_blocks"] is not None:
        check_whole(0, DEEPEST, **_fields(config, "control_blocks"))
    for name, most in (("kernel_size", 63), ("patch_size", LONGEST_WINDOW)):
        if not isinstance(config[name], list | tuple) or len(config[name]) != 2:
            raise ValueError(f"got {name}={short(config[name])}; expected two numbers, in steps and in bins")
        check_whole(1, most, **entries(**{name: config[name]}))
    check_whole(1, 63, **_fields(config, "descriptor_kernel_size"))
    odd = {**entries(**_fields(config, "kernel_size")), **_fields(config, "descriptor_kernel_size")}
    _check_odd(**odd)
    for name in ("time_dilations", "frequency_dilations"):
        if config[name] is not None:
            check_list(DEEPEST, **_fields(config, name))
            check_whole(1, LONGEST_WINDOW, **entries(**_fields(config, name)))
    fields = ("resolutions", "patch_size", "channels", "blocks", "control_blocks", "kernel_size", "descriptor_channels")
    check_weights(_bassnet_weights(config), _fields(config, *fields))


def _bassnet_weights(config: Config) -> int:
    patch = config["resolutions"] * config["patch_size"][0] * config["patch_size"][1]
    taps, width, blocks = config["kernel_size"][0] * config["kernel_size"][1] + 1, config["channels"], config["blocks"]
    control = blocks if config["control_blocks"] is None else config["control_blocks"]
    stacks = 2 * (patch * width + (blocks - 1) * width**2) + control * width**2
    heads = patch * config["descriptor_channels"] * config["descriptor_kernel_size"]
    positions = 1
    if config["control_positions"]:
        positions = config["steps"] * config["bins"] // (config["patch_size"][0] * config["patch_size"][1])
    return taps * stacks + heads + 3 * width * positions * config["control_dim"]


def check_encodec(settings: Any) -> None:
    """Refuse settings of an EnCodec that are out of bounds.

    Args:
        settings: The `EncodecConfig` of transformers.

    Raises:
        ValueError: A setting is out of bounds, or the net would be too large.
    """
    values = {name: getattr(settings, name) for name in ("num_filters", "hidden_size", "codebook_size")}
    layers = {name: getattr(settings, name) for name in ("num_residual_layers", "num_lstm_layers")}
    kernels = {name: getattr(settings, name) for name in ("kernel_size", "last_kernel_size", "residual_kernel_size")}
    check_whole(1, WIDEST, **values)
    check_whole(0, MOST_LEVELS, **layers)
    check_whole(1, 63, **kernels, compress=settings.compress)
    check_whole(1, 2, audio_channels=settings.audio_channels, dilation_growth_rate=settings.dilation_growth_rate)
    check_whole(1, MAX_SAMPLING_RATE, sampling_rate=settings.sampling_rate)
    check_list(MOST_LEVELS, upsampling_ratios=settings.upsampling_ratios)
    check_whole(1, 64, **entries(upsampling_ratios=settings.upsampling_ratios))
    check_list(MOST_LEVELS, target_bandwidths=settings.target_bandwidths)
    check_number(0.1, 100, **entries(target_bandwidths=settings.target_bandwidths))
    widest = settings.num_filters * 2 ** len(settings.upsampling_ratios)
    ratio = max(settings.upsampling_ratios)
    convolutions = 8 * ratio + 4 * settings.residual_kernel_size * settings.num_residual_layers
    count = widest**2 * (convolutions + 16 * settings.num_lstm_layers)
    count += 2 * widest * settings.hidden_size * settings.last_kernel_size
    check_weights(count, {**values, **layers, "upsampling_ratios": settings.upsampling_ratios})


def _fields(config: Config, *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names}


def _check_odd(**extents: int) -> None:
    for name, extent in extents.items():
        if extent % 2 == 0:
            raise ValueError(f"got {name}={extent}; expected an odd number, so that a position has a middle")
