"""The loss of GFL's head: ATSS assignment, then QFL on scores, GIoU on boxes and DFL on their sides.

Written from ATSS (arXiv:1912.02424) and GFL (arXiv:2006.04388 eq. 8), with the constants that MMDetection's GFLHead
uses, so that the same outputs and ground truth give the same three numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from . import checks
from .boxes import distances, from_distances, giou, grid, iou
from .heads import gather, integral
from .losses import distribution_focal_loss, quality_focal_loss

WEIGHTS = {"cls": 1.0, "bbox": 2.0, "dfl": 0.25}  # MMDetection's configs/gfl
ANCHOR = 8  # strides: the side of the square around each cell's corner that stands for it (octave_base_scale there)
CANDIDATES = 9  # cells that a box considers on each level (topk there; k of arXiv:1912.02424)
HELD = 0.01  # in pixels: an anchor's centre lies at least this far inside its box (ATSSAssigner)
MARGIN = 0.1  # in bins: a side stays this far below the last bin (bbox2distance)
SMALL = torch.finfo(torch.float32).eps  # MMDetection adds it to every divisor


def gfl_head(
    cls_scores: Sequence[Tensor],
    bbox_preds: Sequence[Tensor],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    *,
    image_size: tuple[int, int],
    strides: Sequence[int],
    reg_max: int = 16,
    weights: Mapping[str, float] = WEIGHTS,
    classification: Callable[..., Tensor] = quality_focal_loss,
    distribution: Callable[..., Tensor] = distribution_focal_loss,
    overlap: Callable[[Tensor, Tensor], Tensor] = giou,
) -> dict[str, Tensor]:
    """The terms cls, bbox and dfl of a batch, each a scalar times its weight, over all levels.

    Args:
        cls_scores: a level each, (B, C, H, W) class logits.
        bbox_preds: a level each, (B, 4 (reg_max + 1), H, W): distributions over reg_max + 1 bins of the distances to
            the left, top, right and bottom side, in strides.
        boxes: an image each, (G, 4) corners in pixels.
        labels: an image each, (G,) class index.
        image_size: height and width in pixels, padding included; cells beyond it take no part.
        strides: pixels a cell, a level each.
        classification: what is asked of class logits (B, C, A) and qualities (B, C, A), with ``avg_factor``.
        distribution: what is asked of bins (M, reg_max + 1) and targets (M,), with ``weight`` (M,) and ``avg_factor``.
        reg_max: the last bin; there are reg_max + 1 of them.
        weights: the factor of each term.
        overlap: what is asked of predicted boxes and those they should be, (T, 4) each; the box term is one less it.

    Outputs are floating point; half precision is computed, and returned, in float32. A batch without boxes has a class
    term alone; the other two are 0.

    Raises:
        ValueError: labels outside 0 … C - 1, or boxes and labels whose shapes do not fit.

    One image of 2 x 2 cells and a box that the first cell alone takes. Three bins at even odds say that its sides are 1
    stride from the cell's corner, where they are 4: the IoU is 1/16, and the four cells' scores are 1/2. So QFL is
    ((1/2 - 1/16)² + 3 (1/2)²) log 2, GIoU's loss 1 - 1/16 with the score 1/2 as its weight, and DFL 1/2 log 3.

    >>> scores, sides = [torch.zeros(1, 1, 2, 2)], [torch.zeros(1, 12, 2, 2)]
    >>> box, label = torch.tensor([[-32.0, -32.0, 32.0, 32.0]]), torch.tensor([0])
    >>> weights = {"cls": 1.0, "bbox": 1.0, "dfl": 1.0}
    >>> asked = {"image_size": (16, 16), "strides": [8], "reg_max": 2, "weights": weights}
    >>> found = gfl_head(scores, sides, [box], [label], **asked)
    >>> {name: round(term.item(), 3) for name, term in found.items()}
    {'cls': 0.653, 'bbox': 0.469, 'dfl': 0.549}
    """
    checks.ground_truth(boxes, labels, cls_scores[0].shape[1])
    shapes = [
        tuple(min(cells, math.ceil(side / stride)) for cells, side in zip(level.shape[2:], image_size, strict=True))
        for level, stride in zip(cls_scores, strides, strict=True)
    ]
    scores, sides = torch.cat(_maps(cls_scores, shapes), dim=2), _maps(bbox_preds, shapes)
    cells, scale = grid(shapes, strides, scores)
    classes = scores.shape[1]

    anchors = from_distances(cells * scale, (scale * ANCHOR / 2).expand(-1, 4)).split([h * w for h, w in shapes])
    assigned = [_assign(*image, anchors, classes) for image in zip(boxes, labels, strict=True)]
    label, target_boxes = (torch.stack(each) for each in zip(*assigned, strict=True))
    positive = label < classes
    count = positive.sum(dim=1).clamp(min=1).sum().to(scores.dtype)  # an image without positives counts as one
    image, anchor = positive.nonzero(as_tuple=True)
    weight = scores.detach()[image, :, anchor].sigmoid().amax(dim=1)
    total = weight.sum().clamp(min=1)

    cells, bins = cells[anchor], gather(sides, image, anchor).unflatten(1, (4, reg_max + 1))
    predicted = from_distances(cells, integral(bins))
    target_boxes = target_boxes[positive] / scale[anchor]
    quality = torch.zeros_like(scores)
    quality[image, label[positive], anchor] = iou(predicted.detach(), target_boxes)
    target_sides = distances(cells, target_boxes).clamp(0, reg_max - MARGIN)

    cls = classification(scores, quality, avg_factor=count + SMALL)
    bbox = ((1 - overlap(predicted, target_boxes)) * weight).sum() / (1 + SMALL) / total
    dfl = distribution(
        bins.flatten(0, 1),
        target_sides.view(-1),
        weight=weight.repeat_interleave(4),
        avg_factor=(4 + SMALL) * total,
    )
    return {"cls": weights["cls"] * cls, "bbox": weights["bbox"] * bbox, "dfl": weights["dfl"] * dfl}


def _maps(levels: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """A level each (B, K, A), cut to the cells that lie on the image; at least float32."""
    maps = [level[:, :, :height, :width].flatten(2) for level, (height, width) in zip(levels, shapes, strict=True)]
    return [each.to(torch.promote_types(each.dtype, torch.float32)) for each in maps]


@torch.no_grad()
def _assign(boxes: Tensor, labels: Tensor, anchors: Sequence[Tensor], classes: int) -> tuple[Tensor, Tensor]:
    """Adaptive training sample selection: one image's boxes to its anchors  (arXiv:1912.02424 algorithm 1).

    A box considers the anchors nearest to its centre, some on each level; it takes those whose IoU reaches the mean
    plus the standard deviation of all it considers and whose centre it holds. An anchor that several boxes take goes to
    the one it overlaps most.

    Args:
        boxes, labels: (G, 4) in pixels and (G,).
        anchors: a level each, (A, 4) in pixels.
        classes: the index of background.

    Returns the label (A,) and the box (A, 4) of each anchor of all levels.
    """
    every = torch.cat(list(anchors))
    boxes, labels = boxes.to(every), labels.to(every.device)
    if len(boxes) == 0:
        return labels.new_full((len(every),), classes), torch.zeros_like(every)
    starts = accumulate([0, *(len(level) for level in anchors)])
    nearest = torch.cat([_nearest(level, boxes) + start for level, start in zip(anchors, starts, strict=False)])
    overlap = iou(every[nearest], boxes)  # (considered, G)
    taken = overlap >= overlap.mean(dim=0) + overlap.std(dim=0)
    taken &= distances(_centres(every)[nearest], boxes).amin(dim=-1) > HELD
    overlaps = overlap.new_full((len(every), len(boxes)), -1).scatter(0, nearest, overlap.where(taken, -1))
    best, box = overlaps.max(dim=1)
    return torch.where(best < 0, classes, labels[box]), boxes[box]


def _nearest(anchors: Tensor, boxes: Tensor) -> Tensor:
    """The indices of the anchors nearest to each box, (CANDIDATES, G)."""
    gaps = (_centres(anchors)[:, None] - _centres(boxes)).pow(2).sum(-1).sqrt()
    return gaps.topk(min(CANDIDATES, len(anchors)), dim=0, largest=False).indices


def _centres(boxes: Tensor) -> Tensor:
    return (boxes[:, :2] + boxes[:, 2:]) / 2
