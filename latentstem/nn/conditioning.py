"""Frame, global and control conditions of a denoiser, each with a learned null in its place where it is dropped.

Dropping conditions in training makes one net serve every subset of them, which is what classifier-free guidance asks of
it (Ho and Salimans 2022, arXiv 2207.12598). The three kinds differ in where they enter:

- a *frame* condition has its own latents, concatenated with the noisy ones at the input (the mix of arXiv 2402.01412);
- a *global* condition is one vector an item, projected and added to the timestep's embedding (a style, a tempo);
- a *control* condition has values at latent rate, given to every block as scale and shift of each frame (FiLM, Perez et
  al. 2018, arXiv 1709.07871): beats, chords, density.

Global and control conditions enter through layers that start at zero: a trained net which is given a new one predicts
what it did before, until it is trained on.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from latentstem._checks import check_tensors
from latentstem.nn.resnet import Downsample1D

Conditions = Mapping[str, Tensor]
"""Values by name: `(batch, channels, frames)` of frame and control conditions, `(batch, channels)` of global ones."""

Dropped = Mapping[str, Tensor]
"""Boolean masks by name, true where a condition is replaced by its null: `(batch,)`, one an item, or with more of the
condition's dimensions, `(batch, channels)` or `(batch, channels, frames)`, each of size 1 or the condition's."""


def with_null(value: Tensor | None, dropped: Tensor | None, null: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Put the null in place of a condition where it is dropped.

    Args:
        value: Condition of shape `shape`; None drops all of it.
        dropped: Mask, true where the null replaces the condition, with as many leading dimensions as are needed; None
            drops nothing.
        null: Null vector, `(channels,)`.
        shape: Shape of the condition, `(batch, channels)` or `(batch, channels, frames)`.

    Returns:
        The condition, of `shape`.

    Example:
        >>> with_null(torch.ones(2, 3), torch.tensor([False, True]), torch.zeros(3), (2, 3)).tolist()
        [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """
    null = null.reshape(1, -1, *[1] * (len(shape) - 2)).expand(shape)
    if value is None:
        return null
    if dropped is None:
        return value
    return torch.where(dropped.reshape(*dropped.shape, *[1] * (len(shape) - dropped.ndim)), null, value)


class _ConditionsWithNulls(nn.Module):
    """Learned nulls by the names of conditions: what the three kinds have in common."""

    def __init__(self, channels: Mapping[str, int]):
        super().__init__()
        # In alphabetical order, whatever the order of the dictionary: a saved config has its keys sorted, and the nets
        # read the conditions one after the other. Parameters of the module itself: offloading fetches what a module
        # owns when its forward is called.
        for name, count in sorted(channels.items()):
            self.register_parameter(f"null_{name}", nn.Parameter(torch.randn(count)))

    @property
    def nulls(self) -> dict[str, Tensor]:
        """Learned null of each condition, `(channels,)`, the same in every frame."""
        own = self.named_parameters(recurse=False)
        return {name.removeprefix("null_"): null for name, null in own if name.startswith("null_")}


class FrameConditions(_ConditionsWithNulls):
    """Conditions with latents of their own, concatenated channel by channel with the noisy latents.

    Args:
        channels: Number of channels of each condition, by name.

    Shape:
        sample `(batch, c, frames)` to `(batch, c + sum(channels), frames)`.

    Example:
        >>> frames = FrameConditions({"mix": 4})
        >>> frames(torch.randn(2, 4, 9), {"mix": torch.randn(2, 4, 9)}, {}).shape
        torch.Size([2, 8, 9])
    """

    def __init__(self, channels: Mapping[str, int]):
        super().__init__(channels)

    def forward(self, sample: Tensor, conditions: Conditions, dropped: Dropped) -> Tensor:
        """Append the conditions, or their nulls, in the order of their names."""
        batch, _, frames = sample.shape
        values = [
            with_null(conditions.get(name), dropped.get(name), null.to(sample.dtype), (batch, len(null), frames))
            for name, null in self.nulls.items()
        ]
        return torch.cat([sample, *values], dim=1)


class GlobalConditions(_ConditionsWithNulls):
    """Conditions of one vector an item, projected and added to the timestep's embedding.

    Args:
        channels: Length of each condition's vector, by name.
        embedding_dim: Width of the timestep's embedding.

    Shape:
        embedding `(batch, embedding_dim)` to the same.

    Example:
        >>> conditions = GlobalConditions({"style": 3}, embedding_dim=8)
        >>> embedding = torch.randn(2, 8)
        >>> torch.equal(conditions(embedding, {"style": torch.randn(2, 3)}, {}), embedding)  # before training
        True
    """

    def __init__(self, channels: Mapping[str, int], embedding_dim: int):
        super().__init__(channels)
        self.projections = nn.ModuleDict({name: nn.Linear(count, embedding_dim) for name, count in channels.items()})
        for parameter in self.projections.parameters():
            nn.init.zeros_(parameter)

    def forward(self, embedding: Tensor, conditions: Conditions, dropped: Dropped) -> Tensor:
        """Add the projected conditions, or their nulls."""
        batch = len(embedding)
        for name, null in self.nulls.items():
            value = with_null(conditions.get(name), dropped.get(name), null.to(embedding.dtype), (batch, len(null)))
            embedding = embedding + self.projections[name](value)
        return embedding


class ControlConditions(_ConditionsWithNulls):
    """Conditions at latent rate, encoded together frame by frame, once for each resolution of a net.

    Every channel comes with a presence channel: 1 where its value is given, 0 where the null replaces it. So a control
    may be given in a few channels only, or for a part of the time.

    Args:
        channels: Number of channels of each condition, by name.
        hidden_channels: Width of the encoded controls that the blocks are given.
        levels: Number of resolutions, each with half the frames of the one before, rounded up.

    Example:
        >>> controls = ControlConditions({"chords": 12, "density": 1}, hidden_channels=16, levels=2)
        >>> full, half = controls((2, 9), {"density": torch.ones(2, 1, 9)}, {}, torch.float32)
        >>> full.shape, half.shape
        (torch.Size([2, 16, 9]), torch.Size([2, 16, 5]))
    """

    def __init__(self, channels: Mapping[str, int], hidden_channels: int, levels: int):
        super().__init__(channels)
        self.encoder = nn.Sequential(
            nn.Linear(2 * sum(channels.values()), hidden_channels),
            nn.SiLU(),
            nn.Linear(hidden_channels, hidden_channels),
        )
        self.downsamplers = nn.ModuleList(Downsample1D(hidden_channels, hidden_channels) for _ in range(levels - 1))

    def forward(
        self, shape: tuple[int, int], conditions: Conditions, dropped: Dropped, dtype: torch.dtype
    ) -> list[Tensor]:
        """Encode the controls.

        Args:
            shape: Batch size and number of frames.
            conditions: Values `(batch, channels, frames)` by name; those that are missing are dropped.
            dropped: Masks by name, see `Dropped`.
            dtype: Dtype in which the net computes.

        Returns:
            Encoded controls `(batch, hidden_channels, frames)`, one tensor a resolution with its number of frames.
        """
        batch, frames = shape
        values, presence = [], []
        for name, null in self.nulls.items():
            size, mask = (batch, len(null), frames), dropped.get(name)
            value = with_null(conditions.get(name), mask, null.to(dtype), size)
            values.append(value)
            absent = torch.ones(len(null), dtype=dtype, device=value.device)
            present = torch.zeros(size, dtype=dtype, device=value.device)
            presence.append(1 - with_null(present if name in conditions else None, mask, absent, size))
        hidden = self.encoder(torch.cat([*values, *presence], dim=1).transpose(1, 2)).transpose(1, 2)
        levels = [hidden]
        for downsampler in self.downsamplers:
            levels.append(downsampler(levels[-1]))
        return levels


def check_conditions(
    conditions: Conditions,
    dropped: Dropped,
    channels: Mapping[str, int],
    vectors: Mapping[str, int],
    batch: int,
    frames: int,
) -> None:
    """Refuse conditions that a net does not take, or that do not fit what it is to denoise.

    Args:
        conditions: Values by name.
        dropped: Masks by name.
        channels: Number of channels of the frame and control conditions that the net takes, by name.
        vectors: Length of the global conditions that the net takes, by name.
        batch: Number of items to denoise.
        frames: Number of frames to denoise.

    Raises:
        ValueError: A name is not among those of the net, or a shape or a mask's dtype is wrong.

    Example:
        >>> check_conditions({"chords": torch.zeros(1, 12, 5)}, {}, {"mix": 64}, {}, batch=1, frames=5)
        Traceback (most recent call last):
        ValueError: got a condition 'chords', and the net takes: mix
    """
    shapes = {name: (batch, count, frames) for name, count in channels.items()}
    shapes |= {name: (batch, count) for name, count in vectors.items()}
    for name in [*conditions, *dropped]:
        if name not in shapes:
            raise ValueError(f"got a condition {name!r}, and the net takes: {', '.join(shapes) or 'none'}")
    check_tensors(**{f"condition {name!r}": value for name, value in conditions.items()})
    for name, value in conditions.items():
        if value.shape != shapes[name]:
            hint = "; give it as many frames as the noisy latents have" if name in channels else ""
            raise ValueError(f"condition {name!r} has shape {tuple(value.shape)}, expected {shapes[name]}{hint}")
    for name, mask in dropped.items():
        fits = 1 <= mask.ndim <= len(shapes[name]) and len(mask) == batch
        fits = fits and all(size in (1, full) for size, full in zip(mask.shape, shapes[name], strict=False))
        if not fits or mask.dtype != torch.bool:
            raise ValueError(
                f"the mask that drops {name!r} is {mask.dtype} of shape {tuple(mask.shape)}, expected torch.bool of "
                f"shape {(batch,)}, or up to {shapes[name]}"
            )
