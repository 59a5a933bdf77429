"""The truth: the papers' formulas at 50 digits, value and gradient, independent of every adapter.

Each formula is written for one element (dense losses) or one row (index and bin losses) and never subtracts nearly
equal numbers: the sigmoid p and its complement q are both computed from the logit. The gradients are derived by hand;
the tests hold them against numerical differentiation. An exact number leaves this module as an unevaluated sum of two
doubles, so that errors can be measured below the last digit of float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from mpmath import mp, mpf

from focalbench_suite.adapters import CANONICAL

DIGITS = 50
Pair = tuple[float, float]


@dataclass(frozen=True)
class Exact:
    """Exact values as `high + low`, two arrays of doubles of one shape; NaN where the formula defines no number."""

    high: numpy.ndarray
    low: numpy.ndarray

    def error(self, actual: numpy.ndarray) -> numpy.ndarray:
        """The signed error of `actual` (float64 array of the same shape), itself accurate to double precision."""
        return (actual - self.high) - self.low

    def map(self, function: Any) -> Exact:
        """`function` (a reshape, a selection: anything that moves elements) applied to both halves."""
        return Exact(function(self.high), function(self.low))

    def sum(self) -> Exact:
        """The exact sum of all elements."""
        parts = [*self.high.ravel().tolist(), *self.low.ravel().tolist()]
        if not all(map(math.isfinite, parts)):
            return Exact(numpy.array(math.nan), numpy.array(0.0))
        high = math.fsum(parts)
        return Exact(numpy.array(high), numpy.array(math.fsum([*parts, -high])))

    def scaled(self, factor: float | numpy.ndarray) -> Exact:
        """`factor` times the numbers, to about 32 digits (Dekker's product of two doubles)."""
        with numpy.errstate(all="ignore"):
            product = self.high * factor
            (a, b), (c, d) = _halves(self.high), _halves(numpy.asarray(factor, dtype=float))
            rest = ((a * c - product) + a * d + b * c) + b * d + self.low * factor
        return Exact(product, numpy.where(numpy.isfinite(rest), rest, 0.0))


def _halves(numbers: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Two doubles of 26 bits each whose sum is the number."""
    shifted = numbers * 134217729.0  # 2^27 + 1
    high = shifted - (shifted - numbers)
    return high, numbers - high


def exact(loss: str, logits: Any, targets: Any, **parameters: Any) -> tuple[Exact, Exact]:
    """The value of each element (dense) or row (index, bins) and the gradient of their sum to the logits.

    `logits` and `targets` are tensors, arrays or nested lists in canonical form; parameters are the canonical ones.
    Targets outside [0, 1] or beyond the bins give NaN: the papers define nothing there.
    """
    logits, targets = _array(logits), _array(targets)
    parameters = {name: _plain(value) for name, value in parameters.items()}
    if CANONICAL[loss].inputs == "dense":
        frozen = tuple(sorted(parameters.items()))
        found = [_element(loss, x, y, frozen) for x, y in zip(logits.flat, targets.flat, strict=True)]
        return _exact([v for v, _ in found], logits.shape), _exact([g for _, g in found], logits.shape)
    weight = parameters.pop("weight", None) or [1.0] * len(targets)
    frozen = tuple(sorted(parameters.items()))
    found = [
        _row(loss, tuple(z), y, w, frozen) for z, y, w in zip(logits.tolist(), targets.tolist(), weight, strict=True)
    ]
    gradients = [pair for _, row in found for pair in row]
    return _exact([v for v, _ in found], targets.shape), _exact(gradients, logits.shape)


def _array(numbers: Any) -> numpy.ndarray:
    if hasattr(numbers, "detach"):
        numbers = numbers.detach().cpu().double().numpy()
    return numpy.asarray(numbers, dtype=numpy.float64)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(value) if isinstance(value, list) else value


def _exact(pairs: Sequence[Pair], shape: tuple[int, ...]) -> Exact:
    table = numpy.array(pairs, dtype=numpy.float64).reshape(-1, 2)
    return Exact(table[:, 0].reshape(shape), table[:, 1].reshape(shape))


def _pair(number: Any) -> Pair:
    if not mp.isfinite(number) or mp.im(number) != 0:
        return math.nan, 0.0
    high = float(mp.re(number))
    return high, float(mp.re(number) - mpf(high))


@functools.lru_cache(maxsize=200_000)
def _element(loss: str, x: float, y: float, parameters: tuple) -> tuple[Pair, Pair]:
    if not 0 <= y <= 1:
        return (math.nan, 0.0), (math.nan, 0.0)
    with mp.workdps(DIGITS):
        value, gradient = DENSE[loss](mpf(x), mpf(y), **{name: _number(v) for name, v in parameters})
        return _pair(value), _pair(gradient)


@functools.lru_cache(maxsize=50_000)
def _row(loss: str, z: tuple, y: float, weight: float, parameters: tuple) -> tuple[Pair, list[Pair]]:
    with mp.workdps(DIGITS):
        value, gradient = ROWS[loss]([mpf(x) for x in z], y, **{name: _number(v) for name, v in parameters})
        return _pair(value * mpf(weight)), [_pair(g * mpf(weight)) for g in gradient]


def _number(value: Any) -> Any:
    if value is None or isinstance(value, tuple):
        return value
    return mpf(value)


def _sigmoid(x: mpf) -> tuple[mpf, mpf, mpf, mpf]:
    """p, 1 - p, -log p, -log(1 - p), each to full precision."""
    return 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x)), mp.log1p(mp.exp(-x)), mp.log1p(mp.exp(x))


def _power(base: mpf, exponent: mpf) -> mpf:
    """`base ** exponent`, NaN where a negative base has no real power or 0 a negative one."""
    if base == 0 and exponent < 0:
        return mp.nan
    power = mp.power(base, exponent)
    return power if mp.im(power) == 0 else mp.nan


def _slope(base: mpf, exponent: mpf) -> mpf:
    """The derivative of `base ** exponent` to its base."""
    return mpf(0) if exponent == 0 else exponent * _power(base, exponent - 1)


def _cross_entropy(x: mpf, y: mpf) -> tuple[mpf, mpf]:
    p, q, log_p, log_q = _sigmoid(x)
    return y * log_p + (1 - y) * log_q, p * (1 - y) - q * y


def _side(alpha: mpf | None, y: mpf) -> mpf:
    """alpha_t: alpha for positives, 1 - alpha for negatives, in between for soft labels."""
    return mpf(1) if alpha is None else alpha * y + (1 - alpha) * (1 - y)


def _balanced(x: mpf, y: mpf, alpha: mpf | None) -> tuple[mpf, mpf]:
    value, gradient = _cross_entropy(x, y)
    return _side(alpha, y) * value, _side(alpha, y) * gradient


def _focal(x: mpf, y: mpf, gamma: mpf, alpha: mpf | None) -> tuple[mpf, mpf]:
    """alpha_t (1 - p_t)^gamma BCE(x, y), with p_t = p y + (1 - p)(1 - y)."""
    p, q, _, _ = _sigmoid(x)
    entropy, entropy_slope = _cross_entropy(x, y)
    miss = q * y + p * (1 - y)
    miss_slope = p * q * (1 - 2 * y)
    value = _power(miss, gamma) * entropy
    gradient = _slope(miss, gamma) * miss_slope * entropy + _power(miss, gamma) * entropy_slope
    return _side(alpha, y) * value, _side(alpha, y) * gradient


def _quality_focal(x: mpf, y: mpf, beta: mpf) -> tuple[mpf, mpf]:
    """|y - p|^beta BCE(x, y)."""
    p, q, _, _ = _sigmoid(x)
    entropy, distance = _cross_entropy(x, y)  # the slope of the cross entropy is p - y itself
    length, sign = abs(distance), mp.sign(distance)
    value = _power(length, beta) * entropy
    return value, _slope(length, beta) * sign * p * q * entropy + _power(length, beta) * distance


def _varifocal(x: mpf, y: mpf, gamma: mpf, alpha: mpf | None) -> tuple[mpf, mpf]:
    """y BCE(x, y) where y > 0, alpha p^gamma (-log(1 - p)) where y = 0."""
    if y > 0:
        value, gradient = _cross_entropy(x, y)
        return y * value, y * gradient
    p, q, _, log_q = _sigmoid(x)
    alpha = mpf(1) if alpha is None else alpha
    return alpha * _power(p, gamma) * log_q, alpha * _power(p, gamma) * (gamma * q * log_q + p)


def _softmax(z: list[mpf]) -> tuple[list[mpf], list[mpf]]:
    """The probabilities and their negative logarithms."""
    top = max(z)
    total = mp.fsum(mp.exp(x - top) for x in z)
    logarithms = [_minus_log(z, j) for j in range(len(z))]
    return [mp.exp(x - top) / total for x in z], logarithms


def _minus_log(z: list[mpf], j: int) -> mpf:
    return mp.log1p(mp.fsum(mp.exp(x - z[j]) for i, x in enumerate(z) if i != j))


def _softmax_focal(z: list[mpf], y: float, gamma: mpf, alpha: tuple | None) -> tuple[mpf, list[mpf]]:
    """w_y (1 - S_y)^gamma (-log S_y) with class weights w (1 where off)."""
    y = int(y)
    s, minus_log = _softmax(z)
    weight = mpf(1) if alpha is None else mpf(alpha[y]) if isinstance(alpha, tuple) else alpha
    miss = mp.fsum(p for j, p in enumerate(s) if j != y)
    power, slope = _power(miss, gamma), _slope(miss, gamma)
    if miss == 0 and gamma < 1:  # one class: the loss is 0 whatever the logit
        power, slope = mpf(gamma == 0), mpf(0)
    value = power * minus_log[y]
    gradient = [
        slope * (-s[y] * miss if j == y else s[y] * p) * minus_log[y] + power * (-miss if j == y else p)
        for j, p in enumerate(s)
    ]
    return weight * value, [weight * g for g in gradient]


def _neighbours(y: float, bins: int) -> list[tuple[int, mpf]] | None:
    """The bins to the left and right of y with their weights; None where y lies beyond the bins."""
    if not 0 <= y <= bins - 1:
        return None
    left = math.floor(y)
    pairs = [(left, 1 - (mpf(y) - left)), (left + 1, mpf(y) - left)]
    return [(j, weight) for j, weight in pairs if weight > 0]


def _distribution_focal(z: list[mpf], y: float) -> tuple[mpf, list[mpf]]:
    """-((y_r - y) log S_l + (y - y_l) log S_r)."""
    neighbours = _neighbours(y, len(z))
    if neighbours is None:
        return mp.nan, [mp.nan] * len(z)
    s, minus_log = _softmax(z)
    value = mp.fsum(weight * minus_log[j] for j, weight in neighbours)
    return value, [mp.fsum(w * _entropy_slope(s, i, j) for i, w in neighbours) for j in range(len(z))]


def _entropy_slope(s: list[mpf], i: int, j: int) -> mpf:
    """d(-log S_i) / d z_j, without the cancellation of S_i - 1."""
    return s[j] if i != j else -mp.fsum(p for k, p in enumerate(s) if k != i)


def _generalized_focal(z: list[mpf], y: float, beta: mpf) -> tuple[mpf, list[mpf]]:
    """|y - (y_l S_l + y_r S_r)|^beta times the distribution focal loss: eq. 7 over a softmax of the bins."""
    entropy, entropy_slope = _distribution_focal(z, y)
    if mp.isnan(entropy):
        return entropy, entropy_slope
    s, _ = _softmax(z)
    left = min(math.floor(y), len(z) - 2)
    pair = (left, left + 1)
    distance = mpf(y) - mp.fsum(j * s[j] for j in pair)
    slopes = [-mp.fsum(j * s[j] * ((j == k) - s[k]) for j in pair) for k in range(len(z))]
    length, sign = abs(distance), mp.sign(distance)
    power, slope = _power(length, beta), _slope(length, beta) * sign
    return power * entropy, [slope * d * entropy + power * e for d, e in zip(slopes, entropy_slope, strict=True)]


DENSE = {
    "cross_entropy": _cross_entropy,
    "balanced_cross_entropy": _balanced,
    "focal": _focal,
    "quality_focal": _quality_focal,
    "varifocal": _varifocal,
}
ROWS = {
    "softmax_focal": _softmax_focal,
    "distribution_focal": _distribution_focal,
    "generalized_focal": _generalized_focal,
}
