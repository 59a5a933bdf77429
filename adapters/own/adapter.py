"""The project's own losses as an adapter; the one file of this room that the wheel leaves out."""

from typing import Any

from focalbench_suite.adapters import Adapter

adapter = Adapter("own")

REDUCES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "mean"}


@adapter.loss("cross_entropy", **REDUCES)
def cross_entropy(logits, targets, *, reduction):
    from focalbench_suite.adapters.own import cross_entropy_loss

    return cross_entropy_loss(logits, targets, reduction=reduction)


@adapter.loss("balanced_cross_entropy", defaults={"alpha": 0.25}, **REDUCES)
def balanced_cross_entropy(logits, targets, *, alpha, reduction):
    from focalbench_suite.adapters.own import balanced_cross_entropy_loss

    return balanced_cross_entropy_loss(logits, targets, alpha=alpha, reduction=reduction)


@adapter.loss("focal", defaults={"gamma": 2.0, "alpha": 0.25}, **REDUCES)
def focal(logits, targets, *, gamma, alpha, reduction):
    from focalbench_suite.adapters.own import focal_loss

    return focal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction)


@adapter.loss("quality_focal", defaults={"beta": 2.0}, **REDUCES)
def quality_focal(logits, targets, *, beta, reduction):
    from focalbench_suite.adapters.own import quality_focal_loss

    return quality_focal_loss(logits, targets, beta=beta, reduction=reduction)


@adapter.loss("varifocal", defaults={"gamma": 2.0, "alpha": 0.75}, **REDUCES)
def varifocal(logits, targets, *, gamma, alpha, reduction):
    from focalbench_suite.adapters.own import varifocal_loss

    return varifocal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction)


@adapter.loss("softmax_focal", defaults={"gamma": 2.0, "alpha": None}, labels="index", **REDUCES)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    from focalbench_suite.adapters.own import softmax_focal_loss

    return softmax_focal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction)


@adapter.loss("distribution_focal", defaults={"weight": None}, **REDUCES)
def distribution_focal(logits, targets, *, weight, reduction):
    from focalbench_suite.adapters.own import distribution_focal_loss

    return distribution_focal_loss(logits, targets, weight=weight, reduction=reduction)


@adapter.loss("generalized_focal", defaults={"beta": 2.0}, **REDUCES)
def generalized_focal(logits, targets, *, beta, reduction):
    from focalbench_suite.adapters.own import generalized_focal_loss

    return generalized_focal_loss(logits, targets, beta=beta, reduction=reduction)


@adapter.loss("iou", **REDUCES)
def iou(boxes, targets, *, reduction):
    return _iou_loss(boxes, targets, "iou", reduction)


@adapter.loss("giou", **REDUCES)
def giou(boxes, targets, *, reduction):
    return _iou_loss(boxes, targets, "giou", reduction)


@adapter.loss("diou", **REDUCES)
def diou(boxes, targets, *, reduction):
    return _iou_loss(boxes, targets, "diou", reduction)


@adapter.loss("ciou", **REDUCES)
def ciou(boxes, targets, *, reduction):
    return _iou_loss(boxes, targets, "ciou", reduction)


def _iou_loss(boxes, targets, kind, reduction):
    from focalbench_suite.adapters.own import iou_loss

    return iou_loss(boxes, targets, kind=kind, reduction=reduction)


@adapter.loss("v8_detection", reduction="terms", defaults={"gains": {"box": 7.5, "cls": 0.5, "dfl": 1.5}})
def v8_detection(feats, boxes, labels, **options):
    from focalbench_suite.adapters.own.v8_detection import v8_detection

    return v8_detection(feats, boxes, labels, **options)


@adapter.loss("end_to_end_detection", reduction="terms", defaults={"gains": {"box": 7.5, "cls": 0.5, "dfl": 1.5}})
def end_to_end_detection(one2many, one2one, boxes, labels, **options):
    from focalbench_suite.adapters.own.end_to_end import end_to_end_detection

    return end_to_end_detection(one2many, one2one, boxes, labels, **options)


@adapter.loss("gfl_head", reduction="terms", defaults={"weights": {"cls": 1.0, "bbox": 2.0, "dfl": 0.25}})
def gfl_head(cls_scores, bbox_preds, boxes, labels, **options):
    from focalbench_suite.adapters.own.gfl_head import gfl_head

    return gfl_head(cls_scores, bbox_preds, boxes, labels, **options)


@adapter.loss("retinanet_head", reduction="terms")
def retinanet_head(cls_logits, bbox_regression, boxes, labels, **options):
    from focalbench_suite.adapters.own.retinanet_head import retinanet_head

    return retinanet_head(cls_logits, bbox_regression, boxes, labels, **options)


@adapter.loss("fcos_head", reduction="terms")
def fcos_head(cls_logits, bbox_regression, bbox_ctrness, boxes, labels, **options):
    from focalbench_suite.adapters.own.fcos_head import fcos_head

    return fcos_head(cls_logits, bbox_regression, bbox_ctrness, boxes, labels, **options)


@adapter.loss("rtdetr_head", reduction="terms")
def rtdetr_head(pred_boxes, pred_logits, boxes, labels, **options):
    from scipy.optimize import linear_sum_assignment

    from focalbench_suite.adapters.own.rtdetr_head import rtdetr_head

    def match(costs):
        return linear_sum_assignment(costs.cpu())

    return rtdetr_head(pred_boxes[0], pred_logits[0], boxes, labels, match=match, **options)
