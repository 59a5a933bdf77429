"""The distribution focal loss: -((y_r - y) log S_l + (y - y_l) log S_r), of the bins y_l <= y < y_r = y_l + 1."""

from __future__ import annotations

from mpmath import mp, mpf

from focalbench_suite.adapters.canon.arithmetic import entropy_slope, neighbours, softmax
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(z: list[mpf], y: float) -> tuple[mpf, list[mpf]]:
    """Value and derivatives of one row; NaN where the target lies beyond the bins."""
    bins = neighbours(y, len(z))
    if bins is None:
        return mp.nan, [mp.nan] * len(z)
    s, minus_log = softmax(z)
    value = mp.fsum(weight * minus_log[j] for j, weight in bins)
    return value, [mp.fsum(w * entropy_slope(s, i, j) for i, w in bins) for j in range(len(z))]


LOSS = Canonical(
    "distribution_focal",
    "bins",
    "arXiv:2006.04388 eq. 6",
    parameters=(
        Parameter(
            "weight", "row_weights", recommended=None, off=None, varied=((1.0,), (0.5,), (2.0,), (0.0,)), optional=True
        ),
    ),
    exact=exact,
    factors=Factors(weight="weight", modulation="pair(rest, fraction)", entropy="-log_S"),
    order=7,
)
