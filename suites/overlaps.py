"""The losses over pairs of boxes that people put into a box term, each as its paper has it, and their slopes.

Boxes and targets are (n, 4) corners x1, y1, x2, y2 in float64, in any unit of length; each loss is (n,). The four that
the project has itself are its own; the others are written from their papers, and are here to be recognised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from focalbench_suite.adapters.own import iou_loss

PairLoss = Callable[[Tensor, Tensor], Tensor]


class Sizes(NamedTuple):
    """Width and height (n, 2) of the boxes, the targets and the enclosing box, and the centres' difference (n, 2)."""

    box: Tensor
    target: Tensor
    hull: Tensor
    apart: Tensor


def _sizes(boxes: Tensor, targets: Tensor) -> Sizes:
    hull = torch.maximum(boxes[:, 2:], targets[:, 2:]) - torch.minimum(boxes[:, :2], targets[:, :2])
    apart = (targets[:, :2] + targets[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    return Sizes(boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2], hull, apart)


def _own(kind: str, boxes: Tensor, targets: Tensor) -> Tensor:
    return iou_loss(boxes, targets, kind=kind, reduction="none")


def _aspect(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """v of CIoU, and the trade-off, through which a gradient flows here  (arXiv:1911.08287 eq. 9 and 11)."""
    size = _sizes(boxes, targets)
    angles = [torch.atan2(*each.unbind(1)) for each in (size.box, size.target)]
    aspect = 4 / torch.pi**2 * (angles[1] - angles[0]).square()
    return aspect, aspect / (_own("iou", boxes, targets) + aspect)


def _ciou_through(boxes: Tensor, targets: Tensor) -> Tensor:
    aspect, trade_off = _aspect(boxes, targets)
    return _own("diou", boxes, targets) + trade_off * aspect


def _ciou_of_half(boxes: Tensor, targets: Tensor) -> Tensor:
    """CIoU whose aspect term counts from an IoU of 1/2 on  (arXiv:2005.03572 eq. 12)."""
    aspect, trade_off = _aspect(boxes, targets)
    near = _own("iou", boxes, targets) < 0.5
    return _own("diou", boxes, targets) + near * trade_off.detach() * aspect


def _eiou(boxes: Tensor, targets: Tensor) -> Tensor:
    """Widths and heights over the enclosing box's, in place of the aspect ratio  (arXiv:2101.08158 section 3)."""
    size = _sizes(boxes, targets)
    return _own("diou", boxes, targets) + ((size.box - size.target) / size.hull).square().sum(1)


def _siou(boxes: Tensor, targets: Tensor) -> Tensor:
    """The distance by the angle of the line between the centres, and the shape  (arXiv:2205.12740, theta 4)."""
    size = _sizes(boxes, targets)
    across = 2 * size.apart.prod(1).abs() / size.apart.square().sum(1)  # the sine of twice that angle
    distance = (1 - ((across - 2)[:, None] * (size.apart / size.hull).square()).exp()).sum(1)
    longer = torch.maximum(size.box, size.target)
    shape = (1 - (-(size.box - size.target).abs() / longer).exp()).pow(4).sum(1)
    return _own("iou", boxes, targets) + (distance + shape) / 2


def _wiou(boxes: Tensor, targets: Tensor) -> Tensor:
    """IoU's loss times a factor of the centres' distance, whose divisor is a constant  (arXiv:2301.10051 eq. 4)."""
    size = _sizes(boxes, targets)
    return (size.apart.square().sum(1) / size.hull.detach().square().sum(1)).exp() * _own("iou", boxes, targets)


def _piou(boxes: Tensor, targets: Tensor) -> Tensor:
    """With the corners' distances over the target's sides, flattened  (Powerful-IoU, Neural Networks 2024)."""
    return _own("iou", boxes, targets) + 1 - (-_corners_apart(boxes, targets).square()).exp()


def _piou_v2(boxes: Tensor, targets: Tensor) -> Tensor:
    """PIoU times an attention that boxes of middling quality have most of, with lambda 1.3."""
    quality = 1.3 * (-_corners_apart(boxes, targets)).exp()
    return 3 * quality * (-quality.square()).exp() * _piou(boxes, targets)


def _corners_apart(boxes: Tensor, targets: Tensor) -> Tensor:
    size = _sizes(boxes, targets).target
    return ((boxes - targets).abs() / torch.cat((size, size), dim=1)).sum(1) / 4


def _smooth_l1(boxes: Tensor, targets: Tensor) -> Tensor:
    return torch.nn.functional.smooth_l1_loss(boxes, targets, reduction="none").sum(1)


def _squared(boxes: Tensor, targets: Tensor) -> Tensor:
    return (boxes - targets).square().sum(1)


def _l1(boxes: Tensor, targets: Tensor) -> Tensor:
    return (boxes - targets).abs().sum(1)


# name: (what people call it, the loss)
KINDS: dict[str, tuple[str, PairLoss]] = {
    "iou": ("IoU", partial(_own, "iou")),
    "giou": ("GIoU", partial(_own, "giou")),
    "diou": ("DIoU", partial(_own, "diou")),
    "ciou": ("CIoU", partial(_own, "ciou")),
    "ciou_through": ("CIoU with a gradient through its trade-off", _ciou_through),
    "ciou_of_half": ("CIoU without its aspect term where the IoU is 1/2 or less", _ciou_of_half),
    "eiou": ("EIoU", _eiou),
    "siou": ("SIoU", _siou),
    "wiou": ("WIoU v1", _wiou),
    "piou": ("PIoU", _piou),
    "piou_v2": ("PIoU v2", _piou_v2),
    "smooth_l1": ("the smooth L1 distance of the corners", _smooth_l1),
    "l1": ("the L1 distance of the corners", _l1),
    "squared": ("the squared distance of the corners", _squared),
}


def values_and_slopes(kind: str, boxes: numpy.ndarray, targets: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The loss (n,) of each pair and its slopes (n, 4) to the predicted box's corners."""
    return of_loss(KINDS[kind][1], boxes, targets)


def of_loss(loss: PairLoss, boxes: numpy.ndarray, targets: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The same of a loss that is given."""
    predicted = torch.tensor(boxes, requires_grad=True)
    each = loss(predicted, torch.tensor(targets))
    (slopes,) = torch.autograd.grad(each.sum(), predicted)
    return each.detach().numpy(), slopes.numpy()
