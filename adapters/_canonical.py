"""The canonical losses: what goes in, in which form, with which parameters. Everything else refers to these names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """The library cannot express what was asked; the message says why."""


@dataclass(frozen=True)
class Canonical:
    """A loss as the papers define it.

    `inputs` is ``dense`` (logits (N, C), targets (N, C)), ``index`` (logits (N, C), targets (N,) class index),
    ``bins`` (logits (M, K), targets (M,) in [0, K-1]) or ``detector`` (head outputs and ground truth).
    """

    name: str
    inputs: str
    parameters: tuple[str, ...]
    source: str


CANONICAL = {
    loss.name: loss
    for loss in (
        Canonical("cross_entropy", "dense", (), "arXiv:1708.02002 eq. 1"),
        Canonical("balanced_cross_entropy", "dense", ("alpha",), "arXiv:1708.02002 eq. 3"),
        Canonical("focal", "dense", ("gamma", "alpha"), "arXiv:1708.02002 eq. 5"),
        Canonical("quality_focal", "dense", ("beta",), "arXiv:2006.04388 eq. 2"),
        Canonical("varifocal", "dense", ("gamma", "alpha"), "arXiv:2008.13367 eq. 2"),
        Canonical("softmax_focal", "index", ("gamma", "alpha"), "arXiv:1708.02002 eq. 5 over softmax"),
        Canonical("distribution_focal", "bins", ("weight",), "arXiv:2006.04388 eq. 6"),
        Canonical("generalized_focal", "bins", ("beta",), "arXiv:2006.04388 eq. 7"),
        Canonical("v8_detection", "detector", ("gains",), "Ultralytics v8DetectionLoss"),
        Canonical("gfl_head", "detector", ("weights",), "arXiv:2006.04388 eq. 8, MMDetection GFLHead"),
    )
}


def native_targets(targets: Any, classes: int, labels: str) -> Any:
    """Dense canonical targets (N, C) in the form that a library takes.

    ``index`` needs rows that are one-hot or empty (empty is background, index C); ``label_score`` needs at most one
    non-zero value a row. Raises `Unsupported` where the targets do not fit.
    """
    if labels == "dense":
        return targets
    if targets.dim() != 2:
        raise Unsupported(f"{labels} targets are made of rows (N, C), not of shape {tuple(targets.shape)}")
    if (targets != 0).sum(dim=1).gt(1).any():
        raise Unsupported(f"{labels} targets hold one class a row")
    if (targets < 0).any():
        raise Unsupported(f"{labels} targets cannot be negative")
    score, label = targets.max(dim=1)
    label = label.masked_fill(score == 0, classes)
    if labels == "label_score":
        return label, score
    if ((score != 0) & (score != 1)).any():
        raise Unsupported("index targets cannot carry a soft label")
    return label
