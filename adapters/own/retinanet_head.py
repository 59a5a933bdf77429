"""The loss of a RetinaNet's head: anchors by their overlap, focal loss on classes, L1 on where a box lies from them.

Written from RetinaNet (arXiv:1708.02002 section 4.1) and Faster R-CNN (arXiv:1506.01497 eq. 2), with the constants that
torchvision uses, so that the same outputs and ground truth give the same two numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import checks
from .boxes import grid, iou
from .heads import rows
from .losses import focal_loss

SIZE = 4  # strides: the side of a level's smallest square anchor (torchvision's 32 pixels on stride 8)
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # section 4 of the paper
RATIOS = (0.5, 1.0, 2.0)  # height over width
POSITIVE, NEGATIVE = 0.5, 0.4  # of the overlap; an anchor between the two does not count


def retinanet_head(
    cls_logits: Sequence[Tensor],
    bbox_regression: Sequence[Tensor],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    *,
    image_size: tuple[int, int],
    strides: Sequence[int],
    classification: Callable[..., Tensor] = focal_loss,
) -> dict[str, Tensor]:
    """The terms cls and bbox of a batch, each a scalar: an image's sum over its positives, averaged over images.

    Args:
        cls_logits: a level each, (B, 9 C, H, W), the classes of the nine anchors of a cell one after the other.
        bbox_regression: a level each, (B, 36, H, W): of each anchor how far the box's centre is from its own, in sides
            of the anchor, and the logarithms of width and height over the anchor's.
        boxes: an image each, (G, 4) corners in pixels.
        labels: an image each, (G,) class index.
        image_size: height and width in pixels; the maps of all levels cover it.
        strides: pixels a cell, a level each.
        classification: what is asked of class logits (N, C) and targets (N, C) in {0, 1}, with ``avg_factor``.

    An image without positives is divided by 1. Anchors lie around the corners of cells, their sides rounded to even
    pixels, both as in torchvision.

    Raises:
        ValueError: labels outside 0 … C - 1, or boxes and labels whose shapes do not fit.

    One cell, whose nine anchors score 1/2, and a box that is its smallest square. Five more anchors overlap it by 1/2
    or more, and the other three by 0.41, so they do not count. Each of the six costs 1/4 (1/2)² log 2:

    >>> logits, sides = [torch.zeros(1, 9, 1, 1)], [torch.zeros(1, 36, 1, 1)]
    >>> box, label = torch.tensor([[-16.0, -16.0, 16.0, 16.0]]), torch.tensor([0])
    >>> found = retinanet_head(logits, sides, [box], [label], image_size=(8, 8), strides=[8])
    >>> round(found["cls"].item(), 4)
    0.0433
    """
    scores, deltas = (rows(maps, len(SCALES) * len(RATIOS)) for maps in (cls_logits, bbox_regression))
    checks.ground_truth(boxes, labels, scores.shape[2])
    squares = torch.cat(
        [_anchors(level.shape[2:], stride, scores) for level, stride in zip(cls_logits, strides, strict=True)]
    )
    terms = [_of_image(*image, squares, classification) for image in zip(scores, deltas, boxes, labels, strict=True)]
    return {name: torch.stack([each[i] for each in terms]).mean() for i, name in enumerate(("cls", "bbox"))}


def _anchors(shape: Sequence[int], stride: int, like: Tensor) -> Tensor:
    """The anchors (H W 9, 4) of a level in pixels: around each cell's corner, by ratio and then by size."""
    sizes = torch.tensor([float(int(SIZE * stride * scale)) for scale in SCALES])
    root = torch.tensor(RATIOS).sqrt()[:, None]
    half = torch.stack(((sizes / root).flatten(), (sizes * root).flatten()), dim=1) / 2
    around = torch.cat((-half, half), dim=1).round().to(like)
    cells, scale = grid([shape], [stride], like)
    return ((cells * scale).repeat(1, 2)[:, None] + around).flatten(0, 1)


def _of_image(
    scores: Tensor,
    deltas: Tensor,
    boxes: Tensor,
    labels: Tensor,
    anchors: Tensor,
    classification: Callable[..., Tensor],
) -> tuple[Tensor, Tensor]:
    """Both terms of one image: scores (A, C), deltas (A, 4), boxes (G, 4), labels (G,), anchors (A, 4)."""
    positive, counted, box = _assign(boxes.to(anchors), anchors)
    count = max(int(positive.sum()), 1)
    targets = torch.zeros_like(scores)
    targets[positive, labels[box[positive]]] = 1
    wanted = _deltas(anchors[positive], boxes.to(anchors)[box[positive]])
    return (
        classification(scores[counted], targets[counted], avg_factor=count),
        (deltas[positive] - wanted).abs().sum() / count,
    )


@torch.no_grad()
def _assign(boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which anchors (A,) are positive, which count, and which box each overlaps most.

    A box also takes the anchors that overlap it most, however little that is (low-quality matches).
    """
    if len(boxes) == 0:
        nothing = torch.zeros(len(anchors), dtype=torch.long, device=anchors.device)
        return nothing > 0, nothing == 0, nothing
    overlap = iou(boxes[:, None], anchors)
    best, box = overlap.max(dim=0)
    positive = (best >= POSITIVE) | (overlap == overlap.amax(dim=1, keepdim=True)).any(dim=0)
    return positive, positive | (best < NEGATIVE), box


def _deltas(anchors: Tensor, boxes: Tensor) -> Tensor:
    """Where boxes (P, 4) lie from their anchors (P, 4)  (arXiv:1506.01497 eq. 2)."""
    sides, wanted = (each[:, 2:] - each[:, :2] for each in (anchors, boxes))
    apart = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / 2
    return torch.cat((apart / sides, (wanted / sides).log()), dim=1)
