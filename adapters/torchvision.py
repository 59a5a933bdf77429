"""torchvision's losses: https://docs.pytorch.org/vision/stable/ops.html#losses"""

from typing import Any

from focalbench_suite.adapters import Adapter

adapter = Adapter("torchvision", distribution="torchvision", modules=("torchvision",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "none"}


@adapter.loss("focal", **CHOICES, defaults={"gamma": 2.0, "alpha": 0.25})
def focal(logits, targets, *, gamma, alpha, reduction):
    from torchvision.ops import sigmoid_focal_loss

    alpha = -1 if alpha is None else alpha  # a negative alpha turns the weighting off
    return sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma, reduction=reduction)


@adapter.loss("giou", origin="torchvision.ops:generalized_box_iou_loss", **CHOICES)
def giou(boxes, targets, *, reduction):
    from torchvision.ops import generalized_box_iou_loss

    return generalized_box_iou_loss(boxes, targets, reduction=reduction)


@adapter.loss("diou", origin="torchvision.ops:distance_box_iou_loss", **CHOICES)
def diou(boxes, targets, *, reduction):
    from torchvision.ops import distance_box_iou_loss

    return distance_box_iou_loss(boxes, targets, reduction=reduction)


@adapter.loss("ciou", origin="torchvision.ops:complete_box_iou_loss", **CHOICES)
def ciou(boxes, targets, *, reduction):
    from torchvision.ops import complete_box_iou_loss

    return complete_box_iou_loss(boxes, targets, reduction=reduction)
