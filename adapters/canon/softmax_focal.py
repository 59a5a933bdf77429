"""The focal loss over a softmax: w_y (1 - S_y)^gamma (-log S_y), with class weights w."""

from __future__ import annotations

from mpmath import mp, mpf

from focalbench_suite.adapters.canon.arithmetic import power, power_slope, softmax
from focalbench_suite.adapters.canon.definition import Canonical, Factors, Parameter


def exact(z: list[mpf], y: float, gamma: mpf, alpha: tuple | mpf | None) -> tuple[mpf, list[mpf]]:
    """Value and derivatives of one row; `alpha` is a weight for each class, one for all of them, or off."""
    y = int(y)
    s, minus_log = softmax(z)
    weight = mpf(1) if alpha is None else mpf(alpha[y]) if isinstance(alpha, tuple) else alpha
    miss = mp.fsum(p for j, p in enumerate(s) if j != y)
    raised, slope = power(miss, gamma), power_slope(miss, gamma)
    if miss == 0 and gamma < 1:  # one class: the loss is 0 whatever the logit
        raised, slope = mpf(gamma == 0), mpf(0)
    value = raised * minus_log[y]
    slopes = [
        slope * (-s[y] * miss if j == y else s[y] * p) * minus_log[y] + raised * (-miss if j == y else p)
        for j, p in enumerate(s)
    ]
    return weight * value, [weight * g for g in slopes]


LOSS = Canonical(
    "softmax_focal",
    "index",
    "arXiv:1708.02002 eq. 5 over softmax",
    parameters=(
        Parameter(
            "gamma", "power", recommended=2.0, off=0.0, varied=(0.0, 1.0, 0.5, 1.5, 5.0), scanned=(0.0, 0.5, 1.0)
        ),
        Parameter(
            "alpha",
            "class_weights",
            recommended=None,
            off=None,
            optional=True,
            varied=((0.5, 1.0, 2.0, 0.25), (1.0, 0.3, 0.6, 0.1), (0.7, 0.2, 0.9, 1.6)),
        ),
    ),
    exact=exact,
    factors=Factors(weight="alpha_y", modulation="miss**gamma", entropy="-log_p_y"),
    order=6,
)
