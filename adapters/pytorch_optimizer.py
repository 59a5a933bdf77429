"""pytorch_optimizer.loss: https://pytorch-optimizers.readthedocs.io/en/latest/loss/"""

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("pytorch_optimizer", distribution="pytorch-optimizer", modules=("pytorch_optimizer",))


@adapter.loss(
    "focal",
    origin="pytorch_optimizer.loss:FocalLoss",
    reduction="mean",
    defaults={"gamma": 2.0, "alpha": 1.0},
)
def focal(logits, targets, *, gamma, alpha):
    """An alpha of 1, its default, weighs nothing."""
    from pytorch_optimizer.loss import FocalLoss

    return FocalLoss(alpha=1.0 if alpha is None else alpha, gamma=gamma)(logits, targets)


@adapter.loss(
    "focal",
    variant="probabilities",
    origin="pytorch_optimizer.loss:BCEFocalLoss",
    reductions=("none", "mean", "sum"),
    reduction="mean",
    defaults={"gamma": 2.0, "alpha": 0.25},
)
def focal_of_probabilities(logits, targets, *, gamma, alpha, reduction):
    """It takes probabilities, and has no way to leave alpha out."""
    from pytorch_optimizer.loss import BCEFocalLoss

    if alpha is None:
        raise Unsupported("BCEFocalLoss always weights by alpha")
    return BCEFocalLoss(alpha=alpha, gamma=gamma, reduction=reduction)(logits.sigmoid(), targets)
