"""timm.loss: https://github.com/huggingface/pytorch-image-models/tree/main/timm/loss"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("timm", distribution="timm", modules=("timm",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "mean"}


@adapter.loss("cross_entropy", origin="timm.loss:BinaryCrossEntropy", **CHOICES)
def cross_entropy(logits, targets, *, reduction):
    """Its default label smoothing of 0.1 applies to class indices; dense targets are taken as they are."""
    from timm.loss import BinaryCrossEntropy

    return BinaryCrossEntropy(reduction=reduction)(logits, targets)


@adapter.loss("focal", variant="poly", origin="timm.loss:PolyBinaryCrossEntropy", **CHOICES)
def focal_poly(logits, targets, *, gamma, alpha, reduction):
    """Poly-1 with epsilon 0, which is then the focal loss; by default epsilon is 2 and gamma 0."""
    from timm.loss import PolyBinaryCrossEntropy

    return PolyBinaryCrossEntropy(epsilon=0.0, gamma=gamma, alpha=alpha, reduction=reduction)(logits, targets)


@adapter.loss("poly1", origin="timm.loss:PolyCrossEntropy", defaults={"epsilon": 2.0}, **CHOICES)
def poly1(logits, targets, *, epsilon, reduction):
    """Without label smoothing, which is off by default."""
    from timm.loss import PolyCrossEntropy

    return PolyCrossEntropy(epsilon=epsilon, reduction=reduction)(logits, targets)


@adapter.loss(
    "focal",
    variant="asymmetric",
    origin="timm.loss:AsymmetricLossMultiLabel",
    reduction="sum",
    without=("alpha",),
    until="1.0.31",
)
def focal_asymmetric_sum(logits, targets, *, gamma, alpha):
    """It offers no reduction before 1.0.31, and adds everything up."""
    from timm.loss import AsymmetricLossMultiLabel

    if alpha is not None:
        raise Unsupported("AsymmetricLossMultiLabel has no alpha")
    return AsymmetricLossMultiLabel(gamma_neg=gamma, gamma_pos=gamma, clip=None)(logits, targets)


@adapter.loss(
    "focal",
    variant="asymmetric",
    origin="timm.loss:AsymmetricLossMultiLabel",
    since="1.0.31",
    reductions=("none", "mean", "sum", "batchmean"),
    reduction="batchmean",
    without=("alpha",),
)
def focal_asymmetric(logits, targets, *, gamma, alpha, reduction):
    """The asymmetric loss with one gamma for both sides and no clipping, which is then the focal loss without alpha.

    By default gamma is 1 for positives and 4 for negatives, and 0.05 is added to the negatives' probability.
    """
    from timm.loss import AsymmetricLossMultiLabel

    if alpha is not None:
        raise Unsupported("AsymmetricLossMultiLabel has no alpha")
    return AsymmetricLossMultiLabel(gamma_neg=gamma, gamma_pos=gamma, clip=None, reduction=reduction)(logits, targets)
