"""segmentation_models_pytorch.losses.FocalLoss: https://smp.readthedocs.io/en/latest/losses.html#focalloss

Its `multiclass` mode is, despite the name, the sigmoid loss of each class against the rest.
"""

from focalbench_suite.adapters import Adapter

adapter = Adapter(
    "segmentation_models_pytorch",
    distribution="segmentation-models-pytorch",
    modules=("segmentation_models_pytorch",),
)
DECLARED = {
    "origin": "segmentation_models_pytorch.losses:FocalLoss",
    "reduction": "mean",
    "defaults": {"gamma": 2.0, "alpha": None},
}


@adapter.loss("focal", variant="binary", reductions=("none", "mean", "sum"), **DECLARED)
def focal_binary(logits, targets, *, gamma, alpha, reduction):
    """Without a reduction it returns its elements in one row."""
    loss = _criterion("binary", gamma, alpha, reduction)(logits, targets)
    return loss.view_as(logits) if reduction == "none" else loss


@adapter.loss("focal", variant="multilabel", reductions=("mean", "sum"), **DECLARED)
def focal_multilabel(logits, targets, *, gamma, alpha, reduction):
    """Reduced for each class, then averaged over the classes, whatever the reduction."""
    return _criterion("multilabel", gamma, alpha, reduction)(logits, targets)


@adapter.loss("focal", variant="multiclass", labels="index", background="last", reductions=("mean", "sum"), **DECLARED)
def focal_multiclass(logits, targets, *, gamma, alpha, reduction):
    return _criterion("multiclass", gamma, alpha, reduction)(logits, targets)


def _criterion(mode, gamma, alpha, reduction):
    from segmentation_models_pytorch.losses import FocalLoss

    return FocalLoss(mode, alpha=alpha, gamma=gamma, reduction=reduction)
