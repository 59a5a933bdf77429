"""Losses over pairs of boxes as people write and call them; asked by name, as ``check FILE.py:NAME`` does."""

from __future__ import annotations

import math

import torch
from torchvision.ops import box_convert, box_iou, distance_box_iou_loss, generalized_box_iou_loss


def overlap(a, b):
    low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    inner = (high - low).clamp(min=0).prod(1)
    return inner / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner)


def aspect(a, b):
    angles = [torch.atan((box[:, 2] - box[:, 0]) / (box[:, 3] - box[:, 1])) for box in (a, b)]
    return 4 / math.pi**2 * (angles[1] - angles[0]) ** 2


def giou_of_centres(target, pred):
    """The mean, of centres and sizes, the target first."""
    return generalized_box_iou_loss(box_convert(pred, "cxcywh", "xyxy"), box_convert(target, "cxcywh", "xyxy"), "mean")


def overlap_of_columns(box1, box2, x1y1x2y2=True, GIoU=False, DIoU=False):  # noqa: N803, as it is called
    """As old releases of YOLOv5: the first box in columns, the second in rows; the overlap is returned."""
    a = box1.T if x1y1x2y2 else box_convert(box1.T, "cxcywh", "xyxy")
    b = box2 if x1y1x2y2 else box_convert(box2, "cxcywh", "xyxy")
    if GIoU:
        return 1 - generalized_box_iou_loss(a, b)
    return 1 - distance_box_iou_loss(a, b) if DIoU else overlap(a, b)


class IOUloss(torch.nn.Module):
    """As YOLOX has it: centres and sizes, and the square of the overlap for "iou"."""

    def __init__(self, reduction="none", loss_type="iou"):
        super().__init__()
        self.reduction, self.loss_type = reduction, loss_type

    def forward(self, pred, target):
        pred, target = box_convert(pred, "cxcywh", "xyxy"), box_convert(target, "cxcywh", "xyxy")
        if self.loss_type == "iou":
            return 1 - overlap(pred, target) ** 2
        return generalized_box_iou_loss(pred, target, self.reduction)


def every_pair(boxes1, boxes2):
    return box_iou(boxes1, boxes2)


def logarithm(pred, target):
    return -overlap(pred, target).log()


def twice(pred, target):
    return 2 * distance_box_iou_loss(pred, target, "sum")


def through_trade_off(pred, target):
    miss, v = 1 - overlap(pred, target), aspect(pred, target)
    return distance_box_iou_loss(pred, target) + v * v / (miss + v)


def without_gradient(pred, target):
    return generalized_box_iou_loss(pred.detach(), target)


def large_epsilon(pred, target):
    """Enough for an epsilon in pixels, and too much where boxes are shares of an image."""
    low, high = torch.max(pred[:, :2], target[:, :2]), torch.min(pred[:, 2:], target[:, 2:])
    inner = (high - low).clamp(min=0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (pred, target)]
    return 1 - inner / (areas[0] + areas[1] - inner + 1e-5)


def changes_target(pred, target):
    target += 0
    target[:, 2:] *= 1.5
    return generalized_box_iou_loss(pred, target)


def unknown(pred, target):
    return (pred - target).square().sum(1).sqrt()


def needs_more(pred, target, image):
    return generalized_box_iou_loss(pred, target) * image


def breaks(pred, target):
    raise RuntimeError("no boxes today")


class SmoothL1(torch.nn.SmoothL1Loss):
    """As torch ships it: the mean over all coordinates."""


def divided_by_union(pred, target):
    """GIoU whose penalty is divided by the union, under a name that does not say loss."""
    low, high = torch.max(pred[:, :2], target[:, :2]), torch.min(pred[:, 2:], target[:, 2:])
    inner = (high - low).clamp(min=0).prod(1)
    union = (pred[:, 2:] - pred[:, :2]).prod(1) + (target[:, 2:] - target[:, :2]).prod(1) - inner
    hull = (torch.max(pred[:, 2:], target[:, 2:]) - torch.min(pred[:, :2], target[:, :2])).prod(1)
    return 1 - inner / union + (hull - union) / union
