"""torchvision's losses: https://docs.pytorch.org/vision/stable/ops.html#losses, and its detectors' heads."""

from functools import lru_cache
from typing import Any

from focalbench_suite.adapters import Adapter

adapter = Adapter("torchvision", distribution="torchvision", modules=("torchvision",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "none"}


@adapter.loss("focal", origin="torchvision.ops:sigmoid_focal_loss", **CHOICES, defaults={"gamma": 2.0, "alpha": 0.25})
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


@adapter.loss(
    "retinanet_head", origin="torchvision.models.detection.retinanet:RetinaNet.compute_loss", reduction="terms"
)
def retinanet_head(cls_logits, bbox_regression, boxes, labels, *, image_size, strides):
    """Terms cls and bbox, with torchvision's own sizes of anchors on these strides.

    `cls_logits` (B, 9 C, H, W) and `bbox_regression` (B, 36, H, W) a level, as its head's convolutions give them.
    """
    from torchvision.models.detection import RetinaNet

    return retinanet_of(RetinaNet, cls_logits, bbox_regression, boxes, labels, image_size=image_size, strides=strides)


def retinanet_of(kind, cls_logits, bbox_regression, boxes, labels, *, image_size, strides):
    """The same of a subclass of its RetinaNet."""
    model = _retinanet(kind, cls_logits[0].shape[1] // 9, tuple(strides))
    outputs = {"cls_logits": _rows(cls_logits, 9), "bbox_regression": _rows(bbox_regression, 9)}
    found = model.compute_loss(_truth(boxes, labels), outputs, _anchors(model, cls_logits, image_size))
    return {"cls": found["classification"], "bbox": found["bbox_regression"]}


@adapter.loss("fcos_head", origin="torchvision.models.detection.fcos:FCOS.compute_loss", reduction="terms")
def fcos_head(cls_logits, bbox_regression, bbox_ctrness, boxes, labels, *, image_size, strides):
    """Terms cls, bbox and ctrness; the outputs (B, C, H, W), (B, 4, H, W) and (B, 1, H, W) a level."""
    from torchvision.models.detection import FCOS

    maps = cls_logits, bbox_regression, bbox_ctrness
    return fcos_of(FCOS, *maps, boxes, labels, image_size=image_size, strides=strides)


def fcos_of(kind, cls_logits, bbox_regression, bbox_ctrness, boxes, labels, *, image_size, strides):
    """The same of a subclass of its FCOS."""
    model = _fcos(kind, cls_logits[0].shape[1], tuple(strides))
    names = ("cls_logits", "bbox_regression", "bbox_ctrness")
    maps = (cls_logits, bbox_regression, bbox_ctrness)
    outputs = {name: _rows(each, 1) for name, each in zip(names, maps, strict=True)}
    cells = [level.shape[2] * level.shape[3] for level in cls_logits]
    found = model.compute_loss(_truth(boxes, labels), outputs, _anchors(model, cls_logits, image_size), cells)
    return {"cls": found["classification"], "bbox": found["bbox_regression"], "ctrness": found["bbox_ctrness"]}


def _truth(boxes, labels):
    return [{"boxes": box, "labels": label} for box, label in zip(boxes, labels, strict=True)]


def _rows(maps, anchors):
    """Maps (B, anchors K, H, W) as the heads return them, (B, all levels' H W anchors, K)."""
    import torch

    rows = [level.unflatten(1, (anchors, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3) for level in maps]
    return torch.cat(rows, dim=1)


def _anchors(model, maps, image_size):
    """The model's own anchors, of each image."""
    from torchvision.models.detection.image_list import ImageList

    images = maps[0].new_zeros(len(maps[0]), 3, *image_size)
    return model.anchor_generator(ImageList(images, [tuple(image_size)] * len(images)), list(maps))


@lru_cache
def _retinanet(kind, classes, strides):
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    sizes = tuple(tuple(int(4 * stride * 2 ** (third / 3)) for third in range(3)) for stride in strides)
    generator = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(strides))
    return kind(_backbone(), classes, anchor_generator=generator)


@lru_cache
def _fcos(kind, classes, strides):
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    generator = AnchorGenerator(tuple((stride,) for stride in strides), ((1.0,),) * len(strides))
    return kind(_backbone(), classes, anchor_generator=generator)


def _backbone():
    """What a detector asks of a backbone when it is made; its outputs are given, not computed."""
    import torch

    class Backbone(torch.nn.Module):
        out_channels = 32  # the heads' group norms have 32 groups

    return Backbone()
