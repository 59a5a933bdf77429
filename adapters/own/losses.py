"""The public losses: check the call, bring the targets into form, reduce. The mathematics is in `readable`.

Targets of the sigmoid losses come in three forms, told apart by their type:

* dense: a tensor of the logits' shape, values in [0, 1];
* index: an integer tensor of the logits' shape without the last dimension, one class a row; any index outside
  0 … C-1 is background (a row of zeros);
* label and score: a pair (index, score) of such an index and of scores in [0, 1], one soft label a row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import readable

Targets = Tensor | tuple[Tensor, Tensor]


def cross_entropy_loss(
    logits: Tensor, targets: Targets, *, reduction: str = "mean", avg_factor: float | Tensor | None = None
) -> Tensor:
    """Binary cross entropy of each class, -y log p - (1 - y) log(1 - p) with p = σ(logit)  (arXiv:1708.02002 eq. 1).

    See `focal_loss` for inputs, reductions and errors.
    """
    dense = _dense(logits, targets)
    return _reduce(readable.binary_cross_entropy(logits, dense), logits, reduction, avg_factor)


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
    dense = _dense(logits, targets)
    return _reduce(readable.balanced_cross_entropy(logits, dense, alpha), logits, reduction, avg_factor)


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

    Returns the loss in the logits' dtype. Empty logits give 0 (of shape () unless ``none``), with a graph.
    Raises `ValueError` for targets of another shape, parameters out of range, or an unknown reduction, and `TypeError`
    for logits that are not floating point.
    """
    _check_not_negative("gamma", gamma)
    dense = _dense(logits, targets)
    return _reduce(readable.focal(logits, dense, gamma, alpha), logits, reduction, avg_factor)


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
    dense = _dense(logits, targets)
    return _reduce(readable.quality_focal(logits, dense, beta), logits, reduction, avg_factor)


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
    dense = _dense(logits, targets)
    return _reduce(readable.varifocal(logits, dense, gamma, alpha), logits, reduction, avg_factor)


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
        targets: (...) integer class index in 0 … C-1.
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
    return _reduce(readable.softmax_focal(logits, targets.long(), gamma, alpha), logits, reduction, avg_factor)


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
    return _reduce(readable.distribution_focal(logits, targets, weight), logits, reduction, avg_factor)


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
    return _reduce(readable.generalized_focal(logits, targets, beta), logits, reduction, avg_factor)


def _check_not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} is {value}; it must be 0 or more")


def _check_rows(logits: Tensor, targets: Tensor, least: int) -> None:
    if logits.dim() == 0 or logits.shape[-1] < least:
        raise ValueError(f"logits need at least {least} in the last dimension; these are {tuple(logits.shape)}")
    if targets.shape != logits.shape[:-1]:
        raise ValueError(f"targets hold one value a row, {tuple(logits.shape[:-1])}; these are {tuple(targets.shape)}")


def _dense(logits: Tensor, targets: Targets) -> Tensor:
    """Targets of any of the three forms as a dense tensor."""
    if isinstance(targets, tuple):
        index, score = targets
        _check_rows(logits, score, least=1)
    elif targets.shape == logits.shape:
        return targets.detach()
    else:
        index, score = targets, None
    _check_rows(logits, index, least=1)
    if index.is_floating_point():
        raise ValueError(f"class indices are integers; these are {index.dtype}")
    hit = index.unsqueeze(-1) == torch.arange(logits.shape[-1], device=logits.device)
    return hit.to(logits.dtype) if score is None else hit * score.detach().unsqueeze(-1)


def _reduce(loss: Tensor, logits: Tensor, reduction: str, avg_factor: float | Tensor | None) -> Tensor:
    if not logits.is_floating_point():
        raise TypeError(f"logits are floating point; these are {logits.dtype}")
    if avg_factor is not None and reduction != "mean":
        raise ValueError(f"avg_factor replaces the divisor of the mean; reduction is {reduction!r}")
    if reduction == "none":
        return loss.to(logits.dtype)
    if reduction not in ("mean", "sum"):
        raise ValueError(f"unknown reduction {reduction!r}; choose from none, mean, sum")
    total = loss.sum()
    if reduction == "mean":
        total = total / _divisor(loss.numel() if avg_factor is None else avg_factor)
    return total.to(logits.dtype)


def _divisor(count: float | Tensor) -> float | Tensor:
    """The number of elements or positives; none of them divides a sum of 0, which stays 0."""
    smallest = torch.finfo(torch.float32).eps
    return count.detach().clamp(min=smallest) if isinstance(count, Tensor) else max(count, smallest)
