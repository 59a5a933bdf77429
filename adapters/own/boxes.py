"""Boxes (..., 4) as corners x1, y1, x2, y2: their overlaps, the distances of a point to their sides, a head's cells.

Two boxes may have any shapes that broadcast, any floating-point dtype, and any unit of length as long as both have the
same. Each overlap guards its divisions with the constants of the library whose head uses it, so that results can be
compared to the last digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SMALL_AREA = 1e-6  # no area is taken as smaller than this: MMDetection's bbox_overlaps
SMALL_SIDE = 1e-7  # added to heights and divisors: Ultralytics' bbox_iou


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, (...).

    Two of the first box's four cells out of its four and the other's two, both shared:

    >>> iou(torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([0.0, 0.0, 2.0, 1.0]))
    tensor(0.5000)
    """
    return _intersection(a, b) / _union(a, b).clamp(min=SMALL_AREA)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalized IoU: IoU less the share of the enclosing box that neither box covers, (...)  (arXiv:1902.09630).

    Two unit squares a unit apart leave a third of their enclosing box uncovered:

    >>> giou(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([2.0, 0.0, 3.0, 1.0]))
    tensor(-0.3333)
    """
    union = _union(a, b).clamp(min=SMALL_AREA)
    hull = _area(_enclosing(a, b)).clamp(min=SMALL_AREA)
    return _intersection(a, b) / union - (hull - union) / hull


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU: IoU less terms of the centres' distance and the aspect ratios, (...)  (arXiv:1911.08287 eq. 10).

    The trade-off weight of the aspect term is a constant: no gradient flows through it.

    Two unit squares a unit apart: the centres' distance squared is 4, the enclosing box's diagonal squared 10:

    >>> ciou(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([2.0, 0.0, 3.0, 1.0]))
    tensor(-0.4000)
    """
    (width_a, height_a), (width_b, height_b) = _sides(a).unbind(-1), _sides(b).unbind(-1)
    height_a, height_b = height_a + SMALL_SIDE, height_b + SMALL_SIDE
    intersection = _intersection(a, b)
    overlap = intersection / (width_a * height_a + width_b * height_b - intersection + SMALL_SIDE)
    diagonal = _sides(_enclosing(a, b)).pow(2).sum(-1) + SMALL_SIDE
    centres = (b[..., :2] + b[..., 2:] - a[..., :2] - a[..., 2:]).pow(2).sum(-1) / 4
    aspect = 4 / math.pi**2 * ((width_b / height_b).atan() - (width_a / height_a).atan()).pow(2)
    trade_off = (aspect / (1 - overlap + aspect + SMALL_SIDE)).detach()
    return overlap - (centres / diagonal + trade_off * aspect)


def distances(points: Tensor, boxes: Tensor) -> Tensor:
    """Distances (..., 4) left, top, right, bottom from points (..., 2) to the sides of boxes (..., 4).

    >>> distances(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0, 4.0, 3.0]))
    tensor([1., 1., 3., 2.])
    """
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), dim=-1)


def from_distances(points: Tensor, sides: Tensor) -> Tensor:
    """The boxes (..., 4) whose sides lie at distances `sides` (..., 4) from points (..., 2).

    >>> from_distances(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0, 3.0, 2.0]))
    tensor([0., 0., 4., 3.])
    """
    return torch.cat((points - sides[..., :2], points + sides[..., 2:]), dim=-1)


def grid(shapes: Sequence[Sequence[int]], strides: Sequence[float], like: Tensor) -> tuple[Tensor, Tensor]:
    """The cells of all levels, row by row: their top left corners in strides, (A, 2), and their strides, (A, 1).

    Args:
        shapes: (height, width) in cells, a level each.
        strides: pixels a cell, a level each.
        like: a tensor whose dtype and device are taken.

    A level of one row with two cells of 8 pixels:

    >>> grid([(1, 2)], [8], torch.zeros(()))
    (tensor([[0., 0.],
            [1., 0.]]), tensor([[8.],
            [8.]]))
    """
    corners, scale = [], []
    for (height, width), stride in zip(shapes, strides, strict=True):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        corners.append(torch.stack((x, y), dim=-1).view(-1, 2))
        scale.append(torch.full((height * width, 1), float(stride)))
    return torch.cat(corners).to(like), torch.cat(scale).to(like)


def _sides(boxes: Tensor) -> Tensor:
    return boxes[..., 2:] - boxes[..., :2]


def _area(boxes: Tensor) -> Tensor:
    return _sides(boxes).prod(-1)


def _intersection(a: Tensor, b: Tensor) -> Tensor:
    top_left, bottom_right = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    return (bottom_right - top_left).clamp(min=0).prod(-1)


def _union(a: Tensor, b: Tensor) -> Tensor:
    return _area(a) + _area(b) - _intersection(a, b)


def _enclosing(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])), dim=-1)
