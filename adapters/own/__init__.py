"""Focal Loss and its kin for dense detection, exact and stable at every finite logit."""

from .heads import integral, prior_bias
from .iou_loss import iou_loss
from .losses import (
    balanced_cross_entropy_loss,
    cross_entropy_loss,
    distribution_focal_loss,
    focal_loss,
    generalized_focal_loss,
    quality_focal_loss,
    softmax_focal_loss,
    varifocal_loss,
)

__all__ = [
    "balanced_cross_entropy_loss",
    "cross_entropy_loss",
    "distribution_focal_loss",
    "focal_loss",
    "generalized_focal_loss",
    "integral",
    "iou_loss",
    "prior_bias",
    "quality_focal_loss",
    "softmax_focal_loss",
    "varifocal_loss",
]
