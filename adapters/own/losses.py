"""The public losses. The mathematics is in `readable`, how it is made fast in `fused`.

Targets of the sigmoid losses come in three forms, told apart by their type:

* dense: a tensor of the logits' shape, values in [0, 1];
* index: an integer tensor of the logits' shape without the last dimension, one class a row; any index outside
  0 … C-1 is background (a row of zeros);
* label and score: a pair (index, score) of such an index and of scores in [0, 1], one soft label a row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .call import Call
from .fused import check, evaluate
from .plain import over
from .readable import generalized_focal

Targets = Tensor | tuple[Tensor, Tensor]


def cross_entropy_loss(
    logits: Tensor, targets: Targets, *, reduction: str = "mean", avg_factor: float | Tensor | None = None
) -> Tensor:
    """Binary cross entropy of each class, -y log p - (1 - y) log(1 - p) with p = σ(logit)  (arXiv:1708.02002 eq. 1).

    See `focal_loss` for inputs, reductions and errors.
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

    See `focal_loss` for inputs, reductions and errors.
    """
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

    p_t = p y + (1 - p)(1 - y) and α_t = α y + (1 - α)(1 - y), which also defines it for soft labels.

    Args:
        logits: (N, C) or any other shape; float32, float64, bfloat16 or float16.
        targets: dense, index or (label, score) targets; the module says which is which. Constants: no gradient.
        gamma: focusing parameter, >= 0.
        alpha: weight of the positive class in [0, 1], None for no weighting.
        reduction: ``none`` (the loss per element), ``mean`` (over all elements) or ``sum``.
        avg_factor: with ``mean``, the number the sum is divided by instead, e.g. the number of positives.

    Returns the loss in the logits' dtype, under autocast in float32. Empty logits give 0 (of shape () unless
    ``none``), with a graph. Where a gradient is asked for, backward may ask for its gradient in turn.
    Raises `ValueError` for targets of another shape, parameters out of range, or an unknown reduction, and `TypeError`
    for logits that are not floating point.
    """
    _check_not_negative("gamma", gamma)
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

    Where the prediction equals the quality, the gradient of |y - σ|^β is taken as 0.
    See `focal_loss` for inputs, reductions and errors.
    """
    _check_not_negative("beta", beta)
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

    See `focal_loss` for inputs, reductions and errors.
    """
    _check_not_negative("gamma", gamma)
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
        logits: (..., C), C >= 1.
        targets: (...) integer class index in 0 … C-1; any other gives NaN.
        gamma: focusing parameter, >= 0.
        alpha: (C,) class weights, or None for no weighting.
        reduction: ``none`` gives (...); ``mean`` divides by the number of rows, whatever their weights.
        avg_factor: as in `focal_loss`.

    Errors as in `focal_loss`.
    """
    _check_not_negative("gamma", gamma)
    _check_rows(logits, targets, least=1)
    if targets.is_floating_point():
        raise ValueError(f"softmax_focal_loss takes class indices; these targets are {targets.dtype}")
    if alpha is not None and alpha.shape != logits.shape[-1:]:
        raise ValueError(f"alpha holds a weight a class, ({logits.shape[-1]},); this one is {tuple(alpha.shape)}")
    call = Call("softmax_focal", logits, targets.long().contiguous(), weights=_wide(alpha, logits), power=float(gamma))
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

    Args:
        logits: (..., K), K >= 2 bins that stand for 0 … K-1; p is their softmax.
        targets: (...) box sides in units of bins, in [0, K-1], both ends included.
        weight: (...) weight of each row, or None.
        reduction: ``none`` gives (...); ``mean`` divides by the number of rows, whatever their weights.
        avg_factor: as in `focal_loss`.

    Errors as in `focal_loss`.
    """
    _check_rows(logits, targets, least=2)
    if weight is not None and weight.shape != targets.shape:
        raise ValueError(f"weight has the targets' shape, {tuple(targets.shape)}; this one is {tuple(weight.shape)}")
    call = Call("distribution_focal", logits, _wide(targets, logits), weights=_wide(weight, logits))
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

    Logits and targets as in `distribution_focal_loss`. Special cases: beta 0 is DFL; two bins with logits (0, x) are
    QFL of x, and with targets 0 or 1 FL of x with gamma = beta and without alpha.
    """
    _check_not_negative("beta", beta)
    _check_rows(logits, targets, least=2)
    check(logits.dtype, reduction, avg_factor)
    loss = generalized_focal(logits, targets.detach(), beta)
    if reduction == "none":
        return loss.to(logits.dtype)
    count = 1 if reduction == "sum" else loss.numel() if avg_factor is None else avg_factor
    return over(loss.sum(), torch.as_tensor(count, device=loss.device).detach()).to(logits.dtype)


def _check_not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} is {value}; it must be 0 or more")


def _check_rows(logits: Tensor, targets: Tensor, least: int) -> None:
    if logits.dim() == 0 or logits.shape[-1] < least:
        raise ValueError(f"logits need at least {least} in the last dimension; these are {tuple(logits.shape)}")
    if targets.shape != logits.shape[:-1]:
        raise ValueError(f"targets hold one value a row, {tuple(logits.shape[:-1])}; these are {tuple(targets.shape)}")


def _sigmoid_call(loss: str, logits: Tensor, targets: Targets, power: float, alpha: float | None = None) -> Call:
    """A call of a sigmoid loss, with targets of any of the three forms."""
    if isinstance(targets, tuple):
        labels, scores = targets
        _check_rows(logits, scores, least=1)
    elif targets.shape == logits.shape:
        return Call(loss, logits, _dense(targets, logits), power=float(power), alpha=alpha)
    else:
        labels, scores = targets, None
    _check_rows(logits, labels, least=1)
    if labels.is_floating_point():
        raise ValueError(f"class indices are integers; these are {labels.dtype}")
    return Call(loss, logits, _wide(scores, logits), labels.long().contiguous(), power=float(power), alpha=alpha)


def _dense(targets: Tensor, logits: Tensor) -> Tensor:
    """Dense targets without a gradient, in the logits' dtype or, where that is half, in float32 if they are wider."""
    if targets.dtype == logits.dtype or not targets.is_floating_point():
        return targets.detach().to(logits.dtype).contiguous()
    return _wide(targets, logits)


def _wide(values: Tensor | None, logits: Tensor) -> Tensor | None:
    """Values without a gradient, in float32, or in float64 where the logits are."""
    if values is None:
        return None
    return values.detach().to(torch.promote_types(logits.dtype, torch.float32)).contiguous()
