"""The few ways in which a statement is shown to hold or not, each with the figures that show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from focalbench_suite.suites.claims.claim import Shown

CLOSE = 1e-9  # relative; float64 evaluations of one formula in two arrangements differ by 1e-15 or so
ROUNDING = 1e-15  # absolute; what is left of a formula of terms of order one where it should be 0
PROBABILITIES = (0.001, 0.02, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 0.968, 0.98, 0.999)


def agree(printed: Callable[..., float], ours: Callable[..., float], points: Iterable) -> Shown:
    """Whether a printed formula gives our number at every point (a number, or a tuple of arguments)."""
    points = [point if isinstance(point, tuple) else (point,) for point in points]
    pairs = [(point, printed(*point), ours(*point)) for point in points]
    point, theirs, mine = max(pairs, key=lambda pair: _relative(pair[1], pair[2]))
    if _relative(theirs, mine) <= CLOSE:
        return Shown(True, f"the same at {len(pairs)} points")
    where = ", ".join(f"{x:g}" for x in point)
    return Shown(False, f"the formula gives {theirs:.6g} at {where}, the loss {mine:.6g}")


def falling(values: Sequence[float]) -> Shown:
    """Whether each value is smaller than the one before."""
    holds = all(later < earlier for earlier, later in pairwise(values))
    return Shown(holds, f"from {values[0]:.4g} to {values[-1]:.4g}" + ("" if holds else ", not falling throughout"))


def falling_to_zero(values: Sequence[float]) -> Shown:
    """Whether each value is smaller than the one before, and the last a hundred-thousandth of the first at most."""
    shown = falling(values)
    return Shown(shown.holds and 0 <= values[-1] <= 1e-5 * values[0], shown.figures)


def least_at(function: Callable[[float], float], best: float, points: Iterable[float]) -> Shown:
    """Whether `function` is smallest at `best`, among these points."""
    bottom = function(best)
    nearest = min((function(x) - bottom, x) for x in points if abs(x - best) > CLOSE)
    return Shown(nearest[0] > 0, f"{bottom:.6g} at {best:g}, next {bottom + nearest[0]:.6g} at {nearest[1]:g}")


def _relative(a: float, b: float) -> float:
    if abs(a - b) <= ROUNDING or a == b:
        return 0.0
    difference = abs(a - b) / max(abs(a), abs(b))
    return difference if math.isfinite(difference) else math.inf
