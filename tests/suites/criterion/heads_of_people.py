"""Losses of RetinaNet's, FCOS's and RT-DETR's heads as people write them, one thing changed in each."""

from __future__ import annotations

from functools import partial

import torch
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection import retinanet as library
from ultralytics.models.utils.loss import RTDETRDetectionLoss

from focalbench_suite.adapters.own import focal_loss, quality_focal_loss
from focalbench_suite.adapters.own.fcos_head import fcos_head
from focalbench_suite.adapters.own.retinanet_head import retinanet_head


class Untouched(RetinaNet):
    pass


class HighThreshold(RetinaNet):
    """Anchors are positive from an overlap of 0.6 on."""

    def __init__(self, *given, **settings):
        super().__init__(*given, **settings, fg_iou_thresh=0.6)


class HalfTheBoxes(FCOS):
    def compute_loss(self, *given):
        found = super().compute_loss(*given)
        return found | {"bbox_regression": found["bbox_regression"] / 2}


class OtherGamma(RetinaNet):
    """Focal loss with gamma 1.5, and alpha as the library has it."""

    def compute_loss(self, *given):
        kept = library.sigmoid_focal_loss
        library.sigmoid_focal_loss = partial(kept, gamma=1.5)
        try:
            return super().compute_loss(*given)
        finally:
            library.sigmoid_focal_loss = kept


class OtherConstants(RTDETRDetectionLoss):
    def __init__(self, *given, **settings):
        super().__init__(*given, **settings)
        self.vfl.gamma, self.vfl.alpha = 2.0, 0.75


def quality_in_fcos(cls_logits, bbox_regression, bbox_ctrness, boxes, labels, *, image_size, strides):
    given = cls_logits, bbox_regression, bbox_ctrness, boxes, labels
    loss = partial(quality_focal_loss, beta=2.0)
    return fcos_head(*given, image_size=image_size, strides=strides, classification=loss)


def mean_over_anchors(cls_logits, bbox_regression, boxes, labels, *, image_size, strides):
    """Divides each image's class term by its logits, not by its positives."""

    def mean(logits, targets, avg_factor):
        return focal_loss(logits, targets, gamma=2.0, alpha=0.25, reduction="mean")

    asked = {"image_size": image_size, "strides": strides, "classification": mean}
    return retinanet_head(cls_logits, bbox_regression, boxes, labels, **asked)


def only_two(cls_logits, bbox_regression, boxes, labels, *, image_size, strides):
    return torch.zeros(1), torch.zeros(1), torch.zeros(1)
