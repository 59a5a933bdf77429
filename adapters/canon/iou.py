"""The loss of intersection over union, 1 - IoU."""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.definition import Canonical
from focalbench_suite.adapters.canon.pairs import ONE, Pair


def exact(box: list[mpf], target: tuple[float, ...]) -> tuple[mpf, tuple[mpf, ...]]:
    """Value and derivatives of one pair."""
    loss = ONE - Pair.of(box, target).iou()
    return loss.value, loss.slopes


LOSS = Canonical("iou", "boxes", "arXiv:1902.09630 algorithm 2", exact=exact, order=20)
