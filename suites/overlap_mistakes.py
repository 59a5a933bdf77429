"""What people get wrong in a loss over pairs of boxes, each one mistake in a loss that is right otherwise.

A mistake is a code, whose words are in `explainer.words`, and the loss (n,) of corners (n, 4) with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from focalbench_suite.suites.overlaps import KINDS, PairLoss

POWERS = (0.5, 1.5, 2.0, 3.0, 4.0, 5.0)  # of alpha-IoU; its paper takes 3, and tries up to 10


@dataclass(frozen=True)
class Pair:
    """Two boxes and the enclosing box as they are measured; `wider` is what is added to every side of the boxes.

    `around` is what is added to the enclosing box's sides, and `cut` says how the intersection is cut off at 0: side by
    side, as a product, or not.
    """

    boxes: Tensor
    targets: Tensor
    wider: float = 0.0
    around: float = 0.0
    cut: str = "sides"

    @property
    def sizes(self) -> tuple[Tensor, Tensor]:
        """Widths and heights (n, 2) of the boxes and of the targets."""
        return self._sides(self.boxes), self._sides(self.targets)

    def _sides(self, boxes: Tensor) -> Tensor:
        return boxes[:, 2:] - boxes[:, :2] + self.wider

    @property
    def shared(self) -> Tensor:
        """The sides (n, 2) of the intersection."""
        low, high = torch.maximum(self.boxes[:, :2], self.targets[:, :2]), torch.minimum(self.boxes, self.targets)
        return high[:, 2:] - low + self.wider

    @property
    def inner(self) -> Tensor:
        """The area of the intersection."""
        shared = self.shared.clamp(min=0) if self.cut == "sides" else self.shared
        return shared.prod(1).clamp(min=0) if self.cut == "product" else shared.prod(1)

    @property
    def areas(self) -> tuple[Tensor, Tensor]:
        """The areas of the boxes and of the targets."""
        return self.sizes[0].prod(1), self.sizes[1].prod(1)

    @property
    def union(self) -> Tensor:
        """The area of either."""
        return sum(self.areas) - self.inner

    @property
    def hull(self) -> Tensor:
        """The enclosing box's sides (n, 2)."""
        low = torch.minimum(self.boxes[:, :2], self.targets[:, :2])
        return torch.maximum(self.boxes[:, 2:], self.targets[:, 2:]) - low + self.around

    @property
    def apart(self) -> Tensor:
        """How far the centres are apart along either axis, (n, 2)."""
        return (self.targets[:, :2] + self.targets[:, 2:] - self.boxes[:, :2] - self.boxes[:, 2:]) / 2

    @property
    def gap(self) -> Tensor:
        """The squared distance of the centres."""
        return self.apart.square().sum(1)

    @property
    def iou(self) -> Tensor:
        """Intersection over union."""
        return self.inner / self.union

    @property
    def turn(self) -> Tensor:
        """The squared difference of the angles of the boxes' diagonals."""
        mine, wanted = (torch.atan2(*size.unbind(1)) for size in self.sizes)
        return (wanted - mine).square()


Part = Callable[[Pair], Tensor]


def _diagonal(sides: Tensor) -> Tensor:
    return sides.square().sum(1)


def _iou(pair: Pair) -> Tensor:
    return pair.iou


def _penalty_giou(pair: Pair) -> Tensor:
    hull = pair.hull.prod(1)
    return (hull - pair.union) / hull


def _distance(pair: Pair) -> Tensor:
    return pair.gap / _diagonal(pair.hull)


def _aspect(pair: Pair, scale: float = 4 / math.pi**2, trade_off: str = "constant") -> Tensor:
    """The aspect term of CIoU with another constant in v, or another trade-off."""
    v = scale * pair.turn
    if trade_off == "none":
        return v
    if trade_off == "v":
        return (v / (1 - pair.iou + v)) * v.detach()
    if trade_off == "of_v":
        return v * v / (1 - pair.iou.detach() + v)
    return (v / ((pair.iou if trade_off == "iou" else 1 - pair.iou) + v)).detach() * v


def _ratios(pair: Pair) -> Tensor:
    """The aspect term of the ratios themselves, without the arctangent."""
    mine, wanted = (size[:, 0] / size[:, 1] for size in pair.sizes)
    v = 4 / math.pi**2 * (wanted - mine).square()
    return (v / (1 - pair.iou + v)).detach() * v


def _sides(pair: Pair) -> Tensor:
    """How far widths and heights are apart, squared, (n, 2)."""
    return (pair.sizes[0] - pair.sizes[1]).square()


def _complete(pair: Pair) -> Tensor:
    return _distance(pair) + _aspect(pair)


def _efficient(pair: Pair) -> Tensor:
    return _distance(pair) + (_sides(pair) / pair.hull.square()).sum(1)


PENALTIES: dict[str, Part] = {
    "iou": lambda pair: torch.zeros_like(pair.inner),
    "giou": _penalty_giou,
    "diou": _distance,
    "ciou": _complete,
    "eiou": _efficient,
}
# what stands in the place of the IoU
OVERLAPS: dict[str, Part] = {
    "sum_of_areas": lambda pair: pair.inner / sum(pair.areas),
    "dice": lambda pair: 2 * pair.inner / sum(pair.areas),
    "smaller_area": lambda pair: pair.inner / torch.minimum(*pair.areas),
    "area_of_target": lambda pair: pair.inner / pair.areas[1],
    "area_of_box": lambda pair: pair.inner / pair.areas[0],
    "area_of_hull": lambda pair: pair.inner / pair.hull.prod(1),
}
DISTANCES: dict[str, Part] = {
    "diagonal_of_target": lambda pair: pair.gap / _diagonal(pair.sizes[1]),
    "diagonal_of_box": lambda pair: pair.gap / _diagonal(pair.sizes[0]),
    "diagonals_of_both": lambda pair: pair.gap / (_diagonal(pair.sizes[0]) + _diagonal(pair.sizes[1])),
    "diagonal_of_intersection": lambda pair: pair.gap / _diagonal(pair.shared),
    "diagonal_unsquared": lambda pair: pair.gap / _diagonal(pair.hull).sqrt(),
    "distance_and_diagonal_unsquared": lambda pair: (pair.gap / _diagonal(pair.hull)).sqrt(),
    "distance_unsquared": lambda pair: pair.gap.sqrt() / _diagonal(pair.hull),
    "distance_over_hull": lambda pair: pair.gap / pair.hull.prod(1),
    "distance_over_union": lambda pair: pair.gap / pair.union,
    "distance_not_halved": lambda pair: 4 * _distance(pair),
    "distance_left_out": lambda pair: torch.zeros_like(pair.gap),
}
# what stands in the place of a kind's penalty
WRONG: dict[str, dict[str, Part]] = {
    "giou": {
        "penalty_over_union": lambda pair: (pair.hull.prod(1) - pair.union) / pair.union,
        "penalty_of_intersection": lambda pair: 1 - pair.inner / pair.hull.prod(1),
        "penalty_of_sum": lambda pair: 1 - sum(pair.areas) / pair.hull.prod(1),
        "penalty_over_diagonal": lambda pair: (pair.hull.prod(1) - pair.union) / _diagonal(pair.hull),
        "penalty_subtracted": lambda pair: -_penalty_giou(pair),
    },
    "diou": DISTANCES | {"penalty_subtracted": lambda pair: -_distance(pair)},
    "ciou": {
        "v_of_4_over_pi": partial(_aspect, scale=4 / math.pi),
        "v_of_1_over_pi_squared": partial(_aspect, scale=1 / math.pi**2),
        "v_of_2_over_pi_squared": partial(_aspect, scale=2 / math.pi**2),
        "v_of_8_over_pi_squared": partial(_aspect, scale=8 / math.pi**2),
        "v_without_constant": partial(_aspect, scale=1.0),
        "trade_off_of_iou": partial(_aspect, trade_off="iou"),
        "trade_off_left_out": partial(_aspect, trade_off="none"),
        "trade_off_through_v": partial(_aspect, trade_off="of_v"),
        "v_constant": partial(_aspect, trade_off="v"),
        "v_of_ratios": _ratios,
    },
    "eiou": {
        "sides_over_diagonal": lambda pair: _sides(pair).sum(1) / _diagonal(pair.hull),
        "sides_over_target": lambda pair: (_sides(pair) / pair.sizes[1].square()).sum(1),
        "sides_over_unsquared": lambda pair: (_sides(pair) / pair.hull).sum(1),
        "centres_for_sides": lambda pair: (pair.apart.square() / pair.hull.square()).sum(1),
        "sides_unsquared": lambda pair: (_sides(pair).sqrt() / pair.hull).sum(1),
    },
}
ADDED: dict[str, Part] = {  # beside what is wrong
    "ciou": _distance,
    "eiou": _distance,
}
MEASURES: dict[str, dict[str, Any]] = {
    "pixel": {"wider": 1.0, "around": 1.0},
    "pixel_of_overlap": {"wider": 1.0},
    "uncut": {"cut": "none"},
    "cut_as_a_whole": {"cut": "product"},
}
READINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "corners_as_coco": lambda boxes: torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), dim=1),
    "corners_as_centres": lambda boxes: torch.cat(
        (boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), dim=1
    ),
}


@lru_cache
def mistakes(kind: str) -> tuple[tuple[str, PairLoss], ...]:
    """Codes of what may be wrong in a loss of this kind, each with that loss."""
    return tuple(_mistakes(kind))


@lru_cache
def misread(kind: str) -> tuple[tuple[str, PairLoss], ...]:
    """The loss of this kind of corners that are taken for something else, which may be how it wants to be called."""
    return tuple((code, partial(_read_as, read, kind)) for code, read in READINGS.items())


def _mistakes(kind: str) -> Iterator[tuple[str, PairLoss]]:
    if kind in PENALTIES:
        yield from ((code, partial(_with, _iou, part, {})) for code, part in _wrong_penalties(kind))
        yield from ((code, partial(_with, part, PENALTIES[kind], {})) for code, part in OVERLAPS.items())
        for code, measure in MEASURES.items():
            if kind != "iou" or code != "pixel_of_overlap":
                yield code, partial(_with, _iou, PENALTIES[kind], measure)


@lru_cache
def powers(kind: str) -> tuple[tuple[float, str, PairLoss], ...]:
    """Powers that each part of a loss of this kind may be taken to, with what of it, and that loss.

    Of IoU alone any power is found.
    """
    if kind not in PENALTIES or kind == "iou":
        return ()
    ways = [("", False)]
    if kind in ("diou", "ciou"):
        ways.append((", the centres' distance axis by axis", True))
    return tuple(
        (power, told, partial(_of_power, kind, power, by_axis=by_axis)) for told, by_axis in ways for power in POWERS
    )


def _wrong_penalties(kind: str) -> Iterator[tuple[str, Part]]:
    """What may stand in the place of all that a kind adds to 1 - IoU."""
    beside = ADDED.get(kind)
    for code, part in WRONG.get(kind, {}).items():
        yield code, part if beside is None else partial(_sum, beside, part)
    if kind in ("ciou", "eiou"):
        right = _aspect if kind == "ciou" else (lambda pair: (_sides(pair) / pair.hull.square()).sum(1))
        yield from ((code, partial(_sum, part, right)) for code, part in DISTANCES.items())


def _sum(one: Part, other: Part, pair: Pair) -> Tensor:
    return one(pair) + other(pair)


def _with(overlap: Part, penalty: Part, measure: dict[str, Any], boxes: Tensor, targets: Tensor) -> Tensor:
    pair = Pair(boxes, targets, **measure)
    return 1 - overlap(pair) + penalty(pair)


def _of_power(kind: str, power: float, boxes: Tensor, targets: Tensor, by_axis: bool = False) -> Tensor:
    """Each part of a loss to a power  (arXiv:2110.13675 eq. 8)."""
    pair = Pair(boxes, targets)
    parts = {"ciou": (_distance, _aspect), "eiou": (_efficient,)}.get(kind, (PENALTIES[kind],))
    raised = [part(pair) ** power for part in parts]
    if by_axis:
        raised[0] = (pair.apart.abs() ** (2 * power)).sum(1) / (pair.hull ** (2 * power)).sum(1)
    return 1 - pair.iou**power + sum(raised)


def _read_as(read: Callable[[Tensor], Tensor], kind: str, boxes: Tensor, targets: Tensor) -> Tensor:
    return KINDS[kind][1](read(boxes), read(targets))
