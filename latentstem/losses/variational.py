"""Losses of a variational gated autoencoder: equations (5) to (10) of BassNet (Grachten, Lattner and Deruty 2020).

Every loss comes as its terms by name, scalars whose sum is the loss of the paper. Divergences are sums over the
dimensions of the latent, everything else is a mean over steps: a latent that tells one of n patterns lowers the cross
entropy of f0 by at most log(n), and costs a divergence of at least as much. Trainings therefore weigh divergences by
less than 1.

The pairs of the paper are two items of a batch, windows of one song up to 5 s apart, that are decoded each with the
other's latent: minimizing that keeps in the latent only what stays the same from one to the other.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem._checks import check_finite


def gaussian_kl(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor | None = None, other_log_variance: Tensor | None = None
) -> Tensor:
    """Compute the Kullback-Leibler divergence of a diagonal Gaussian from another one, in closed form.

    `sum_d (log(s_d' / s_d) + (s_d^2 + (m_d - m_d')^2) / (2 s_d'^2) - 1/2)`, with means m and deviations s of the
    Gaussian itself, and m', s' of the other.

    Args:
        mean: Mean of the Gaussian, `(..., dimensions)`.
        log_variance: Logarithm of its variance, `(..., dimensions)`.
        other_mean: Mean of the other Gaussian, in the shape of `mean`; None is that of the standard normal, 0.
        other_log_variance: Logarithm of the other's variance; None is that of the standard normal, 0.

    Returns:
        Divergences in nats, `(...)`, float32.

    Raises:
        ValueError: Means, logarithms or divergences are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> gaussian_kl(torch.tensor([1.0, 0.0]), torch.zeros(2))
        tensor(0.5000)
    """
    mean, log_variance = mean.float(), log_variance.float()
    other_mean = torch.zeros_like(mean) if other_mean is None else other_mean.float()
    other_log_variance = torch.zeros_like(mean) if other_log_variance is None else other_log_variance.float()
    squares = (log_variance - other_log_variance).exp() + (mean - other_mean).square() * (-other_log_variance).exp()
    divergence = 0.5 * (other_log_variance - log_variance + squares - 1).sum(-1)
    inputs = {"mean": mean, "log_variance": log_variance}
    others = {"other_mean": other_mean, "other_log_variance": other_log_variance}
    check_finite("the divergence", divergence, inputs | others)
    return divergence


def sample_gaussian(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw from diagonal Gaussians by reparametrization, so that gradients reach mean and variance.

    Args:
        mean: Mean, of any shape.
        log_variance: Logarithm of the variance, in the shape of `mean`.
        generator: Generator on the device of `mean`; None is torch's own.

    Returns:
        A sample each, in the shape of `mean`.

    Raises:
        ValueError: Means, logarithms or samples are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> sample_gaussian(torch.zeros(3, 2), torch.zeros(3, 2), torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
    """
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    sample = mean + (0.5 * log_variance).exp() * noise
    check_finite("the sample", sample, {"mean": mean, "log_variance": log_variance})
    return sample


def reconstruction_errors(
    output: Mapping[str, Tensor], target: Mapping[str, Tensor], itemwise: bool = False
) -> dict[str, Tensor]:
    """Compare what a model decoded with a bass: the terms of equation (9) that are no divergences.

    Args:
        output: What the model decoded, by name: `"spectrogram"`, of any shape; `"f0"`, logits `(..., pitches)`;
            `"onset"` and `"level"`, logits `(...)`.
        target: The same of the bass; entries that it lacks are not compared. `"f0"` holds probabilities `(...,
            pitches)`, none where there is no pitch, as `latentstem.training.pitch_probabilities` makes them, or shares
            of a step that have a pitch; `"onset"` and `"level"` hold probabilities in [0, 1].
        itemwise: Whether each item of the batch, the first dimension, has means of its own.

    Returns:
        Scalars in float32 by name, or `(batch,)` each: the mean square error of the spectrogram, the cross entropy of
        f0, averaged over what has a pitch, and the binary cross entropies of onset and level, averaged over all steps.

    Raises:
        ValueError: The target has no known entry, or a shape differs from that of the output; or an entry is not
            finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> decoded = {"f0": torch.zeros(1, 3, 264), "onset": torch.zeros(1, 3)}
        >>> bass = {"f0": torch.eye(264)[None, :3], "onset": torch.ones(1, 3)}
        >>> {name: round(float(error), 2) for name, error in reconstruction_errors(decoded, bass).items()}
        {'f0': 5.58, 'onset': 0.69}
    """
    errors = {name: compare(output, target, name, itemwise) for name, compare in _COMPARISONS.items() if name in target}
    for name, error in errors.items():
        check_finite(f"the error of {name}", error, {"output": output[name], "target": target[name]})
    if not errors:
        raise ValueError(f"got a target of {list(target)}; expected at least one of {', '.join(_COMPARISONS)}")
    return errors


def divergence_terms(output: Mapping[str, Tensor], partners: Tensor | None = None) -> dict[str, Tensor]:
    """Compute the divergences of latents: from the standard normal and, with partners, from those of others.

    Args:
        output: `"mean"` and `"log_variance"` of the latent, `(batch, dimensions)`.
        partners: Index of each item's partner in the batch, `(batch,)`; None compares with no other item.

    Returns:
        Scalars by name, in nats an item: `"cross_divergence"`, with partners, and `"divergence"`.

    Raises:
        ValueError: `partners` are not one an item, or as `gaussian_kl` does.

    Example:
        >>> import torch
        >>> gaussians = {"mean": torch.tensor([[1.0], [3.0]]), "log_variance": torch.zeros(2, 1)}
        >>> divergence_terms(gaussians, partners=torch.tensor([1, 0]))
        {'cross_divergence': tensor(2.), 'divergence': tensor(2.5000)}
    """
    mean, log_variance = output["mean"], output["log_variance"]
    terms = {"divergence": gaussian_kl(mean, log_variance).mean()}
    if partners is None:
        return terms
    if partners.shape != mean.shape[:1]:
        raise ValueError(
            f"got partners of shape {tuple(partners.shape)}; expected one index for each of the {len(mean)} items"
        )
    return {"cross_divergence": gaussian_kl(mean, log_variance, mean[partners], log_variance[partners]).mean(), **terms}


def reconstruction_terms(output: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the terms of the loss without cross-reconstruction: equations (5) and, with descriptors, (10).

    It is the loss of validation, where the model decodes from the mean, and of training in the paper's ablation
    (section 6.3), where it decodes each item from its own sample.

    Args:
        output: `"mean"` and `"log_variance"` of the latent, `(batch, dimensions)`, and what was decoded, as
            `reconstruction_errors` takes it.
        target: What is to be decoded, as `reconstruction_errors` takes it; the spectrogram alone gives equation (5).

    Returns:
        Scalars by name: `"divergence"` from the standard normal, in nats an item, and those of `reconstruction_errors`.

    Raises:
        ValueError: As `reconstruction_errors` does.

    Example:
        >>> import torch
        >>> output = {"mean": torch.ones(4, 2), "log_variance": torch.zeros(4, 2), "spectrogram": torch.zeros(4, 1, 9)}
        >>> reconstruction_terms(output, {"spectrogram": torch.ones(4, 1, 9)})
        {'divergence': tensor(1.), 'spectrogram': tensor(1.)}
    """
    return {**divergence_terms(output), **reconstruction_errors(output, target)}


def cross_reconstruction_terms(
    output: Mapping[str, Tensor], target: Mapping[str, Tensor], partners: Tensor
) -> dict[str, Tensor]:
    """Compute the terms of the training loss: equations (8) and, with descriptors, (9).

    Args:
        output: As `reconstruction_terms` takes it, each item decoded with the latent of its partner, as equations (6)
            and (7) have it.
        target: As `reconstruction_terms` takes it; the spectrogram alone gives equation (8).
        partners: Index of each item's partner (u, v) in the batch, `(batch,)`.

    Returns:
        Scalars by name: `"cross_divergence"` of each item's latent from its partner's, in nats an item, and those of
        `reconstruction_terms`.

    Raises:
        ValueError: As `reconstruction_errors` does, or `partners` are not one an item.

    Example:
        >>> import torch
        >>> gaussians = {"mean": torch.tensor([[1.0], [3.0]]), "log_variance": torch.zeros(2, 1)}
        >>> output, target = {**gaussians, "level": torch.zeros(2, 5)}, {"level": torch.rand(2, 5)}
        >>> terms = cross_reconstruction_terms(output, target, partners=torch.tensor([1, 0]))
        >>> terms["cross_divergence"], terms["divergence"]
        (tensor(2.), tensor(2.5000))
    """
    return {**divergence_terms(output, partners), **reconstruction_errors(output, target)}


def _pair(output: Mapping[str, Tensor], target: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    got = f"{name} of shape {tuple(output[name].shape)}" if name in output else f"no {name}"
    if name not in output or output[name].shape != target[name].shape:
        raise ValueError(f"got {got} in the output; expected the target's shape {tuple(target[name].shape)}")
    return output[name].float(), target[name].float()


def _mean(errors: Tensor, itemwise: bool, weights: Tensor | None = None) -> Tensor:
    """Mean of errors, or of those of each item, of the first dimension; with weights, what they are means of."""
    if itemwise:
        errors, weights = errors.flatten(1), None if weights is None else weights.flatten(1)
    over = (-1,) if itemwise else None
    return errors.mean(over) if weights is None else errors.sum(over) / weights.sum(over).clamp(min=1e-6)


def _square_error(output: Mapping[str, Tensor], target: Mapping[str, Tensor], name: str, itemwise: bool) -> Tensor:
    return _mean(F.mse_loss(*_pair(output, target, name), reduction="none"), itemwise)


def _cross_entropy(output: Mapping[str, Tensor], target: Mapping[str, Tensor], name: str, itemwise: bool) -> Tensor:
    logits, probabilities = _pair(output, target, name)
    return _mean(-(probabilities * logits.log_softmax(-1)).sum(-1), itemwise, probabilities.sum(-1))


def _binary_cross_entropy(
    output: Mapping[str, Tensor], target: Mapping[str, Tensor], name: str, itemwise: bool
) -> Tensor:
    return _mean(F.binary_cross_entropy_with_logits(*_pair(output, target, name), reduction="none"), itemwise)


_COMPARISONS = {
    "spectrogram": _square_error,
    "f0": _cross_entropy,
    "onset": _binary_cross_entropy,
    "level": _binary_cross_entropy,
}
