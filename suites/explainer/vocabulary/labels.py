"""What integer class labels mean: 0 … C-1 are classes, C is background and -1 is ignored, unless a function errs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Tensor, change


@dataclass(frozen=True)
class LabelMap:
    """Labels (N,) and the number of classes to targets (N, C) and a mask (N, C) that is 0 where a row is ignored."""

    changes: tuple[Change, ...]
    apply: Callable[[Tensor, int], tuple[Tensor, Tensor]]


Row = Callable[[int], int | None]  # the number of classes to the class that is set; None sets none

IGNORED = -2  # a row that does not count
BACKGROUND: dict[str, tuple[Change | None, Row]] = {
    "": (None, lambda c: None),
    "last": (change("background_index", "background_is_last_class"), lambda c: c - 1),
    "first": (change("background_index", "background_is_first_class"), lambda c: 0),
    "ignored": (change("background_index", "background_left_out"), lambda c: IGNORED),
}
IGNORE: dict[str, tuple[Change | None, Row]] = {
    "": (None, lambda c: IGNORED),
    "background": (change("ignore_label", "ignored_rows_are_background"), lambda c: None),
    "last": (change("ignore_label", "ignored_rows_are_last_class"), lambda c: c - 1),
    "first": (change("ignore_label", "ignored_rows_are_first_class"), lambda c: 0),
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
    shifted = change("background_index", "label_zero_is_background")
    wrapped = change("background_index", "labels_one_down_wrapped")
    for change_i, ignore in IGNORE.values():
        changes = (change_i,) if change_i else ()
        found.append(_map(lambda c: c - 1, ignore, lambda label, c: label - 1 if label else None, (shifted, *changes)))
        found.append(_map(lambda c: c - 1, ignore, lambda label, c: (label - 1) % c, (wrapped, *changes)))
    up = change("background_index", "labels_one_up")
    for change_i, ignore in IGNORE.values():
        changes = (change_i,) if change_i else ()
        found.append(
            _map(lambda c: None, ignore, lambda label, c: label + 1 if label + 1 < c else None, (up, *changes))
        )
    left_out = change("background_index", "label_zero_left_out")
    no_class = change("background_index", "label_zero_is_background_too")
    found.append(_map(lambda c: None, lambda c: IGNORED, lambda label, c: label or IGNORED, (left_out,)))
    found.append(_map(lambda c: None, lambda c: IGNORED, lambda label, c: label or None, (no_class,)))
    return sorted(found, key=lambda mapping: len(mapping.changes))


MAPS = _maps()
