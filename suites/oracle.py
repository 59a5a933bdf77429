"""The truth: the papers' formulas at 50 digits, value and gradient, independent of every adapter.

Each formula stands in the canon, for one element (dense losses) or one row (index, bin and box losses). An exact number
leaves this module as an unevaluated sum of two doubles, so that errors can be measured below the last digit of float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
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
    """The value of each element (dense) or row (index, bins, boxes) and the gradient of their sum to the logits.

    `logits` and `targets` are tensors, arrays or nested lists in canonical form; parameters are the canonical ones. Of
    a loss over pairs the logits are the predicted boxes. Targets outside [0, 1] or beyond the bins give NaN: the papers
    define nothing there.
    """
    logits, targets = _array(logits), _array(targets)
    parameters = {name: _plain(value) for name, value in parameters.items()}
    if CANONICAL[loss].inputs == "dense":
        frozen = tuple(sorted(parameters.items()))
        elements = [_element(loss, x, y, frozen) for x, y in zip(logits.flat, targets.flat, strict=True)]
        return _exact([v for v, _ in elements], logits.shape), _exact([g for _, g in elements], logits.shape)
    weight = parameters.pop("weight", None) or [1.0] * len(targets)
    frozen = tuple(sorted(parameters.items()))
    rows = [
        _row(loss, tuple(z), _plain(y), w, frozen)
        for z, y, w in zip(logits.tolist(), targets.tolist(), weight, strict=True)
    ]
    gradients = [pair for _, row in rows for pair in row]
    return _exact([v for v, _ in rows], targets.shape[:1]), _exact(gradients, logits.shape)


def _formula(loss: str) -> Callable[..., tuple[Any, Any]]:
    formula = CANONICAL[loss].exact
    if formula is None:
        raise ValueError(f"{loss} has no formula of its own")
    return formula


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
        value, gradient = _formula(loss)(mpf(x), mpf(y), **{name: _number(v) for name, v in parameters})
        return _pair(value), _pair(gradient)


@functools.lru_cache(maxsize=50_000)
def _row(loss: str, z: tuple, y: float | tuple, weight: float, parameters: tuple) -> tuple[Pair, list[Pair]]:
    with mp.workdps(DIGITS):
        value, gradient = _formula(loss)([mpf(x) for x in z], y, **{name: _number(v) for name, v in parameters})
        return _pair(value * mpf(weight)), [_pair(g * mpf(weight)) for g in gradient]


def _number(value: Any) -> Any:
    if value is None or isinstance(value, tuple):
        return value
    return mpf(value)
