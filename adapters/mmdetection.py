"""mmdet.models.losses and GFLHead: https://mmdetection.readthedocs.io/en/latest/api.html#module-mmdet.models.losses"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.adapters._mmcv import ensure_ops

adapter = Adapter("mmdetection", distribution="mmdet", modules=("mmdet", "mmcv", "mmengine"), prepare=ensure_ops)
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "mean"}
FOCAL: dict[str, Any] = {
    **CHOICES,
    "origin": "mmdet.models.losses:FocalLoss",
    "defaults": {"gamma": 2.0, "alpha": 0.25},
}
QUALITY: dict[str, Any] = {**CHOICES, "origin": "mmdet.models.losses:QualityFocalLoss", "defaults": {"beta": 2.0}}
WEIGHTS = {"cls": 1.0, "bbox": 2.0, "dfl": 0.25}  # of configs/gfl/gfl_r50_fpn_1x_coco.py


@adapter.loss("focal", **FOCAL)
def focal(logits, targets, *, gamma, alpha, reduction):
    return _focal(gamma, alpha, reduction)(logits, targets)


@adapter.loss("focal", variant="index", labels="index", background="last", **FOCAL)
def focal_index(logits, targets, *, gamma, alpha, reduction):
    """Class indices, as RetinaNet's head gives them; on CUDA these take mmcv's compiled operator."""
    if not ensure_ops() and logits.is_cuda:
        raise Unsupported("on CUDA, index labels need the compiled operators of the full mmcv")
    return _focal(gamma, alpha, reduction)(logits, targets)


@adapter.loss("focal", variant="activated", **FOCAL)
def focal_activated(logits, targets, *, gamma, alpha, reduction):
    return _focal(gamma, alpha, reduction, activated=True)(logits.sigmoid(), targets)


@lru_cache
def _focal(gamma, alpha, reduction, activated=False):
    ensure_ops()
    from mmdet.models.losses import FocalLoss

    if alpha is None:
        raise Unsupported("FocalLoss always weights by alpha")
    return FocalLoss(gamma=gamma, alpha=alpha, reduction=reduction, activated=activated)


@adapter.loss(
    "focal", variant="mmcv", labels="index", background="last", **FOCAL | {"origin": "mmcv.ops:SigmoidFocalLoss"}
)
def focal_mmcv(logits, targets, *, gamma, alpha, reduction):
    if not ensure_ops():
        raise Unsupported("mmcv-lite has no compiled operators")
    from mmcv.ops import SigmoidFocalLoss

    if alpha is None:
        raise Unsupported("sigmoid_focal_loss always weights by alpha")
    return SigmoidFocalLoss(gamma, alpha, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", variant="mmcv", labels="index", origin="mmcv.ops:SoftmaxFocalLoss", **CHOICES)
def softmax_focal_mmcv(logits, targets, *, gamma, alpha, reduction):
    if not ensure_ops():
        raise Unsupported("mmcv-lite has no compiled operators")
    from mmcv.ops import SoftmaxFocalLoss

    return SoftmaxFocalLoss(gamma, alpha=1.0, weight=alpha, reduction=reduction)(logits, targets)


@adapter.loss("quality_focal", labels="label_score", background="last", **QUALITY)
def quality_focal(logits, targets, *, beta, reduction):
    """One value a row: the classes are summed."""
    return _quality_focal(beta, reduction)(logits, targets)


@adapter.loss("quality_focal", variant="tensor", **QUALITY)
def quality_focal_tensor(logits, targets, *, beta, reduction):
    return _quality_focal(beta, reduction)(logits, targets)


@adapter.loss("quality_focal", variant="activated", labels="label_score", background="last", **QUALITY)
def quality_focal_activated(logits, targets, *, beta, reduction):
    return _quality_focal(beta, reduction, activated=True)(logits.sigmoid(), targets)


@lru_cache
def _quality_focal(beta, reduction, activated=False):
    ensure_ops()
    from mmdet.models.losses import QualityFocalLoss

    return QualityFocalLoss(beta=beta, reduction=reduction, activated=activated)


@adapter.loss(
    "varifocal", origin="mmdet.models.losses:VarifocalLoss", defaults={"gamma": 2.0, "alpha": 0.75}, **CHOICES
)
def varifocal(logits, targets, *, gamma, alpha, reduction):
    ensure_ops()
    from mmdet.models.losses import VarifocalLoss

    if alpha is None:
        raise Unsupported("VarifocalLoss always weights negatives by alpha")
    return VarifocalLoss(alpha=alpha, gamma=gamma, reduction=reduction)(logits, targets)


@adapter.loss("distribution_focal", origin="mmdet.models.losses:DistributionFocalLoss", **CHOICES)
def distribution_focal(logits, targets, *, weight=None, reduction):
    """MMDetection's `reg_max` is the last bin: 16 means 17 bins."""
    ensure_ops()
    from mmdet.models.losses import DistributionFocalLoss

    return DistributionFocalLoss(reduction=reduction)(logits, targets, weight=weight)


@adapter.loss("smooth_l1", origin="mmdet.models.losses:SmoothL1Loss", defaults={"beta": 1.0}, **CHOICES)
def smooth_l1(boxes, targets, *, reduction):
    return _box_loss("SmoothL1Loss", reduction)(boxes, targets)


@adapter.loss("iou", variant="linear", origin="mmdet.models.losses:IoULoss", **CHOICES)
def iou_linear(boxes, targets, *, reduction):
    return _box_loss("IoULoss", reduction, mode="linear")(boxes, targets)


@adapter.loss("iou", origin="mmdet.models.losses:IoULoss", **CHOICES)
def iou(boxes, targets, *, reduction):
    """As it is when the user says nothing: minus the logarithm of the IoU (arXiv:1608.01471)."""
    return _box_loss("IoULoss", reduction)(boxes, targets)


@adapter.loss("giou", origin="mmdet.models.losses:GIoULoss", **CHOICES)
def giou(boxes, targets, *, reduction):
    return _box_loss("GIoULoss", reduction)(boxes, targets)


@adapter.loss("diou", origin="mmdet.models.losses:DIoULoss", **CHOICES)
def diou(boxes, targets, *, reduction):
    return _box_loss("DIoULoss", reduction)(boxes, targets)


@adapter.loss("ciou", origin="mmdet.models.losses:CIoULoss", **CHOICES)
def ciou(boxes, targets, *, reduction):
    return _box_loss("CIoULoss", reduction)(boxes, targets)


@lru_cache
def _box_loss(name, reduction, **options):
    ensure_ops()
    from mmdet.models import losses

    return getattr(losses, name)(reduction=reduction, **options)


@adapter.loss("gfl_head", origin="mmdet.models.dense_heads:GFLHead", reduction="terms", defaults={"weights": WEIGHTS})
def gfl_head(cls_scores, bbox_preds, boxes, labels, *, image_size, strides, reg_max=16, weights=WEIGHTS):
    """Terms cls, bbox, dfl of ``GFLHead.loss_by_feat``, summed over the levels.

    `cls_scores` (B, C, H, W) and `bbox_preds` (B, 4 (reg_max + 1), H, W) a level; `boxes` (G, 4) xyxy in pixels and
    `labels` (G,) an image; `image_size` (height, width) in pixels.
    """
    ensure_ops()
    import torch
    from mmengine.structures import InstanceData

    if {cls_scores[0].dtype, bbox_preds[0].dtype} != {torch.float32}:
        raise Unsupported("GFLHead keeps its targets in float32 and fails on outputs of another dtype")
    head = _gfl_head(cls_scores[0].shape[1], tuple(strides), reg_max, tuple(weights.items()))
    instances = [InstanceData(bboxes=box, labels=label) for box, label in zip(boxes, labels, strict=True)]
    metas = [{"img_shape": tuple(image_size), "pad_shape": tuple(image_size)}] * len(instances)
    losses = head.loss_by_feat(cls_scores, bbox_preds, instances, metas)
    return {term: sum(losses[f"loss_{term}"]) for term in ("cls", "bbox", "dfl")}


@lru_cache
def _gfl_head(classes, strides, reg_max, weights):
    """The head of configs/_base_ GFL without the convolutions that its loss does not use."""
    from mmdet.models.dense_heads import GFLHead

    weight = dict(weights)
    warnings.filterwarnings("ignore", message=".*`num_anchors` is deprecated")  # MMDetection warns of its own use
    return GFLHead(
        num_classes=classes,
        in_channels=1,
        feat_channels=1,
        stacked_convs=0,
        reg_max=reg_max,
        anchor_generator={
            "type": "AnchorGenerator",
            "ratios": [1.0],
            "octave_base_scale": 8,
            "scales_per_octave": 1,
            "strides": list(strides),
        },
        loss_cls={"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0, "loss_weight": weight["cls"]},
        loss_bbox={"type": "GIoULoss", "loss_weight": weight["bbox"]},
        loss_dfl={"type": "DistributionFocalLoss", "loss_weight": weight["dfl"]},
        train_cfg={
            "assigner": {"type": "ATSSAssigner", "topk": 9},
            "allowed_border": -1,
            "pos_weight": -1,
            "debug": False,
        },
    )
