"""Losses over pairs of boxes that have numbers of their own, which are found from the values that a function gives.

Each is written from its paper, to be recognised. Boxes and targets are corners (n, 4) in float64; each loss is (n,).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from focalbench_suite.suites.overlap_mistakes import PENALTIES, Pair
from focalbench_suite.suites.overlaps import KINDS, PairLoss

NEAR = 1e-4  # of a number that is found from each pair, between pairs: an epsilon moves it a little
RATIOS = tuple(number / 100 for number in range(50, 151))  # of inner boxes; the paper tries 0.5 to 1.5
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # of Shape-IoU; the paper takes 0 and 1
BETAS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)  # of the bounded IoU's smooth L1; MMDetection takes 0.2
EPSILONS = (0.0, 1e-3)  # beside its sides, in pixels; MMDetection's is the second
POINTS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)  # of the extended IoU's smooth L1; MMDetection takes 0.1
CONSTANTS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0)  # of people, in squared units of the boxes
OF_IOU = ("iou", "giou", "diou", "ciou", "eiou", "siou")  # kinds of which 1 - IoU is a part


class Fitted(NamedTuple):
    """A loss with its numbers, and what it is in words."""

    told: str
    loss: PairLoss


def fitted(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    """The losses that have these values (n,), whatever their slopes are."""
    for found in (_minimum_points, _wasserstein, _shape, _inner, _focaler, _bounded, _scylla, _extended):
        for one in found(values, boxes, targets):
            if _near(values, one.loss(boxes, targets)):
                yield one


class Guarded(NamedTuple):
    """A loss with a constant beside its divisors, and where that stands."""

    constant: float
    where: str
    loss: PairLoss


def guarded(kind: str) -> Iterator[Guarded]:
    """The losses of a kind with a constant, in the boxes' squared units, that keeps a divisor from 0."""
    if kind in PENALTIES:
        for constant in CONSTANTS:
            yield Guarded(constant, "to the union", partial(_guarded, kind, (0.0, constant, 0.0)))
            both = (constant, constant, 0.0)
            yield Guarded(constant, "to the intersection and to the union", partial(_guarded, kind, both))
            if kind != "iou":
                every = (0.0, constant, constant)
                yield Guarded(constant, "to each of its divisors", partial(_guarded, kind, every))


def _guarded(kind: str, added: tuple[float, float, float], boxes: Tensor, targets: Tensor) -> Tensor:
    """With numbers added to the intersection, the union and the divisor of the penalty."""
    to_inner, to_union, to_hull = added
    pair = Pair(boxes, targets)
    divisor = pair.hull.prod(1) if kind == "giou" else pair.hull.square().sum(1)
    lost = PENALTIES[kind](pair)
    if kind in ("giou", "diou"):
        lost = lost * divisor / (divisor + to_hull)
    elif kind in ("ciou", "eiou"):
        lost = lost + pair.gap / (divisor + to_hull) - pair.gap / divisor
    return 1 - (pair.inner + to_inner) / (pair.union + to_union) + lost


def _near(values: Tensor, exact: Tensor) -> bool:
    return bool((values - exact).norm() <= NEAR * exact.norm())


def _one(numbers: Tensor) -> Iterator[float]:
    """The number on which every pair agrees, if there is one and it is positive."""
    middle = numbers.median()
    if numbers.isfinite().all() and middle > 0 and (numbers - middle).abs().max() <= NEAR * middle:
        yield float(middle)


def _minimum_points(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    distance = _corners_apart(boxes, targets)
    for square in _one(distance / (values - KINDS["iou"][1](boxes, targets))):
        told = f"MPDIoU for an image whose diagonal is {square**0.5:.4g} long"
        yield Fitted(told, partial(_mpdiou, square))


def _mpdiou(square: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """IoU less the squared distances of both corners over the image's squared diagonal  (arXiv:2307.07662)."""
    return KINDS["iou"][1](boxes, targets) + _corners_apart(boxes, targets) / square


def _corners_apart(boxes: Tensor, targets: Tensor) -> Tensor:
    return (boxes - targets).square().sum(1)


def _wasserstein(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    for constant in _one(-_gaussians_apart(boxes, targets) / (1 - values).log()):
        yield Fitted(f"1 - NWD, the normalised Wasserstein distance, with C = {constant:.4g}", partial(_nwd, constant))


def _nwd(constant: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """Of the boxes as normal distributions  (arXiv:2110.13389)."""
    return 1 - (-_gaussians_apart(boxes, targets) / constant).exp()


def _gaussians_apart(boxes: Tensor, targets: Tensor) -> Tensor:
    pair = Pair(boxes, targets)
    mine, wanted = pair.sizes
    return (pair.gap + (mine - wanted).square().sum(1) / 4).sqrt()


def _shape(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    yield from (Fitted(f"Shape-IoU with scale {scale:g}", partial(_shape_iou, scale)) for scale in SCALES)


def _shape_iou(scale: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """Distance and shape weighed by the target's own shape  (arXiv:2312.17663, theta 4)."""
    pair = Pair(boxes, targets)
    mine, wanted = pair.sizes
    shares = 2 * wanted**scale / (wanted**scale).sum(1, keepdim=True)
    across = shares.flip(1)  # what is along one axis is weighed by the other's share
    distance = (across * pair.apart.square()).sum(1) / pair.hull.square().sum(1)
    off = across * (mine - wanted).abs() / torch.maximum(mine, wanted)
    return 1 - pair.iou + distance + (1 - (-off).exp()).pow(4).sum(1) / 2


def _inner(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    overlaps = {ratio: _inner_iou(ratio, boxes, targets) for ratio in RATIOS if ratio != 1}
    plain = 1 - KINDS["iou"][1](boxes, targets)
    for kind in OF_IOU:
        base = KINDS[kind][1](boxes, targets) + plain
        for ratio, overlap in overlaps.items():
            if _near(values, base - overlap):
                told = f"Inner-{KINDS[kind][0]}, whose inner boxes have {ratio:g} times the sides,"
                yield Fitted(told, partial(_of_inner, kind, ratio))


def _of_inner(kind: str, ratio: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """A loss with the IoU of boxes that are scaled about their centres in the IoU's place  (arXiv:2311.02877)."""
    loss, overlap = KINDS[kind][1](boxes, targets), 1 - KINDS["iou"][1](boxes, targets)
    return loss + overlap - _inner_iou(ratio, boxes, targets)


def _inner_iou(ratio: float, boxes: Tensor, targets: Tensor) -> Tensor:
    return Pair(_scaled(boxes, ratio), _scaled(targets, ratio)).iou


def _scaled(boxes: Tensor, ratio: float) -> Tensor:
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return torch.cat((centres - ratio * sides / 2, centres + ratio * sides / 2), dim=1)


def _focaler(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    """Both ends of the interval, of the pairs whose IoU lies in it."""
    overlap = 1 - KINDS["iou"][1](boxes, targets)
    for kind in OF_IOU:
        mapped = KINDS[kind][1](boxes, targets) + overlap - values
        within = (mapped > NEAR) & (mapped < 1 - NEAR)
        if within.sum() < 3:  # two make a line of anything
            continue
        columns = torch.stack((overlap[within], torch.ones_like(overlap[within])), dim=1)
        slope, start = torch.linalg.lstsq(columns, mapped[within][:, None]).solution.flatten().tolist()
        if slope > 0 and abs(slope - 1) > NEAR:
            low, high = -start / slope, (1 - start) / slope
            told = f"Focaler-{KINDS[kind][0]}, whose IoU counts from {low:.4g} to {high:.4g},"
            yield Fitted(told, partial(_of_focaler, kind, low, high))


def _of_focaler(kind: str, low: float, high: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """A loss whose IoU is stretched from an interval to 0 … 1 and cut off there  (arXiv:2401.10525)."""
    loss, overlap = KINDS[kind][1](boxes, targets), 1 - KINDS["iou"][1](boxes, targets)
    return loss + overlap - ((overlap - low) / (high - low)).clamp(0, 1)


def _scylla(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    """MMDetection's default: its documentation says that the sign makes training more stable."""
    told = "SIoU whose distance cost falls as the centres part (the sign in its exponent), kept within 0 and 2,"
    yield Fitted(told, _siou_of_wrong_sign)


def _siou_of_wrong_sign(boxes: Tensor, targets: Tensor) -> Tensor:
    pair = Pair(boxes, targets)
    mine, wanted = pair.sizes
    across = 2 * pair.apart.prod(1).abs() / pair.gap
    distance = (1 - ((2 - across)[:, None] * (pair.apart / pair.hull).square()).exp()).sum(1)
    shape = (1 - (-(mine - wanted).abs() / torch.maximum(mine, wanted)).exp()).pow(4).sum(1)
    return (1 - pair.iou + (distance + shape) / 2).clamp(0, 2)


def _extended(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    for point in POINTS:
        yield Fitted(f"the extended IoU loss under smooth L1 with beta {point:g}", partial(_extended_iou, point))


def _extended_iou(point: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """IoU whose intersection is below 0 where the boxes do not meet  (Extended-IoU, IEEE Xplore 9429909)."""
    low, high = torch.maximum(boxes[:, :2], targets[:, :2]), torch.minimum(boxes[:, 2:], targets[:, 2:])
    hull = torch.minimum(boxes[:, :2], targets[:, :2])
    least, most = torch.minimum(low, high), torch.maximum(low, high)
    shared = (high - hull).prod(1) + (least - hull).prod(1)
    shared = shared - (low - hull)[:, 0] * (most - hull)[:, 1] - (most - hull)[:, 0] * (low - hull)[:, 1]
    mine, wanted = Pair(boxes, targets).sizes
    lost = 1 - shared / (mine.prod(1) + wanted.prod(1) - shared)
    return torch.nn.functional.smooth_l1_loss(lost, torch.zeros_like(lost), reduction="none", beta=point)


def _bounded(values: Tensor, boxes: Tensor, targets: Tensor) -> Iterator[Fitted]:
    for beta, epsilon, (way, share) in product(BETAS, EPSILONS, {"summed": 1.0, "averaged": 1 / 4}.items()):
        beside = f" and epsilon {epsilon:g}" if epsilon else ""
        told = f"the bounded IoU loss with beta {beta:g}{beside}, {way} over the four,"
        yield Fitted(told, partial(_bounded_iou, beta, epsilon, share))


def _bounded_iou(beta: float, epsilon: float, share: float, boxes: Tensor, targets: Tensor) -> Tensor:
    """The largest IoU that each of the four numbers allows by itself, under smooth L1  (arXiv:1711.00164)."""
    pair = Pair(boxes, targets)
    mine, wanted = pair.sizes
    apart = 2 * pair.apart.abs()
    moved = ((wanted - apart) / (wanted + apart + epsilon)).clamp(min=0)
    resized = torch.minimum(mine / (wanted + epsilon), wanted / (mine + epsilon))
    lost = 1 - torch.cat((moved, resized), dim=1)
    return share * torch.nn.functional.smooth_l1_loss(lost, torch.zeros_like(lost), reduction="none", beta=beta).sum(1)
