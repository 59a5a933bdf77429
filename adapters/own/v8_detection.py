"""The loss of YOLOv8's head: task-aligned assignment, then cross entropy on scores, CIoU on boxes, DFL on their sides.

Written from TOOD (arXiv:2108.07755), CIoU (arXiv:1911.08287) and GFL (arXiv:2006.04388), with the constants that
Ultralytics uses, so that the same outputs and ground truth give the same three numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from . import checks
from .boxes import ciou, distances, from_distances, grid
from .heads import gather, integral
from .losses import cross_entropy_loss, distribution_focal_loss
from .task_aligned import CANDIDATES, assign

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}  # Ultralytics' default.yaml
MARGIN = 0.01  # in bins: a side stays this far below the last bin, in Ultralytics' bbox2dist


def v8_detection(
    feats: Sequence[Tensor],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    *,
    strides: Sequence[float],
    num_classes: int,
    reg_max: int = 16,
    gains: Mapping[str, float] = GAINS,
    classification: Callable[..., Tensor] = cross_entropy_loss,
    distribution: Callable[..., Tensor] = distribution_focal_loss,
    class_weights: Tensor | None = None,
    candidates: int = CANDIDATES,
    kept: int = CANDIDATES,
    overlap: Callable[[Tensor, Tensor], Tensor] = ciou,
) -> dict[str, Tensor]:
    """The terms box, cls and dfl of a batch, each a scalar times its gain.

    With `reg_max` 1 a head gives the sides themselves (YOLO26); the third term is then l1, their mean distance to the
    box's sides as shares of the image, with the gain of dfl.

    Args:
        feats: a level each, (B, 4 reg_max + num_classes, H, W): distributions over `reg_max` bins of the distances to
            the left, top, right and bottom side, in strides, then class logits.
        boxes: an image each, (G, 4) corners in pixels.
        labels: an image each, (G,) class index.
        strides: pixels a cell, a level each.
        classification: what is asked of class logits (B, C, A) and soft targets (B, C, A), with ``avg_factor``; the
            mean or sum of a loss per element. With class weights it is asked with ``reduction="none"``.
        distribution: what is asked of bins (M, reg_max) and targets (M,), with ``weight`` (M,) and ``avg_factor``.
        num_classes: C; labels lie in 0 … C - 1.
        reg_max: bins of each side, or 1 for none.
        gains: the factor of each term.
        class_weights: (C,) the factor of each class in the class term; its divisor stays as it is. None for 1 each.
        candidates: how many anchors a box takes.
        kept: how many a box keeps once each anchor has one box; as many as `candidates` or more for all it has.
        overlap: what is asked of predicted boxes and those they should be, (T, 4) each; the box term is one less it.
            Anchors are assigned by CIoU whatever it is.

    Outputs are floating point; half precision is computed, and returned, in float32. A batch without boxes has a class
    term alone; the other two are 0.

    Raises:
        ValueError: labels outside 0 … C - 1, boxes and labels whose shapes do not fit, or other than one class weight
            a class.

    One image of one cell, 8 pixels wide, and a box that fills it. Two bins at even odds put each side at half a cell
    from the centre, where it is: the box costs nothing, its score should be 1 and is 1/2, and DFL is log 2.

    >>> box, label = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([0])
    >>> gains = {"box": 1.0, "cls": 1.0, "dfl": 1.0}
    >>> asked = {"strides": [8], "num_classes": 1, "reg_max": 2, "gains": gains}
    >>> found = v8_detection([torch.zeros(1, 9, 1, 1)], [box], [label], **asked)
    >>> {name: round(term.item(), 3) for name, term in found.items()}
    {'box': 0.0, 'cls': 0.693, 'dfl': 0.693}
    """
    parts = [level.flatten(2).split((4 * reg_max, num_classes), dim=1) for level in feats]
    sides, scores = zip(*parts, strict=True)
    shapes = [level.shape[2:] for level in feats]
    asked = (strides, gains, classification, distribution, class_weights, candidates, kept, overlap)
    return terms(sides, torch.cat(scores, dim=2), shapes, boxes, labels, *asked)


def terms(
    sides: Sequence[Tensor],
    scores: Tensor,
    shapes: Sequence[Sequence[int]],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    strides: Sequence[float],
    gains: Mapping[str, float],
    classification: Callable[..., Tensor],
    distribution: Callable[..., Tensor],
    class_weights: Tensor | None = None,
    candidates: int = CANDIDATES,
    kept: int = CANDIDATES,
    overlap: Callable[[Tensor, Tensor], Tensor] = ciou,
) -> dict[str, Tensor]:
    """`v8_detection` of outputs that are split into boxes and classes already.

    Args:
        sides: (B, 4 reg_max, A) in any number of parts along A, the anchors, which are the cells of all levels.
        scores: (B, C, A) class logits.
        shapes: (height, width) of each level in cells.

    The other arguments, the terms and the errors are those of `v8_detection`, and so is the example:

    >>> box, label = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([0])
    >>> gains, asked = {"box": 1.0, "cls": 1.0, "dfl": 1.0}, (cross_entropy_loss, distribution_focal_loss)
    >>> found = terms([torch.zeros(1, 8, 1)], torch.zeros(1, 1, 1), [(1, 1)], [box], [label], [8], gains, *asked)
    >>> {name: round(term.item(), 3) for name, term in found.items()}
    {'box': 0.0, 'cls': 0.693, 'dfl': 0.693}
    """
    checks.ground_truth(boxes, labels, scores.shape[1])
    checks.class_weights("class_weights", class_weights, scores.shape[1])
    at_least = torch.promote_types(scores.dtype, torch.float32)
    sides, scores = [part.to(at_least) for part in sides], scores.to(at_least)
    cells, scale = grid(shapes, strides, scores)
    cells = cells + 0.5

    def predict(image: Tensor, anchor: Tensor) -> Tensor:
        return from_distances(cells[anchor], gather(sides, image, anchor, _fast_distances)) * scale[anchor]

    # Ultralytics widens small boxes to the second level's stride.
    smallest = strides[min(1, len(strides) - 1)]
    taken = assign(predict, scores, cells * scale, boxes, labels, smallest, candidates, kept)
    total = taken.quality.sum().clamp(min=1)
    target_scores = torch.zeros_like(scores)
    target_scores[taken.image, taken.label, taken.anchor] = taken.quality
    bins = gather(sides, taken.image, taken.anchor).unflatten(1, (4, -1))
    at, target_boxes = cells[taken.anchor], taken.box / scale[taken.anchor]
    wanted = distances(at, target_boxes)
    box = ((1 - overlap(from_distances(at, _distances(bins)), target_boxes)) * taken.quality).sum() / total
    cls = _class_term(scores, target_scores, total, classification, class_weights)
    found = {"box": gains["box"] * box, "cls": gains["cls"] * cls}
    if bins.shape[2] > 1:
        return found | {"dfl": gains["dfl"] * _distribution_term(bins, wanted, taken.quality, total, distribution)}
    height, width = (side * strides[0] for side in shapes[0])
    shares = scale[taken.anchor] / bins.new_tensor([width, height, width, height])
    off = ((bins.squeeze(2) - wanted).abs() * shares).mean(1)
    return found | {"l1": gains["dfl"] * ((off * taken.quality).sum() / total)}


def _distances(bins: Tensor) -> Tensor:
    """The distances (T, 4) of sides (T, 4, reg_max)."""
    return integral(bins) if bins.shape[2] > 1 else bins.squeeze(2)


def _fast_distances(channels: Tensor) -> Tensor:
    """The distances (P, 4) of channels (P, 4 reg_max): as `_distances`, but in float32, which will do to assign."""
    bins = channels.unflatten(1, (4, -1))
    if bins.shape[2] == 1:
        return channels
    return bins.softmax(dim=2) @ torch.arange(bins.shape[2]).to(bins)


def _class_term(
    scores: Tensor,
    targets: Tensor,
    total: Tensor,
    classification: Callable[..., Tensor],
    weights: Tensor | None,
) -> Tensor:
    if weights is None:
        return classification(scores, targets, avg_factor=total)
    each = classification(scores, targets, reduction="none")  # (B, C, A)
    return (each * weights.to(scores).view(-1, 1)).sum() / total


def _distribution_term(
    bins: Tensor, wanted: Tensor, quality: Tensor, total: Tensor, distribution: Callable[..., Tensor]
) -> Tensor:
    targets = wanted.clamp(0, bins.shape[2] - 1 - MARGIN)
    weight = quality.repeat_interleave(4)
    return distribution(bins.flatten(0, 1), targets.view(-1), weight=weight, avg_factor=4 * total)
