"""Best of N: several stems are drawn for a mix, a judge scores how well each fits, and only the best are kept.

Whatever is chosen by a judge does well by that judge. A figure that is taken with it says nothing about stems that it
chose: judge these by another one, or choose by none.
"""

import torch
from torch import Tensor


def check_keep_best(keep_best: int | None, num_waveforms_per_prompt: int, judged: bool, has_mix: bool) -> None:
    """Refuses a number of stems to keep that cannot work.

    Args:
        keep_best: Stems to keep of each mix; None keeps all, and needs no judge.
        num_waveforms_per_prompt: Stems drawn for each mix.
        judged: Whether there is a judge.
        has_mix: Whether there is a mix that a stem could fit.

    Raises:
        ValueError: with what was got, what was expected, and the fix.
    """
    if keep_best is None:
        return
    if not judged:
        raise ValueError(
            "got keep_best, and the pipeline has no reranker to choose by; load one with "
            "ContrastiveStemModel.from_pretrained and set it with pipe.register_modules(reranker=...)"
        )
    if not has_mix:
        raise ValueError("got keep_best without a mix that stems could fit; pass one, or leave keep_best out")
    if not isinstance(keep_best, int) or not 1 <= keep_best <= num_waveforms_per_prompt:
        raise ValueError(
            f"keep_best must be a whole number from 1 to num_waveforms_per_prompt, which is "
            f"{num_waveforms_per_prompt}, got {keep_best}"
        )


def best_of(scores: Tensor, mixes: int, keep_best: int) -> Tensor:
    """Places of the best stems of each mix, best first; of equal ones the earlier.

    Args:
        scores: `(stems,)`, all stems of the first mix first.
        mixes: Of how many mixes, each with as many stems.
        keep_best: Stems to keep of each.

    Returns:
        Indices into `scores`, `(mixes * keep_best,)`, all of the first mix first.
    """
    scores = scores.reshape(mixes, -1)
    order = scores.argsort(dim=1, descending=True, stable=True)[:, :keep_best]
    first = scores.shape[1] * torch.arange(mixes, device=scores.device)
    return (first[:, None] + order).flatten()
