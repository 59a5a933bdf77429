"""Losses over pairs of boxes, each source's values and gradients against the papers' formulas at 50 digits.

The boxes are numbers of every dtype. Where corners lie on one another a formula has no gradient; there a source's must
be finite, and that is all that is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import Loss, Unsupported
from focalbench_suite.suites import oracle
from focalbench_suite.suites.agreement import measure
from focalbench_suite.suites.agreement.terms import compare

Row = dict[str, Any]
Box = tuple[float, float, float, float]
PIXEL = 2.0**-10  # of a pixel: how far nearly identical boxes are apart


@dataclass(frozen=True)
class Boxes:
    """A probe: predicted boxes and their targets; `smooth` where the formulas have a gradient."""

    name: str
    boxes: tuple[Box, ...]
    targets: tuple[Box, ...]
    smooth: bool = True


PROBES = (
    Boxes(
        "overlapping",
        ((8.0, 8.0, 40.0, 52.0), (50.0, 30.0, 120.0, 110.0), (2.0, 3.0, 9.0, 6.5)),
        ((12.0, 4.0, 44.0, 40.0), (70.0, 20.0, 122.0, 90.0), (3.0, 2.0, 7.5, 7.0)),
    ),
    Boxes(
        "one inside the other",
        ((10.0, 10.0, 20.0, 16.0), (0.0, 0.0, 64.0, 32.0)),
        ((4.0, 2.0, 60.0, 50.0), (20.0, 8.0, 28.0, 31.0)),
    ),
    Boxes(
        "apart",
        ((0.0, 0.0, 16.0, 8.0), (90.0, 20.0, 96.0, 52.0)),
        ((20.0, 3.0, 42.0, 30.0), (10.0, 60.0, 18.0, 90.0)),
    ),
    Boxes("far apart", ((0.0, 0.0, 16.0, 8.0),), ((1048576.0, 524288.0, 1048580.0, 524300.0),)),
    Boxes(
        "nearly identical",
        ((16.0 + PIXEL, 24.0 - PIXEL, 80.0 + PIXEL, 64.0 + 2 * PIXEL), (100.0 - PIXEL, 10.0 + PIXEL, 132.0, 42.0)),
        ((16.0, 24.0, 80.0, 64.0), (100.0, 10.0, 132.0 - PIXEL, 42.0 + PIXEL)),
    ),
    Boxes(
        "fractions of an image",
        ((0.5, 0.25, 0.53125, 0.28125), (0.125, 0.75, 0.1328125, 0.7578125)),
        ((0.5078125, 0.2421875, 0.5390625, 0.2734375), (0.12890625, 0.74609375, 0.13671875, 0.7578125 - 2**-10)),
    ),
    Boxes("identical", ((16.0, 24.0, 80.0, 64.0),), ((16.0, 24.0, 80.0, 64.0),), smooth=False),
    Boxes(
        "touching",
        ((0.0, 0.0, 4.0, 4.0), (0.0, 0.0, 4.0, 4.0)),
        ((4.0, 0.0, 8.0, 4.0), (4.0, 4.0, 8.0, 8.0)),
        smooth=False,
    ),
    Boxes(
        "without area",
        ((0.0, 0.0, 4.0, 4.0), (2.0, 2.0, 2.0, 5.0), (0.0, 0.0, 0.0, 3.0), (1.0, 1.0, 1.0, 1.0), (3.0, 3.0, 3.0, 3.0)),
        ((2.0, 2.0, 2.0, 2.0), (0.0, 0.0, 4.0, 8.0), (0.0, 0.0, 4.0, 0.0), (5.0, 5.0, 5.0, 5.0), (3.0, 3.0, 3.0, 3.0)),
        smooth=False,
    ),
)


def rows(loss: Loss, dtype: str, device: str) -> list[Row]:
    """Two rows for each probe, value and gradient, without the columns that name the source."""
    named = {"device": device, "dtype": dtype, "form": "elementwise", "cases": 1}
    return [named | {"probe": probe.name} | row for probe in PROBES for row in _of_probe(loss, probe, dtype, device)]


def _of_probe(loss: Loss, probe: Boxes, dtype: str, device: str) -> list[Row]:
    kind = {"dtype": getattr(torch, dtype), "device": device}
    boxes, targets = torch.tensor(probe.boxes, **kind).requires_grad_(), torch.tensor(probe.targets, **kind)
    try:
        each = loss.elementwise(boxes, targets).reshape(len(boxes), -1).sum(1)  # where there is one a coordinate
        (gradient,) = torch.autograd.grad(each.sum(), boxes)
    except Exception as error:  # whatever a measured library raises is the finding
        refused = isinstance(error, Unsupported)
        verdict, reason = ("unsupported", str(error)) if refused else ("error", measure.sentence(error))
        return [{"quantity": "value", "points": 0, "verdict": verdict, "relation": reason}]
    exact = oracle.exact(loss.name, probe.boxes, probe.targets)
    return [
        {"quantity": "value"} | _compare(_numbers(each), exact[0], dtype),
        {"quantity": "gradient"} | (_compare if probe.smooth else _finite)(_numbers(gradient), exact[1], dtype),
    ]


def _numbers(tensor: torch.Tensor) -> numpy.ndarray:
    return tensor.detach().cpu().double().numpy()


def _compare(actual: numpy.ndarray, exact: oracle.Exact, dtype: str) -> Row:
    return compare(actual, exact, dtype, ("the paper's loss", "the paper's"))


def _finite(actual: numpy.ndarray, exact: oracle.Exact, dtype: str) -> Row:
    lost = int((~numpy.isfinite(actual)).sum())
    row = {"points": int(actual.size)}
    if lost:
        return row | {"verdict": "nonfinite", "relation": f"{lost} numbers are not finite"}
    return row | {"verdict": "agrees", "relation": "finite, where the formula has no gradient"}
