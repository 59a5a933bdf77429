"""Where does a loss lose its digits, overflow or turn non-finite? One logit at a time, over a designed grid.

Every point is a call of its own with one element (or one row), so that what is seen does not depend on how the source
reduces.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL, Unsupported
from focalbench_suite.suites import errors, oracle
from focalbench_suite.suites.explainer.calls import Ask, Call
from focalbench_suite.suites.explainer.examples import Finding, pasted
from focalbench_suite.suites.explainer.vocabulary.option import Change, change

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


def points(
    loss: str, dtype: str, target: float, grid: Iterable[float] = GRID, columns: int | None = None
) -> list[Point]:
    """The grid, its logits rounded to `dtype` first, so that the truth is told of the very number the loss gets.

    `columns` are the classes or bins that the function is made for.
    """
    rounded = torch.tensor(list(grid), dtype=getattr(torch, dtype)).double().tolist()
    kind = CANONICAL[loss].inputs
    if kind == "dense":
        return [Point(x, target, [[x]], [[target]], (0, 0)) for x in rounded]
    if kind == "index":
        return [Point(x, target, [_row(x, columns or 2)], [int(target)], (0, 1)) for x in rounded]
    return [Point(x, target, [_row(x, columns or 4)], [target], (0, 1)) for x in rounded]


def _row(x: float, columns: int) -> list[float]:
    return [0.0, x, *[0.0] * (columns - 2)]


@dataclass(frozen=True)
class NonfinitePlace:
    """Where a quantity is no number: NaN or infinity, from which logit of a target, at how many points of how many."""

    quantity: str
    nan: bool
    target: float
    logit: float
    points: int
    of: int


@dataclass(frozen=True)
class Refusal:
    """A setting, dtype and target for which the loss raises."""

    setting: dict[str, Any]
    dtype: str
    target: float
    error: str


class Refused(Exception):
    """The loss raises for a setting or a dtype; the message is its own."""


def trace(
    ask: Ask,
    loss: str,
    setting: dict[str, Any],
    dtype: str,
    target: float,
    grid: Iterable[float] = GRID,
    columns: int | None = None,
) -> Trace:
    """Value and gradient along the grid, with the truth.

    Raises `Unsupported` where the loss says that it cannot be asked, and `Refused` where it raises anything else.
    """
    found = points(loss, dtype, target, grid, columns)
    answers = ask([Call(p.logits, p.targets, setting, dtype) for p in found])
    for answer in answers:
        if not answer.ok:
            raise (Unsupported if answer.unsupported else Refused)(answer.error)
        if answer.gradient is None:
            raise Unsupported(answer.backward_error or "the result has no gradient")
    exact = [oracle.exact(loss, p.logits, p.targets, **setting) for p in found]
    values = [value.sum() for value, _ in exact]
    gradients = [gradient.map(lambda a, p=p: a[p.moving]) for p, (_, gradient) in zip(found, exact, strict=True)]
    return Trace(
        setting, dtype, target, found,
        numpy.array([answer.value for answer in answers]),
        numpy.array([answer.gradients[0][p.moving] for p, answer in zip(found, answers, strict=True)]),
        _stack(values), _stack(gradients),
    )  # fmt: skip


def _stack(numbers: list[oracle.Exact]) -> oracle.Exact:
    return oracle.Exact(numpy.array([float(n.high) for n in numbers]), numpy.array([float(n.low) for n in numbers]))


def scan(
    ask: Ask,
    loss: str,
    code: str,
    dtypes: Iterable[str] = ("float32", "bfloat16", "float16"),
    fixed: Mapping[str, Any] | None = None,
    usual_only: bool = False,
    columns: int | None = None,
) -> list[Finding]:
    """Findings of kind ``precision``, ``nonfinite`` and, for what raises, ``dtype`` and ``call``.

    `fixed` are values that the function uses whatever it is given; what it says it does not support yields none.
    `usual_only` leaves the other settings than the usual one out; `columns` are what the function is made for.
    """
    settings = [{name: (fixed or {}).get(name, v) for name, v in one.items()} for one in CANONICAL[loss].scanned]
    settings = settings[:1] if usual_only else settings
    traces, refused = [], []
    for dtype in dtypes:
        for setting in settings:
            for target in (0.0, 1.0):
                try:
                    traces.append(trace(ask, loss, setting, dtype, target, columns=columns))
                except Unsupported:
                    continue
                except Refused as error:
                    refused.append(Refusal(setting, dtype, target, str(error)))
    found = [*_refusals(loss, traces, refused), *_nonfinite(loss, code, traces)]
    return [*found, *_lost(loss, code, traces, settings[0])]


def _refusals(loss: str, traces: list[Trace], refused: list[Refusal]) -> Iterator[Finding]:
    """A dtype for which the loss raises, and a setting for which it does though it takes another one."""
    answered = {(one.dtype, one.target) for one in traces}
    for dtype in dict.fromkeys(one.dtype for one in refused):
        mine = [one for one in refused if one.dtype == dtype]
        if not {(dtype, 0.0), (dtype, 1.0)} & answered:
            yield Finding(
                change("dtype", "dtype_refused", dtype=dtype, error=mine[0].error), "fragile", got=mine[0].error
            )
            continue
        for one in (one for one in mine if (dtype, one.target) in answered):
            told = change("call", "setting_refused", setting=_varied(loss, one.setting), dtype=dtype, error=one.error)
            yield Finding(told, "fragile", got=one.error)


def _nonfinite(loss: str, code: str, traces: list[Trace]) -> Iterator[Finding]:
    """One finding for each dtype and setting, of what no earlier dtype has shown: every quantity and target of it."""
    seen = set()
    for _, group in itertools.groupby(traces, key=lambda one: (one.dtype, str(one.setting))):
        places, first = [], None
        for one, quantity in itertools.product(group, ("value", "gradient")):
            actual, exact = one.quantity(quantity)
            bad = errors.errors_of(actual, exact, one.dtype).nonfinite
            key = (quantity, str(one.setting), one.target)
            if not bad.any() or key in seen:
                continue
            seen.add(key)
            at = int(min(numpy.flatnonzero(bad), key=lambda i: abs(one.points[i].x)))
            place = NonfinitePlace(
                quantity, bool(numpy.isnan(actual[at])), one.target, one.points[at].x, int(bad.sum()), int(bad.size)
            )
            places.append(tuple(vars(place).items()))
            first = first or (one, at, quantity)
        if first is not None:
            one, at, quantity = first
            told = change(
                "nonfinite", "nonfinite_from", dtype=one.dtype, setting=_varied(loss, one.setting), places=tuple(places)
            )
            yield _finding(loss, code, told, one, at, quantity)


def _lost(loss: str, code: str, traces: list[Trace], usual: dict[str, Any]) -> Iterator[Finding]:
    """One finding for each dtype, quantity and target, under the usual parameters."""
    for one in traces:
        for quantity in ("value", "gradient") if one.setting == usual and _is_the_function(one) else ():
            actual, exact = one.quantity(quantity)
            found = errors.errors_of(actual, exact, one.dtype)
            bad = (numpy.nan_to_num(found.relative) > TOLERATED[one.dtype]) & ~found.nonfinite
            if not bad.any():
                continue
            first = int(min(numpy.flatnonzero(bad), key=lambda i: abs(one.points[i].x)))
            x, lost = one.points[first].x, numpy.flatnonzero(found.lost)
            nearest = one.points[min(lost, key=lambda i: abs(one.points[i].x))].x if lost.size else None
            told = change(
                "precision", "digits_lost", quantity=quantity, easy=(x > 0) == (one.target > 0), target=one.target,
                dtype=one.dtype, setting=_varied(loss, one.setting), error=float(found.relative[first]), logit=x,
                zero_from=nearest, points=int(lost.size), of=int(bad.size),
            )  # fmt: skip
            yield _finding(loss, code, told, one, first, quantity)


def _is_the_function(one: Trace) -> bool:
    """Whether the values at moderate logits are those of the truth: digits can be lost only of the same function."""
    found = errors.errors_of(one.value, one.exact_value, one.dtype).relative
    moderate = numpy.array([abs(point.x) <= 2 for point in one.points])
    return bool((numpy.nan_to_num(found[moderate], nan=1.0) <= 16 * errors.epsilon(one.dtype)).all())


def _varied(loss: str, setting: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    """The parameters of a setting that the scan varies; those that are the same in all settings are not told."""
    return tuple((p.name, setting[p.name]) for p in CANONICAL[loss].parameters if p.scanned)


def _finding(loss: str, code: str, told: Change, one: Trace, index: int, quantity: str) -> Finding:
    """A finding at one point of a trace, its example ready to paste."""
    point = one.points[index]
    actual, exact = one.quantity(quantity)
    row, column = point.moving
    got = "out.sum().item()" if quantity == "value" else f"logits.grad[{row}, {column}].item()"
    expected = "value.high.sum()" if quantity == "value" else f"gradient.high[{row}, {column}]"
    call = Call(point.logits, point.targets, one.setting, one.dtype)
    example = pasted(code, loss, call, expected, got)
    return Finding(told, "fragile", example, repr(float(exact.high[index])), repr(float(actual[index])))
