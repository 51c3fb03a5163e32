"""Conditions in the training of a denoiser: their channels, nets that take them, and which are dropped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentstem.data.stems.folder import StemFolder
from latentstem.models.codec import Codec
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.training.latents import TrackCondition


def condition_channels(
    conditions: Mapping[str, TrackCondition], data: Path, target: str, codec: Codec
) -> dict[str, dict[str, int]]:
    """Find the channels of conditions, for the config of a net that takes them.

    Args:
        conditions: Functions that make the conditions, by name.
        data: Folder of tracks, the first of which is tried.
        target: Name of the stem.
        codec: Codec on whose latent frames the conditions lie.

    Returns:
        The arguments `control_conditions` and `global_conditions` of `StemUNet1DModel`.
    """
    if not conditions:
        return {}
    track = StemFolder(data, target, ()).tracks[0]
    frames = -(-track.length(codec.sampling_rate) // codec.hop_length)
    values = {name: condition(track, frames) for name, condition in conditions.items()}
    return {
        "control_conditions": {name: len(value) for name, value in values.items() if value.ndim == 2},
        "global_conditions": {name: len(value) for name, value in values.items() if value.ndim == 1},
    }


def with_conditions(unet: StemUNet1DModel, kinds: Mapping[str, Mapping[str, int]]) -> StemUNet1DModel:
    """Give a trained net the conditions that it lacks; until it is trained on, it predicts what it did before.

    Args:
        unet: The net.
        kinds: Channels of the conditions by kind, as `condition_channels` returns them.

    Returns:
        The net itself if it has them all, else a new one with its weights.

    Raises:
        ValueError: The net has a condition of that name with other channels, or other controls, with which the new
            ones would be encoded together.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8,), layers_per_block=(1,), attention_levels=(False,),
        ... )
        >>> with_conditions(unet, {"control_conditions": {"beat": 4}}).config.control_conditions
        {'beat': 4}
    """
    wanted = {kind: {**(unet.config[kind] or {}), **channels} for kind, channels in kinds.items()}
    if all(channels == (unet.config[kind] or {}) for kind, channels in wanted.items()):
        return unet
    config = {**unet.config, **wanted}
    # Fields that older weights do not name: diffusers would take their defaults in place of the conditions.
    config.pop("_use_default_values", None)
    extended: Any = type(unet).from_config(config)
    weights, shapes = unet.state_dict(), {name: weight.shape for name, weight in extended.state_dict().items()}
    unfit = [name for name, weight in weights.items() if shapes.get(name) != weight.shape]
    if unfit:
        raise ValueError(
            f"the net to start from has the conditions {unet.condition_channels} and cannot be given {wanted} (at "
            f"{unfit[0]}); give all its controls at once to a net that has none"
        )
    extended.load_state_dict(weights, strict=False)
    return extended.train(unet.training)


def draw_dropped(
    conditions: Mapping[str, Tensor],
    mix_dropout: float,
    condition_dropout: float,
    controls_dropout: float = 0.0,
    future_dropout: float = 0.0,
) -> dict[str, Tensor]:
    """Draw which conditions a net is trained without.

    The mix is dropped for all of an item, and besides from a random moment on, as one who plays along live does not
    know what comes. Another condition is dropped by itself, and besides, if it has frames, with equal probability over
    a part of the time, from one random moment to another. Controls, the conditions with frames
    besides the mix, are also dropped all at once: by themselves, five of them are hardly ever absent together, which is
    how a net is used that is given a mix and nothing else.

    Args:
        conditions: Conditions by name, `(batch, channels, frames)` or `(batch, channels)`.
        mix_dropout: Probability for the mix.
        condition_dropout: Probability for each other condition.
        controls_dropout: Probability that all controls of an item are dropped.
        future_dropout: Probability that the mix of an item is dropped from a random moment on.

    Returns:
        Masks by name, true where dropped: `(batch,)`, or `(batch, 1, frames)` of conditions with frames, of the mix
        only with `future_dropout`.

    Example:
        >>> values = {"mix": torch.zeros(2, 4, 9), "beat": torch.zeros(2, 4, 9), "tempo": torch.zeros(2, 1)}
        >>> {name: tuple(mask.shape) for name, mask in draw_dropped(values, 0.1, 0.1).items()}
        {'mix': (2,), 'beat': (2, 1, 9), 'tempo': (2,)}
    """
    dropped = {}
    first = next(iter(conditions.values()))
    alone = torch.rand(len(first), device=first.device) < controls_dropout
    for name, value in conditions.items():
        probability = mix_dropout if name == "mix" else condition_dropout
        dropped[name] = torch.rand(len(value), device=value.device) < probability
        if name == "mix" and future_dropout:
            parts = _draw_parts(len(value), value.shape[-1], future_dropout, value.device, to_the_end=True)
            dropped[name] = dropped[name][:, None, None] | parts[:, None]
        elif value.ndim == 3 and name != "mix":
            parts = _draw_parts(len(value), value.shape[-1], probability, value.device)
            dropped[name] = (alone | dropped[name])[:, None, None] | parts[:, None]
    return dropped


def _draw_parts(batch: int, frames: int, probability: float, device: torch.device, to_the_end: bool = False) -> Tensor:
    """Draw for some items a part of the time, `(batch, frames)`, true inside; it may go on to the end."""
    chosen = torch.rand(batch, 1, device=device) < probability
    ends = frames * torch.rand(batch, 2, 1, device=device)
    if to_the_end:
        ends[:, 1] = frames
    middles = torch.arange(frames, device=device) + 0.5
    return chosen & (middles > ends.amin(dim=1)) & (middles < ends.amax(dim=1))
