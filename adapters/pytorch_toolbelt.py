"""pytorch_toolbelt.losses: https://github.com/BloodAxe/pytorch-toolbelt/tree/develop/pytorch_toolbelt/losses"""

import warnings
from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("pytorch_toolbelt", distribution="pytorch-toolbelt", modules=("pytorch_toolbelt",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "mean"}


@adapter.loss(
    "focal", origin="pytorch_toolbelt.losses:BinaryFocalLoss", defaults={"gamma": 2.0, "alpha": None}, **CHOICES
)
def focal(logits, targets, *, gamma, alpha, reduction):
    return _losses().BinaryFocalLoss(alpha=alpha, gamma=gamma, reduction=reduction)(logits, targets)


SOFTMAX: dict[str, Any] = {"labels": "index", "defaults": {"gamma": 2.0}, **CHOICES}
CROSS_ENTROPY = "pytorch_toolbelt.losses:CrossEntropyFocalLoss"


@adapter.loss("softmax_focal", origin="pytorch_toolbelt.losses:FocalLoss", until="0.6.0", **SOFTMAX)
def softmax_focal_of_classes(logits, targets, *, gamma, alpha, reduction):
    """The loss of class indices of its time, which adds up sigmoid losses of the classes."""
    if alpha is not None:
        raise Unsupported("FocalLoss has no class weights")
    return _losses().FocalLoss(alpha=None, gamma=gamma, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", origin=CROSS_ENTROPY, since="0.6.0", until="0.8.0", **SOFTMAX)
def softmax_focal_without_weights(logits, targets, *, gamma, alpha, reduction):
    if alpha is not None:
        raise Unsupported("CrossEntropyFocalLoss has no class weights before pytorch-toolbelt 0.8.0")
    return _losses().CrossEntropyFocalLoss(gamma=gamma, reduction=reduction)(logits, targets)


@adapter.loss("softmax_focal", origin=CROSS_ENTROPY, since="0.8.0", **SOFTMAX)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    criterion = _losses().CrossEntropyFocalLoss(gamma=gamma, reduction=reduction, class_weights=alpha)
    return criterion(logits, targets)


@adapter.loss("quality_focal", origin="pytorch_toolbelt.losses:QualityFocalLoss", defaults={"beta": 2.0}, **CHOICES)
def quality_focal(logits, targets, *, beta, reduction):
    return _losses().QualityFocalLoss(beta=beta, reduction=reduction)(logits, targets)


def _losses():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it still decorates with torch.cuda.amp.autocast
        import pytorch_toolbelt.losses
    return pytorch_toolbelt.losses
