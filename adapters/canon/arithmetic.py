"""What the canon's formulas are made of, with mpmath: none subtracts nearly equal numbers.

The sigmoid p and its complement q are both computed from the logit, and so are their logarithms. Gradients are derived
by hand; the tests hold them against numerical differentiation.
"""

from __future__ import annotations

import math

from mpmath import mp, mpf


def sigmoid(x: mpf) -> tuple[mpf, mpf, mpf, mpf]:
    """p, 1 - p, -log p, -log(1 - p), each to full precision."""
    return 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x)), mp.log1p(mp.exp(-x)), mp.log1p(mp.exp(x))


def power(base: mpf, exponent: mpf) -> mpf:
    """`base ** exponent`, NaN where a negative base has no real power or 0 a negative one."""
    if base == 0 and exponent < 0:
        return mp.nan
    raised = mp.power(base, exponent)
    return raised if mp.im(raised) == 0 else mp.nan


def power_slope(base: mpf, exponent: mpf) -> mpf:
    """The derivative of `base ** exponent` to its base."""
    return mpf(0) if exponent == 0 else exponent * power(base, exponent - 1)


def binary_cross_entropy(x: mpf, y: mpf) -> tuple[mpf, mpf]:
    """-y log p - (1 - y) log(1 - p), and its derivative p - y."""
    p, q, log_p, log_q = sigmoid(x)
    return y * log_p + (1 - y) * log_q, p * (1 - y) - q * y


def side(alpha: mpf | None, y: mpf) -> mpf:
    """alpha_t: alpha for positives, 1 - alpha for negatives, in between for soft labels."""
    return mpf(1) if alpha is None else alpha * y + (1 - alpha) * (1 - y)


def softmax(z: list[mpf]) -> tuple[list[mpf], list[mpf]]:
    """The probabilities and their negative logarithms."""
    top = max(z)
    total = mp.fsum(mp.exp(x - top) for x in z)
    return [mp.exp(x - top) / total for x in z], [_minus_log(z, j) for j in range(len(z))]


def _minus_log(z: list[mpf], j: int) -> mpf:
    return mp.log1p(mp.fsum(mp.exp(x - z[j]) for i, x in enumerate(z) if i != j))


def entropy_slope(s: list[mpf], i: int, j: int) -> mpf:
    """d(-log S_i) / d z_j, without the cancellation of S_i - 1."""
    return s[j] if i != j else -mp.fsum(p for k, p in enumerate(s) if k != i)


def neighbours(y: float, bins: int) -> list[tuple[int, mpf]] | None:
    """The bins to the left and right of y with their weights; None where y lies beyond the bins."""
    if not 0 <= y <= bins - 1:
        return None
    left = math.floor(y)
    pairs = [(left, 1 - (mpf(y) - left)), (left + 1, mpf(y) - left)]
    return [(j, weight) for j, weight in pairs if weight > 0]
