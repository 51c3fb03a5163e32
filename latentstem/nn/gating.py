"""Gated autoencoders: what relates two things, found in products of their factors and applied to one of them.

Memisevic (2011, "Gradient-based learning of higher-order image features"); in BassNet (Grachten, Lattner and Deruty
2020, section 4.4, figure 1) the things are windows of a mix and a bass. The model is bilinear: with the other factor
held, the output of a product is linear in each.
"""

from typing import Protocol, cast

from torch import Tensor, nn


class Coder(Protocol):
    """An encoder with a decoder: a module whose call encodes and that has `decode`.

    Example:
        >>> from latentstem.nn import DilatedResidualStack2D
        >>> coder: Coder = DilatedResidualStack2D(1, 8, dilations=((1, 1),), decoder=True)
    """

    def __call__(self, data: Tensor) -> Tensor:
        """Encode."""
        ...

    def decode(self, hidden: Tensor) -> Tensor:
        """Decode."""
        ...


class GatedAutoencoder(nn.Module):
    """Encode the relation of x and y, and apply it to an x (equations 1, 2 and 4).

    `relation = enc_z(enc_x(x) * enc_y(y))` and `y = dec_y(enc_x(x) * dec_z(relation))`, products element by element.
    In a variational one, `enc_z` returns the parameters of a distribution, and `dec_z` takes a sample of it.

    Args:
        x_encoder: Module that returns the factors of x.
        y_coder: Module whose call returns the factors of y, in the shape of those of x, and whose `decode` returns y.
        relation_coder: Module whose call takes a product of factors, and whose `decode` returns factors.

    Example:
        >>> import torch
        >>> from latentstem.nn import DilatedResidualStack2D
        >>> dilations = ((1, 1), (1, 3))
        >>> x_encoder = DilatedResidualStack2D(1, 8, dilations)
        >>> y_coder, relation_coder = (DilatedResidualStack2D(n, 8, dilations, decoder=True) for n in (1, 8))
        >>> gated = GatedAutoencoder(x_encoder, y_coder, relation_coder)
        >>> x, y = torch.randn(2, 3, 1, 10, 36).unbind()
        >>> factors = gated.x_encoder(x)
        >>> gated.apply_relation(factors, gated.relate(factors, y)).shape
        torch.Size([3, 1, 10, 36])
    """

    def __init__(self, x_encoder: nn.Module, y_coder: nn.Module, relation_coder: nn.Module):
        super().__init__()
        self.x_encoder = x_encoder
        self.y_coder = cast(Coder, y_coder)
        self.relation_coder = cast(Coder, relation_coder)

    def relate(self, x_factors: Tensor, y: Tensor) -> Tensor:
        """Encode how y relates to x.

        Args:
            x_factors: What `x_encoder` returns for x.
            y: What `y_coder` takes.

        Returns:
            The relation, as `relation_coder` returns it.
        """
        return self.relation_coder(x_factors * self.y_coder(y))

    def apply_relation(self, x_factors: Tensor, relation: Tensor) -> Tensor:
        """Decode the y that has a relation to x.

        Args:
            x_factors: What `x_encoder` returns for x.
            relation: What the `decode` of `relation_coder` takes.

        Returns:
            y, as the `decode` of `y_coder` returns it.
        """
        return self.y_coder.decode(x_factors * self.relation_coder.decode(relation))
