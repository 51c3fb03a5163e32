"""Style space: directions of a mean latent that separate instruments, by linear discriminant analysis (Rao 1948).

The time-mean of a stem's latents, which style grounding moves, depends on the instrument, but also on register, note
lengths and density. Between songs of the shipped corpus 40 % of its variance is the instrument. Fisher's linear
discriminant (Fisher 1936; Rao 1948 for many classes) finds the few directions in which instruments differ most,
relative to how much the songs of one instrument differ, and a readout that does not depend on anything else.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from latentstem._checks import is_finite


@dataclass(frozen=True)
class StyleSpace:
    """Project changes of a mean latent to the few directions that separate instruments.

    Attributes:
        readout: Matrix `(numbers, channels)`: `readout @ mean` are coordinates of deviation one among songs of one
            instrument.
        directions: Matrix `(numbers, channels)`: adding row k to the latents raises coordinate k by one, and keeps the
            others, and all that is not style, likely. `readout @ directions.T` is the identity.

    Raises:
        ValueError: The matrices differ in shape, or are not finite.

    Example:
        >>> import torch
        >>> means = torch.randn(40, 6) + 5 * torch.eye(6)[[0] * 20 + [1] * 20]
        >>> space = StyleSpace.fit(means, ["bow"] * 20 + ["pick"] * 20, numbers=1)
        >>> moved = space.part(torch.ones(6))
        >>> moved.shape, torch.allclose(space.part(moved), moved, atol=1e-5)
        (torch.Size([6]), True)
    """

    readout: Tensor
    directions: Tensor

    def __post_init__(self):
        shapes = [tuple(matrix.shape) for matrix in (self.readout, self.directions)]
        if shapes[0] != shapes[1] or len(shapes[0]) != 2 or not all(map(is_finite, (self.readout, self.directions))):
            raise ValueError(
                f"got a readout of shape {shapes[0]} and directions of shape {shapes[1]}; expected two finite matrices "
                "(numbers, channels)"
            )

    @classmethod
    def fit(cls, means: Tensor, instruments: Sequence[Hashable], numbers: int = 8, ridge: float = 1e-3) -> Self:
        """Fit the space to songs whose instruments are known.

        Args:
            means: Mean normalized latent of each song's stem, `(songs, channels)`.
            instruments: Instrument of each stem.
            numbers: Number of dimensions of the space, below the number of instruments.
            ridge: Constant that is added to the variance among songs of one instrument: fewer songs than channels leave
                it singular.

        Returns:
            The space.

        Raises:
            ValueError: The counts differ, or there are not more instruments than numbers, or no instrument has
                two songs.
        """
        kinds = list(dict.fromkeys(instruments))
        if len(instruments) != len(means) or not 0 < numbers < len(kinds) or len(kinds) == len(instruments):
            raise ValueError(
                f"got {len(means)} means, {len(instruments)} instruments, {len(kinds)} of them different, and numbers="
                f"{numbers}; expected an instrument for each mean, one twice, and fewer numbers than instruments"
            )
        means = means.double()
        members = torch.tensor([kinds.index(instrument) for instrument in instruments])
        centres = torch.stack([means[members == kind].mean(0) for kind in range(len(kinds))])
        within = (means - centres[members]).T.cov() + ridge * torch.eye(means.shape[1], dtype=torch.float64)
        # After whitening the variance within, the best directions are the principal components of the variance between.
        root = torch.linalg.cholesky(within)
        whitened = torch.linalg.solve_triangular(root, centres.T, upper=False)
        _, vectors = torch.linalg.eigh(whitened.cov())
        chosen = vectors[:, -numbers:].flip(1)
        readout = torch.linalg.solve_triangular(root.T, chosen, upper=True)
        return cls(readout.T.float(), (root @ chosen).T.float())

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self | None:
        """Return the space that an autoencoder's config holds, or None."""
        readout, directions = config.get("style_readout"), config.get("style_directions")
        return None if readout is None else cls(torch.tensor(readout), torch.tensor(directions))

    def to_config(self) -> dict[str, list[list[float]]]:
        """Return the entries of a config that `from_config` reads."""
        fields = {"style_readout": self.readout, "style_directions": self.directions}
        return {name: [[round(value, 6) for value in row] for row in field.tolist()] for name, field in fields.items()}

    def part(self, change: Tensor) -> Tensor:
        """Return the part of a change of the mean, `(..., channels)`, that is a change of the instrument."""
        return change @ self.readout.to(change).T @ self.directions.to(change)
