"""fvcore.nn.sigmoid_focal_loss, which Detectron2 uses: https://github.com/facebookresearch/fvcore/blob/main/fvcore/nn/focal_loss.py"""

from typing import Any

from focalbench_suite.adapters import Adapter

adapter = Adapter("fvcore", distribution="fvcore", modules=("fvcore",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "none"}


@adapter.loss("focal", origin="fvcore.nn:sigmoid_focal_loss", defaults={"gamma": 2, "alpha": None}, **CHOICES)
def focal(logits, targets, *, gamma, alpha, reduction):
    from fvcore.nn import sigmoid_focal_loss

    return sigmoid_focal_loss(logits, targets, alpha=_alpha(alpha), gamma=gamma, reduction=reduction)


@adapter.loss(
    "focal", variant="jit", origin="fvcore.nn:sigmoid_focal_loss_jit", defaults={"gamma": 2, "alpha": None}, **CHOICES
)
def focal_jit(logits, targets, *, gamma, alpha, reduction):
    from fvcore.nn import sigmoid_focal_loss_jit

    return sigmoid_focal_loss_jit(logits, targets, float(_alpha(alpha)), float(gamma), reduction)


@adapter.loss(
    "focal", variant="star", origin="fvcore.nn:sigmoid_focal_loss_star", defaults={"gamma": 1, "alpha": None}, **CHOICES
)
def focal_star(logits, targets, *, gamma, alpha, reduction):
    """FL* of the paper's appendix, -log σ(γ x_t) / γ: another function with a similar curve."""
    from fvcore.nn import sigmoid_focal_loss_star

    return sigmoid_focal_loss_star(logits, targets, alpha=_alpha(alpha), gamma=gamma, reduction=reduction)


def _alpha(alpha):
    return -1 if alpha is None else alpha  # a negative alpha turns the weighting off
