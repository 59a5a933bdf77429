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
    right, share = left + 1, mpf(y) - left
    rest = mp.fsum(p for j, p in enumerate(s) if j not in (left, right))
    # y - (y_l S_l + y_r S_r) with 1 = S_l + S_r + rest, so that a saturated bin is not taken from 1
    distance = y * rest + share * s[left] - (1 - share) * s[right]
    expected = left * s[left] + right * s[right]
    beyond = {left: s[right] - left * rest, right: -s[left] - right * rest}  # y_l S_l + y_r S_r less the bin itself
    nearer = [s[k] * beyond.get(k, expected) for k in range(len(z))]
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
