"""Losses over pairs of boxes as people write and call them; asked by name, as ``check FILE.py:NAME`` does."""

from __future__ import annotations

import math

import torch
from torchvision.ops import box_convert, box_iou, complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss


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


def measured(pred, target, wider=0.0, cut=True):
    """Intersection, union, enclosing sides and the squared distance of the centres."""
    low, high = torch.max(pred[:, :2], target[:, :2]), torch.min(pred[:, 2:], target[:, 2:])
    shared = high - low + wider
    inner = (shared.clamp(min=0) if cut else shared).prod(1)
    areas = [(box[:, 2:] - box[:, :2] + wider).prod(1) for box in (pred, target)]
    hull = torch.max(pred[:, 2:], target[:, 2:]) - torch.min(pred[:, :2], target[:, :2]) + wider
    centres = ((pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) / 2).square().sum(1)
    return inner, areas[0] + areas[1] - inner, hull, centres


def giou_of_pixels(pred, target):
    inner, union, hull, _ = measured(pred, target, wider=1.0)
    return 1 - inner / union + 1 - union / hull.prod(1)


def giou_of_intersection(pred, target):
    inner, union, hull, _ = measured(pred, target)
    return 1 - inner / union + (hull.prod(1) - inner) / hull.prod(1)


def diou_of_target(pred, target):
    inner, union, _, centres = measured(pred, target)
    return 1 - inner / union + centres / (target[:, 2:] - target[:, :2]).square().sum(1)


def diou_unsquared(pred, target):
    inner, union, hull, centres = measured(pred, target)
    return 1 - inner / union + centres / hull.square().sum(1).sqrt()


def iou_uncut(pred, target):
    inner, union, _, _ = measured(pred, target, cut=False)
    return 1 - inner / union


def ciou_of_pi(pred, target):
    v = math.pi * aspect(pred, target)
    alpha = (v / (1 - overlap(pred, target) + v)).detach()
    return distance_box_iou_loss(pred, target) + alpha * v


def ciou_without_trade_off(pred, target):
    return distance_box_iou_loss(pred, target) + aspect(pred, target)


def eiou_of_diagonal(pred, target):
    _, _, hull, _ = measured(pred, target)
    apart = ((pred[:, 2:] - pred[:, :2]) - (target[:, 2:] - target[:, :2])).square().sum(1)
    return distance_box_iou_loss(pred, target) + apart / hull.square().sum(1)


def focal_giou(pred, target):
    return 3 * overlap(pred, target).detach() ** 0.5 * generalized_box_iou_loss(pred, target)


def alpha_diou(pred, target):
    inner, union, hull, centres = measured(pred, target)
    return 1 - (inner / union) ** 3 + (centres / hull.square().sum(1)) ** 3


def of_target_area(pred, target):
    inner, _, _, _ = measured(pred, target)
    return inner / (target[:, 2:] - target[:, :2]).prod(1)


def giou_of_coco(pred, target):
    """Of x, y, width and height, as COCO's files have boxes."""
    return generalized_box_iou_loss(box_convert(pred, "xywh", "xyxy"), box_convert(target, "xywh", "xyxy"))


def giou_of_two_kinds(pred, target):
    """Centres and sizes are predicted, and corners are wanted."""
    return generalized_box_iou_loss(box_convert(pred, "cxcywh", "xyxy"), target)


def giou_misread(pred, target, box_format="xyxy"):
    """Takes corners for x, y, width and height, whatever it says."""
    return giou_of_coco(pred, target)


def small_beta(pred, target):
    return torch.nn.functional.smooth_l1_loss(pred, target, beta=1 / 9, reduction="none").sum(1)


def huber(pred, target):
    return torch.nn.functional.huber_loss(pred, target, delta=3.0, reduction="none").sum(1)


def huber_mean(pred, target):
    return torch.nn.functional.huber_loss(pred, target, delta=3.0)


def large_beta(pred, target):
    return 5 * torch.nn.functional.smooth_l1_loss(pred, target, beta=11.0, reduction="none").sum(1)


def mean_squares(pred, target):
    return torch.nn.functional.mse_loss(pred, target)


def changes_centres(pred, target):
    """Makes corners of centres and sizes in the caller's own tensor."""
    pred, first = box_convert(pred, "cxcywh", "xyxy"), target[:, :2] - target[:, 2:] / 2
    target[:, 2:] += first
    target[:, :2] = first
    return generalized_box_iou_loss(pred, target)


def changes_columns(pred, target):
    target[2:].clamp_(max=60.0)
    return generalized_box_iou_loss(pred.T, target.T)


def eiou_of_centres(pred, target):
    """The centres' distances stand a second time where widths and heights belong."""
    inner, union, hull, centres = measured(pred, target)
    apart = ((pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) / 2).square()
    return 1 - inner / union + centres / hull.square().sum(1) + (apart / hull.square()).sum(1)


def alpha_diou_by_axis(pred, target):
    inner, union, hull, _ = measured(pred, target)
    apart = ((pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) / 2).abs()
    return 1 - (inner / union) ** 2 + (apart**4).sum(1) / (hull**4).sum(1)


def powerful(pred, target):
    sides = (target[:, 2:] - target[:, :2]).repeat(1, 2)
    away = ((pred - target).abs() / sides).mean(1)
    return 2 - overlap(pred, target) - torch.exp(-(away**2))


def minimum_points(pred, target, width=640, height=480):
    """MPDIoU as its paper has it: how far either corner is off, over the diagonal of the image."""
    diagonal = width**2 + height**2
    first = (pred[:, 0] - target[:, 0]) ** 2 + (pred[:, 1] - target[:, 1]) ** 2
    last = (pred[:, 2] - target[:, 2]) ** 2 + (pred[:, 3] - target[:, 3]) ** 2
    return overlap(pred, target) - first / diagonal - last / diagonal


def wasserstein(pred, target, constant=12.8, eps=1e-7):
    """NWD of centres and sizes."""
    centres = ((pred[:, :2] - target[:, :2]) ** 2).sum(1) + eps
    sizes = ((pred[:, 2:] - target[:, 2:]) ** 2).sum(1) / 4
    return torch.exp(-torch.sqrt(centres + sizes) / constant)


def inner_ciou(pred, target, ratio=0.7):
    """CIoU with the IoU of smaller boxes about the same centres."""

    def smaller(boxes):
        x, y, w, h = box_convert(boxes, "xyxy", "cxcywh").unbind(1)
        return box_convert(torch.stack((x, y, ratio * w, ratio * h), dim=1), "cxcywh", "xyxy")

    loss = complete_box_iou_loss(pred, target, reduction="none")
    return loss + overlap(pred, target) - overlap(smaller(pred), smaller(target))


def shape_of_target(pred, target, scale=1):
    """Shape-IoU: the shorter side of the target counts less along it."""
    inner, union, hull, _ = measured(pred, target)
    w, h = (target[:, 2:] - target[:, :2]).unbind(1)
    along_x, along_y = 2 * h**scale / (w**scale + h**scale), 2 * w**scale / (w**scale + h**scale)
    x, y = ((pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) / 2).unbind(1)
    distance = (along_x * x**2 + along_y * y**2) / (hull**2).sum(1)
    mine, yours = (pred[:, 2:] - pred[:, :2]).unbind(1)
    wide = along_x * (mine - w).abs() / torch.maximum(mine, w)
    high = along_y * (yours - h).abs() / torch.maximum(yours, h)
    shape = (1 - torch.exp(-wide)) ** 4 + (1 - torch.exp(-high)) ** 4
    return 1 - inner / union + distance + 0.5 * shape


def focaler_giou(pred, target, d=0.05, u=0.8):
    loss, iou = generalized_box_iou_loss(pred, target, reduction="none"), overlap(pred, target)
    return loss + iou - ((iou - d) / (u - d)).clamp(0, 1)


class Bounded(torch.nn.Module):
    """Four bounds of the IoU, one for each number of the box, under smooth L1."""

    def forward(self, pred, target, beta=0.2):
        mine, wanted = box_convert(pred, "xyxy", "cxcywh"), box_convert(target, "xyxy", "cxcywh")
        losses = []
        for axis in (0, 1):
            away, side = (wanted[:, axis] - mine[:, axis]).abs(), wanted[:, axis + 2]
            losses.append(1 - torch.clamp((side - 2 * away) / (side + 2 * away), min=0))
        for axis in (2, 3):
            losses.append(1 - torch.minimum(mine[:, axis] / wanted[:, axis], wanted[:, axis] / mine[:, axis]))
        each = torch.stack(losses, dim=1)
        return torch.where(each < beta, each**2 / (2 * beta), each - beta / 2).sum(1)


def guarded_iou(pred, target, eps=1e-3):
    inner, union, _, _ = measured(pred, target)
    return 1 - inner / (union + eps)


def guarded_giou(pred, target, eps=1e-3):
    inner, union, hull, _ = measured(pred, target)
    return 1 - inner / (union + eps) + (hull.prod(1) - union) / (hull.prod(1) + eps)


def smoothed_iou(pred, target, smooth=1.0):
    inner, union, _, _ = measured(pred, target)
    return 1 - (inner + smooth) / (union + smooth)
