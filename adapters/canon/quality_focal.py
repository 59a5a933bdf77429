"""The quality focal loss: |y - p|^beta BCE(x, y), where y is the quality in [0, 1] and p the sigmoid of x."""

from __future__ import annotations

from mpmath import mp, mpf

from focalbench_suite.adapters.canon.arithmetic import binary_cross_entropy, power, power_slope, sigmoid
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(x: mpf, y: mpf, beta: mpf) -> tuple[mpf, mpf]:
    """Value and derivative of one element."""
    p, q, _, _ = sigmoid(x)
    entropy, distance = binary_cross_entropy(x, y)  # the slope of the cross entropy is p - y itself
    length, sign = abs(distance), mp.sign(distance)
    value = power(length, beta) * entropy
    return value, power_slope(length, beta) * sign * p * q * entropy + power(length, beta) * distance


LOSS = Canonical(
    "quality_focal",
    "dense",
    "arXiv:2006.04388 eq. 2",
    parameters=(
        Parameter("beta", "power", recommended=2.0, off=0.0, varied=(0.0, 1.0, 0.5, 1.5, 5.0), scanned=(1.0, 0.5)),
    ),
    exact=exact,
    factors=Factors(weight="1", modulation="abs(y - p)**beta", entropy="bce"),
    soft=True,
    order=4,
)
