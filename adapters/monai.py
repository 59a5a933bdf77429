"""monai.losses.FocalLoss: https://docs.monai.io/en/stable/losses.html#focalloss"""

from typing import Any

from focalbench_suite.adapters import Adapter

adapter = Adapter("monai", distribution="monai", modules=("monai",))
DECLARED: dict[str, Any] = {
    "origin": "monai.losses:FocalLoss",
    "reductions": ("none", "mean", "sum"),
    "reduction": "mean",
    "defaults": {"gamma": 2.0, "alpha": None},
}


@adapter.loss("focal", **DECLARED)
def focal(logits, targets, *, gamma, alpha, reduction):
    from monai.losses import FocalLoss

    return FocalLoss(gamma=gamma, alpha=alpha, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", labels="index", **DECLARED)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    """One value per element, 0 outside the target class, so that ``mean`` divides by the classes, too."""
    from monai.losses import FocalLoss

    criterion = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=gamma, alpha=alpha, reduction=reduction)
    return criterion(logits, targets.unsqueeze(1))
