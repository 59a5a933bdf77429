"""Losses over pairs of boxes: 1 - IoU and its kin, exact for boxes of any size and place, and defined for all of them.

Two boxes that nearly coincide are where 1 - IoU loses its digits, and with them the gradient of the last epochs: here
it is a sum of the strips that one box has beyond the other, of which none is a difference of areas. No constant guards
a division, so fractions of an image have the same loss as pixels. The heads' own overlaps, with the constants of their
libraries, are in `boxes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from . import checks
from .eager import over


def iou_loss(
    boxes: Tensor,
    targets: Tensor,
    *,
    kind: str = "iou",
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """One less an overlap of two boxes, of the kind ``iou``, ``giou``, ``diou`` or ``ciou``.

    * ``iou``: 1 - IoU, intersection over union  (arXiv:1902.09630 algorithm 2).
    * ``giou``: and the share of the enclosing box that neither box covers  (arXiv:1902.09630 algorithm 2).
    * ``diou``: and the squared distance of the centres over the squared diagonal of the enclosing box
      (arXiv:1911.08287 eq. 7).
    * ``ciou``: and α v, v the squared difference of the aspect angles, times 4/π²; the trade-off
      α = v / (1 - IoU + v) is a constant, through which no gradient flows  (arXiv:1911.08287 eq. 10 and 11).

    Args:
        boxes: (..., 4) corners x1, y1, x2, y2 with x1 <= x2 and y1 <= y2, in any unit of length; float32, float64,
            bfloat16 or float16. Their order is not checked.
        targets: the box of each, of the same shape and unit. They are constants: no gradient flows to them.
        kind: which of the four.
        reduction: ``none`` (the loss of each pair), ``mean`` (over all pairs) or ``sum``.
        avg_factor: with ``mean``, the number that the sum is divided by instead, as in `focal_loss`.

    Returns:
        The loss in the dtype of `boxes`, computed in float64; of shape (...) for ``none``, else (). No pairs give 0.

    What a formula leaves open is defined: two boxes without area have IoU 0, and a share of nothing is 0. Where a side
    lies on the other box's, the gradient is the mean of that to either side, and boxes that touch pull each other in.

    Raises:
        TypeError: the boxes are not floating point.
        ValueError: boxes and targets that are not both (..., 4) of one shape, an unknown kind or reduction, an
            `avg_factor` that is negative, not finite or not one number.

    Two unit squares a unit apart: they share nothing and leave a third of their enclosing box uncovered; the squared
    distance of the centres is 4, the squared diagonal 10, and both are squares:

    >>> box, target = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    >>> [round(iou_loss(box, target, kind=kind).item(), 4) for kind in ("iou", "giou", "diou", "ciou")]
    [1.0, 1.3333, 1.4, 1.4]
    """
    checks.box_pairs(boxes, targets)
    checks.reduction(reduction, avg_factor)
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; choose from {', '.join(KINDS)}")
    pair = _pair(boxes.double(), targets.detach().double())
    each = pair.miss + KINDS[kind](pair)
    if reduction == "none":
        return each.to(boxes.dtype)
    divisor = (1 if reduction == "sum" else each.numel()) if avg_factor is None else avg_factor
    return over(each.sum(), torch.as_tensor(divisor, dtype=each.dtype, device=each.device).reshape(())).to(boxes.dtype)


class _Pair(NamedTuple):
    """Two boxes, the enclosing box's sides (..., 2), the share of its area that neither covers and 1 - IoU, (...)."""

    a: Tensor
    b: Tensor
    hull: Tensor
    uncovered: Tensor
    miss: Tensor


def _pair(a: Tensor, b: Tensor) -> _Pair:
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    shared, (size_a, size_b) = high - low, (box[..., 2:] - box[..., :2] for box in (a, b))
    meet = (shared >= 0).all(-1)
    beyond_a, beyond_b = ((low - box[..., :2]) + (box[..., 2:] - high) for box in (a, b))  # along either axis
    common = torch.where(meet, shared.prod(-1), 0.0)
    strips = _strips(beyond_a, size_a, shared) + _strips(beyond_b, size_b, shared)
    union = torch.where(meet, common + strips, size_a.prod(-1) + size_b.prod(-1))
    corners = beyond_a[..., 0] * beyond_b[..., 1] + beyond_b[..., 0] * beyond_a[..., 1]
    # Of two forms of one number, that which loses no digits here.
    miss = torch.where(meet & (strips < common), _ratio(strips, union), 1 - _ratio(common, union))
    area = hull.prod(-1)
    uncovered = torch.where(meet, _ratio(corners, area), torch.where(area > 0, 1 - _ratio(union, area), 0.0))
    return _Pair(a, b, hull, uncovered, miss)


def _strips(beyond: Tensor, size: Tensor, shared: Tensor) -> Tensor:
    """The area of a box outside of the other: what is beyond its sides, and below and above what they share."""
    return beyond[..., 0] * size[..., 1] + shared[..., 0] * beyond[..., 1]


def _nothing(pair: _Pair) -> Tensor:
    return torch.zeros_like(pair.miss)


def _share_uncovered(pair: _Pair) -> Tensor:
    return pair.uncovered


def _distance(pair: _Pair) -> Tensor:
    between = ((pair.b[..., :2] - pair.a[..., :2]) + (pair.b[..., 2:] - pair.a[..., 2:])) / 2
    return _ratio(between.square().sum(-1), pair.hull.square().sum(-1))


def _distance_and_aspect(pair: _Pair) -> Tensor:
    aspect = 4 / math.pi**2 * (_angle(pair.b) - _angle(pair.a)).square()
    trade_off = _ratio(aspect, pair.miss + aspect).detach()
    return _distance(pair) + trade_off * aspect


KINDS: dict[str, Callable[[_Pair], Tensor]] = {
    "iou": _nothing,
    "giou": _share_uncovered,
    "diou": _distance,
    "ciou": _distance_and_aspect,
}


def _angle(boxes: Tensor) -> Tensor:
    """arctan(width / height), 0 for a point."""
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return torch.atan2(width, torch.where((width == 0) & (height == 0), 1.0, height))


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where the whole is nothing."""
    some = whole > 0
    return torch.where(some, part, 0.0) / torch.where(some, whole, 1.0)
