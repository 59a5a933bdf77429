"""The loss of YOLOv8's head: task-aligned assignment, then cross entropy on scores, CIoU on boxes, DFL on their sides.

Written from TOOD (arXiv:2108.07755), CIoU (arXiv:1911.08287) and GFL (arXiv:2006.04388), with the constants that
Ultralytics uses, so that the same outputs and ground truth give the same three numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .boxes import ciou, distances, from_distances, grid
from .heads import integral
from .losses import cross_entropy_loss, distribution_focal_loss

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}
CANDIDATES = 10  # anchors a box takes
SCORE_POWER, OVERLAP_POWER = 0.5, 6.0
MARGIN = 0.01  # a side stays this far below the last bin


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
) -> dict[str, Tensor]:
    """The terms box, cls and dfl of a batch, each a scalar times its gain.

    Args:
        feats: a level each, (B, 4 reg_max + num_classes, H, W): distributions over `reg_max` bins of the distances to
            the left, top, right and bottom side, in strides, then class logits.
        boxes: an image each, (G, 4) corners in pixels.
        labels: an image each, (G,) class index.
        strides: pixels a cell, a level each.
        classification: what is asked of class logits (N, C) and soft targets (N, C), with ``avg_factor``.
        distribution: what is asked of bins (M, reg_max) and targets (M,), with ``weight`` (M,) and ``avg_factor``.
    """
    outputs = torch.cat([level.flatten(2) for level in feats], dim=2).transpose(1, 2)
    sides, scores = outputs.split((4 * reg_max, num_classes), dim=2)
    shapes = [level.shape[2:] for level in feats]
    return terms(sides, scores, shapes, boxes, labels, strides, gains, classification, distribution)


def terms(
    sides: Tensor,
    scores: Tensor,
    shapes: Sequence[tuple[int, int]],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    strides: Sequence[float],
    gains: Mapping[str, float],
    classification: Callable[..., Tensor],
    distribution: Callable[..., Tensor],
) -> dict[str, Tensor]:
    """The same of outputs that are split already.

    `sides` (B, A, 4 reg_max) and `scores` (B, A, C), the A anchors being the cells of all levels, whose (height, width)
    are `shapes`.
    """
    at_least = torch.promote_types(scores.dtype, torch.float32)
    sides, scores, reg_max = sides.to(at_least), scores.to(at_least), sides.shape[2] // 4
    cells, scale = grid(shapes, strides, scores)
    cells = cells + 0.5
    predicted = from_distances(cells, integral(sides.unflatten(2, (4, reg_max))))

    smallest = strides[min(1, len(strides) - 1)]
    images = zip(scores.sigmoid(), predicted * scale, boxes, labels, strict=True)
    assigned = [_assign(*image, cells * scale, smallest) for image in images]
    quality, target_scores, target_boxes = (torch.stack(each) for each in zip(*assigned, strict=True))

    positive = quality > 0
    weight, total = quality[positive], quality.sum().clamp(min=1)
    target_boxes = (target_boxes / scale)[positive]
    target_sides = distances(cells.expand_as(predicted[..., :2])[positive], target_boxes)
    target_sides = target_sides.clamp(0, reg_max - 1 - MARGIN)
    box = ((1 - ciou(predicted[positive], target_boxes)) * weight).sum() / total
    cls = classification(scores.flatten(0, 1), target_scores.flatten(0, 1), avg_factor=total)
    dfl = distribution(
        sides[positive].view(-1, reg_max),
        target_sides.view(-1),
        weight=weight.repeat_interleave(4),
        avg_factor=4 * total,
    )
    return {"box": gains["box"] * box, "cls": gains["cls"] * cls, "dfl": gains["dfl"] * dfl}


@torch.no_grad()
def _assign(
    scores: Tensor, predicted: Tensor, boxes: Tensor, labels: Tensor, points: Tensor, smallest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Task-aligned assignment of one image's boxes to its A anchors.

    A box takes the anchors inside it that align best, score^½ · CIoU^6; an anchor that several boxes take goes to the
    one it overlaps most. The target score of an anchor is its alignment, scaled so that the box's best anchor gets
    that box's best overlap.

    Args:
        scores: (A, C) predicted probabilities.
        predicted: (A, 4) predicted boxes in pixels.
        boxes, labels: (G, 4) in pixels and (G,).
        points: (A, 2) anchors in pixels.
        smallest: boxes with shorter sides are widened to this for the choice of anchors, in pixels.

    Returns the target score of each anchor (A,), zero for background, the same as (A, C), and its box (A, 4).
    """
    boxes, labels = boxes.to(predicted), labels.to(predicted.device)
    if len(boxes) == 0:
        return scores.new_zeros(len(points)), torch.zeros_like(scores), torch.zeros_like(predicted)
    inside = _inside(points, boxes, smallest)  # (G, A), as is all that follows
    overlap = ciou(boxes[:, None], predicted).clamp(min=0) * inside
    alignment = scores.T[labels] ** SCORE_POWER * overlap**OVERLAP_POWER
    best = alignment.topk(min(CANDIDATES, len(points))).indices
    taken = torch.zeros_like(inside).scatter(1, best, True) & inside
    owner = one_hot(overlap.max(dim=0).indices, len(boxes)).T.bool()
    taken = torch.where(taken.sum(dim=0) > 1, owner, taken)

    alignment, overlap = alignment * taken, overlap * taken
    alignment = alignment * overlap.amax(dim=1, keepdim=True) / (alignment.amax(dim=1, keepdim=True) + 1e-9)
    quality, box = alignment.max(dim=0)
    return quality, one_hot(labels[box], scores.shape[1]) * quality[:, None], boxes[box]


def _inside(points: Tensor, boxes: Tensor, smallest: float) -> Tensor:
    """Whether each point lies inside each box, (G, A)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=smallest) / 2
    widened = torch.cat((centres - half, centres + half), dim=1)
    return distances(points, widened[:, None]).amin(dim=-1) > 1e-9
