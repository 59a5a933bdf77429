"""The loss of one decoder layer of RT-DETR: varifocal loss on scores, L1 and GIoU on the boxes that are matched.

Written from RT-DETR (arXiv:2304.08069), DETR (arXiv:2005.12872 eq. 1 and 2) and VarifocalNet (arXiv:2008.13367), with
the constants that Ultralytics uses, so that the same outputs, ground truth and matches give the same three numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from . import checks
from .boxes import from_distances, giou, iou
from .losses import focal_loss, varifocal_loss

GAINS = {"cls": 1.0, "bbox": 5.0, "giou": 2.0}  # Ultralytics' DETRLoss
COSTS = {"cls": 2.0, "bbox": 5.0, "giou": 2.0}  # of a match: Ultralytics' HungarianMatcher, arXiv:2304.08069 appendix
GAMMA, ALPHA = 1.5, 0.25  # of the class term: Ultralytics' DETRLoss
COST_GAMMA, COST_ALPHA = 2.0, 0.25  # of the class cost: Ultralytics' HungarianMatcher
SMALL = 1e-8  # added to a probability under a logarithm of the class cost: Ultralytics' HungarianMatcher


def rtdetr_head(
    pred_boxes: Tensor,
    pred_logits: Tensor,
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    *,
    image_size: tuple[int, int],
    match: Callable[[Tensor], tuple[Tensor, Tensor]],
    gains: Mapping[str, float] = GAINS,
    classification: Callable[..., Tensor] | None = None,
) -> dict[str, Tensor]:
    """The terms cls, bbox and giou of a batch, each a sum divided by the number of boxes, times its gain.

    Args:
        pred_boxes: (B, Q, 4) logits of centre, width and height as shares of the image.
        pred_logits: (B, Q, C).
        boxes: an image each, (G, 4) corners in pixels.
        labels: an image each, (G,) class index.
        image_size: height and width in pixels.
        match: from the costs (Q, G) of an image to the queries and the boxes of its matches, each box once, by the
            least sum of costs; ``scipy.optimize.linear_sum_assignment`` is one.
        gains: the factor of each term.
        classification: what is asked of class logits (N, C) and targets (N, C), with ``avg_factor``, in the place of
            the loss of the class term.

    A matched query should score the IoU of its boxes, and any other 0. A batch without boxes has a focal loss as its
    class term, divided by 1; the other two are 0.

    Raises:
        ValueError: labels outside 0 … C - 1, or boxes and labels whose shapes do not fit.

    One query whose box, the middle half of an image, is the one that is there. Its score should be 1 and is 1/2: the
    class term is log 2.

    >>> box, label = torch.tensor([[2.0, 2.0, 6.0, 6.0]]), torch.tensor([0])
    >>> one = lambda costs: (torch.tensor([0]), torch.tensor([0]))
    >>> asked = {"image_size": (8, 8), "match": one}
    >>> found = rtdetr_head(torch.zeros(1, 1, 4), torch.zeros(1, 1, 1), [box], [label], **asked)
    >>> {name: round(term.item(), 3) for name, term in found.items()}
    {'cls': 0.693, 'bbox': 0.0, 'giou': 0.0}
    """
    checks.ground_truth(boxes, labels, pred_logits.shape[2])
    predicted = pred_boxes.sigmoid()
    height, width = image_size
    shares = [each.to(predicted) / predicted.new_tensor([width, height, width, height]) for each in boxes]
    count = max(sum(map(len, boxes)), 1)
    targets, mine, wanted = torch.zeros_like(pred_logits), [], []
    for image, (corners, label) in enumerate(zip(shares, labels, strict=True)):
        if not len(corners):
            continue
        costs = matching_costs(predicted[image], pred_logits[image], corners, label)
        query, box = (torch.as_tensor(each) for each in match(costs))
        quality = iou(_corners(predicted[image, query].detach()), corners[box])
        # without an overlap it is a positive all the same, whose weight is nothing
        targets[image, query, label[box]] = quality.clamp(min=torch.finfo(quality.dtype).tiny)
        mine.append(predicted[image, query])
        wanted.append(corners[box])
    flat = pred_logits.flatten(0, 1), targets.flatten(0, 1)
    classes = classification or partial(varifocal_loss if mine else focal_loss, gamma=GAMMA, alpha=ALPHA)
    given, true = (torch.cat(each) if each else predicted.new_zeros(0, 4) for each in (mine, wanted))
    return {
        "cls": gains["cls"] * classes(*flat, avg_factor=count),
        "bbox": gains["bbox"] * (given - _centres(true)).abs().sum() / count,
        "giou": gains["giou"] * (1 - giou(_corners(given), true)).sum() / count,
    }


@torch.no_grad()
def matching_costs(pred_boxes: Tensor, pred_logits: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """What it costs to match each query with each box of an image, (Q, G)  (arXiv:2005.12872 section 3.1).

    Args:
        pred_boxes: (Q, 4) centre, width and height as shares of the image.
        pred_logits: (Q, C).
        boxes, labels: (G, 4) corners as shares of the image, and (G,) class index.

    The query's box is the one that is there, so that the class alone costs: at even odds, positives cost 1/4 (1/2)²
    log 2 and negatives 3/4 (1/2)² log 2, and the difference counts twice.

    >>> cost = matching_costs(torch.tensor([[0.5, 0.5, 0.5, 0.5]]), torch.zeros(1, 1),
    ...                       torch.tensor([[0.25, 0.25, 0.75, 0.75]]), torch.tensor([0]))
    >>> round(cost.item() / torch.tensor(2.0).log().item(), 3)
    -0.25
    """
    p = pred_logits.sigmoid()[:, labels]
    positive = -COST_ALPHA * (1 - p) ** COST_GAMMA * (p + SMALL).log()
    negative = -(1 - COST_ALPHA) * p**COST_GAMMA * (1 - p + SMALL).log()
    apart = (pred_boxes[:, None] - _centres(boxes)).abs().sum(-1)
    overlap = 1 - giou(_corners(pred_boxes)[:, None], boxes)
    return COSTS["cls"] * (positive - negative) + COSTS["bbox"] * apart + COSTS["giou"] * overlap


def _corners(boxes: Tensor) -> Tensor:
    """Corners (..., 4) of centres and sizes (..., 4)."""
    half = boxes[..., 2:] / 2
    return from_distances(boxes[..., :2], torch.cat((half, half), dim=-1))


def _centres(boxes: Tensor) -> Tensor:
    """Centres and sizes (..., 4) of corners (..., 4)."""
    return torch.cat(((boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]), dim=-1)
