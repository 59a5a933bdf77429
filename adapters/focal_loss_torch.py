"""focal_loss.FocalLoss of focal-loss-torch: https://pypi.org/project/focal-loss-torch/"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("focal_loss_torch", distribution="focal-loss-torch", modules=("focal_loss",))


DECLARED: dict[str, Any] = {
    "labels": "index",
    "origin": "focal_loss:FocalLoss",
    "reductions": ("none", "mean", "sum"),
    "reduction": "mean",
}


@adapter.loss("softmax_focal", until="0.1.0", **DECLARED)
def softmax_focal_without_weights(logits, targets, *, gamma, alpha, reduction):
    """Its `alpha` is one number for every class."""
    from focal_loss import FocalLoss

    if alpha is not None:
        raise Unsupported("FocalLoss has no class weights before focal-loss-torch 0.1.0")
    return FocalLoss(alpha=1, gamma=gamma, reduction=reduction)(logits.softmax(dim=1), targets)


@adapter.loss("softmax_focal", since="0.1.0", **DECLARED)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    """It takes probabilities; with class weights its mean divides by their sum."""
    from focal_loss import FocalLoss

    return FocalLoss(gamma=gamma, weights=alpha, reduction=reduction)(logits.softmax(dim=1), targets)
