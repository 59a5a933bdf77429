"""The focal loss: alpha_t (1 - p_t)^gamma BCE(x, y), where p_t = p y + (1 - p)(1 - y)."""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.arithmetic import binary_cross_entropy, power, power_slope, side, sigmoid
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(x: mpf, y: mpf, gamma: mpf, alpha: mpf | None) -> tuple[mpf, mpf]:
    """Value and derivative of one element."""
    p, q, _, _ = sigmoid(x)
    entropy, entropy_slope = binary_cross_entropy(x, y)
    miss = q * y + p * (1 - y)
    miss_slope = p * q * (1 - 2 * y)
    value = power(miss, gamma) * entropy
    slope = power_slope(miss, gamma) * miss_slope * entropy + power(miss, gamma) * entropy_slope
    return side(alpha, y) * value, side(alpha, y) * slope


LOSS = Canonical(
    "focal",
    "dense",
    "arXiv:1708.02002 eq. 5",
    parameters=(
        Parameter(
            "gamma", "power", recommended=2.0, off=0.0, varied=(0.0, 1.0, 0.5, 1.5, 5.0), scanned=(0.0, 0.5, 1.0, 5.0)
        ),
        Parameter("alpha", "balance", recommended=0.25, off=None, varied=(0.5, 0.75, 1.0), optional=True),
    ),
    exact=exact,
    factors=Factors(weight="alpha_t", modulation="miss**gamma", entropy="bce"),
    order=3,
)
