"""What integer class labels mean: 0 … C-1 are classes, C is background and -1 is ignored, unless a function errs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Tensor


@dataclass(frozen=True)
class LabelMap:
    """Labels (N,) and the number of classes to targets (N, C) and a mask (N, C) that is 0 where a row is ignored."""

    changes: tuple[Change, ...]
    apply: Callable[[Tensor, int], tuple[Tensor, Tensor]]


Row = Callable[[int], int | None]  # the number of classes to the class that is set; None sets none

IGNORED = -2  # a row that does not count
BACKGROUND: dict[str, tuple[Change | None, Row]] = {
    "": (None, lambda c: None),
    "last": (Change("background_index", "background (label C) is read as the last class, C-1"), lambda c: c - 1),
    "first": (Change("background_index", "background (label C) is read as class 0"), lambda c: 0),
    "ignored": (Change("background_index", "background rows (label C) are left out"), lambda c: IGNORED),
}
IGNORE: dict[str, tuple[Change | None, Row]] = {
    "": (None, lambda c: IGNORED),
    "background": (Change("ignore_label", "rows to ignore (label -1) are counted as background"), lambda c: None),
    "last": (Change("ignore_label", "rows to ignore (label -1) are read as the last class"), lambda c: c - 1),
    "first": (Change("ignore_label", "rows to ignore (label -1) are read as class 0"), lambda c: 0),
}


def _map(
    background: Row, ignore: Row, classes: Callable[[int, int], int | None], changes: tuple[Change, ...]
) -> LabelMap:
    def apply(labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
        targets = torch.zeros(len(labels), count, dtype=torch.float64)
        kept = torch.ones_like(targets)
        for row, label in enumerate(labels.tolist()):
            if label == -1:
                chosen = ignore(count)
            elif label == count:
                chosen = background(count)
            else:
                chosen = classes(label, count)
            if chosen == IGNORED:
                kept[row] = 0
            elif chosen is not None:
                targets[row, chosen] = 1
        return targets, kept

    return LabelMap(changes, apply)


def _maps() -> list[LabelMap]:
    found = []
    for (change_b, background), (change_i, ignore) in itertools.product(BACKGROUND.values(), IGNORE.values()):
        found.append(_map(background, ignore, lambda label, c: label, tuple(filter(None, (change_b, change_i)))))
    shifted = Change("background_index", "label 0 is read as background and labels 1 … C as classes 0 … C-1")
    wrapped = Change("background_index", "labels are read one class too low: label 0 as the last class, label C as C-1")
    for change_i, ignore in IGNORE.values():
        changes = (change_i,) if change_i else ()
        found.append(_map(lambda c: c - 1, ignore, lambda label, c: label - 1 if label else None, (shifted, *changes)))
        found.append(_map(lambda c: c - 1, ignore, lambda label, c: (label - 1) % c, (wrapped, *changes)))
    up = Change("background_index", "labels are read one class too high")
    for change_i, ignore in IGNORE.values():
        changes = (change_i,) if change_i else ()
        found.append(
            _map(lambda c: None, ignore, lambda label, c: label + 1 if label + 1 < c else None, (up, *changes))
        )
    zero = Change("background_index", "label 0 is ignored or background, though it is a class")
    found.append(_map(lambda c: None, lambda c: IGNORED, lambda label, c: label or IGNORED, (zero,)))
    found.append(_map(lambda c: None, lambda c: IGNORED, lambda label, c: label or None, (zero,)))
    return sorted(found, key=lambda mapping: len(mapping.changes))


MAPS = _maps()
