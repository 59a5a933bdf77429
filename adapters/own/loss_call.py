"""One call of a loss, in the form that every backend takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# The losses that the kernels of `cpu` and `gpu` know; every other one runs in its readable form.
SIGMOID = ("focal", "quality_focal", "varifocal")  # in the order of the kernels' own numbers for them
ROWS = ("softmax_focal", "distribution_focal")


@dataclass(frozen=True, slots=True)
class LossCall:
    """A loss, by name, of some tensors.

    Attributes:
        loss: a name in `readable.FORMULAS`.
        logits: (..., C); (...) will do for a sigmoid loss with dense targets.
        targets: dense targets of the logits' shape; or, with `labels`, the score (...) of each row, None for 1; or for
            a loss over rows the class index or bin coordinate (...) of each row.
        labels: class index (...) of each row, for a sigmoid loss whose targets are not dense.
        weights: (C,) for `softmax_focal`, (...) for `distribution_focal`.
        power: gamma or beta.
        alpha: None for no weighting.
        result: dtype of a sum or mean; None for the logits' dtype.
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
        return self.labels is None and self.targets is not None and self.targets.dim() < self.logits.dim()

    @property
    def classes(self) -> int:
        """The number of logits in a row."""
        return self.logits.shape[-1] if self.logits.dim() else 1

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
