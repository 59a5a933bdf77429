"""pytorch_toolbelt.losses: https://github.com/BloodAxe/pytorch-toolbelt/tree/develop/pytorch_toolbelt/losses"""

import warnings
from typing import Any

from focalbench_suite.adapters import Adapter

adapter = Adapter("pytorch_toolbelt", distribution="pytorch-toolbelt", modules=("pytorch_toolbelt",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "mean"}


@adapter.loss(
    "focal", origin="pytorch_toolbelt.losses:BinaryFocalLoss", defaults={"gamma": 2.0, "alpha": None}, **CHOICES
)
def focal(logits, targets, *, gamma, alpha, reduction):
    return _losses().BinaryFocalLoss(alpha=alpha, gamma=gamma, reduction=reduction)(logits, targets)


@adapter.loss(
    "softmax_focal",
    labels="index",
    origin="pytorch_toolbelt.losses:CrossEntropyFocalLoss",
    defaults={"gamma": 2.0},
    **CHOICES,
)
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
