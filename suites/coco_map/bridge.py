"""Any adapter's loss, built-in or the user's, where a training framework expects one of its own.

A framework gives class indices or soft labels, weights and the number to divide by, and wants one number back. A
listing that reduces on its own keeps its reduction, as it would for whoever pasted it there: a mean stays what it is, a
sum is divided as the framework divides. Only where that is asked for does a mean become a sum over the positives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad

from focalbench_suite import adapters

SILENT = -50.0  # a logit that loses nothing where the target is 0
MEANS = ((1, 0), (1, 1))  # how often a mean over anchors, or over all elements, divides by rows and classes
PADDING = 2  # times the rows, or classes, of a batch are put beside it


class AdapterLoss(nn.Module):
    """The `loss` of a label (``articles.first``, ``torchvision``), or of a user's `reference`, as a module.

    Called as MMDetection calls its losses; `elementwise` is what Ultralytics calls. With `normalise` as ``positives``,
    a loss that is a mean is multiplied by what it divided by, and then divided as the framework divides; raises
    `ValueError` where it is no mean.
    """

    def __init__(
        self,
        loss: str,
        label: str,
        parameters: Mapping[str, Any],
        reference: str = "",
        loss_weight: float = 1.0,
        use_sigmoid: bool = True,
        normalise: str | None = None,
    ) -> None:
        super().__init__()
        self.loss = adapters.find(loss, label, reference)
        self.arguments, self.loss_weight, self.use_sigmoid = dict(parameters), loss_weight, use_sigmoid
        self.normalised = normalise == "positives"
        self.by_rows, self.by_classes = self.divisions() if self.normalised else (0, 0)
        if self.normalised and (self.by_rows, self.by_classes) not in MEANS:
            raise ValueError(f"--normalise positives is for a mean over all anchors; {label} is none: leave it out")

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
        elif not self.normalised and "sum" not in self.loss.reduction:
            return self.loss_weight * value
        return self.loss_weight * value / (avg_factor or 1.0)

    def elementwise(self, logits: Tensor, targets: Tensor) -> Tensor:
        """One value an element where the source reduces so by default or not at all, its own scalar otherwise."""
        classes = logits.shape[-1]
        flat = logits.reshape(-1, classes)
        value = self._returned(flat, targets.reshape(-1, classes))
        if value.numel() == logits.numel() > 1:
            return value.reshape(logits.shape)
        return value * len(flat) ** self.by_rows * classes**self.by_classes

    def _returned(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.loss.reduced(logits, self.loss.native(targets, logits.shape[1]), **self.arguments)

    def divisions(self) -> tuple[int, int]:
        """How often the loss divides by the number of rows and by that of classes.

        (1, 1) is a mean over all elements; (0, 0) a sum, a sum over positives, or one value an element. It shows where
        rows and classes are added that lose nothing.

        >>> AdapterLoss("focal", "own", {"gamma": 2.0, "alpha": 0.25}).divisions()
        (1, 1)
        """
        logits = torch.linspace(-2.0, 2.0, 24).reshape(8, 3)
        targets = pad(torch.eye(3), (0, 0, 0, 5))  # each class once, and background
        rows, classes = (0, 0, 0, PADDING * len(logits)), (0, PADDING * logits.shape[1], 0, 0)
        return self._divided(logits, targets, rows), self._divided(logits, targets, classes)

    def _divided(self, logits: Tensor, targets: Tensor, padding: tuple[int, ...]) -> int:
        before = self._returned(logits, targets)
        if before.dim():
            return 0
        after = self._returned(pad(logits, padding, value=SILENT), pad(targets, padding))
        return round(math.log(float(before / after), 1 + PADDING))


def _dense(target: Tensor | tuple[Tensor, Tensor], logits: Tensor) -> Tensor:
    """Class indices (the number of classes is background), (index, score) pairs or dense scores as dense scores."""
    if not isinstance(target, tuple) and target.dim() == logits.dim():
        return target.to(logits.dtype)
    label, score = target if isinstance(target, tuple) else (target, None)
    dense = one_hot(label.clamp(max=logits.shape[1]), logits.shape[1] + 1)[:, :-1].to(logits.dtype)
    return dense if score is None else dense * score.unsqueeze(1).to(torch.promote_types(score.dtype, logits.dtype))
