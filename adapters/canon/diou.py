"""The loss of distance IoU: 1 - IoU and the squared distance of the centres in diagonals of the enclosing box."""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.definition import Canonical
from focalbench_suite.adapters.canon.pairs import ONE, Pair


def exact(box: list[mpf], target: tuple[float, ...]) -> tuple[mpf, tuple[mpf, ...]]:
    """Value and derivatives of one pair."""
    pair = Pair.of(box, target)
    loss = ONE - pair.iou() + pair.distance()
    return loss.value, loss.slopes


LOSS = Canonical("diou", "boxes", "arXiv:1911.08287 eq. 7", exact=exact, order=22)
