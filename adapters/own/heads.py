"""What stands around the losses in a head: its maps, decoding a distribution over bins, the classifier's first bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import readable


def gather(
    levels: Sequence[Tensor],
    image: Tensor,
    anchor: Tensor,
    decode: Callable[[Tensor], Tensor] = lambda channels: channels,
) -> Tensor:
    """`decode` of the channels (P, K) of P anchors of a batch, given by image (P,) and anchor (P,).

    `levels` (B, K, A) hold the anchors, those of one level after those of another. They are not joined, as few of them
    are asked for, and decoded before they are put in order, as less is left then.
    """
    parts, places, start = [], [], 0
    for level in levels:
        here = ((anchor >= start) & (anchor < start + level.shape[2])).nonzero().squeeze(1)
        parts.append(decode(level[image[here], :, anchor[here] - start]))
        places.append(here)
        start += level.shape[2]
    return torch.cat(parts)[torch.cat(places).argsort()]


def integral(logits: Tensor) -> Tensor:
    """The expectation Σ_i i p_i of distributions over bins 0 … K-1, p their softmax  (arXiv:2006.04388 eq. 5).

    Args:
        logits: (..., K).

    Returns (...), in units of bins, in the logits' dtype.
    """
    return readable.integral(logits).to(logits.dtype)


def prior_bias(prior: float = 0.01) -> float:
    """The bias b = -log((1 - π)/π) with which every anchor starts at p = π  (arXiv:1708.02002 section 4.1).

    Raises `ValueError` for a prior outside (0, 1).
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}; it must be between 0 and 1")
    return math.log(prior) - math.log1p(-prior)
