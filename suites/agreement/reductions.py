"""Which reduction turns the paper's values into what a source returned? Found by trial, over several calls at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy

from focalbench_suite.suites.oracle import Exact


@dataclass(frozen=True)
class Shape:
    """What a reduction may depend on: the shape of the values, the targets, the row weights, the class weights."""

    values: tuple[int, ...]
    targets: numpy.ndarray
    weight: numpy.ndarray | None = None

    @property
    def size(self) -> int:
        return int(numpy.prod(self.values))

    @property
    def positives(self) -> float:
        return float((self.targets > 0).sum())


def _sum_of_weights(shape: Shape) -> float:
    return float("nan") if shape.weight is None else float(shape.weight.sum())


# name -> factor on the exact sum of all values; the plainest names first
SCALARS: dict[str, Callable[[Shape], float]] = {
    "mean": lambda s: 1 / max(s.size, 1),  # nothing at all sums to 0
    "sum": lambda s: 1.0,
    "mean over dim 1, then sum": lambda s: 1 / s.values[1],
    "sum / rows": lambda s: 1 / max(s.values[0], 1),
    "sum / positives": lambda s: 1 / max(s.positives, 1),
    "sum / (positives + 1)": lambda s: 1 / (s.positives + 1),
    "sum / sum of targets": lambda s: 1 / max(float(s.targets.sum()), 1),
    "sum / sum of weights": lambda s: 1 / _sum_of_weights(s),
}
# name -> the exact values moved into the shape that is returned, and a factor on each
ARRAYS: dict[str, tuple[Callable[[numpy.ndarray], numpy.ndarray], Callable[[Shape], float]]] = {
    "none": (lambda a: a, lambda s: 1.0),
    "sum over dim 1": (lambda a: a.sum(axis=1), lambda s: 1.0),
    "mean over dim 1": (lambda a: a.sum(axis=1), lambda s: 1 / s.values[1]),
    "sum over dim 0": (lambda a: a.sum(axis=0), lambda s: 1.0),
    "mean over dim 0": (lambda a: a.sum(axis=0), lambda s: 1 / s.values[0]),
}
NORMALISED = tuple(name for name in SCALARS if name not in ("mean", "sum", "mean over dim 1, then sum"))
PLAIN = ("none", "mean", "sum", "sum over dim 1")


def names() -> tuple[str, ...]:
    """Every reduction that is tried, the plainest first."""
    return (*ARRAYS, *SCALARS)


def share(name: str, shape: Shape) -> float:
    """The factor that a reduction puts on every value of a call of this shape."""
    return SCALARS[name](shape) if name in SCALARS else ARRAYS[name][1](shape)


def apply(name: str, values: Exact, shape: Shape, returned: tuple[int, ...]) -> tuple[Exact, float] | None:
    """The exact values under a reduction, in the shape that was returned, with the factor on each value's gradient.

    None where the reduction cannot yield that shape.
    """
    if name in ARRAYS:
        move, factor = ARRAYS[name][0], _finite(ARRAYS[name][1], shape)
        if name != "none" and len(shape.values) < 2:
            return None
        moved = values.map(move)
        fits = moved.high.size == numpy.prod(returned) and (moved.high.size != 1 or len(returned) == moved.high.ndim)
        return (moved.map(lambda a: a.reshape(returned)).scaled(factor), factor) if fits and factor else None
    factor = _finite(SCALARS[name], shape)
    if numpy.prod(returned) != 1 or not factor:
        return None
    return values.sum().map(lambda a: a.reshape(returned)).scaled(factor), factor


def _finite(factor: Callable[[Shape], float], shape: Shape) -> float | None:
    try:
        found = factor(shape)
    except (ZeroDivisionError, IndexError):  # no rows, or no second dimension
        return None
    return found if numpy.isfinite(found) else None
