"""Task-aligned assignment of boxes to anchors  (TOOD, arXiv:2108.07755), with the constants that Ultralytics uses.

Only an anchor inside a box can be assigned to it, which is a few pairs in a hundred. These pairs are listed for all
images at once, and boxes are predicted for them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .boxes import ciou

CANDIDATES = 10  # anchors that a box takes: Ultralytics' tal_topk
SCORE_POWER, OVERLAP_POWER = 0.5, 6.0  # Ultralytics' alpha and beta; TOOD has 1 and 6
SMALL = 1e-9  # Ultralytics' eps, in pixels and as a divisor


class Assigned(NamedTuple):
    """The T anchors with a box: image, anchor and label (T,), box (T, 4) in pixels and target score (T,)."""

    image: Tensor
    anchor: Tensor
    label: Tensor
    box: Tensor
    quality: Tensor


@torch.no_grad()
def assign(
    predict: Callable[[Tensor, Tensor], Tensor],
    scores: Tensor,
    points: Tensor,
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    smallest: float,
    candidates: int = CANDIDATES,
    kept: int = CANDIDATES,
) -> Assigned:
    """Assigns boxes to anchors.

    A box takes the anchors inside it that align best, score^½ · CIoU^6; an anchor that several boxes take goes to the
    one it overlaps most. Of what a box then has, it keeps the best aligned, if it may keep fewer than it took. The
    target score of an anchor is its alignment, scaled so that the box's best anchor gets that box's best overlap.

    Args:
        predict: the boxes (P, 4) in pixels of anchors given by image (P,) and anchor (P,).
        scores: (B, C, A) class logits.
        points: (A, 2) anchors in pixels.
        boxes, labels: an image each, (G, 4) in pixels and (G,).
        smallest: boxes with shorter sides are widened to this for the choice of anchors, in pixels.
        candidates: how many anchors a box takes.
        kept: how many of them a box keeps (Ultralytics' tal_topk2); as many as `candidates` or more for all it has.
    """
    images = torch.arange(len(boxes)).repeat_interleave(torch.tensor([len(each) for each in boxes]))
    images = images.to(points.device)
    all_boxes = torch.cat(list(boxes)).to(points)
    all_labels = torch.cat(list(labels)).to(points.device)
    inside = _inside(points, all_boxes, smallest)
    box, anchor = inside.nonzero(as_tuple=True)  # the P pairs, by box
    image, label = images[box], all_labels[box]
    overlap = ciou(all_boxes[box], predict(image, anchor)).clamp(min=0)
    alignment = scores[image, label, anchor].sigmoid() ** SCORE_POWER * overlap**OVERLAP_POWER

    shape = (len(all_boxes), len(points))
    taken = _best_of_each(alignment, (box, anchor), shape, candidates)
    taken = _settled(taken, image * len(points) + anchor, overlap, scores.shape[0] * len(points))
    if kept < candidates:
        taken &= _best_of_each(alignment * taken, (box, anchor), shape, kept)
    positive = taken.nonzero().squeeze(1)
    box, image, anchor, label, overlap, alignment = (
        each[positive] for each in (box, image, anchor, label, overlap, alignment)
    )
    best_overlap, best_alignment = (
        each.new_zeros(len(all_boxes)).scatter_reduce(0, box, each, "amax") for each in (overlap, alignment)
    )
    quality = alignment * best_overlap[box] / (best_alignment[box] + SMALL)
    return Assigned(image, anchor, label, all_boxes[box], quality)


def _inside(points: Tensor, boxes: Tensor, smallest: float) -> Tensor:
    """Whether each point lies inside each box, (G, A)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=smallest) / 2
    inside = torch.ones(len(boxes), len(points), dtype=torch.bool, device=points.device)
    for low, high, at in zip((centres - half).unbind(1), (centres + half).unbind(1), points.unbind(1), strict=True):
        inside &= (at - low[:, None] > SMALL) & (high[:, None] - at > SMALL)
    return inside


def _best_of_each(alignment: Tensor, pair: tuple[Tensor, Tensor], shape: tuple[int, int], count: int) -> Tensor:
    """Whether each pair is among the `count` best aligned of its box, (P,)."""
    table = alignment.new_zeros(shape).index_put(
        pair, alignment
    )  # with all anchors, to break ties among zeros as Ultralytics does
    best = table.topk(min(count, shape[1])).indices
    return torch.zeros_like(table, dtype=torch.bool).scatter(1, best, True)[pair]


def _settled(taken: Tensor, anchor: Tensor, overlap: Tensor, anchors: int) -> Tensor:
    """Whether each pair is kept, (P,): of the boxes that take one anchor, only the one of largest overlap keeps it."""
    contested = (anchor[taken].bincount(minlength=anchors)[anchor] > 1).nonzero().squeeze(1)
    anchor, overlap = anchor[contested], overlap[contested]
    largest = overlap.new_zeros(anchors).scatter_reduce(0, anchor, overlap, "amax")[anchor]
    place = torch.arange(len(anchor), device=anchor.device).where(overlap == largest, len(anchor))
    first = place.new_full((anchors,), len(anchor)).scatter_reduce(0, anchor, place, "amin")[anchor]
    return taken.index_put((contested,), place == first)
