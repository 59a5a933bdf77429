"""The loss of an FCOS head: cells by their place in a box, then focal loss, GIoU and the cross entropy of centre-ness.

Written from FCOS (arXiv:2006.09214 sections 3.1 and 3.2), with the constants that torchvision uses, so that the same
outputs and ground truth give the same three numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import checks
from .boxes import distances, from_distances, giou, grid
from .heads import rows
from .losses import cross_entropy_loss, focal_loss

RADIUS = 1.5  # strides: a cell takes a box whose centre is nearer (centre sampling)
FARTHEST = 8  # strides: a level has the boxes whose farthest side is nearer, and those beyond are the next level's


def fcos_head(
    cls_logits: Sequence[Tensor],
    bbox_regression: Sequence[Tensor],
    bbox_ctrness: Sequence[Tensor],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    *,
    image_size: tuple[int, int],
    strides: Sequence[int],
    classification: Callable[..., Tensor] = focal_loss,
) -> dict[str, Tensor]:
    """The terms cls, bbox and ctrness of a batch, each a sum over the batch divided by its number of positives.

    Args:
        cls_logits: a level each, (B, C, H, W).
        bbox_regression: a level each, (B, 4, H, W): distances to the left, top, right and bottom side, in strides.
        bbox_ctrness: a level each, (B, 1, H, W) logits.
        boxes: an image each, (G, 4) corners in pixels.
        labels: an image each, (G,) class index.
        image_size: height and width in pixels; the maps of all levels cover it.
        strides: pixels a cell, a level each, in ascending order.
        classification: what is asked of class logits (N, C) and targets (N, C) in {0, 1}, with ``avg_factor``.

    A cell stands for its corner, as in torchvision; in the paper it stands for its middle. A batch without positives is
    divided by 1.

    Raises:
        ValueError: labels outside 0 … C - 1, or boxes and labels whose shapes do not fit.

    One cell and a box whose middle is the cell's corner. Sides of 1 stride are its own: the box costs nothing. Focal
    loss is 1/4 (1/2)² log 2, and the centre-ness should be 1 and is 1/2, which costs log 2.

    >>> cell, sides = torch.zeros(1, 1, 1, 1), torch.ones(1, 4, 1, 1)
    >>> box, label = torch.tensor([[-8.0, -8.0, 8.0, 8.0]]), torch.tensor([0])
    >>> found = fcos_head([cell], [sides], [cell], [box], [label], image_size=(8, 8), strides=[8])
    >>> {name: round(term.item(), 3) for name, term in found.items()}
    {'cls': 0.043, 'bbox': 0.0, 'ctrness': 0.693}
    """
    scores, sides, centred = (rows(maps) for maps in (cls_logits, bbox_regression, bbox_ctrness))
    checks.ground_truth(boxes, labels, scores.shape[2])
    cells, scale = grid([level.shape[2:] for level in cls_logits], strides, scores)
    box = torch.stack([_assign(each.to(cells), cells * scale, scale, strides) for each in boxes])  # (B, A), -1 for none
    image, anchor = (box >= 0).nonzero(as_tuple=True)
    count = max(len(image), 1)
    taken = [(boxes[i][box[i, a]], labels[i][box[i, a]]) for i, a in zip(image.tolist(), anchor.tolist(), strict=True)]
    wanted = torch.stack([each for each, _ in taken]).to(scores) if taken else scores.new_zeros(0, 4)
    targets = torch.zeros_like(scores)
    targets[image, anchor, torch.tensor([int(label) for _, label in taken], dtype=torch.long)] = 1
    at = (cells * scale)[anchor]
    predicted = from_distances(at, sides[image, anchor] * scale[anchor])
    centre = cross_entropy_loss(centred[image, anchor], _centreness(distances(at, wanted)), reduction="sum")
    return {
        "cls": classification(scores.flatten(0, 1), targets.flatten(0, 1), avg_factor=count),
        "bbox": (1 - giou(predicted, wanted)).sum() / count,
        "ctrness": centre / count,
    }


@torch.no_grad()
def _assign(boxes: Tensor, points: Tensor, scale: Tensor, strides: Sequence[int]) -> Tensor:
    """Which box each point (A, 2) takes, (A,), -1 for none: of those that it may take, the smallest."""
    if len(boxes) == 0:
        return torch.full((len(points),), -1, device=points.device)
    sides = distances(points[:, None], boxes)  # (A, G, 4)
    near = ((points[:, None] - (boxes[:, :2] + boxes[:, 2:]) / 2).abs().amax(dim=2)) < RADIUS * scale
    farthest = sides.amax(dim=2)
    least = torch.where(scale == strides[0], 0.0, FARTHEST / 2 * scale)
    most = torch.where(scale == strides[-1], math.inf, FARTHEST * scale)
    held = near & (sides.amin(dim=2) > 0) & (farthest > least) & (farthest < most)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    smallest, box = torch.where(held, area, math.inf).min(dim=1)
    return torch.where(smallest < math.inf, box, -1)


def _centreness(sides: Tensor) -> Tensor:
    """How far from the middle a point is, of its distances (P, 4) to the sides, (P, 1)  (arXiv:2006.09214 eq. 3)."""
    pairs = sides.view(-1, 2, 2)  # left and top, right and bottom
    return (pairs.amin(dim=1) / pairs.amax(dim=1)).prod(dim=1, keepdim=True).sqrt()
