"""One call of a loss, in the form that every backend takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SIGMOID = ("focal", "quality_focal", "varifocal")
ROWS = ("softmax_focal", "distribution_focal")


@dataclass(frozen=True, slots=True)
class Call:
    """What is computed of which tensors.

    `targets` are dense, or with `labels` the score of each row (None: 1), or class indices, or bin coordinates.
    `power` is gamma or beta. `weights` are one a class for `softmax_focal` and one a row for `distribution_focal`.
    A total is of dtype `result`, None for the logits'.
    """

    loss: str
    logits: Tensor
    targets: Tensor | None
    labels: Tensor | None = None
    weights: Tensor | None = None
    power: float = 0.0
    alpha: float | None = None
    result: torch.dtype | None = None

    @property
    def by_row(self) -> bool:
        """Whether there is one loss a row instead of one an element."""
        return self.loss in ROWS

    @property
    def total_dtype(self) -> torch.dtype:
        """The dtype of a sum or mean."""
        return self.logits.dtype if self.result is None else self.result

    @property
    def positive(self) -> float:
        """Weight of a positive label."""
        return 1.0 if self.alpha is None else self.alpha

    @property
    def negative(self) -> float:
        """Weight of a negative label."""
        if self.alpha is None:
            return 1.0
        return self.alpha if self.loss == "varifocal" else 1 - self.alpha
