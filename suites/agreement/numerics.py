"""Where does a loss lose its digits, overflow or turn non-finite? One logit at a time, over a designed grid.

Every point is a call of its own with one element (or one row), so that what is seen does not depend on how the source
reduces. The findings hold for the function that `truth` describes: the paper's, unless the caller knows better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL, Unsupported
from focalbench_suite.suites.agreement import errors, example, oracle
from focalbench_suite.suites.agreement.call import evaluate
from focalbench_suite.suites.agreement.subject import Subject

PRIOR = -4.59511985013459  # -log((1 - 0.01) / 0.01), the RetinaNet prior
STEPS = (0.0, 0.5, 1.0, 2.0, 3.0, -PRIOR, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 17.0, 18.0, 20.0, 25.0, 30.0, 40.0, 60.0,
         80.0, 88.0, 89.0, 100.0)  # fmt: skip
GRID = tuple(sorted({*STEPS, *(-x for x in STEPS)}))
TOLERATED = {"float64": 1e-6, "float32": 5e-4, "bfloat16": 0.5, "float16": 0.1}  # relative error


@dataclass(frozen=True)
class Point:
    """One element or row of the grid: `x` is the logit that moves, `target` 0 or 1."""

    x: float
    target: float
    logits: Any
    targets: Any
    moving: tuple[int, int]


@dataclass(frozen=True)
class Trace:
    """What one setting gave over the grid for one target: arrays along the grid."""

    setting: dict[str, Any]
    dtype: str
    target: float
    points: list[Point]
    value: numpy.ndarray
    gradient: numpy.ndarray
    exact_value: oracle.Exact
    exact_gradient: oracle.Exact

    def quantity(self, name: str) -> tuple[numpy.ndarray, oracle.Exact]:
        return (self.value, self.exact_value) if name == "value" else (self.gradient, self.exact_gradient)


def points(loss: str, dtype: str, target: float, grid: Iterable[float] = GRID) -> list[Point]:
    """The grid, its logits rounded to `dtype` first, so that the truth is told of the very number the loss gets."""
    rounded = torch.tensor(list(grid), dtype=getattr(torch, dtype)).double().tolist()
    kind = CANONICAL[loss].inputs
    if kind == "dense":
        return [Point(x, target, [[x]], [[target]], (0, 0)) for x in rounded]
    if kind == "index":
        return [Point(x, target, [[0.0, x]], [int(target)], (0, 1)) for x in rounded]
    return [Point(x, target, [[0.0, x, 0.0, 0.0]], [target], (0, 1)) for x in rounded]


def trace(
    subject: Subject,
    setting: dict[str, Any],
    dtype: str,
    target: float,
    truth: Callable = oracle.exact,
    device: str = "cpu",
    grid: Iterable[float] = GRID,
) -> Trace:
    """Value and gradient along the grid, with the truth; raises whatever the subject raises."""
    grid = points(subject.loss, dtype, target, grid)
    outputs = [evaluate(subject.call, subject.loss, p.logits, p.targets, setting, dtype, device) for p in grid]
    exact = [truth(subject.loss, p.logits, p.targets, **setting) for p in grid]
    values = [value.sum() for value, _ in exact]
    gradients = [gradient.map(lambda a, p=p: a[p.moving]) for p, (_, gradient) in zip(grid, exact, strict=True)]
    return Trace(
        setting, dtype, target, grid,
        numpy.array([output.value.sum() for output in outputs]),
        numpy.array([output.gradient[p.moving] for p, output in zip(grid, outputs, strict=True)]),
        _stack(values), _stack(gradients),
    )  # fmt: skip


def _stack(numbers: list[oracle.Exact]) -> oracle.Exact:
    return oracle.Exact(numpy.array([float(n.high) for n in numbers]), numpy.array([float(n.low) for n in numbers]))


def scan(
    subject: Subject,
    dtypes: Iterable[str] = ("float32", "bfloat16", "float16"),
    fixed: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> list[dict[str, str]]:
    """Findings of kind ``precision`` and ``nonfinite``; a setting or dtype that the subject refuses yields none.

    `fixed` are values that the subject uses whatever it is given.
    """
    settings = [
        {name: (fixed or {}).get(name, value) for name, value in one.items()} for one in CANONICAL[subject.loss].scanned
    ]
    traces = []
    for dtype in dtypes:
        for setting in settings:
            for target in (0.0, 1.0):
                try:
                    traces.append(trace(subject, setting, dtype, target, device=device))
                except (Unsupported, RuntimeError, TypeError, ValueError, NotImplementedError):
                    continue  # what a source does not take is told by the capability table
    return [*_nonfinite(subject, traces), *_lost(subject, traces, settings[0])]


def _nonfinite(subject: Subject, traces: list[Trace]) -> Iterator[dict[str, str]]:
    """One finding for each quantity, setting and target, in the first dtype that shows it."""
    seen = set()
    for one in traces:
        for quantity in ("value", "gradient"):
            actual, exact = one.quantity(quantity)
            bad = errors.measure(actual, exact, one.dtype).nonfinite
            key = (quantity, str(one.setting), one.target)
            if not bad.any() or key in seen:
                continue
            seen.add(key)
            first = min(numpy.flatnonzero(bad), key=lambda i: abs(one.points[i].x))
            what = "NaN" if numpy.isnan(actual[first]) else "infinite"
            statement = (
                f"{quantity} is {what} in {one.dtype}{_with(one.setting)} at logit {one.points[first].x:g}, "
                f"target {one.target:g} ({int(bad.sum())} of {bad.size} grid points)"
            )
            yield finding(subject, "nonfinite", statement, one, int(first), quantity)


def _lost(subject: Subject, traces: list[Trace], usual: dict[str, Any]) -> Iterator[dict[str, str]]:
    """One finding for each dtype, quantity and target, under the usual parameters."""
    for one in traces:
        for quantity in ("value", "gradient") if one.setting == usual and _is_the_function(one) else ():
            actual, exact = one.quantity(quantity)
            found = errors.measure(actual, exact, one.dtype)
            bad = (numpy.nan_to_num(found.relative) > TOLERATED[one.dtype]) & ~found.nonfinite
            if not bad.any():
                continue
            first = int(min(numpy.flatnonzero(bad), key=lambda i: abs(one.points[i].x)))
            x = one.points[first].x
            side = "easy" if (x > 0) == (one.target > 0) else "hard"
            lost = numpy.flatnonzero(found.lost)
            zero = ""
            if lost.size:
                nearest = one.points[min(lost, key=lambda i: abs(one.points[i].x))].x
                zero = f", exactly 0 at {nearest:g} and in {lost.size} of {bad.size} grid points"
            sign = "positives" if one.target else "negatives"
            statement = (
                f"{quantity} of {side} {sign} loses its digits in {one.dtype}{_with(one.setting)}: relative error "
                f"{found.relative[first]:.1g} at logit {x:g}{zero}"
            )
            yield finding(subject, "precision", statement, one, first, quantity)


def _is_the_function(one: Trace) -> bool:
    """Whether the values at moderate logits are those of the truth: digits can be lost only of the same function."""
    found = errors.measure(one.value, one.exact_value, one.dtype).relative
    moderate = numpy.array([abs(point.x) <= 2 for point in one.points])
    return bool((numpy.nan_to_num(found[moderate], nan=1.0) <= 16 * errors.epsilon(one.dtype)).all())


def _with(setting: dict[str, Any]) -> str:
    told = [f"{name} = {value:g}" for name, value in setting.items() if value is not None and name != "alpha"]
    return f" with {', '.join(told)}" if told else ""


def finding(subject: Subject, kind: str, statement: str, one: Trace, index: int, quantity: str) -> dict[str, str]:
    """A finding at one point of a trace, its example ready to paste."""
    point = one.points[index]
    actual, exact = one.quantity(quantity)
    row, column = point.moving
    got = "out.sum().item()" if quantity == "value" else f"logits.grad[{row}, {column}].item()"
    told = "value.high.sum()" if quantity == "value" else f"gradient.high[{row}, {column}]"
    return {
        "kind": kind,
        "statement": statement,
        "example": example.code(subject, point.logits, point.targets, one.setting, one.dtype, told, got),
        "expected": repr(float(exact.high[index])),
        "got": repr(float(actual[index])),
    }
