"""Rate of matrix products on a device, and time of the linear layers of a net as bare products."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def best_seconds(run: Callable[[], Any], spend: float) -> float:
    """Time repetitions for `spend` seconds, at least one, and return the shortest."""
    best, start = float("inf"), time.perf_counter()
    while True:
        before = time.perf_counter()
        run()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        now = time.perf_counter()
        best = min(best, now - before)
        if now - start >= spend:
            return best


def gemm_rate(dtype: torch.dtype, size: int = 1024, spend: float = 0.3, device: torch.device | str = "cpu") -> float:
    """Measure the operations a second of a product of two square matrices, counting multiplications and additions."""
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    return 2 * size**3 / best_seconds(lambda: torch.mm(a, b, out=out), spend)


def floor(net: nn.Module, run: Callable[[], Any], dtype: torch.dtype, spend: float = 2.0) -> dict[str, Any]:
    """Count the operations of a forward, and time its linear layers as bare products in the same dtype.

    Args:
        net: Net on whose device the products are timed.
        run: One forward of the net, in float32 and with gradients where the caller allows them.
        dtype: Dtype of the bare products.
        spend: Seconds to spend on timing them.

    Returns:
        `flops` of the forward, including attention; `linear_flops` of its linear layers, and the shortest
        `linear_seconds` of these as products of their own shapes.
    """
    shapes = []

    def note(layer: nn.Module, inputs: tuple) -> None:
        shapes.append((inputs[0].numel() // layer.in_features, layer.in_features, layer.out_features))

    hooks = [layer.register_forward_pre_hook(note) for layer in net.modules() if isinstance(layer, nn.Linear)]
    with (
        torch.enable_grad(),
        FlopCounterMode(display=False) as counter,
    ):  # with gradients attention is not fused, and is counted
        run()
    for hook in hooks:
        hook.remove()

    # Inputs, weights and results of every layer are separate, as in the net: shared ones would stay in the cache.
    like: Any = {"device": next(net.parameters()).device, "dtype": dtype}
    products = [
        (torch.randn(rows, width, **like), torch.randn(out, width, **like).t(), torch.empty(rows, out, **like))
        for rows, width, out in shapes
    ]

    def multiply() -> None:
        for a, b, out in products:
            torch.mm(a, b, out=out)

    multiply()
    return {
        "flops": counter.get_total_flops(),
        "linear_flops": sum(2 * rows * width * out for rows, width, out in shapes),
        "linear_seconds": best_seconds(multiply, spend),
    }
