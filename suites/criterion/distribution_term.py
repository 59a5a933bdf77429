"""Over which bins does a distribution term run, where are its targets cut off, what does a side weigh?

The gradient of a cross entropy to the logits of a side's bins is its weight times softmax less target. Most bins have
no target, so they show the weight; with it each bin's share of the target comes out, and where the target lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from focalbench_suite.suites.criterion.class_term import Reading

NEAR = 1e-5  # of a share or a bin, as in `class_term`
EVEN = 1e-4  # of the largest: how far weights may be apart that are one number


@dataclass(frozen=True)
class SideScene:
    """The distribution term of one batch: logits (n, K) and gradient (n, K) of each side, without the gain.

    `targets` (n,) is where ours has each side's target, in bins, and `weights` (n,) what it weighs; `divisors` are what
    the sum over sides may be divided by, ours first.
    """

    logits: numpy.ndarray
    gradient: numpy.ndarray
    targets: numpy.ndarray
    weights: numpy.ndarray
    divisors: Mapping[str, float]

    def read(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Each side's weight (n,) and the shares (n, K) of its target."""
        odds = numpy.exp(self.logits - self.logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        weight = numpy.median(self.gradient / odds, axis=1)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            return weight, odds - self.gradient / weight[:, None]


def read_distribution_term(scenes: list[SideScene], called: str) -> Reading:
    """What the distribution term computes; `called` is what ours weighs sides by."""
    scenes = [scene for scene in scenes if len(scene.targets)]
    gradient = numpy.concatenate([scene.gradient for scene in scenes])
    if not gradient.any():
        return Reading("nothing: it has no gradient to the bins")
    weights, shares = (numpy.concatenate(each) for each in zip(*(scene.read() for scene in scenes), strict=True))
    targets = numpy.concatenate([scene.targets for scene in scenes])
    if not _of_two_bins(shares):
        return Reading("unknown: its gradients are not those of a cross entropy with two neighbouring bins")
    bins = int((abs(gradient).max(0) > 0).sum())
    place = shares @ numpy.arange(shares.shape[1])
    where = _of_place(place, targets)
    if where and (power := _power(place, targets)) is not None:
        # what the two bins' shares add up to then, by which a side weighs less unless they are divided by it
        whole = (1 - targets % 1) ** power + (targets % 1) ** power
        where = f"the two bins' shares to the power {power:g}"
        if _weighing(weights / whole, scenes, called)[1]:
            weights = weights / whole
        else:
            where += ", divided by their sum"
    told, divisor = _weighing(weights, scenes, called)
    return Reading(", ".join(filter(None, (f"DFL over {bins} bins", where, told))), "", divisor)


def _of_two_bins(shares: numpy.ndarray) -> bool:
    """Whether every side's target is made of two neighbouring bins, whose shares add up to 1."""
    if not numpy.isfinite(shares).all():
        return False
    held = abs(shares) > NEAR
    first, last = held.argmax(1), held.shape[1] - 1 - held[:, ::-1].argmax(1)
    return bool((last - first <= 1).all() and (abs(shares.sum(1) - 1) < NEAR).all() and (shares > -NEAR).all())


def _of_place(place: numpy.ndarray, ours: numpy.ndarray) -> str:
    """Where the targets lie: as ours, cut off elsewhere, or what else is known of them."""
    limit, own = float(place.max()), float(ours.max())
    if abs(place - ours).max() < NEAR:
        return ""
    if abs(place - numpy.where(ours > own - NEAR, limit, numpy.minimum(ours, limit))).max() < NEAR:
        return f"targets cut off at {limit:.4g} bins where ours are at {own:.4g}"
    below = (ours < own - NEAR) & (ours % 1 > NEAR)
    if abs(place - (2 * numpy.floor(ours) + 1 - ours))[below].max(initial=0) < NEAR and below.any():
        return "the weights of the two bins exchanged"
    shift = float(numpy.median(place - ours))
    if abs(place - ours - shift)[below].max(initial=0) < NEAR and below.any():
        return f"targets {abs(shift):.4g} bins {'farther' if shift > 0 else 'nearer'} than ours"
    return f"targets up to {abs(place - ours).max():.3g} bins from ours, unknown why"


def _power(place: numpy.ndarray, ours: numpy.ndarray) -> float | None:
    """The power of our shares that theirs are, but for a factor on both bins; None where there is none."""
    mine: numpy.ndarray = ours % 1
    left = place - numpy.floor(ours)
    known = (abs(mine - 0.5) > 0.05) & (abs(mine - 0.5) < 0.4) & (left > 0) & (left < 1)
    if not known.any():
        return None
    powers = numpy.log(left[known] / (1 - left[known])) / numpy.log(mine[known] / (1 - mine[known]))
    power = float(f"{numpy.median(powers):.4g}")
    if power <= 0:
        return None
    raised = mine**power / (mine**power + (1 - mine) ** power)
    return power if abs(left - raised).max() < 10 * NEAR else None


def _weighing(weights: numpy.ndarray, scenes: list[SideScene], called: str) -> tuple[str, str]:
    """What a side weighs, in words, and the divisor."""
    for told in ("", "every side weighs 1"):
        for divisor in scenes[0].divisors:
            left = weights / _weights(scenes, divisor, even=bool(told))
            middle = float(numpy.median(left))
            if middle and (abs(left - middle) <= EVEN * abs(middle)).all():
                scale = "" if abs(middle - 1) < EVEN else f"scaled by {middle:.4g}"
                return ", ".join(filter(None, (scale, told))), divisor
    left = weights / _weights(scenes, next(iter(scenes[0].divisors)), even=False)
    return f"weighted by {left.min():.3g} to {left.max():.3g} of {called}, unknown by what", ""


def _weights(scenes: list[SideScene], divisor: str, even: bool) -> numpy.ndarray:
    """What each side weighs under a divisor: all the same, or as in ours."""
    each = [numpy.ones_like(scene.weights) if even else scene.weights for scene in scenes]
    return numpy.concatenate([one / scene.divisors[divisor] for one, scene in zip(each, scenes, strict=True)])
