"""PolyLoss-1: -log S_y + epsilon (1 - S_y), the cross entropy with its leading polynomial coefficient raised."""

from __future__ import annotations

from mpmath import mp, mpf

from focalbench_suite.adapters.canon.arithmetic import entropy_slope, softmax
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(z: list[mpf], y: float, epsilon: mpf) -> tuple[mpf, list[mpf]]:
    """Value and derivatives of one row."""
    y = int(y)
    s, minus_log = softmax(z)
    miss = mp.fsum(p for j, p in enumerate(s) if j != y)
    slopes = [entropy_slope(s, y, j) + epsilon * s[y] * (-miss if j == y else p) for j, p in enumerate(s)]
    return minus_log[y] + epsilon * miss, slopes


LOSS = Canonical(
    "poly1",
    "index",
    "arXiv:2204.12511 eq. 6",
    parameters=(
        Parameter("epsilon", "coefficient", recommended=2.0, off=0.0, varied=(0.0, 1.0, -0.5, 3.0), scanned=(-0.5,)),
    ),
    exact=exact,
    factors=Factors(weight="1", modulation="1", entropy="-log_p_y + epsilon * miss"),
    order=8,
)
