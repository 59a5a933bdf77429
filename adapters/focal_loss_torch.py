"""focal_loss.FocalLoss of focal-loss-torch: https://pypi.org/project/focal-loss-torch/"""

from focalbench_suite.adapters import Adapter

adapter = Adapter("focal_loss_torch", distribution="focal-loss-torch", modules=("focal_loss",))


@adapter.loss(
    "softmax_focal",
    labels="index",
    origin="focal_loss:FocalLoss",
    reductions=("none", "mean", "sum"),
    reduction="mean",
)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    """It takes probabilities; with class weights its mean divides by their sum."""
    from focal_loss import FocalLoss

    return FocalLoss(gamma=gamma, weights=alpha, reduction=reduction)(logits.softmax(dim=1), targets)
