"""The public losses. `readable` holds their formulas; `autograd` reduces them and picks the fast form.

The targets of a sigmoid loss come in three forms, told apart by their type:

* dense: a tensor of the logits' shape with values in [0, 1];
* index: an integer tensor (...) for logits (..., C), the class of each row; any index outside 0 … C-1 means background,
  which is a row of zeros;
* label and score: a pair (index, score), the class of each row as above and its score (...) in [0, 1], which is one
  soft label a row.

Values of targets are never checked, since that would take as long as the loss itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks
from .autograd import evaluate
from .loss_call import LossCall

Targets = Tensor | tuple[Tensor, Tensor]


def cross_entropy_loss(
    logits: Tensor, targets: Targets, *, reduction: str = "mean", avg_factor: float | Tensor | None = None
) -> Tensor:
    """Binary cross entropy of each class, -y log p - (1 - y) log(1 - p) with p = σ(logit)  (arXiv:1708.02002 eq. 1).

    Inputs, reductions and errors are those of `focal_loss`.

    At logit 0 each probability is 1/2, so the loss is log 2:

    >>> cross_entropy_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    return evaluate(_sigmoid_call("focal", logits, targets, 0.0), reduction, avg_factor)


def balanced_cross_entropy_loss(
    logits: Tensor,
    targets: Targets,
    *,
    alpha: float | None = 0.25,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """α-balanced cross entropy, α_t CE with α_t = α y + (1 - α)(1 - y)  (arXiv:1708.02002 eq. 3).

    Inputs, reductions and errors are those of `focal_loss`.

    A positive at p = 1/2 costs α log 2, a negative (1 - α) log 2:

    >>> balanced_cross_entropy_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), alpha=0.25, reduction="none")
    tensor([[0.1733, 0.5199]])
    """
    checks.share("alpha", alpha)
    return evaluate(_sigmoid_call("focal", logits, targets, 0.0, alpha), reduction, avg_factor)


def focal_loss(
    logits: Tensor,
    targets: Targets,
    *,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Focal Loss over sigmoid, α_t (1 - p_t)^γ CE  (arXiv:1708.02002 eq. 5).

    p_t = p y + (1 - p)(1 - y) and α_t = α y + (1 - α)(1 - y), with p = σ(logit), which also defines the loss for soft
    labels y.

    Args:
        logits: (N, C) or any other shape; float32, float64, bfloat16 or float16.
        targets: dense, index or (label, score) targets, as the module's docstring says. They are constants: no gradient
            flows to them.
        gamma: focusing parameter, 0 or more.
        alpha: weight of the positive class in [0, 1]; None for no weighting.
        reduction: ``none`` (the loss per element), ``mean`` (over all elements) or ``sum``.
        avg_factor: with ``mean``, the number that the sum is divided by instead, such as the number of positives; a
            number, or a tensor with one element, which may stay on a GPU. What is below 1.2e-7 counts as 1.2e-7.

    Returns:
        The loss in the logits' dtype, or in float32 where autocast is on and the logits are in half precision; of shape
        () unless the reduction is ``none``. Empty logits give 0. Backward can be differentiated again.

    Raises:
        TypeError: the logits are not floating point.
        ValueError: targets of another shape, a parameter out of its range, an unknown reduction, an `avg_factor` that
            is negative, not finite or not one number. Within ``torch.compile(fullgraph=True)`` it comes wrapped in
            torch's own error. The value of an `avg_factor` that is a tensor is not checked.

    A positive at p = 1/2 costs α (1/2)² log 2:

    >>> focal_loss(torch.zeros(1, 1), torch.ones(1, 1), gamma=2.0, alpha=0.25)
    tensor(0.0433)

    The same with the class of each row in place of dense targets, the sum divided by the number of positives:

    >>> focal_loss(torch.zeros(1, 1), torch.tensor([0]), avg_factor=1)
    tensor(0.0433)
    """
    checks.not_negative("gamma", gamma)
    checks.share("alpha", alpha)
    return evaluate(_sigmoid_call("focal", logits, targets, gamma, alpha), reduction, avg_factor)


def quality_focal_loss(
    logits: Tensor,
    targets: Targets,
    *,
    beta: float = 2.0,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Quality Focal Loss, |y - σ(x)|^β CE, y the quality (IoU) of the labelled class  (arXiv:2006.04388 eq. 2).

    `beta` is 0 or more. Where the prediction equals the quality, the gradient of |y - σ|^β is taken as 0.
    Inputs, reductions and errors are those of `focal_loss`.

    At p = 1/2 and quality 3/4 the loss is (1/4)² log 2:

    >>> quality_focal_loss(torch.zeros(1, 1), torch.tensor([[0.75]]))
    tensor(0.0433)
    >>> quality_focal_loss(torch.zeros(1, 1), (torch.tensor([0]), torch.tensor([0.75])))
    tensor(0.0433)
    """
    checks.not_negative("beta", beta)
    return evaluate(_sigmoid_call("quality_focal", logits, targets, beta), reduction, avg_factor)


def varifocal_loss(
    logits: Tensor,
    targets: Targets,
    *,
    gamma: float = 2.0,
    alpha: float | None = 0.75,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Varifocal Loss: y CE where y > 0, α p^γ CE where y = 0  (arXiv:2008.13367 eq. 2).

    `gamma` is 0 or more. `alpha` is a plain factor of the negatives' loss and no share as in `focal_loss`: any finite
    number of 0 or more, where more than 1 lets negatives count more than they do in cross entropy; None stands for 1.
    Inputs, reductions and other errors are those of `focal_loss`.

    At p = 1/2 a positive of quality 1/2 costs (1/2) log 2, and a negative α (1/2)² log 2:

    >>> varifocal_loss(torch.zeros(1, 2), torch.tensor([[0.5, 0.0]]), alpha=0.75, reduction="none")
    tensor([[0.3466, 0.1300]])
    """
    checks.not_negative("gamma", gamma)
    checks.factor("alpha", alpha)
    return evaluate(_sigmoid_call("varifocal", logits, targets, gamma, alpha), reduction, avg_factor)


def softmax_focal_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    alpha: Tensor | None = None,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Focal Loss over softmax, -α_c (1 - p_c)^γ log p_c, c the target class of a row  (arXiv:1708.02002 eq. 5).

    Args:
        logits: (..., C), C >= 1; dtypes as in `focal_loss`.
        targets: (...) integer class index in 0 … C-1; the loss of a row with any other index is NaN.
        gamma: focusing parameter, 0 or more.
        alpha: (C,) class weights, each 0 or more; None for no weighting.
        reduction: ``none`` gives (...); ``mean`` divides by the number of rows, whatever their weights.
        avg_factor: as in `focal_loss`.

    Returns and errors are those of `focal_loss`; `ValueError` also for targets that are no integers, and for class
    weights of another shape or below 0 (their values are not read on a GPU, nor under torch.compile).

    Two classes at even odds, the target's class weighted by 3, cost 3 (1/2)² log 2:

    >>> softmax_focal_loss(torch.zeros(1, 2), torch.tensor([1]), alpha=torch.tensor([1.0, 3.0]))
    tensor(0.5199)
    """
    checks.not_negative("gamma", gamma)
    checks.rows(logits, targets, least=1)
    if targets.is_floating_point():
        raise ValueError(f"softmax_focal_loss takes class indices; these targets are {targets.dtype}")
    checks.class_weights("alpha", alpha, logits.shape[-1])
    call = LossCall(
        "softmax_focal", logits, targets.long().contiguous(), weights=_wide_or_none(alpha, logits), power=float(gamma)
    )
    return evaluate(call, reduction, avg_factor)


def distribution_focal_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    weight: Tensor | None = None,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Distribution Focal Loss, -(y_r - y) log p_l - (y - y_l) log p_r  (arXiv:2006.04388 eq. 6).

    y_l and y_r = y_l + 1 are the two bins around the target y, and p is the softmax of the logits.

    Args:
        logits: (..., K), K >= 2 bins that stand for 0 … K-1; dtypes as in `focal_loss`.
        targets: (...) distances of a box's sides in units of bins, in [0, K-1], both ends included.
        weight: (...) factor of each row's loss, or None.
        reduction: ``none`` gives (...); ``mean`` divides by the number of rows, whatever their weights.
        avg_factor: as in `focal_loss`.

    Returns and errors are those of `focal_loss`; `ValueError` also for a weight of another shape.

    Four bins at even odds have p = 1/4 each, so every target costs log 4:

    >>> distribution_focal_loss(torch.zeros(1, 4), torch.tensor([1.7]))
    tensor(1.3863)
    """
    checks.rows(logits, targets, least=2)
    if weight is not None and weight.shape != targets.shape:
        raise ValueError(f"weight has the targets' shape, {tuple(targets.shape)}; this one is {tuple(weight.shape)}")
    call = LossCall("distribution_focal", logits, _wide(targets, logits), weights=_wide_or_none(weight, logits))
    return evaluate(call, reduction, avg_factor)


def generalized_focal_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    beta: float = 2.0,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Generalized Focal Loss, |y - (y_l p_l + y_r p_r)|^β DFL  (arXiv:2006.04388 eq. 7).

    Logits, targets, reductions and errors are those of `distribution_focal_loss`; `beta` is 0 or more. Special cases:
    beta 0 is DFL; two bins with logits (0, x) are QFL of x, and with targets 0 or 1 FL of x with gamma = beta and
    without alpha.

    Two bins at even odds and target 3/4 are QFL's example, (1/4)² log 2:

    >>> generalized_focal_loss(torch.zeros(1, 2), torch.tensor([0.75]))
    tensor(0.0433)
    """
    checks.not_negative("beta", beta)
    checks.rows(logits, targets, least=2)
    return evaluate(
        LossCall("generalized_focal", logits, _wide(targets, logits), power=float(beta)), reduction, avg_factor
    )


def _sigmoid_call(loss: str, logits: Tensor, targets: Targets, power: float, alpha: float | None = None) -> LossCall:
    """A call of a sigmoid loss, with targets of any of the three forms."""
    if isinstance(targets, tuple):
        labels, scores = targets
        checks.rows(logits, scores, least=1)
    elif targets.shape == logits.shape:
        return LossCall(loss, logits, _dense(targets, logits), power=float(power), alpha=alpha)
    else:
        labels, scores = targets, None
    checks.rows(logits, labels, least=1)
    if labels.is_floating_point():
        raise ValueError(f"class indices are integers; these are {labels.dtype}")
    return LossCall(
        loss, logits, _wide_or_none(scores, logits), labels.long().contiguous(), power=float(power), alpha=alpha
    )


def _dense(targets: Tensor, logits: Tensor) -> Tensor:
    """Dense targets without a gradient, in the logits' dtype; wider ones of half-precision logits in float32."""
    if targets.dtype == logits.dtype or not targets.is_floating_point():
        return targets.detach().to(logits.dtype).contiguous()
    return _wide(targets, logits)


def _wide_or_none(values: Tensor | None, logits: Tensor) -> Tensor | None:
    return None if values is None else _wide(values, logits)


def _wide(values: Tensor, logits: Tensor) -> Tensor:
    """Values without a gradient, in float32, or in float64 where the logits are."""
    return values.detach().to(torch.promote_types(logits.dtype, torch.float32)).contiguous()
