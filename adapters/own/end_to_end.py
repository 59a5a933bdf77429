"""The loss of an end-to-end head (YOLOv10, YOLO26), which needs no suppression: two branches, the second one to one.

The branches see the same boxes. In one2many a box takes ten anchors, as in YOLOv8, and in one2one it keeps one, so that
one detection of it is left. Written from YOLOv10 (arXiv:2405.14458 section 3.1), with Ultralytics' constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from .losses import cross_entropy_loss, distribution_focal_loss
from .v8_detection import GAINS, v8_detection

CANDIDATES = 7  # anchors of which a box keeps one in one2one: Ultralytics' E2ELoss
FIRST, LAST = 0.8, 0.1  # what one2many weighs in the first epoch and in the last: Ultralytics' E2ELoss


def end_to_end_detection(
    one2many: Sequence[Tensor],
    one2one: Sequence[Tensor],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    *,
    strides: Sequence[float],
    num_classes: int,
    reg_max: int = 16,
    gains: Mapping[str, float] = GAINS,
    weights: tuple[float, float] = (FIRST, 1 - FIRST),
    candidates: int = CANDIDATES,
    classification: Callable[..., Tensor] = cross_entropy_loss,
    distribution: Callable[..., Tensor] = distribution_focal_loss,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms of `v8_detection` over both branches, each the weighted sum of the branches' terms.

    Args:
        one2many, one2one: the branches' outputs, a level each, as `v8_detection` takes them.
        weights: the weight of either branch; `branch_weights` says how Ultralytics moves them. Its older
            ``E2EDetectLoss`` has (1, 1).
        candidates: how many anchors a box takes in one2one before it keeps the best of them; ``E2EDetectLoss`` has 1.

    The other arguments and the errors are those of `v8_detection`.

    One image of one cell, and a box that fills it. Both branches cost what `v8_detection` costs, and the weights add
    up to 1:

    >>> box, label, cell = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([0]), torch.zeros(1, 9, 1, 1)
    >>> gains = {"box": 1.0, "cls": 1.0, "dfl": 1.0}
    >>> asked = {"strides": [8], "num_classes": 1, "reg_max": 2, "gains": gains}
    >>> found = end_to_end_detection([cell], [cell], [box], [label], **asked)
    >>> {name: round(term.item(), 3) for name, term in found.items()}
    {'box': 0.0, 'cls': 0.693, 'dfl': 0.693}
    """
    asked: dict[str, Any] = {"strides": strides, "num_classes": num_classes, "reg_max": reg_max, "gains": gains}
    asked |= {"classification": classification, "distribution": distribution, "class_weights": class_weights}
    many = v8_detection(one2many, boxes, labels, **asked)
    one = v8_detection(one2one, boxes, labels, **asked, candidates=candidates, kept=1)
    return {name: weights[0] * many[name] + weights[1] * one[name] for name in many}


def branch_weights(epoch: int, epochs: int) -> tuple[float, float]:
    """The weights of one2many and one2one in an epoch, counted from 0: from (0.8, 0.2) evenly to (0.1, 0.9).

    >>> [tuple(round(weight, 3) for weight in branch_weights(epoch, 8)) for epoch in (0, 1, 7)]
    [(0.8, 0.2), (0.7, 0.3), (0.1, 0.9)]
    """
    share = min(epoch / max(epochs - 1, 1), 1)
    many = FIRST * (1 - share) + LAST * share
    return many, 1 - many
