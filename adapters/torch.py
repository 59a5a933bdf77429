"""What torch itself offers: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("torch", distribution="torch", modules=("torch",))
CHOICES: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": "mean"}
BINARY: dict[str, Any] = {**CHOICES, "origin": "torch.nn.functional:binary_cross_entropy_with_logits"}


@adapter.loss("cross_entropy", **BINARY)
def cross_entropy(logits, targets, *, reduction):
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(logits, targets, reduction=reduction)


@adapter.loss("balanced_cross_entropy", **BINARY)
def balanced_cross_entropy(logits, targets, *, alpha, reduction):
    """With the `weight` of each element that balancing by alpha gives."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    weight = None if alpha is None else alpha * targets + (1 - alpha) * (1 - targets)
    return binary_cross_entropy_with_logits(logits, targets, weight=weight, reduction=reduction)


@adapter.loss("distribution_focal", origin="torch.nn.functional:cross_entropy", **CHOICES)
def distribution_focal(logits, targets, *, weight=None, reduction):
    """Cross entropy against the probabilities that put the target between its two bins."""
    from torch import zeros_like
    from torch.nn.functional import cross_entropy

    if weight is not None:
        raise Unsupported("the weight of cross_entropy is one of classes, not of rows")
    left = targets.floor().clamp(0, logits.shape[1] - 2)
    bins, share = left.long().unsqueeze(1), (targets - left).unsqueeze(1).to(logits.dtype)
    wanted = zeros_like(logits).scatter(1, bins, 1 - share).scatter(1, bins + 1, share)
    return cross_entropy(logits, wanted, reduction=reduction)


@adapter.loss("smooth_l1", origin="torch.nn.functional:smooth_l1_loss", defaults={"beta": 1.0}, **CHOICES)
def smooth_l1(boxes, targets, *, reduction):
    from torch.nn.functional import smooth_l1_loss

    return smooth_l1_loss(boxes, targets, reduction=reduction)
