"""The generalized focal loss over a softmax of bins: |y - (y_l S_l + y_r S_r)|^beta times the distribution focal loss.

FL, QFL and DFL are special cases of it.
"""

from __future__ import annotations

import math

from mpmath import mp, mpf

from focalbench_suite.adapters.canon import distribution_focal
from focalbench_suite.adapters.canon.arithmetic import power, power_slope, softmax
from focalbench_suite.adapters.canon.definition import Canonical, Parameter


def exact(z: list[mpf], y: float, beta: mpf) -> tuple[mpf, list[mpf]]:
    """Value and derivatives of one row; NaN where the target lies beyond the bins."""
    entropy, slopes = distribution_focal.exact(z, y)
    if mp.isnan(entropy):
        return entropy, slopes
    s, _ = softmax(z)
    left = min(math.floor(y), len(z) - 2)
    pair = (left, left + 1)
    distance = mpf(y) - mp.fsum(j * s[j] for j in pair)
    nearer = [-mp.fsum(j * s[j] * ((j == k) - s[k]) for j in pair) for k in range(len(z))]
    length, sign = abs(distance), mp.sign(distance)
    raised, slope = power(length, beta), power_slope(length, beta) * sign
    return raised * entropy, [slope * d * entropy + raised * e for d, e in zip(nearer, slopes, strict=True)]


LOSS = Canonical(
    "generalized_focal",
    "bins",
    "arXiv:2006.04388 eq. 7",
    parameters=(
        Parameter("beta", "power", recommended=2.0, off=0.0, varied=(0.0, 1.0, 0.5, 1.5, 5.0), scanned=(0.5,)),
    ),
    exact=exact,
    order=8,
)
