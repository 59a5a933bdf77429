"""What a loss is asked: single elements, to read its formula, and batches, to read its reduction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer.vocabulary.option import Points, Tensor

LOGITS = (-5.0, -2.0, -1.0, -0.3, 0.0, 0.2, 0.45, 0.8, 1.0, 2.0, 3.0, 5.0)
LABELS = (1.0, 0.0, 0.25, 0.5, 0.7, 0.9)
ROWS = (
    (1.0, 0.0, -1.0, 0.5),
    (0.0, 2.0, 0.3, -0.7),
    (-1.5, 0.4, 1.2, 3.0),
    (0.1, 0.6, 0.2, 0.1),
    (0.3, 0.25, 0.05, 0.4),
    (2.0, -3.0, 0.5, 1.0),
)
BINS = (
    (1.0, 0.0, -1.0, 0.5, 0.2, -0.4),
    (0.0, 2.0, 0.3, -0.7, 1.1, 0.6),
    (-1.5, 0.4, 1.2, 3.0, -0.2, 0.8),
    (0.3, 0.25, 0.05, 0.1, 0.1, 0.2),
)
BIN_TARGETS = (1.75, 0.0, 0.3, 1.0, 1.5, 2.6, 3.25, 4.0, 4.4, 4.9, 4.995, 4.9995, 5.0)


@dataclass(frozen=True)
class Call:
    """One call: nested lists in canonical form and the canonical parameters."""

    logits: Any
    targets: Any
    parameters: dict[str, Any] = field(default_factory=dict)


def settings(loss: str, accepts: set[str]) -> list[dict[str, Any]]:
    """The parameters of the grid that a function takes, each setting once, the usual one first."""
    found: list[dict[str, Any]] = []
    for setting in CANONICAL[loss].explained:
        mine = {name: value for name, value in setting.items() if name in accepts}
        if mine not in found:
            found.append(mine)
    return found


def elements(loss: str, parameters: list[dict[str, Any]], labels: str = "dense", layout: str = "one") -> list[Call]:
    """Single elements (dense) or single rows (index, bins) over the whole grid.

    `layout` is ``one`` (1, 1); ``companion``, with a positive below it (for normalisers that count positives); ``row``,
    with two negatives beside it; ``mixed``, with a positive and a negative beside it; or
    ``block``, with a row of negatives below.
    """
    kind = CANONICAL[loss].inputs
    if kind == "index":
        rows = [Call([list(row)], [y]) for row in ROWS for y in range(len(row))]
    elif kind == "bins":
        rows = [Call([list(row)], [y]) for row in BINS for y in BIN_TARGETS]
    else:
        targets = LABELS if labels == "dense" else (1.0, 0.0)
        rows = [_laid_out(x, y, layout) for y in targets for x in LOGITS]
    return [Call(row.logits, row.targets, setting) for setting in parameters for row in rows]


def _laid_out(x: float, y: float, layout: str) -> Call:
    if layout == "companion":
        return Call([[x], [0.3]], [[y], [1.0]])
    if layout == "mixed":
        return Call([[x, 0.3, -0.7]], [[y, 1.0, 0.0]])
    if layout == "block":
        return Call([[x, 0.3, -0.7], [0.1, -0.4, 0.9]], [[y, 0.0, 0.0], [0.0, 0.0, 0.0]])
    if layout == "row":
        return Call([[x, 0.3, -0.7]], [[y, 0.0, 0.0]])
    return Call([[x]], [[y]])


def points(loss: str, calls: list[Call]) -> Points:
    """The calls of one layout as a batch for the vocabulary's functions."""
    x = torch.tensor([call.logits for call in calls], dtype=torch.float64)
    y = torch.as_tensor(numpy.asarray([call.targets for call in calls]))
    given = parameters(loss, calls, x.shape[-1])
    if CANONICAL[loss].inputs == "dense":
        y = y.double().flatten(1)
        return Points(x.flatten(1), y, given, positives=y.mean(-1, keepdim=True))
    return Points(x[:, 0], y, given)  # one row a call


def parameters(loss: str, calls: list[Call], classes: int) -> dict[str, Tensor | None]:
    """Every parameter of the loss in every call (P, 1), class weights (P, C); None where it is off."""
    found: dict[str, Tensor | None] = {}
    for parameter in CANONICAL[loss].parameters:
        given = [call.parameters.get(parameter.name, parameter.absent) for call in calls]
        if given[0] is None:
            found[parameter.name] = None
            continue
        tensor = torch.tensor(given, dtype=torch.float64).reshape(len(calls), -1)
        found[parameter.name] = tensor.expand(-1, classes) if parameter.role == "class_weights" else tensor
    return found


def batches(loss: str, parameters: list[dict[str, Any]], soft: bool) -> list[Call]:
    """Batches of many shapes, the first with hard labels; one without positives, one twice as long as another."""
    kind = CANONICAL[loss].inputs
    usual, other = parameters[0], parameters[-1]
    random = numpy.random.default_rng(3)
    if kind == "dense":
        shapes = [(3, 4), (5, 2), (1, 4), (4, 1), (2, 3), (6, 3)]
        calls = [Call(_logits(random, n, c), _hard(random, n, c), usual) for n, c in shapes]
        calls.append(Call(_logits(random, 3, 2), [[0.0, 0.0]] * 3, usual))
        calls.append(Call(calls[0].logits, calls[0].targets, other))
        if soft:
            values = random.choice([0.0, 0.0, 1.0, 0.25, 0.7], size=(4, 3)).tolist()
            calls.append(Call(_logits(random, 4, 3), values, usual))
    elif kind == "index":
        calls = [
            Call(_logits(random, n, 4), random.permutation([*range(4)] * 2)[:n].tolist(), setting)
            for n, setting in ((3, usual), (5, usual), (1, usual), (6, other), (4, usual))
        ]
    else:
        calls = [
            Call(_logits(random, n, 6), (random.integers(0, 17, n) / 4).tolist(), _rows_of(usual, n))
            for n in (3, 5, 1, 4)
        ]
    first = calls[0]
    calls.append(Call(first.logits * 2, first.targets * 2, _twice(first.parameters)))
    return calls


def _rows_of(setting: dict[str, Any], rows: int) -> dict[str, Any]:
    """Row weights as long as the batch, all different."""
    return {"weight": tuple(0.5 + 0.25 * i for i in range(rows))} if "weight" in setting else setting


def _twice(setting: dict[str, Any]) -> dict[str, Any]:
    return {"weight": setting["weight"] * 2} if "weight" in setting else setting


def _logits(random: numpy.random.Generator, rows: int, columns: int) -> list[list[float]]:
    return random.normal(0, 1.5, (rows, columns)).round(2).tolist()


def _hard(random: numpy.random.Generator, rows: int, columns: int) -> list[list[float]]:
    """At most one positive a row, as index labels can say, and at least one in the batch."""
    targets = numpy.zeros((rows, columns))
    chosen = random.integers(0, columns + 1, rows)
    chosen[0] = min(chosen[0], columns - 1)
    for row, column in enumerate(chosen):
        if column < columns:
            targets[row, column] = 1.0
    return targets.tolist()


def first_calls(loss: str, setting: dict[str, Any]) -> list[Call]:
    """Three plain calls, of which a loss that works at all answers one."""
    kind = CANONICAL[loss].inputs
    if kind == "dense":
        return [
            Call([[0.5, -1.0, 2.0]] * 2, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], setting),
            Call([[0.5]], [[1.0]], setting),
            Call([[0.5, -1.0]] * 2, [[1.0, 0.0], [0.0, 0.0]], setting),
        ]
    row = list(ROWS[0]) if kind == "index" else list(BINS[0])
    return [
        Call([row, row[::-1], row], [1, 2, 0] if kind == "index" else [1.5, 2.25, 0.0], _rows_of(setting, 3)),
        Call([row], [1 if kind == "index" else 1.5], setting),
    ]
