"""Items of a batch: lengths, stems to start from and conditions, matched to the mixes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from latentstem.pipelines.boundaries import Boundary
from latentstem.pipelines.errors import ArgumentError


def count_samples(duration: float | None, mix_latents: Tensor | None, boundary: Boundary) -> int:
    """Return the length of stems for which there is no audio of a mix.

    Args:
        duration: Length in seconds; None takes all frames of `mix_latents`.
        mix_latents: Latents of the mixes `(mixes, latent_channels, frames)`; None without a mix.
        boundary: Ends of the stems.

    Returns:
        Number of samples.

    Raises:
        ArgumentError: The duration is not that of the latents.
    """
    if duration is None:
        return 0 if mix_latents is None else mix_latents.shape[-1] * boundary.hop_length
    num_samples = max(1, round(duration * boundary.sampling_rate))
    frames = boundary.count_frames(num_samples)
    if mix_latents is not None and mix_latents.shape[-1] != frames:
        raise ArgumentError(
            "{duration} {seconds} s is {num_samples} samples and {frames} frames, but {mix_latents} has {got} frames; "
            "leave {duration} out, or encode a mix as long",
            seconds=duration,
            num_samples=num_samples,
            frames=frames,
            got=mix_latents.shape[-1],
        )
    return num_samples


def generators_of(
    generator: torch.Generator | list[torch.Generator] | int | None, stems: int
) -> torch.Generator | list[torch.Generator] | None:
    """Return the generators of the noise of some stems.

    Args:
        generator: Generators, or the seed of the first stem: each further one has the next seed.
        stems: Number of stems.

    Example:
        >>> [generator.initial_seed() for generator in generators_of(7, 3)]
        [7, 8, 9]
    """
    if not isinstance(generator, int):
        return generator
    return [torch.Generator().manual_seed(generator + index) for index in range(stems)]


def match_init_stem(init_stem: Tensor, num_samples: int, mixes: int | None) -> Tensor:
    """Return the stems to start from, one for each mix.

    Args:
        init_stem: Stems `(1 or mixes, channels, samples)`.
        num_samples: Length of the new stems.
        mixes: Number of mixes; None without a mix, for any number of stems.

    Returns:
        Stems `(mixes, channels, samples)`.

    Raises:
        ArgumentError: The stems are not as long as the new ones, or neither one nor as many as the mixes.
    """
    if init_stem.shape[-1] != num_samples:
        raise ArgumentError(
            "{init_stem} is {got} samples long and the stem is to be {expected}; cut it, or pad it with zeros, to the "
            "length of the mix",
            got=init_stem.shape[-1],
            expected=num_samples,
        )
    if mixes is None or len(init_stem) == mixes:
        return init_stem
    if len(init_stem) > 1:
        raise ArgumentError(
            "got {got} stems in {init_stem} for {mixes} mixes; pass one, or one a mix", got=len(init_stem), mixes=mixes
        )
    return init_stem.expand(mixes, -1, -1)


def expand_conditions(
    conditions: Mapping[str, Tensor], mixes: int, stems_per_mix: int, device: torch.device
) -> dict[str, Tensor]:
    """Return conditions with one item for each stem, those of a mix side by side.

    Args:
        conditions: Conditions by name, with one item for all mixes or one for each.
        mixes: Number of mixes.
        stems_per_mix: Number of stems generated for each mix.
        device: Device to move the conditions to.

    Returns:
        Conditions by name, float32, of `mixes * stems_per_mix` items.

    Raises:
        ArgumentError: A condition has neither one item nor one for each mix.

    Example:
        >>> twice = expand_conditions({"tempo": torch.tensor([[90.0], [120.0]])}, 2, 2, torch.device("cpu"))
        >>> twice["tempo"].flatten().tolist()
        [90.0, 90.0, 120.0, 120.0]
    """
    expanded = {}
    for name, value in conditions.items():
        if len(value) not in (1, mixes):
            raise ArgumentError(
                "got {got} items of condition {condition!r} for {mixes} mixes; pass one, or one a mix",
                got=len(value),
                condition=name,
                mixes=mixes,
            )
        value = value.to(device, torch.float32).expand(mixes, *value.shape[1:])
        expanded[name] = value.repeat_interleave(stems_per_mix, dim=0)
    return expanded
