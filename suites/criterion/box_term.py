"""Which overlap does a box term take, and what does each box weigh? Read off its slopes to the corners of each box.

A box's slopes are those of a loss over pairs times what the box weighs, so the kind is told by their direction alone,
box by box. The weights that are left are compared with what people weigh boxes by; they must come out the same in
every batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy

from focalbench_suite.suites.criterion.class_term import Reading
from focalbench_suite.suites.explainer.words import BOX_MISTAKES
from focalbench_suite.suites.overlap_mistakes import mistakes, powers
from focalbench_suite.suites.overlaps import KINDS, PairLoss, of_loss, values_and_slopes

NEAR = 1e-5  # of the norm, as in `class_term`: libraries add 1e-7 to an area of some squares
EVEN = 1e-4  # of the largest: how far weights may be apart that are one number, or on one curve


@dataclass(frozen=True)
class BoxScene:
    """The box term of one batch: boxes, targets and slopes, all (n, 4), and the weight (n,) that ours gives each box.

    `value` is the term's, without its gain, as the slopes are, NaN where it is not known; `divisors` are what it may be
    divided by, ours first. `outside` is the share of its gradient that goes another way than through the boxes.
    """

    boxes: numpy.ndarray
    targets: numpy.ndarray
    slopes: numpy.ndarray
    weights: numpy.ndarray
    value: float
    divisors: Mapping[str, float]
    outside: float = 0.0

    @property
    def overlap(self) -> numpy.ndarray:
        """The IoU of each pair."""
        return 1 - values_and_slopes("iou", self.boxes, self.targets)[0]

    def factors(self, loss: PairLoss) -> tuple[numpy.ndarray, numpy.ndarray]:
        """What multiplies a loss's slopes to give the term's, (n,), NaN where it has none; and what is left over."""
        _, own = of_loss(loss, self.boxes, self.targets)
        size = (own**2).sum(1)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            found = (own * self.slopes).sum(1) / size
        left = self.slopes - numpy.nan_to_num(found)[:, None] * own
        return found, numpy.linalg.norm(left, axis=1)


@dataclass(frozen=True)
class Weighing:
    """What boxes weigh: `told` in words, the divisor's name, one number on all, and the power of the IoU."""

    told: str
    divisor: str
    scale: float
    power: float = 0.0


def read_box_term(own: str, called: str, scenes: list[BoxScene], shared: bool = False) -> Reading:
    """What the box term computes, where the criterion that it should be has the kind `own` and weighs by `called`.

    `shared` says that the scenes are those boxes alone whose anchors both criteria take: then the kind is told, and
    nothing of the weights.
    """
    scenes = [scene for scene in scenes if len(scene.boxes)]
    found = next((known for known in _known(own) if all(_fits(known[1], scene) for scene in scenes)), None)
    if not scenes or (shared and found is None):
        return Reading("not read, since other anchors are positive")
    if found is None:
        return Reading(_nearest(scenes))
    told, kind = found
    if shared:
        return Reading(f"{told} on the {sum(len(scene.boxes) for scene in scenes)} boxes that both take")
    weighing = _weighing(kind, called, scenes)
    if kind == KINDS["iou"][1] and _is_of_power(weighing, scenes):  # (arXiv:2110.13675 eq. 4)
        power = weighing.power + 1
        told = f"alpha-IoU, 1 - IoU^{power:g}, in place of {KINDS[own][0]}"
        weighing, value = Weighing(weighing.told, weighing.divisor, weighing.scale / power), ""
    else:
        value = _of_value(kind, scenes)
    scale = "" if abs(weighing.scale - 1) < EVEN else f"scaled by {weighing.scale:g}"
    power_told = f"times IoU^{weighing.power:g}" if weighing.power else ""
    return Reading(", ".join(filter(None, (told, scale, power_told, weighing.told, value))), divisor=weighing.divisor)


def _known(own: str) -> Iterator[tuple[str, PairLoss]]:
    """Losses that a box term may take, in words and in the order of trying: right ones before wrong ones."""
    kinds = (own, *(kind for kind in KINDS if kind != own))
    named = {kind: KINDS[kind][0] + ("" if kind == own else f" in place of {KINDS[own][0]}") for kind in kinds}
    yield from ((named[kind], KINDS[kind][1]) for kind in kinds)
    for kind in kinds:
        yield from ((f"{named[kind]}, {BOX_MISTAKES[code]}", wrong) for code, wrong in mistakes(kind))
        for power, way, raised in powers(kind):
            yield f"{named[kind]}, each part to the power {power:g}{way}", raised


def _is_of_power(weighing: Weighing, scenes: list[BoxScene]) -> bool:
    """Whether the values are those of 1 - IoU^a, whose slopes are the IoU's times a IoU^(a-1)."""
    power = weighing.power + 1
    if not weighing.power or power == 0:
        return False
    for scene in scenes:
        weights = numpy.ones_like(scene.weights) if weighing.told else scene.weights
        value = weighing.scale / power * float(weights @ (1 - scene.overlap**power)) / scene.divisors[weighing.divisor]
        if not abs(scene.value - value) <= EVEN * abs(value):
            return False
    return True


def _fits(kind: PairLoss, scene: BoxScene) -> bool:
    """Whether every box's slopes have the direction of the loss's."""
    if scene.outside > NEAR:
        return False
    _, left = scene.factors(kind)
    sizes = numpy.linalg.norm(scene.slopes, axis=1)
    return bool(numpy.isfinite(scene.slopes).all() and (left <= NEAR * sizes + 1e-15).all() and sizes.any())


def _nearest(scenes: list[BoxScene]) -> str:
    """The kind whose slopes leave least over, with how much that is."""
    size = numpy.concatenate([scene.slopes.ravel() for scene in scenes])
    if not numpy.isfinite(size).all():
        return "unknown: its gradient is NaN or infinite"
    if not size.any():
        return "nothing: it has no gradient to the boxes"
    if (outside := max(scene.outside for scene in scenes)) > NEAR:
        return f"unknown: {outside:.2g} of its gradient goes another way than through the boxes of the bins' means"
    left = {kind: numpy.concatenate([scene.factors(KINDS[kind][1])[1] for scene in scenes]) for kind in KINDS}
    share = {kind: float(numpy.linalg.norm(each) / numpy.linalg.norm(size)) for kind, each in left.items()}
    best = min(share, key=lambda kind: share[kind])
    tried = ", ".join(KINDS[kind][0] for kind in KINDS if not kind.startswith("ciou_"))
    return (
        f"unknown: none of {tried}; the nearest is {KINDS[best][0]}, whose slopes, weighted box by box "
        f"as fits best, leave {share[best]:.2g} of its norm"
    )


def _weighing(kind: PairLoss, called: str, scenes: list[BoxScene]) -> Weighing:
    """The simplest account of the weights: ours, none, or either times a power of the IoU."""
    for told, each, divisor in _accounts(kind, called, scenes):
        if (scale := _one_number(each)) is not None:
            return Weighing(told, divisor, scale)
    for told, each, divisor in _accounts(kind, called, scenes):
        if (curve := _power(each, numpy.concatenate([scene.overlap for scene in scenes]))) is not None:
            return Weighing(told, divisor, *curve)
    _, each, divisor = next(_accounts(kind, called, scenes))
    known = each[~numpy.isnan(each)]
    return Weighing(f"weighted by {known.min():.3g} to {known.max():.3g} of {called}, unknown by what", "", 1.0)


def _accounts(kind: PairLoss, called: str, scenes: list[BoxScene]) -> Iterator[tuple[str, numpy.ndarray, str]]:
    """What a box may weigh and be divided by, in words, and what is left of its factor under that, over all batches."""
    for told in ("", "every box weighs 1"):
        for divisor in scenes[0].divisors:
            parts = []
            for scene in scenes:
                weights = numpy.ones_like(scene.weights) if told else scene.weights
                parts.append(scene.factors(kind)[0] * scene.divisors[divisor] / weights)
            yield told, numpy.concatenate(parts), divisor


def _one_number(each: numpy.ndarray) -> float | None:
    known = each[~numpy.isnan(each)]
    middle = float(numpy.median(known))
    return float(f"{middle:.4g}") if (abs(known - middle) <= EVEN * abs(middle)).all() and middle else None


def _power(each: numpy.ndarray, overlap: numpy.ndarray) -> tuple[float, float] | None:
    """Scale and power where the numbers are a power of the IoU times one scale."""
    known = ~numpy.isnan(each) & (overlap > 0)
    if not (each[known] > 0).all() or known.sum() < 3:
        return None
    logarithms = numpy.stack([numpy.ones(known.sum()), numpy.log(overlap[known])], axis=1)
    found, *_ = numpy.linalg.lstsq(logarithms, numpy.log(each[known]), rcond=None)
    if abs(logarithms @ found - numpy.log(each[known])).max() > EVEN:
        return None
    return float(f"{numpy.exp(found[0]):.4g}"), float(f"{found[1]:.4g}")


def _of_value(kind: PairLoss, scenes: list[BoxScene]) -> str:
    """Nothing where the term's values are those of its slopes' weights; else where they are not."""
    for scene in scenes:
        values, _ = of_loss(kind, scene.boxes, scene.targets)
        factors = scene.factors(kind)[0]
        if numpy.isnan(factors).any():
            continue  # a box without a slope has a value all the same, with a weight that nothing shows
        expected = float(factors @ values)
        if abs(scene.value - expected) > EVEN * abs(expected):
            return f"by its gradient; its value is {scene.value:.4g} where that of this gradient is {expected:.4g}"
    return ""
