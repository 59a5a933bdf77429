"""monai.losses.FocalLoss: https://docs.monai.io/en/stable/losses.html#focalloss"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("monai", distribution="monai", modules=("monai",))
DECLARED: dict[str, Any] = {
    "origin": "monai.losses:FocalLoss",
    "reductions": ("none", "mean", "sum"),
    "reduction": "mean",
    "defaults": {"gamma": 2.0, "alpha": None},
}


SINCE_ALPHA = "1.2"  # the first release with alpha and the softmax


@adapter.loss("focal", until=SINCE_ALPHA, **DECLARED | {"without": ("alpha",)})
def focal_without_alpha(logits, targets, *, gamma, alpha, reduction):
    from monai.losses import FocalLoss

    if alpha is not None:
        raise Unsupported("FocalLoss of this release has no alpha")
    return FocalLoss(gamma=gamma, reduction=reduction)(logits, targets)


@adapter.loss("focal", since=SINCE_ALPHA, **DECLARED)
def focal(logits, targets, *, gamma, alpha, reduction):
    from monai.losses import FocalLoss

    return FocalLoss(gamma=gamma, alpha=alpha, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", labels="index", since=SINCE_ALPHA, **DECLARED)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    """One value per element, 0 outside the target class, so that ``mean`` divides by the classes, too."""
    from monai.losses import FocalLoss

    criterion = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=gamma, alpha=alpha, reduction=reduction)
    return criterion(logits, targets.unsqueeze(1))
