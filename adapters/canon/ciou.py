"""The loss of complete IoU: that of distance IoU and alpha v, v the difference of the aspect ratios.

The trade-off alpha = v / (1 - IoU + v) is a constant: no derivative goes through it.
"""

from __future__ import annotations

from mpmath import mpf

from focalbench_suite.adapters.canon.definition import Canonical
from focalbench_suite.adapters.canon.pairs import ONE, Number, Pair


def exact(box: list[mpf], target: tuple[float, ...]) -> tuple[mpf, tuple[mpf, ...]]:
    """Value and derivatives of one pair."""
    pair = Pair.of(box, target)
    miss, aspect = ONE - pair.iou(), pair.aspect()
    trade_off = Number(aspect.over(miss + aspect).value)
    loss = miss + pair.distance() + trade_off * aspect
    return loss.value, loss.slopes


LOSS = Canonical("ciou", "boxes", "arXiv:1911.08287 eq. 10 and 11", exact=exact, order=23)
