"""What a loss is asked: single elements, to read its formula, and batches, to read its reduction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL, Canonical
from focalbench_suite.suites.explainer.calls import Call
from focalbench_suite.suites.explainer.vocabulary.option import Points, Tensor

LOGITS = (-5.0, -2.0, -1.0, -0.3, 0.0, 0.2, 0.45, 0.8, 1.0, 2.0, 3.0, 5.0)
LABELS = (1.0, 0.0, 0.25, 0.5, 0.7, 0.9)
CLASS_COUNTS = (2, 3, 5, 6, 7, 8, 9, 10, 20, 21, 80)  # that a function may be made for without a word
CLASSES, BINS = 4, 6  # columns of the rows that are asked one by one, where the function is made for no other number
ROWS = (  # logits of one row: peaked, flat, and with nearly equal entries; more columns continue them
    (1.0, 0.0, -1.0, 0.5, 0.2, -0.4),
    (0.0, 2.0, 0.3, -0.7, 1.1, 0.6),
    (-1.5, 0.4, 1.2, 3.0, -0.2, 0.8),
    (0.1, 0.6, 0.2, 0.1, 0.3, 0.5),
    (0.3, 0.25, 0.05, 0.4, 0.1, 0.2),
    (2.0, -3.0, 0.5, 1.0, 0.7, -1.2),
)
FROM_BELOW = (1.75, 0.0, 0.3, 1.0, 1.5)  # targets between the first bins …
FROM_ABOVE = (2.4, 1.75, 1.0, 0.6, 0.1, 0.005, 0.0005, 0.0)  # … and by how much others lie below the last bin
SHAPES = (
    (3, 4),
    (5, 2),
    (1, 4),
    (4, 1),
    (2, 3),
    (6, 3),
    (1, 1),
)  # of batches: no two have the same rows, classes and product


@dataclass(frozen=True)
class Questions:
    """The calls for one loss.

    `labels` is the form of its targets, `columns` are the classes or bins it is made for, and `ignored` is the label
    that it names for what does not count.
    """

    loss: str
    labels: str = "dense"
    dtype: str = "float64"
    columns: int | None = None
    ignored: int | None = None

    @property
    def canonical(self) -> Canonical:
        """What the loss is."""
        return CANONICAL[self.loss]

    @property
    def hard(self) -> bool:
        """Whether targets between 0 and 1 are left out."""
        return self.labels in ("hard", "index")

    def settings(self, accepts: set[str]) -> list[dict[str, Any]]:
        """The parameters that a function takes, each setting once, the usual one first."""
        found: list[dict[str, Any]] = []
        for setting in self.canonical.explained:
            mine = {name: value for name, value in setting.items() if name in accepts}
            if mine not in found:
                found.append(mine)
        return found

    def call(self, logits: Any, targets: Any, setting: dict[str, Any], **how: Any) -> Call:
        """A call whose class weights are as many as the classes, and whose row weights as many as the rows."""
        return Call(logits, targets, self._fitting(setting, len(logits), numpy.shape(logits)[-1]), self.dtype, **how)

    def _fitting(self, setting: dict[str, Any], rows: int, columns: int) -> dict[str, Any]:
        found = dict(setting)
        for name in setting:
            role, value = self.canonical[name].role, setting[name]
            if role == "class_weights" and value is not None:
                found[name] = tuple(itertools.islice(itertools.cycle(value), columns))
            elif role == "row_weights" and value is not None and rows != len(value):
                found[name] = tuple(0.5 + 0.25 * i for i in range(rows))  # all different
        return found

    def elements(self, settings: list[dict[str, Any]], layout: str = "one") -> list[Call]:
        """Single elements (dense) or single rows (index, bins) over the whole grid, in every setting.

        `layout` is ``one`` (1, 1); ``companion``, with a positive below it (for normalisers that count positives);
        ``row``, with two negatives beside it; ``chosen``, with a positive beside a negative and a negative beside a
        positive, so that every row has one class; ``mixed``, with a positive and a negative beside it; ``block``, with
        a row of negatives below; or ``twice``, the same row two times, for what refuses one row alone.
        """
        return [self.call(x, y, setting) for setting in settings for x, y in self._grid(layout)]

    def _grid(self, layout: str) -> Iterator[tuple[Any, Any]]:
        if self.canonical.inputs == "dense":
            for y, x in itertools.product((1.0, 0.0) if self.hard else LABELS, LOGITS):
                yield _laid_out(x, y, layout)
            return
        columns = self.columns or (CLASSES if self.canonical.inputs == "index" else BINS)
        for row in ROWS:
            for y in range(columns) if self.canonical.inputs == "index" else bin_targets(columns):
                times = 2 if layout == "twice" else 1
                yield [row_of(row, columns)] * times, [y] * times

    def batches(self, settings: list[dict[str, Any]], soft: bool, inside: bool = False) -> list[Call]:
        """Batches of many shapes, the first with hard labels; one without positives, one twice as long as another.

        `inside` says that all logits lie between 0 and 1, for a function that takes them for probabilities.
        """
        usual, other = settings[0], settings[-1]
        random = numpy.random.default_rng(3)
        asked = self._batches(random, usual, other, soft)
        calls = [self.call(_inside(x) if inside else x, y, setting) for x, y, setting in asked]
        first = calls[0]
        return [
            *calls,
            self.call(first.logits * 2, first.targets * 2, _doubled(first.parameters, usual, len(first.logits))),
        ]

    def _batches(self, random: numpy.random.Generator, usual: Any, other: Any, soft: bool) -> Iterator[tuple]:
        kind, fixed = self.canonical.inputs, self.columns
        if kind == "dense":
            shapes = [(n, fixed or c) for n, c in SHAPES]
            made = [(_logits(random, n, c), _one_a_row(random, n, c)) for n, c in shapes]
            yield from ((x, y, usual) for x, y in made)
            yield _logits(random, 3, fixed or 2), [[0.0] * (fixed or 2)] * 3, usual
            yield *made[0], other
            if soft and not self.hard:
                yield _logits(random, 4, fixed or 3), self._qualities(random, 4, fixed or 3), usual
        elif kind == "index":
            for n, c, setting in (
                (3, 4, usual),
                (5, 4, usual),
                (1, 4, usual),
                (6, 4, other),
                (4, 4, usual),
                (5, 3, usual),
            ):
                labels = random.permutation([*range(fixed or c)] * 2)[:n].tolist()
                yield _logits(random, len(labels), fixed or c), labels, setting
        else:
            for n, k in ((3, BINS), (5, BINS), (1, BINS), (4, BINS), (4, 9)):
                columns = fixed or k
                yield _logits(random, n, columns), (random.integers(0, 4 * columns - 7, n) / 4).tolist(), usual

    def _qualities(self, random: numpy.random.Generator, rows: int, columns: int) -> list[list[float]]:
        values = random.choice([0.0, 0.0, 1.0, 0.25, 0.7], size=(rows, columns))
        if self.labels == "label_score":  # one quality a row
            values *= values == values.max(axis=1, keepdims=True)
            values[:, 1:] *= numpy.cumsum(values > 0, axis=1)[:, :-1] == 0
        return values.tolist()

    def labelled(self, setting: dict[str, Any]) -> list[Call]:
        """Batches of class labels with background (C, here 3) and ignored rows (-1)."""
        random = numpy.random.default_rng(5)
        labels = [
            [0, 1, 2, 1], [0, 3, 2, 3, 1], [3, 3], [-1, 1, 2, 0], [2, -1, -1, 3, 1], [1], [0, 2, 3, -1, 1, 0], [-1, -1]
        ]  # fmt: skip
        return [self.call(_logits(random, len(one), 3), one, setting, own_targets=True) for one in labels]

    def with_ignored(self, setting: dict[str, Any]) -> list[Call]:
        """A batch whose last row or element has the label for what does not count, with two logits, and without it."""
        if self.canonical.inputs == "dense" and self.labels == "dense":
            targets = [[1.0, float(self.ignored or 0)]]
            asked: list[tuple[Any, Any]] = [([[0.5, -1.0]], targets), ([[0.5, 2.0]], targets), ([[0.5]], [[1.0]])]
        else:
            start = row_of((0.5, -1.0, 2.0), self.columns or 3)
            rows, classes = [start, start[::-1], start], [0, 1, self.ignored]
            others = [*rows[:2], start[::-1]]
            asked = [(rows, classes), (others, classes), (rows[:2], classes[:2])]
        return [self.call(x, y, setting, own_targets=self.labels != "dense") for x, y in asked]

    def first(self, setting: dict[str, Any]) -> list[Call]:
        """Three plain calls, of which a loss that works at all answers one."""
        if self.canonical.inputs == "dense":
            row = row_of((0.5, -1.0, 2.0), self.columns or 3)
            plain = [[1.0, *[0.0] * (len(row) - 1)], [*[0.0] * (len(row) - 1), 1.0]]
            return [
                self.call([row] * 2, plain, setting),
                self.call([[0.5]], [[1.0]], setting),
                self.call([[0.5, -1.0]] * 2, [[1.0, 0.0], [0.0, 0.0]], setting),
            ]
        index = self.canonical.inputs == "index"
        row = row_of(ROWS[0], self.columns or (CLASSES if index else BINS))
        three = [1, len(row) - 1, 0] if index else [1.5, 2.25, 0.0]
        return [
            self.call([row, row[::-1], row], three, setting),
            self.call([row], [1 if index else 1.5], setting),
        ]


def row_of(start: tuple[float, ...], columns: int) -> list[float]:
    """A row of so many logits that begins like `start`."""
    further = (round(0.9 * math.sin(1.7 * i + start[0]), 2) for i in range(columns))
    return [*start, *further][:columns]


def bin_targets(bins: int) -> list[float]:
    """Targets at and between the first bins, and at and just below the last ones."""
    return [*FROM_BELOW, *(bins - 1 - below for below in FROM_ABOVE)]


def _laid_out(x: float, y: float, layout: str) -> tuple[Any, Any]:
    if layout == "companion":
        return [[x], [0.3]], [[y], [1.0]]
    if layout == "chosen":
        return [[x, 0.3, -0.7]], [[y, float(y == 0), 0.0]]
    if layout == "mixed":
        return [[x, 0.3, -0.7]], [[y, 1.0, 0.0]]
    if layout == "block":
        return [[x, 0.3, -0.7], [0.1, -0.4, 0.9]], [[y, 0.0, 0.0], [0.0, 0.0, 0.0]]
    if layout == "row":
        return [[x, 0.3, -0.7]], [[y, 0.0, 0.0]]
    return [[x]], [[y]]


def _doubled(parameters: dict[str, Any], usual: dict[str, Any], rows: int) -> dict[str, Any]:
    """Row weights twice; whatever is not a weight of each row stays as it is."""
    return {
        name: value * 2 if isinstance(value, tuple) and len(value) == rows != len(usual[name]) else usual[name]
        for name, value in parameters.items()
    }


def _logits(random: numpy.random.Generator, rows: int, columns: int) -> list[list[float]]:
    return random.normal(0, 1.5, (rows, columns)).round(2).tolist()


def _inside(logits: list[list[float]]) -> list[list[float]]:
    """The same logits between 0 and 1."""
    return [[round(1 / (1 + math.exp(-x)), 3) for x in row] for row in logits]


def _one_a_row(random: numpy.random.Generator, rows: int, columns: int) -> list[list[float]]:
    """At most one positive a row, as index labels can say, and at least one in the batch."""
    targets = numpy.zeros((rows, columns))
    chosen = random.integers(0, columns + 1, rows)
    chosen[0] = min(chosen[0], columns - 1)
    for row, column in enumerate(chosen):
        if column < columns:
            targets[row, column] = 1.0
    return targets.tolist()


def points(loss: str, calls: list[Call]) -> Points:
    """The calls of one layout as a batch for the vocabulary's functions."""
    x = torch.tensor([call.logits for call in calls], dtype=torch.float64)
    y = torch.as_tensor(numpy.asarray([call.targets for call in calls]))
    given = parameters(loss, calls, x.shape[-1])
    if CANONICAL[loss].inputs == "dense":
        y = y.double().flatten(1)
        return Points(x.flatten(1), y, given, positives=y.mean(-1, keepdim=True))
    return Points(x[:, 0], y[:, :1], given)  # one row a call, or the same one twice


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
