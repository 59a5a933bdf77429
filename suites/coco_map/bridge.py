"""Any adapter's loss, built-in or the user's, where a training framework expects one of its own.

A framework gives class indices or soft labels, weights and the number to divide by, and wants one number back. A
listing that reduces on its own keeps its reduction, as it would for whoever pasted it there: a mean stays what it is, a
sum is divided as the framework divides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from focalbench_suite import adapters


class AdapterLoss(nn.Module):
    """The `loss` of a label (``articles.first``, ``torchvision``), or of a user's `reference`, as a module.

    Called as MMDetection calls its losses; `elementwise` is what Ultralytics calls.
    """

    def __init__(
        self,
        loss: str,
        label: str,
        parameters: Mapping[str, Any],
        reference: str = "",
        loss_weight: float = 1.0,
        use_sigmoid: bool = True,
    ) -> None:
        super().__init__()
        self.loss = adapters.find(loss, label, reference)
        self.arguments, self.loss_weight, self.use_sigmoid = dict(parameters), loss_weight, use_sigmoid

    def forward(
        self,
        pred: Tensor,
        target: Tensor | tuple[Tensor, Tensor],
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """The loss of logits `pred` (N, C): its sum over `avg_factor`, or the listing's own mean."""
        dense = _dense(target, pred)
        if weight is not None:
            weight = weight if weight.dim() == pred.dim() else weight.unsqueeze(1)
            counted = (weight > 0).expand_as(pred).all(dim=1)  # anchors that the assigner set aside
            pred, dense, weight = pred[counted], dense[counted], weight[counted]
        value = self.elementwise(pred, dense)
        if value.dim():
            value = (value * weight if weight is not None else value).sum()
        elif "sum" not in self.loss.reduction:
            return self.loss_weight * value
        return self.loss_weight * value / (avg_factor or 1.0)

    def elementwise(self, logits: Tensor, targets: Tensor) -> Tensor:
        """One value an element where the source reduces so by default or not at all, its own scalar otherwise."""
        classes = logits.shape[-1]
        flat = logits.reshape(-1, classes)
        native = self.loss.native(targets.reshape(-1, classes), classes)
        value = self.loss.reduced(flat, native, **self.arguments)
        return value.reshape(logits.shape) if value.numel() == logits.numel() > 1 else value


def _dense(target: Tensor | tuple[Tensor, Tensor], logits: Tensor) -> Tensor:
    """Class indices (the number of classes is background), (index, score) pairs or dense scores as dense scores."""
    if not isinstance(target, tuple) and target.dim() == logits.dim():
        return target.to(logits.dtype)
    label, score = target if isinstance(target, tuple) else (target, None)
    dense = one_hot(label.clamp(max=logits.shape[1]), logits.shape[1] + 1)[:, :-1].to(logits.dtype)
    return dense if score is None else dense * score.unsqueeze(1).to(torch.promote_types(score.dtype, logits.dtype))
