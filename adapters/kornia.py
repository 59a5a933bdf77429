"""kornia.losses: https://kornia.readthedocs.io/en/latest/losses.html"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("kornia", distribution="kornia", modules=("kornia",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "none"}


@adapter.loss(
    "focal",
    origin="kornia.losses:binary_focal_loss_with_logits",
    defaults={"gamma": 2.0, "alpha": 0.25},
    **CHOICES,
)
def focal(logits, targets, *, gamma, alpha, reduction):
    from kornia.losses import binary_focal_loss_with_logits

    return binary_focal_loss_with_logits(logits, targets, alpha=alpha, gamma=gamma, reduction=reduction)


SOFTMAX: dict[str, Any] = {"labels": "index", "origin": "kornia.losses:focal_loss", "defaults": {"gamma": 2.0}}


@adapter.loss("softmax_focal", until="0.7.0", **SOFTMAX, **CHOICES)
def softmax_focal_without_weights(logits, targets, *, gamma, alpha, reduction):
    """Its `alpha` is one number for every class, and must be given; the class weights came with 0.7.0."""
    from kornia.losses import focal_loss

    if alpha is not None:
        raise Unsupported("focal_loss has no class weights before kornia 0.7.0")
    return focal_loss(logits, targets, alpha=1.0, gamma=gamma, reduction=reduction)


@adapter.loss("softmax_focal", since="0.7.0", **SOFTMAX, **CHOICES)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    """One value per element, 0 outside the target class, so that ``mean`` divides by the classes, too.

    Its own `alpha` is a number that weights class 0 by 1 - alpha; class weights are its `weight`.
    """
    from kornia.losses import focal_loss

    return focal_loss(logits, targets, alpha=None, gamma=gamma, reduction=reduction, weight=alpha)
