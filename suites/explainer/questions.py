"""What a loss is asked: single elements, to read its formula, and batches, to read its reduction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer.calls import Call
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


def settings(loss: str, accepts: set[str]) -> list[dict[str, Any]]:
    """The parameters of the grid that a function takes, each setting once, the usual one first."""
    found: list[dict[str, Any]] = []
    for setting in CANONICAL[loss].explained:
        mine = {name: value for name, value in setting.items() if name in accepts}
        if mine not in found:
            found.append(mine)
    return found


def elements(
    loss: str, parameters: list[dict[str, Any]], labels: str = "dense", layout: str = "one", dtype: str = "float64"
) -> list[Call]:
    """Single elements (dense) or single rows (index, bins) over the whole questions.

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
    return [replace(row, parameters=setting, dtype=dtype) for setting in parameters for row in rows]


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
    power = "beta" if loss == "quality_focal" else "gamma"
    gamma = torch.tensor([[call.parameters.get(power, 2.0)] for call in calls], dtype=torch.float64)
    inputs = CANONICAL[loss].inputs
    alpha = _alpha(inputs, calls, x)
    if inputs == "dense":
        y = y.double().flatten(1)
        return Points(x.flatten(1), y, gamma, alpha, positives=y.mean(-1, keepdim=True))
    return Points(x[:, 0], y, gamma, alpha)  # one row a call


def _alpha(inputs: str, calls: list[Call], x: Tensor) -> Tensor | None:
    given = [call.parameters.get("weight" if inputs == "bins" else "alpha") for call in calls]
    if given[0] is None:
        return None
    alpha = torch.tensor(given, dtype=torch.float64).reshape(len(calls), -1)
    return alpha.expand(-1, x.shape[-1]) if inputs == "index" else alpha


def batches(loss: str, parameters: list[dict[str, Any]], soft: bool, dtype: str = "float64") -> list[Call]:
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
            Call(_logits(random, n, 6), (random.integers(0, 17, n) / 4).tolist(), for_rows(loss, usual, n))
            for n in (3, 5, 1, 4)
        ]
    first = calls[0]
    calls.append(Call(first.logits * 2, first.targets * 2, _twice(loss, first.parameters)))
    return [replace(call, dtype=dtype) for call in calls]


def labelled(setting: dict[str, Any], dtype: str = "float64") -> list[Call]:
    """Batches of class labels with background (C, here 3) and ignored rows (-1)."""
    random = numpy.random.default_rng(5)
    labels = [[0, 1, 2, 1], [0, 3, 2, 3, 1], [3, 3], [-1, 1, 2, 0], [2, -1, -1, 3, 1], [1], [0, 2, 3, -1, 1, 0]]
    return [
        Call(random.normal(0, 1.5, (len(one), 3)).round(2).tolist(), one, setting, dtype, own_targets=True)
        for one in labels
    ]


def for_rows(loss: str, setting: dict[str, Any], rows: int) -> dict[str, Any]:
    """The setting with row weights as long as the batch, all different."""
    weights = CANONICAL[loss].of_role("row_weights")
    if weights is None or weights.name not in setting:
        return setting
    return setting | {weights.name: tuple(0.5 + 0.25 * i for i in range(rows))}


def _twice(loss: str, setting: dict[str, Any]) -> dict[str, Any]:
    weights = CANONICAL[loss].of_role("row_weights")
    return setting if weights is None or weights.name not in setting else {weights.name: setting[weights.name] * 2}


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


def first_calls(loss: str, setting: dict[str, Any], dtype: str = "float64") -> list[Call]:
    """Three plain calls, of which a loss that works at all answers one."""
    return [replace(call, dtype=dtype) for call in _first_calls(loss, setting)]


def _first_calls(loss: str, setting: dict[str, Any]) -> list[Call]:
    kind = CANONICAL[loss].inputs
    if kind == "dense":
        return [
            Call([[0.5, -1.0, 2.0]] * 2, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], setting),
            Call([[0.5]], [[1.0]], setting),
            Call([[0.5, -1.0]] * 2, [[1.0, 0.0], [0.0, 0.0]], setting),
        ]
    row = list(ROWS[0]) if kind == "index" else list(BINS[0])
    return [
        Call([row, row[::-1], row], [1, 2, 0] if kind == "index" else [1.5, 2.25, 0.0], for_rows(loss, setting, 3)),
        Call([row], [1 if kind == "index" else 1.5], setting),
    ]
