"""What integer class labels mean: 0 … C-1 are classes, C is background and -1 is ignored, unless a function errs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Tensor, change

NOTHING, LEFT_OUT = None, -1  # what a row is that sets no class, and one that does not count
LAST = "last"  # the class C-1, whatever C is


@dataclass(frozen=True)
class LabelMap:
    """How a function reads labels: its changes, and what each label becomes.

    `background`, `ignore` and `zero` are what becomes of rows with the labels C, -1 and 0: a class, `NOTHING` or
    `LEFT_OUT`. All others are moved by `offset`; what then lies outside 0 … C-1 sets nothing, or, where `wraps`, comes
    in again at the other end.
    """

    changes: tuple[Change, ...] = ()
    background: int | str | None = NOTHING
    ignore: int | str | None = LEFT_OUT
    zero: int | str | None = 0
    offset: int = 0
    wraps: bool = False

    def apply(self, labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Labels (N,) as targets (N, C) of `count` classes, and a mask (N, C) that is 0 where a row is left out."""
        targets = torch.zeros(len(labels), count, dtype=torch.float64)
        kept = torch.ones_like(targets)
        for row, label in enumerate(labels.long().tolist()):
            read = self._read(label, count)
            if read == LEFT_OUT:
                kept[row] = 0
            elif isinstance(read, int):
                targets[row, read] = 1
        return targets, kept

    def _read(self, label: int, count: int) -> int | str | None:
        if label in (-1, count):
            read = self.ignore if label == -1 else self.background
            return count - 1 if read == LAST else read
        if label == 0 and self.zero != 0:
            return self.zero
        moved = label + self.offset
        return moved % count if self.wraps else moved if 0 <= moved < count else NOTHING


BACKGROUND = {
    None: NOTHING,
    "background_is_last_class": LAST,
    "background_is_first_class": 0,
    "background_left_out": LEFT_OUT,
}
IGNORE = {
    None: LEFT_OUT,
    "ignored_rows_are_background": NOTHING,
    "ignored_rows_are_last_class": LAST,
    "ignored_rows_are_first_class": 0,
}
MOVED = {
    "label_zero_is_background": LabelMap(background=LAST, offset=-1),
    "labels_one_down_wrapped": LabelMap(background=LAST, offset=-1, wraps=True),
    "labels_one_up": LabelMap(offset=1),
}
ZERO = {"label_zero_left_out": LEFT_OUT, "label_zero_is_background_too": NOTHING}


def _maps() -> Iterator[LabelMap]:
    def changes(kind: str, code: str | None) -> tuple[Change, ...]:
        return () if code is None else (change(kind, code),)

    for (background, read), (ignore, then) in itertools.product(BACKGROUND.items(), IGNORE.items()):
        told = changes("background_index", background) + changes("ignore_label", ignore)
        yield LabelMap(told, read, then)
    for (moved, rule), (ignore, then) in itertools.product(MOVED.items(), IGNORE.items()):
        told = changes("background_index", moved) + changes("ignore_label", ignore)
        yield replace(rule, changes=told, ignore=then)
    for code, zero in ZERO.items():
        yield LabelMap(changes("background_index", code), zero=zero)


MAPS = sorted(_maps(), key=lambda mapping: len(mapping.changes))
