"""The balanced cross entropy: alpha_t BCE(x, y), where alpha_t = alpha y + (1 - alpha)(1 - y)."""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.arithmetic import binary_cross_entropy, side
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(x: mpf, y: mpf, alpha: mpf | None) -> tuple[mpf, mpf]:
    """Value and derivative of one element."""
    value, slope = binary_cross_entropy(x, y)
    return side(alpha, y) * value, side(alpha, y) * slope


LOSS = Canonical(
    "balanced_cross_entropy",
    "dense",
    "arXiv:1708.02002 eq. 3",
    parameters=(Parameter("alpha", "balance", recommended=0.25, off=None, varied=(0.5, 0.75, 1.0)),),
    exact=exact,
    factors=Factors(weight="alpha_t", modulation="1", entropy="bce"),
    order=2,
)
