"""The varifocal loss: y BCE(x, y) of positives (y > 0), alpha p^gamma (-log(1 - p)) of negatives (y = 0)."""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.arithmetic import binary_cross_entropy, power, sigmoid
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(x: mpf, y: mpf, gamma: mpf, alpha: mpf | None) -> tuple[mpf, mpf]:
    """Value and derivative of one element."""
    if y > 0:
        value, slope = binary_cross_entropy(x, y)
        return y * value, y * slope
    p, q, _, log_q = sigmoid(x)
    alpha = mpf(1) if alpha is None else alpha
    return alpha * power(p, gamma) * log_q, alpha * power(p, gamma) * (gamma * q * log_q + p)


LOSS = Canonical(
    "varifocal",
    "dense",
    "arXiv:2008.13367 eq. 2",
    parameters=(
        Parameter("gamma", "power", recommended=2.0, off=0.0, varied=(0.0, 1.0, 0.5, 1.5, 5.0), scanned=(0.5,)),
        Parameter("alpha", "balance", recommended=0.75, off=None, varied=(0.25, 0.5, 1.0)),
    ),
    exact=exact,
    factors=Factors(weight="where(y > 0, y, alpha)", modulation="where(y > 0, 1, p**gamma)", entropy="bce"),
    soft=True,
    order=5,
)
