"""Our losses in MMDetection (3.x), by their names in a config:

    custom_imports = dict(imports=["focalbench_suite.adapters.own.mmdetection"])
    model = dict(bbox_head=dict(
        loss_cls=dict(type="focalbench.QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_dfl=dict(type="focalbench.DistributionFocalLoss", loss_weight=0.25)))

They take what MMDetection's losses of the same names take: targets as class indices (any index that is no class is
background), as dense scores or as a pair (label, score); a weight for each row or element; ``avg_factor``;
``reduction_override``.

In the wheel this module is ``focalbench.mmdetection``. Where both are imported in one process, the names in a config
stand for the classes of the one that was imported last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mmdet.registry import MODELS as MMDETECTION
from mmengine.registry import Registry
from torch import Tensor, nn

from . import checks, losses

SCOPE = "focalbench"
MODELS = MMDETECTION.children.get(SCOPE) or Registry("model", parent=MMDETECTION, scope=SCOPE)
SMALL = torch.finfo(torch.float32).eps  # MMDetection adds it to avg_factor


class _Loss(nn.Module):
    """What MMDetection's heads call; `function` gives the loss, reduced or per element or row.

    Where all weights are 1, as in most heads, the loss and its gradient are one pass over the logits.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        use_sigmoid: bool = True,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not use_sigmoid:
            raise ValueError(f"{type(self).__name__} is a loss over sigmoid: use_sigmoid must be True")
        checks.reduction(reduction, None)
        self.function, self.reduction, self.loss_weight = function, reduction, loss_weight
        self.use_sigmoid = True

    def forward(
        self,
        pred: Tensor,
        target: Tensor | tuple[Tensor, Tensor],
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The reduced loss times `loss_weight`.

        Args:
            pred: (N, C) logits, or (N, K) bins; half precision counts as float32.
            target: (N,) class index, (N, C) scores or a pair (label, score) of (N,) each; for bins (N,) coordinates.
            weight: (N,) for each row, or of the loss' own shape for each element.
            avg_factor: with ``mean``, what the sum is divided by, one number of 0 or more; ignored with ``none``.
            reduction_override: used in place of `reduction`.

        Raises:
            ValueError: the errors of the function in `losses`, and an `avg_factor` together with ``sum``.
        """
        pred = pred.to(torch.promote_types(pred.dtype, torch.float32))
        reduction = reduction_override or self.reduction
        divisor = _divisor(avg_factor, reduction)
        if _all_ones(weight, len(pred)):
            return self.loss_weight * self.function(pred, target, reduction=reduction, avg_factor=divisor)
        loss = self.function(pred, target, reduction="none")
        if weight is not None:
            loss = loss * (weight.unsqueeze(-1) if weight.dim() < loss.dim() else weight)
        return self.loss_weight * _reduced(loss, reduction, divisor)


@MODELS.register_module(force=True)
class CrossEntropyLoss(_Loss):
    """Binary cross entropy of each class  (arXiv:1708.02002 eq. 1).

    `options` are `use_sigmoid`, `reduction` and `loss_weight`. At p = 1/2 the loss is log 2:

    >>> CrossEntropyLoss()(torch.zeros(1, 1), torch.tensor([0]))
    tensor(0.6931)
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(losses.cross_entropy_loss, **options)


@MODELS.register_module(force=True)
class BalancedCrossEntropyLoss(_Loss):
    """α-balanced binary cross entropy of each class  (arXiv:1708.02002 eq. 3).

    `alpha` lies in [0, 1] or is None, else `ValueError`; `options` as in `CrossEntropyLoss`.
    A positive at p = 1/2 costs α log 2:

    >>> BalancedCrossEntropyLoss(alpha=0.25)(torch.zeros(1, 1), torch.tensor([0]))
    tensor(0.1733)
    """

    def __init__(self, alpha: float | None = 0.25, **options: Any) -> None:
        checks.share("alpha", alpha)
        super().__init__(partial(losses.balanced_cross_entropy_loss, alpha=alpha), **options)


@MODELS.register_module(force=True)
class FocalLoss(_Loss):
    """Focal Loss over sigmoid  (arXiv:1708.02002 eq. 5).

    `gamma` is 0 or more, `alpha` lies in [0, 1] or is None, else `ValueError`; `options` as in `CrossEntropyLoss`.
    A positive at p = 1/2 costs α (1/2)² log 2:

    >>> FocalLoss(gamma=2.0, alpha=0.25)(torch.zeros(1, 1), torch.tensor([0]))
    tensor(0.0433)
    """

    def __init__(self, gamma: float = 2.0, alpha: float | None = 0.25, **options: Any) -> None:
        checks.not_negative("gamma", gamma)
        checks.share("alpha", alpha)
        super().__init__(partial(losses.focal_loss, gamma=gamma, alpha=alpha), **options)


@MODELS.register_module(force=True)
class VarifocalLoss(_Loss):
    """Varifocal Loss  (arXiv:2008.13367 eq. 2).

    `alpha` is a factor of 0 or more or None, `gamma` is 0 or more, else `ValueError`; `options` as in
    `CrossEntropyLoss`. A negative at p = 1/2 costs α (1/2)² log 2:

    >>> VarifocalLoss(alpha=0.75, gamma=2.0)(torch.zeros(1, 1), torch.zeros(1, 1))
    tensor(0.1300)
    """

    def __init__(self, alpha: float | None = 0.75, gamma: float = 2.0, **options: Any) -> None:
        checks.factor("alpha", alpha)
        checks.not_negative("gamma", gamma)
        super().__init__(partial(losses.varifocal_loss, gamma=gamma, alpha=alpha), **options)


@MODELS.register_module(force=True)
class QualityFocalLoss(_Loss):
    """Quality Focal Loss, summed over the classes of a row as MMDetection's is  (arXiv:2006.04388 eq. 2).

    `beta` is 0 or more, else `ValueError`; `options` as in `CrossEntropyLoss`.
    At p = 1/2 a class of quality 3/4 costs (1/4)² log 2, and the other class (1/2)² log 2:

    >>> QualityFocalLoss(beta=2.0)(torch.zeros(1, 2), (torch.tensor([0]), torch.tensor([0.75])))
    tensor(0.2166)
    """

    def __init__(self, beta: float = 2.0, **options: Any) -> None:
        checks.not_negative("beta", beta)
        super().__init__(partial(_by_row, partial(losses.quality_focal_loss, beta=beta)), **options)


@MODELS.register_module(force=True)
class DistributionFocalLoss(_Loss):
    """Distribution Focal Loss of each row  (arXiv:2006.04388 eq. 6).

    `options` as in `CrossEntropyLoss`. Four bins at even odds cost log 4, whatever the target:

    >>> DistributionFocalLoss(loss_weight=1.0)(torch.zeros(1, 4), torch.tensor([1.7]))
    tensor(1.3863)
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(losses.distribution_focal_loss, **options)


def _divisor(avg_factor: float | Tensor | None, reduction: str) -> float | Tensor | None:
    """What the sum is divided by, or None for the number of elements or rows."""
    if avg_factor is None:
        return None
    checks.divisor(avg_factor)
    return None if reduction == "none" else avg_factor + SMALL


def _reduced(loss: Tensor, reduction: str, divisor: float | Tensor | None) -> Tensor:
    checks.reduction(reduction, divisor)
    if reduction == "none":
        return loss
    if divisor is None:
        return loss.mean() if reduction == "mean" else loss.sum()
    return loss.sum() / torch.as_tensor(divisor, device=loss.device).reshape(()).clamp(min=SMALL)


def _all_ones(weight: Tensor | None, rows: int) -> bool:
    """Whether no row weighs more or less than another; a GPU is waited for, as heads do for their counts."""
    return rows > 0 and (weight is None or (weight.shape == (rows,) and bool((weight == 1).all())))


def _by_row(
    function: Callable[..., Tensor],
    pred: Tensor,
    target: Tensor | tuple[Tensor, Tensor],
    reduction: str,
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """A loss per element as one per row: its sum over the classes, and a mean over rows."""
    if reduction == "none":
        return function(pred, target, reduction="none").sum(dim=-1)
    divisor = pred[..., 0].numel() if reduction == "mean" and avg_factor is None else avg_factor
    return function(pred, target, reduction=reduction, avg_factor=divisor)
