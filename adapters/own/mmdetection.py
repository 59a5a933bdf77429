"""Our losses in MMDetection (3.x), by their names in a config:

    custom_imports = dict(imports=["focalbench_suite.adapters.own.mmdetection"])
    model = dict(bbox_head=dict(
        loss_cls=dict(type="focalbench.QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_dfl=dict(type="focalbench.DistributionFocalLoss", loss_weight=0.25)))

They take what MMDetection's losses of the same names take: targets as class indices (the last one is background), as
dense scores or as a pair (label, score); a weight for each row or element; ``avg_factor``; ``reduction_override``.
In the wheel this module is ``focalbench.mmdetection``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.registry import MODELS as MMDETECTION
from mmengine.registry import Registry
from torch import Tensor, nn

from . import losses

MODELS = Registry("model", parent=MMDETECTION, scope="focalbench")


SMALL = torch.finfo(torch.float32).eps  # MMDetection adds it to avg_factor


class _Loss(nn.Module):
    """What MMDetection's heads call; `function` gives the loss, reduced or per element or row.

    Where all weights are one, as in most heads, the loss and its gradient are one pass over the logits.
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
        """The reduced loss times `loss_weight`; `pred` (N, C), or (N, K) bins, in half precision counts as float32."""
        pred = pred.to(torch.promote_types(pred.dtype, torch.float32))
        reduction = reduction_override or self.reduction
        if _all_ones(weight, len(pred)):
            divisor = None if avg_factor is None or reduction == "none" else avg_factor + SMALL
            return self.loss_weight * self.function(pred, target, reduction=reduction, avg_factor=divisor)
        loss = self.function(pred, target, reduction="none")
        if weight is not None and weight.dim() < loss.dim():
            weight = weight.unsqueeze(-1)
        return self.loss_weight * weight_reduce_loss(loss, weight, reduction, avg_factor)


@MODELS.register_module()
class CrossEntropyLoss(_Loss):
    """Binary cross entropy of each class."""

    def __init__(self, **options) -> None:
        super().__init__(losses.cross_entropy_loss, **options)


@MODELS.register_module()
class BalancedCrossEntropyLoss(_Loss):
    """α-balanced binary cross entropy of each class."""

    def __init__(self, alpha: float | None = 0.25, **options) -> None:
        super().__init__(partial(losses.balanced_cross_entropy_loss, alpha=alpha), **options)


@MODELS.register_module()
class FocalLoss(_Loss):
    """Focal Loss over sigmoid."""

    def __init__(self, gamma: float = 2.0, alpha: float | None = 0.25, **options) -> None:
        super().__init__(partial(losses.focal_loss, gamma=gamma, alpha=alpha), **options)


@MODELS.register_module()
class VarifocalLoss(_Loss):
    """Varifocal Loss."""

    def __init__(self, alpha: float = 0.75, gamma: float = 2.0, **options) -> None:
        super().__init__(partial(losses.varifocal_loss, gamma=gamma, alpha=alpha), **options)


@MODELS.register_module()
class QualityFocalLoss(_Loss):
    """Quality Focal Loss, summed over the classes of a row as MMDetection's is."""

    def __init__(self, beta: float = 2.0, **options) -> None:
        super().__init__(partial(_by_row, partial(losses.quality_focal_loss, beta=beta)), **options)


@MODELS.register_module()
class DistributionFocalLoss(_Loss):
    """Distribution Focal Loss of each row."""

    def __init__(self, **options) -> None:
        super().__init__(losses.distribution_focal_loss, **options)


def _all_ones(weight: Tensor | None, rows: int) -> bool:
    """Whether no row weighs more or less than another; a GPU is waited for, as heads do for their counts."""
    return rows > 0 and (weight is None or (weight.shape == (rows,) and bool((weight == 1).all())))


def _by_row(
    function: Callable[..., Tensor],
    pred: Tensor,
    target: Tensor,
    reduction: str,
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """A loss per element as one per row: its sum over the classes, and a mean over rows."""
    if reduction == "none":
        return function(pred, target, reduction="none").sum(dim=-1)
    divisor = pred[..., 0].numel() if reduction == "mean" and avg_factor is None else avg_factor
    return function(pred, target, reduction=reduction, avg_factor=divisor)
