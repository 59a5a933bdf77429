"""What stands around the losses in a head: decoding a distribution over bins, and the classifier's first bias."""

from __future__ import annotations

import math

from torch import Tensor

from . import readable


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
