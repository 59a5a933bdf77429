"""ultralytics.utils.loss: https://docs.ultralytics.com/reference/utils/loss/ (AGPL-3.0: imported, never copied)."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.adapters._ultralytics import batch_of, ensure_quiet, keep_quiet, outputs_of, small_model

adapter = Adapter("ultralytics", distribution="ultralytics", modules=("ultralytics",), prepare=keep_quiet)
GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}  # of ultralytics/cfg/default.yaml
EPOCHS = 100  # of the same file; a criterion's weights in the first epoch do not depend on it


FOCAL: dict[str, Any] = {"reduction": "mean(1).sum()", "defaults": {"gamma": 1.5, "alpha": 0.25}}
VARIFOCAL: dict[str, Any] = {"reduction": "mean(1).sum()", "defaults": {"gamma": 2.0, "alpha": 0.75}}
DISTRIBUTION: dict[str, Any] = {"reductions": ("none",), "reduction": "mean(-1, keepdim=True)"}
ALWAYS_WEIGHTS = "VarifocalLoss always weights negatives by alpha"


# Before 8.0.119 the focal loss stood with the metrics and went around the user's own cross entropy.
@adapter.loss(
    "focal",
    origin="ultralytics.yolo.utils.metrics:FocalLoss",
    reduction="mean",
    defaults=FOCAL["defaults"],
    until="8.0.119",
)
def focal_around_cross_entropy(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from torch.nn import BCEWithLogitsLoss
    from ultralytics.yolo.utils.metrics import FocalLoss

    if alpha is None:
        raise Unsupported("FocalLoss always weights by alpha before Ultralytics 8.0.119")
    return FocalLoss(BCEWithLogitsLoss(), gamma=gamma, alpha=alpha)(logits, targets)


# From 8.0.119 to 8.3.115 gamma and alpha are arguments of the call. The module moved with 8.0.136.
@adapter.loss("focal", origin="ultralytics.yolo.utils.loss:FocalLoss", since="8.0.119", until="8.0.136", **FOCAL)
def focal_of_yolo(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.yolo.utils.loss import FocalLoss

    return FocalLoss()(logits, targets, gamma=gamma, alpha=0.0 if alpha is None else alpha)


@adapter.loss("focal", origin="ultralytics.utils.loss:FocalLoss", since="8.0.136", until="8.3.116", **FOCAL)
def focal_of_call(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.utils.loss import FocalLoss

    return FocalLoss()(logits, targets, gamma=gamma, alpha=0.0 if alpha is None else alpha)


@adapter.loss("focal", origin="ultralytics.utils.loss:FocalLoss", since="8.3.116", **FOCAL)
def focal(logits, targets, *, gamma, alpha):
    alpha = 0.0 if alpha is None else alpha  # only an alpha above 0 weights
    return _focal(gamma, alpha, logits.dtype, logits.device)(logits, targets)


@lru_cache
def _focal(gamma, alpha, dtype, device):
    """One module for each dtype and device, since it keeps alpha in those of its last call."""
    ensure_quiet()
    from ultralytics.utils.loss import FocalLoss

    return FocalLoss(gamma=gamma, alpha=alpha)


@adapter.loss("varifocal", origin="ultralytics.yolo.utils.loss:VarifocalLoss", until="8.0.136", **VARIFOCAL)
def varifocal_of_yolo(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.yolo.utils.loss import VarifocalLoss

    if alpha is None:
        raise Unsupported(ALWAYS_WEIGHTS)
    return VarifocalLoss()(logits, targets, (targets > 0).to(targets.dtype), alpha=alpha, gamma=gamma)


@adapter.loss("varifocal", origin="ultralytics.utils.loss:VarifocalLoss", since="8.0.136", until="8.3.116", **VARIFOCAL)
def varifocal_of_call(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.utils.loss import VarifocalLoss

    if alpha is None:
        raise Unsupported(ALWAYS_WEIGHTS)
    return VarifocalLoss()(logits, targets, (targets > 0).to(targets.dtype), alpha=alpha, gamma=gamma)


@adapter.loss("varifocal", origin="ultralytics.utils.loss:VarifocalLoss", since="8.3.116", **VARIFOCAL)
def varifocal(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.utils.loss import VarifocalLoss

    if alpha is None:
        raise Unsupported(ALWAYS_WEIGHTS)
    return VarifocalLoss(gamma=gamma, alpha=alpha)(logits, targets, (targets > 0).to(targets.dtype))


@adapter.loss(
    "distribution_focal", origin="ultralytics.yolo.utils.loss:BboxLoss._df_loss", until="8.0.136", **DISTRIBUTION
)
def distribution_focal_of_yolo(logits, targets, *, weight=None, reduction):
    ensure_quiet()
    from ultralytics.yolo.utils.loss import BboxLoss

    return _distribution_focal(BboxLoss._df_loss, logits, targets, weight, reduction)


@adapter.loss(
    "distribution_focal",
    origin="ultralytics.utils.loss:BboxLoss._df_loss",
    since="8.0.136",
    until="8.2.48",
    **DISTRIBUTION,
)
def distribution_focal_of_boxes(logits, targets, *, weight=None, reduction):
    """A function of the loss of boxes, before it became a module with 8.2.48."""
    ensure_quiet()
    from ultralytics.utils.loss import BboxLoss

    return _distribution_focal(BboxLoss._df_loss, logits, targets, weight, reduction)


@adapter.loss("distribution_focal", origin="ultralytics.utils.loss:DFLoss", since="8.2.48", **DISTRIBUTION)
def distribution_focal(logits, targets, *, weight=None, reduction):
    """Ultralytics' `reg_max` is the number of bins. The mean runs over the last dimension of the targets."""
    ensure_quiet()
    from ultralytics.utils.loss import DFLoss

    return _distribution_focal(DFLoss(reg_max=logits.shape[1]), logits, targets, weight, reduction)


def _distribution_focal(criterion, logits, targets, weight, reduction):
    if weight is not None:
        raise Unsupported("DFLoss takes no weight")
    if reduction == "none":
        return criterion(logits, targets.view(-1, 1)).squeeze(1)  # one side a row
    return criterion(logits, targets)


OVERLAP: dict[str, Any] = {"origin": "ultralytics.utils.metrics:bbox_iou", "reduction": "none"}


@adapter.loss("iou", **OVERLAP)
def iou(boxes, targets):
    return _one_less_overlap(boxes, targets)


@adapter.loss("giou", **OVERLAP)
def giou(boxes, targets):
    return _one_less_overlap(boxes, targets, GIoU=True)


@adapter.loss("diou", **OVERLAP)
def diou(boxes, targets):
    return _one_less_overlap(boxes, targets, DIoU=True)


@adapter.loss("ciou", **OVERLAP)
def ciou(boxes, targets):
    return _one_less_overlap(boxes, targets, CIoU=True)


def _one_less_overlap(boxes, targets, **kind):
    """As ``BboxLoss`` takes it, which weights 1 - CIoU of each positive."""
    ensure_quiet()
    from ultralytics.utils.metrics import bbox_iou

    return (1.0 - bbox_iou(boxes, targets, xywh=False, **kind)).squeeze(-1)


DETECTION: dict[str, Any] = {"reduction": "terms", "defaults": {"gains": GAINS}}


@adapter.loss("v8_detection", origin="ultralytics.utils.loss:v8DetectionLoss", **DETECTION)
def v8_detection(feats, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """Terms box, cls, dfl with their gains, before Ultralytics multiplies them by the number of images.

    `feats` (B, 4 reg_max + num_classes, H, W) a level; `boxes` (G, 4) xyxy in pixels and `labels` (G,) an image. With
    `reg_max` 1 the third term is l1.
    """
    criterion = _criterion("v8DetectionLoss", *_settings(feats, strides, num_classes, reg_max, gains))
    batch = _batch(feats, boxes, labels, strides)
    return _named(*criterion.get_assigned_targets_and_loss(outputs_of(feats, reg_max), batch)[1:])


@adapter.loss("v8_detection", variant="tuple", origin="ultralytics.utils.loss:v8DetectionLoss.__call__", **DETECTION)
def v8_detection_of_tuple(feats, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """A call with a tuple, of which the criterion takes the second, as while validating."""
    criterion = _criterion("v8DetectionLoss", *_settings(feats, strides, num_classes, reg_max, gains))
    return _averaged(criterion((None, outputs_of(feats, reg_max)), _batch(feats, boxes, labels, strides)), feats)


@adapter.loss("v8_detection", variant="model", origin="ultralytics.nn.tasks:DetectionModel.loss", **DETECTION)
def v8_detection_of_model(feats, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """The way of a training: a model's `loss`, which makes its criterion and asks it."""
    model = _model(*_settings(feats, strides, num_classes, reg_max, gains), end2end=False)
    return _averaged(model.loss(_batch(feats, boxes, labels, strides), outputs_of(feats, reg_max)), feats)


@adapter.loss("end_to_end_detection", origin="ultralytics.utils.loss:E2ELoss", **DETECTION)
def end_to_end_detection(one2many, one2one, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """The terms of both branches, weighted as in the first epoch; the branches' outputs are those of `v8_detection`."""
    criterion = _criterion("E2ELoss", *_settings(one2many, strides, num_classes, reg_max, gains))
    batch = _batch(one2many, boxes, labels, strides)
    return _averaged(criterion(_branches(one2many, one2one, reg_max), batch), one2many)


@adapter.loss(
    "end_to_end_detection", variant="E2EDetectLoss", origin="ultralytics.utils.loss:E2EDetectLoss", **DETECTION
)
def end_to_end_detection_of_old(one2many, one2one, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """The criterion of YOLOv10 before E2ELoss: the branches' plain sum, a box taking one anchor in the second."""
    criterion = _criterion("E2EDetectLoss", *_settings(one2many, strides, num_classes, reg_max, gains))
    batch = _batch(one2many, boxes, labels, strides)
    return _averaged(criterion(_branches(one2many, one2one, reg_max), batch), one2many)


@adapter.loss("end_to_end_detection", variant="model", origin="ultralytics.nn.tasks:DetectionModel.loss", **DETECTION)
def end_to_end_detection_of_model(one2many, one2one, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """The way of a training: a model's `loss`, whose head has two branches."""
    model = _model(*_settings(one2many, strides, num_classes, reg_max, gains), end2end=True)
    batch = _batch(one2many, boxes, labels, strides)
    return _averaged(model.loss(batch, _branches(one2many, one2one, reg_max)), one2many)


@adapter.loss("rtdetr_head", origin="ultralytics.models.utils.loss:RTDETRDetectionLoss", reduction="terms")
def rtdetr_head(pred_boxes, pred_logits, boxes, labels, *, image_size):
    """Terms cls, bbox and giou of one decoder layer, made as RT-DETR's model makes its criterion.

    `pred_boxes` one level (B, Q, 4), logits of centres and sizes as shares of the image, `pred_logits` (B, Q, C).
    """
    import torch

    ensure_quiet()
    from ultralytics.models.utils.loss import RTDETRDetectionLoss

    if pred_logits[0].dtype != torch.float32:
        raise Unsupported("RTDETRDetectionLoss keeps scores in float32 and fails on outputs of another dtype")
    return rtdetr_of(RTDETRDetectionLoss, pred_boxes, pred_logits, boxes, labels, image_size=image_size)


def rtdetr_of(kind, pred_boxes, pred_logits, boxes, labels, *, image_size):
    """The same of a subclass of its RTDETRDetectionLoss."""
    truth = batch_of(boxes, labels, *image_size)
    batch = {"cls": truth["cls"].long(), "bboxes": truth["bboxes"], "gt_groups": [len(each) for each in boxes]}
    outputs = pred_boxes[0].sigmoid()[None], pred_logits[0][None]
    found = _rtdetr_criterion(kind, pred_logits[0].shape[2])(outputs, batch)
    return {"cls": found["loss_class"], "bbox": found["loss_bbox"], "giou": found["loss_giou"]}


@lru_cache
def _rtdetr_criterion(kind, num_classes):
    return kind(nc=num_classes, use_vfl=True)


def _branches(one2many, one2one, reg_max):
    return {"one2many": outputs_of(one2many, reg_max), "one2one": outputs_of(one2one, reg_max)}


def _batch(feats, boxes, labels, strides):
    return batch_of(boxes, labels, *(side * strides[0] for side in feats[0].shape[2:]))


def _settings(feats, strides, num_classes, reg_max, gains):
    return tuple(strides), num_classes, reg_max, tuple(gains.items()), feats[0].device


def _averaged(found, feats):
    """The terms of a criterion's answer, which it multiplies by the number of images."""
    loss, items = found
    return _named(loss / len(feats[0]), items)


@lru_cache
def _model(strides, num_classes, reg_max, gains, device, end2end):
    """The smallest model with such a head; its outputs are given, not computed."""
    model = small_model(num_classes, reg_max=reg_max, end2end=end2end).to(device)
    if tuple(model.stride.tolist()) != strides:
        raise Unsupported(f"the smallest model's strides are {model.stride.tolist()}")
    for name, gain in gains:
        setattr(model.args, name, gain)
    return model


def _named(loss, items):
    """The terms with their gradients, by the names of the criterion's own items."""
    return {name.removesuffix("_loss"): term for name, term in zip(items, loss, strict=True)}


@lru_cache
def _criterion(name, strides, num_classes, reg_max, gains, device):
    """A criterion of that name. It reads a few things of a model; this model has only those."""
    import torch

    ensure_quiet()
    from ultralytics.utils import loss

    head = SimpleNamespace(
        stride=torch.tensor(strides, dtype=torch.float, device=device), nc=num_classes, reg_max=reg_max
    )
    parameter = torch.zeros(1, device=device)
    settings = SimpleNamespace(**dict(gains), epochs=EPOCHS)
    model = SimpleNamespace(parameters=lambda: iter([parameter]), args=settings, model=[head])
    return getattr(loss, name)(model)
