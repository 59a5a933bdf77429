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


@adapter.loss("focal", until="1.2.0", **DECLARED)
def focal_without_alpha(logits, targets, *, gamma, alpha, reduction):
    """It takes a softmax over the channels up to 0.5, and a sigmoid of each after that; alpha came with 1.2.0."""
    from monai.losses import FocalLoss

    if alpha is not None:
        raise Unsupported("FocalLoss has no alpha before MONAI 1.2.0")
    return FocalLoss(gamma=gamma, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", labels="index", until="0.5.0", **DECLARED)
def softmax_focal_of_indices(logits, targets, *, gamma, alpha, reduction):
    from monai.losses import FocalLoss

    return FocalLoss(gamma=gamma, weight=alpha, reduction=reduction)(logits, targets.unsqueeze(1))


@adapter.loss("softmax_focal", labels="index", since="0.5.0", until="1.2.0", **DECLARED)
def softmax_focal_of_one_hot(logits, targets, *, gamma, alpha, reduction):
    """What it makes of class indices; whether with a softmax was not the user's choice before 1.2.0."""
    from monai.losses import FocalLoss

    criterion = FocalLoss(to_onehot_y=True, gamma=gamma, weight=alpha, reduction=reduction)
    return criterion(logits, targets.unsqueeze(1))


@adapter.loss("focal", since="1.2.0", **DECLARED)
def focal(logits, targets, *, gamma, alpha, reduction):
    from monai.losses import FocalLoss

    return FocalLoss(gamma=gamma, alpha=alpha, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", labels="index", since="1.2.0", **DECLARED)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    """One value per element, 0 outside the target class, so that ``mean`` divides by the classes, too."""
    from monai.losses import FocalLoss

    criterion = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=gamma, alpha=alpha, reduction=reduction)
    return criterion(logits, targets.unsqueeze(1))
