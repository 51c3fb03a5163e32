"""Checks of numbers and tensors that come from outside, shared by all parts.

The config of saved weights may hold anything: a field is held against bounds before a layer is built, because a million
layers take hours and a wide one all memory. Tensors are searched for NaN and Inf, which nets carry to every sample of
their output without an error.
"""

import math
import numbers
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

WIDEST = 16_384
"""Greatest width of a layer."""

DEEPEST = 256
"""Greatest number of layers in a row."""

MOST_WEIGHTS = 2**30
"""Greatest number of weights of a net, 4 GB in float32."""

MOST_TIMESTEPS = 100_000
"""Greatest length of a noise schedule in timesteps."""


def check_whole(least: int, most: int, **fields: Any) -> None:
    """Refuse anything but whole numbers between two bounds.

    Args:
        least: Least value that is taken.
        most: Greatest value that is taken.
        **fields: Values by the names of their fields.

    Raises:
        ValueError: A value is no such number.

    Example:
        >>> check_whole(1, 256, layers=10**6)
        Traceback (most recent call last):
        ValueError: got layers=1000000; expected a whole number from 1 to 256
    """
    for name, value in fields.items():
        if not (isinstance(value, numbers.Integral) and _is_between(least, most, value)):
            raise ValueError(f"got {name}={short(value)}; expected a whole number from {least} to {most}")


def check_number(least: float, most: float, **fields: Any) -> None:
    """Refuse anything but numbers between two bounds, NaN among the rest.

    Args:
        least: Least value that is taken.
        most: Greatest value that is taken.
        **fields: Values by the names of their fields.

    Raises:
        ValueError: A value is no such number.

    Example:
        >>> check_number(0, 1, dropout=float("nan"))
        Traceback (most recent call last):
        ValueError: got dropout=nan; expected a number from 0 to 1
    """
    for name, value in fields.items():
        if not _is_between(least, most, value):
            raise ValueError(f"got {name}={short(value)}; expected a number from {least:g} to {most:g}")


def _is_between(least: float, most: float, value: Any) -> bool:
    """Return whether a value is a number between two bounds, and no flag."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and bool(least <= value <= most)  # type: ignore[operator]


def check_flags(**fields: Any) -> None:
    """Refuse anything but True and False, or 1 and 0.

    Args:
        **fields: Values by the names of their fields.

    Raises:
        ValueError: A value is neither.
    """
    for name, value in fields.items():
        if not isinstance(value, numbers.Integral) or value not in (0, 1):
            raise ValueError(f"got {name}={short(value)}; expected true or false")


def check_list(longest: int, **fields: Any) -> None:
    """Refuse anything but lists and tuples of at least one entry.

    Args:
        longest: Greatest number of entries that is taken.
        **fields: Values by the names of their fields.

    Raises:
        ValueError: A value is no such list.
    """
    for name, value in fields.items():
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= longest:
            raise ValueError(f"got {name}={short(value)}; expected a list of 1 to {longest} entries")


def entries(**fields: Sequence[Any]) -> dict[str, Any]:
    """Return the entries of lists as fields of their own, for the checks of single fields.

    Example:
        >>> entries(layers=[1, 2])
        {'layers[0]': 1, 'layers[1]': 2}
    """
    return {f"{name}[{index}]": value for name, values in fields.items() for index, value in enumerate(values)}


def check_weights(count: float, fields: Mapping[str, Any]) -> None:
    """Refuse a net of more weights than `MOST_WEIGHTS`, whose fields are in bounds one by one.

    Args:
        count: Number of weights, estimated from the config.
        fields: Fields that make up the number.

    Raises:
        ValueError: There are too many weights.
    """
    if count > MOST_WEIGHTS:
        given = ", ".join(f"{name}={short(value)}" for name, value in fields.items())
        raise ValueError(
            f"got a net of about {count:.2g} weights from {given}; expected at most {MOST_WEIGHTS:.2g}, lower these"
        )


def check_tensors(**values: Any) -> None:
    """Refuse anything but tensors of floats.

    Args:
        **values: Values by the names of their arguments.

    Raises:
        TypeError: A value is something else.
    """
    for name, value in values.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            got = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f"{name} must be a tensor of floats, got {got}; convert it, e.g. by torch.as_tensor(...).float()"
            )


def check_finite(what: str, result: Tensor, inputs: Mapping[str, Any]) -> None:
    """Refuse inputs that hold NaN or Inf, and a result that has become so.

    Called after the computation, which then says whether a gradient is recorded. In that case nothing is checked: a
    check has the CPU wait for the accelerator, at every step of a training. Neither is it in compiled code.

    Args:
        what: What the result is, for the error.
        result: Result of any shape.
        inputs: Tensors that it was computed from, by name; others than tensors of floats are skipped.

    Raises:
        ValueError: A tensor holds NaN or Inf.

    Example:
        >>> check_finite("the sum", torch.tensor(float("inf")), {"term": torch.tensor([3e38, 3e38])})
        Traceback (most recent call last):
        ValueError: the sum is not finite, with term up to 3e+38; lower what is given, and check the weights for NaN
    """
    fake = result.is_meta or isinstance(result, FakeTensor)  # without values
    if torch.compiler.is_compiling() or result.requires_grad or fake:
        return
    tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    # One answer for all: an accelerator is waited for once.
    flags = [torch.isfinite(value).all().to(result.device) for value in (*tensors.values(), result)]
    if torch.stack(flags).all():
        return
    for name, value in tensors.items():
        if not is_finite(value):
            raise ValueError(f"got {name} with NaN or Inf; expected finite numbers, find out where they come from")
    peaks = [f"{name} up to {value.abs().max():.3g}" for name, value in tensors.items() if value.numel()]
    given = f", with {' and '.join(peaks)}" if peaks else ""
    raise ValueError(f"{what} is not finite{given}; lower what is given, and check the weights for NaN")


def is_finite(value: Tensor) -> bool:
    """Return whether a tensor holds neither NaN nor Inf."""
    return bool(torch.isfinite(value).all())


def is_number(value: Any) -> bool:
    """Return whether a value is one finite number, and no flag."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def short(value: Any) -> str:
    """Return what a value looks like, in a few words and in one line."""
    return " ".join(reprlib.repr(value).split())
