"""The loss of generalized IoU: 1 - IoU and the share of the enclosing box that neither box covers."""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.definition import Canonical
from focalbench_suite.adapters.canon.pairs import ONE, Pair


def exact(box: list[mpf], target: tuple[float, ...]) -> tuple[mpf, tuple[mpf, ...]]:
    """Value and derivatives of one pair."""
    pair = Pair.of(box, target)
    width, height = pair.hull()
    hull = width * height
    loss = ONE - pair.iou() + (hull - pair.union()).over(hull)
    return loss.value, loss.slopes


LOSS = Canonical("giou", "boxes", "arXiv:1902.09630 algorithm 2", exact=exact, order=21)
