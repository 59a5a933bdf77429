"""How accurate is a loss, by region of the logit, and what is left of it when a whole detection head is summed?

A record's ``data["curves"]`` holds what the report draws: ``logits``, and under ``series`` for each target the source's
``value`` and ``gradient`` and their errors in ULP (``value_ulp``, ``gradient_ulp``), None where a number is not finite.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL, Loss, Unsupported
from focalbench_suite.suites import Cell, Record, errors, oracle
from focalbench_suite.suites.agreement import measure, probes, reductions
from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer.here import Here
from focalbench_suite.suites.explainer.numerics import Refused, Trace, trace

STEPS = (*(i / 4 for i in range(81)), *range(25, 101, 5))
GRID = tuple(sorted({*map(float, STEPS), *(-float(x) for x in STEPS)}))
REGIONS = (-100.0, -30.0, -16.0, -8.0, -4.0, -1.0, 1.0, 4.0, 8.0, 16.0, 30.0, 100.0)
ANCHORS, CLASSES, OBJECTS = 8400, 80, 40  # YOLOv8 at 640 px, and a plausible number of positives


def record(cell: Cell, loss: Loss, subject: Subject) -> Record:
    """Rows of the tables ``accuracy`` and ``head_sum`` and the curves of one source in one dtype."""
    traces, refusal = [], ""
    ask, parameters = Here(subject.call, device=cell.device), CANONICAL[loss.name].recommended | loss.off
    for target in (0.0, 1.0):
        try:
            traces.append(trace(ask, loss.name, parameters, cell.dtype, target, GRID))
        except (Unsupported, Refused) as error:
            refusal = str(error)
    if not traces:
        return Record(cell, "unsupported", refusal)
    rows = {"accuracy": [row for one in traces for row in _regions(one)]}
    if CANONICAL[loss.name].inputs == "dense":
        rows["head_sum"] = head_sums(loss, cell.dtype, cell.device)
    return Record(cell, rows=rows, data={"curves": _curves(traces)})


def _regions(one: Trace) -> list[dict[str, Any]]:
    x = numpy.array([point.x for point in one.points])
    rows = []
    for quantity in ("value", "gradient"):
        found = errors.errors_of(*one.quantity(quantity), one.dtype)
        for low, high in itertools.pairwise(REGIONS):
            inside = (x >= low) & (x < high if high < REGIONS[-1] else x <= high)
            finite = found.ulp[inside][numpy.isfinite(found.ulp[inside])]
            relative = found.relative[inside][numpy.isfinite(found.relative[inside])]
            rows.append(
                {
                    "target": one.target,
                    "quantity": quantity,
                    "logit_from": low,
                    "logit_to": high,
                    "points": int(inside.sum()),
                    "typical_ulp": float(numpy.median(finite)) if finite.size else None,
                    "max_ulp": float(finite.max()) if finite.size else None,
                    "max_rel_error": float(relative.max()) if relative.size else None,
                    "zeros": int(found.lost[inside].sum()),
                    "nonfinite": int(found.nonfinite[inside].sum()),
                }
            )
    return rows


def _curves(traces: list[Trace]) -> dict[str, Any]:
    series = []
    for one in traces:
        drawn = {"target": one.target, "value": _plain(one.value, 7), "gradient": _plain(one.gradient, 7)}
        for quantity in ("value", "gradient"):
            drawn[f"{quantity}_ulp"] = _plain(errors.errors_of(*one.quantity(quantity), one.dtype).ulp, 3)
        series.append(drawn)
    return {"logits": [point.x for point in traces[0].points], "parameters": traces[0].setting, "series": series}


def _plain(numbers: numpy.ndarray, digits: int) -> list[float | None]:
    return [float(f"{x:.{digits}g}") if numpy.isfinite(x) else None for x in numbers]


@functools.lru_cache
def head(objects: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Logits (8400, 80) around the RetinaNet prior, on bfloat16's grid, and targets with one positive an object."""
    noise = numpy.random.default_rng(0).normal(0, 0.1, (ANCHORS, CLASSES))
    targets = numpy.zeros((ANCHORS, CLASSES))
    rows = numpy.random.default_rng(1).choice(ANCHORS, objects, replace=False)
    targets[rows, rows % CLASSES] = 1.0
    return probes.PRIOR + numpy.round(noise * 32) / 32, targets


@functools.lru_cache
def _distinct(objects: int) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """The distinct elements of the head (logits, targets) and how often each occurs."""
    logits, targets = head(objects)
    _, first, counts = numpy.unique(logits + 1000 * targets, return_index=True, return_counts=True)
    return logits.ravel()[first], targets.ravel()[first], counts


@functools.lru_cache
def exact_sum(loss: str, objects: int, without: tuple[str, ...] = ()) -> oracle.Exact:
    """The exact sum over the head: each distinct element once, times how often it occurs."""
    logits, targets, counts = _distinct(objects)
    values, _ = oracle.exact(loss, logits, targets, **CANONICAL[loss].recommended | dict.fromkeys(without))
    return values.scaled(counts.astype(float)).sum()


def head_sums(loss: Loss, dtype: str, device: str) -> list[dict[str, Any]]:
    """The loss of a whole head as the source sums it (or reduces it, where it only does that), against the truth.

    One row for a head with objects and one for a head without. What a source calls a sum may be a sum of means, so the
    factor on the exact sum is that of the reduction that its call shows.
    """
    how, call = _way(loss)
    reduction = measure.reduction(loss, call)
    rows = ({"rows": ANCHORS, "classes": CLASSES, "positives": objects} for objects in (OBJECTS, 0))
    if reduction is None:
        return [row | {"how": "no reduction of the paper's values was found"} for row in rows]
    return [row | {"how": how} | _against_truth(loss, call, reduction, row["positives"], dtype, device) for row in rows]


def _way(loss: Loss) -> tuple[str, Callable]:
    """The plainest way in which a source can be asked for a sum, and the call."""
    for word in ("sum", "none"):
        if word in loss.reductions:
            return word, functools.partial(loss.call, reduction=word)
    return "own reduction", loss.reduced


def _against_truth(loss: Loss, call: Callable, reduction: str, objects: int, dtype: str, device: str) -> dict[str, Any]:
    factor = reductions.share(reduction, reductions.Shape((ANCHORS, CLASSES), head(objects)[1]))
    logits, targets = (torch.tensor(a, dtype=getattr(torch, dtype), device=device) for a in head(objects))
    exact = exact_sum(loss.name, objects, loss.without).scaled(factor)
    parameters = CANONICAL[loss.name].recommended | loss.off
    try:
        with torch.no_grad():
            got = float(call(logits, loss.native(targets, CLASSES), **parameters).sum())
    except Exception as error:  # whatever a measured library raises is the row's reason
        return {"how": measure.sentence(error)}
    off = float(exact.error(numpy.array(got)) / exact.high)
    return {"factor": factor, "exact": float(exact.high), "got": got, "rel_error": off}
