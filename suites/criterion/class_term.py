"""What does a class term compute? Read off its gradient to each class logit, against the scores that were assigned.

A batch gives one number, but the gradient has one for each logit x and assigned score y. A form from the explainer's
vocabulary (a modulating factor and a cross entropy) has a slope there; what positives and negatives weigh, and what the
sum is divided by, are measured: they must come out the same in every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import words
from focalbench_suite.suites.explainer.formula import vocabulary_of
from focalbench_suite.suites.explainer.search import ONE
from focalbench_suite.suites.explainer.vocabulary.option import Points, Semantics

NEAR = 1e-5  # of the norm: the assigned scores are ours, which agree with a library's in float32's digits alone
FAMILIES = ("focal", "quality_focal", "varifocal")  # what people put in the place of a class term
CALLED = {"cross_entropy": "BCE", "focal": "focal", "quality_focal": "quality focal", "varifocal": "varifocal"}
SHOWN = 5  # numbers of a factor that nothing explains
EVEN = 1e-4  # how far a weight may be from 1 that is 1
STEEP = 1e-3  # of a slope that a factor can be read off
Weights = tuple[str, list[float]]  # the divisor, and what positives and negatives weigh
Slopes = tuple[numpy.ndarray, ...]  # of the parts whose weights are measured


@dataclass(frozen=True)
class Scene:
    """The class term of one batch: logits, assigned scores and gradient, all (n,), and the divisors that it may have.

    `classes` (n,) is the class of each logit.
    """

    logits: numpy.ndarray
    scores: numpy.ndarray
    gradient: numpy.ndarray
    classes: numpy.ndarray
    divisors: dict[str, float]

    def only(self, rows: numpy.ndarray) -> Scene:
        """The same for some of the logits."""
        names = ("logits", "scores", "gradient", "classes")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True)
class Reading:
    """What was read: the sentence, the formula where one is known, and the divisor where one fits."""

    computes: str
    formula: str = ""
    divisor: str = ""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What is known, each with the words before it."""
        told = (("computes", self.computes), ("formula", self.formula), ("divided by", self.divisor))
        return [(what, text) for what, text in told if text]


@dataclass(frozen=True)
class Form:
    """A loss of the canon with at most one change; `split` says how positives and negatives are told apart.

    `factor` is what is done with its modulating factor: nothing, one of `FACTORS`.
    """

    base: str
    semantics: Semantics
    split: str
    factor: str = ""

    @property
    def cost(self) -> int:
        return len(self.semantics.changes) + bool(self.factor)

    def loss(self, points: Points) -> torch.Tensor:
        """The loss of each element, before what positives and negatives weigh."""
        if not self.factor:
            return self.semantics.terms(points)
        weight, modulation, entropy, _ = self.semantics.factors(points)
        if self.factor == "hard":
            modulation = self.semantics.factors(replace(points, y=(points.y > 0).to(points.y)))[1]
        return weight * (modulation.detach() if self.factor == "held" else modulation) * entropy


# what people do with a modulating factor beside its formula
FACTORS = {
    "held": "no gradient through its modulating factor",
    "hard": "its modulating factor of labels 0 and 1, whatever the score",
}


def _by_logarithm(s: Points, loss: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The two logarithms of a cross entropy, each with the share of `loss` that its modulating factor leaves."""
    positive, negative = s.y * torch.nn.functional.softplus(-s.x), (1 - s.y) * torch.nn.functional.softplus(s.x)
    factor = loss / (positive + negative)
    return factor * positive, factor * negative


# name: what of a loss stands with the positives' weight and what with the negatives'
SPLITS: dict[str, Callable[[Points, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]] = {
    "blend": lambda s, loss: (s.y * loss, (1 - s.y) * loss),
    "inside": _by_logarithm,
    "label": lambda s, loss: ((s.y > 0) * loss, (s.y == 0) * loss),
    "target": lambda s, loss: (s.y * loss, (s.y == 0) * loss),
}


def read_class_term(own: str, scenes: list[Scene]) -> Reading:
    """What the class term computes, where the criterion that it should be has the loss `own` of the canon."""
    for form in sorted(_forms(own), key=lambda form: form.cost):
        slopes = [_slopes(form, scene) for scene in scenes]
        if found := _weights(scenes, slopes):
            divisor, (positive, negative) = found
            return _told(form, own, divisor, positive, negative)
    plain = Form(own, vocabulary_of(own, set()).paper, "label")
    plain = replace(plain, semantics=replace(plain.semantics, weight=ONE))
    return _by_class(plain, scenes) or _measured(plain, scenes)


def _forms(own: str) -> Iterator[Form]:
    """The term's own loss first; a cross entropy with a factor is told as focal loss."""
    for base in (own, *(family for family in FAMILIES if family != own)):
        known = vocabulary_of(base, set())
        for modulation in known.modulations:
            for entropy in known.entropies:
                chosen = Semantics(known.contexts[0], ONE, modulation, entropy)
                if len(chosen.changes) > 1 or (base == "cross_entropy" and modulation.changes):
                    continue
                for split in SPLITS if not entropy.changes else ("blend",):
                    yield Form(base, chosen, split)
                    if modulation.formula:
                        yield from (Form(base, chosen, split, factor) for factor in FACTORS)


def _slopes(form: Form, scene: Scene) -> Slopes:
    """The derivatives of a form's two parts at every logit."""
    x = torch.tensor(scene.logits)[:, None].requires_grad_()
    points = Points(x, torch.tensor(scene.scores)[:, None], {})
    parts = SPLITS[form.split](points, form.loss(points))
    return tuple(
        torch.autograd.grad(part.sum(), x, retain_graph=True)[0][:, 0].numpy()
        if part.requires_grad
        else numpy.zeros(len(x))
        for part in parts
    )


def _weights(scenes: list[Scene], slopes: list[Slopes], sides: tuple[int, ...] = (0, 1)) -> Weights | None:
    """The divisor, and what each of the `sides` weighs under it, where these are the same in every batch."""
    fitted = []
    for scene, columns in zip(scenes, slopes, strict=True):
        pair = _fitted(scene, columns)
        if pair is None:
            return None
        fitted.append(pair)
    for divisor in scenes[0].divisors:
        sizes = [scene.divisors[divisor] for scene in scenes]
        scaled = [_scaled([pair[i] for pair in fitted], sizes) for i in sides]
        if all(len(side) and _constant(side) for side in scaled):
            return divisor, [float(side[0]) for side in scaled]
    return None


def _scaled(weights: list[float | None], sizes: list[float]) -> numpy.ndarray:
    """The weights times the divisors of their batches, where there are any."""
    return numpy.array([weight * size for weight, size in zip(weights, sizes, strict=True) if weight is not None])


def _constant(numbers: numpy.ndarray) -> bool:
    return bool(numpy.ptp(numbers) <= 10 * NEAR * numpy.abs(numbers).max() + 1e-12)


def _fitted(scene: Scene, slopes: Slopes) -> list[float | None] | None:
    """The weights that give the gradient of one batch, each None where nothing there has it; None for no fit."""
    columns = numpy.stack(slopes, axis=1)
    if not numpy.isfinite(columns).all() or not numpy.isfinite(scene.gradient).all():
        return None
    used = numpy.abs(columns).max(axis=0, initial=0) > 0
    weights = numpy.zeros(columns.shape[1])
    weights[used] = numpy.linalg.lstsq(columns[:, used], scene.gradient, rcond=None)[0]
    off, positive = scene.gradient - columns @ weights, scene.scores > 0
    for part in (positive, ~positive):
        if numpy.linalg.norm(off[part]) > NEAR * numpy.linalg.norm(scene.gradient[part]) + 1e-15:
            return None
    return [float(weight) if there else None for weight, there in zip(weights, used, strict=True)]


def _told(form: Form, own: str, divisor: str, positive: float, negative: float) -> Reading:
    size = _power(form)
    told = CALLED[form.base] + (f" with {size}" if size else "")
    told += "" if form.base == own else f" in place of {CALLED[own]}"
    others = [words.sentence(one) for one in form.semantics.changes if not one.code.endswith("_of_its_own")]
    sides = _sides(form, positive, negative)
    formula = " · ".join(filter(None, (_shown(form.split, positive, negative), form.semantics.formula)))
    return Reading(", ".join(filter(None, (told, *others, FACTORS.get(form.factor, ""), sides))), formula, divisor)


def _shown(split: str, positive: float, negative: float) -> str:
    """The weights of the two sides as a factor of the formula; none for a weight of 1.

    >>> _shown("blend", 0.25, 0.75), _shown("label", 1.0, 0.5), _shown("label", 1.0, 1.0)
    ('(0.25 y + 0.75 (1-y))', '(1 if y > 0 else 0.5)', '')
    """
    one, other = f"{positive:.4g}", f"{negative:.4g}"
    if one == other:
        return "" if one == "1" else one
    return f"({one} y + {other} (1-y))" if split == "blend" else f"({one} if y > 0 else {other})"


def _plain(positive: float, negative: float) -> bool:
    """Whether two sides weigh what people let them weigh: alpha and 1 - alpha, or 1 each."""
    return abs(positive + negative - 1) < 1e-4 or abs(positive - 1) + abs(negative - 1) < 1e-4


def _power(form: Form) -> str:
    """The parameter that is a power, with the function's own value for it."""
    power = CANONICAL[form.base].of_role("power")
    if power is None:
        return ""
    own = [dict(one.values)["value"] for one in form.semantics.changes if one.code == "gamma_of_its_own"]
    return f"{power.name} {(own or [power.absent])[0]:g}"


def _sides(form: Form, positive: float, negative: float) -> str:
    """What positives and negatives weigh, in the words that people use for it."""
    one, zero = float(f"{positive:.5g}"), float(f"{negative:.5g}")
    if one == zero == 1:
        return ""
    if one == zero:
        return f"scaled by {one:g}" if form.base == "cross_entropy" else f"alpha {one:g} on both sides"
    if zero == 1 and form.split == "inside":
        return f"pos_weight {one:g}"
    if _plain(one, zero):
        return f"alpha {one:g} on positives and {zero:g} on negatives"
    return f"positives weigh {one:g} and negatives {zero:g}"


def _by_class(form: Form, scenes: list[Scene]) -> Reading | None:
    """The own form with a weight for each class, or for its positives, where that is what there is."""
    whole = _of_classes(scenes, lambda scene: (numpy.sum(_slopes(form, scene), axis=0),), (0,))
    if whole is not None:
        divisor, weights = whole
        told = ", ".join(f"{weight:.4g}" for (weight,) in weights)
        return Reading(
            f"{CALLED[form.base]} with class weights {told}", f"w[class] · {form.semantics.formula}", divisor
        )
    inside = replace(form, split="inside")
    parts = _of_classes(scenes, lambda scene: _slopes(inside, scene), (0, 1))
    if parts is None or any(abs(negative - 1) > EVEN for _, negative in parts[1]):
        return None
    told = ", ".join(f"{positive:.4g}" for positive, _ in parts[1])
    return Reading(f"{CALLED[form.base]}, pos_weight {told} by class", "", parts[0])


def _of_classes(
    scenes: list[Scene], slopes: Callable[[Scene], Slopes], sides: tuple[int, ...]
) -> tuple[str, list[list[float]]] | None:
    """The divisor, and what each of the `sides` weighs in each class; None where the classes do not agree."""
    found = []
    for label in numpy.unique(scenes[0].classes):
        mine = [scene.only(scene.classes == label) for scene in scenes]
        weights = _weights(mine, [slopes(scene) for scene in mine], sides)
        if weights is None:
            return None
        found.append(weights)
    if len({divisor for divisor, _ in found}) > 1:
        return None
    return found[0][0], [each for _, each in found]


def _measured(form: Form, scenes: list[Scene]) -> Reading:
    """The own form times a factor that nothing explains: told as measured, against the assigned score."""
    negatives = [scene.only(scene.scores == 0) for scene in scenes]
    found = _weights(negatives, [_slopes(form, scene) for scene in negatives], (1,))
    if found is None:
        return Reading(f"unknown: nothing that was tried gives its gradients, {CALLED[form.base]} among it")
    divisor, (zero,) = found
    rows = sorted({row for scene in scenes for row in _factors(form, scene, scene.divisors[divisor])})
    shown = [rows[round(i * (len(rows) - 1) / (SHOWN - 1))] for i in range(SHOWN)] if len(rows) > SHOWN else rows
    table = ", ".join(f"{factor:.4g} at {score:.3g}" for score, factor in shown)
    told = f"{CALLED[form.base]} times an unknown factor, measured by assigned score: {zero:.4g} at 0, {table}"
    return Reading(told, f"factor · {form.semantics.formula}", divisor)


def _factors(form: Form, scene: Scene, divisor: float) -> Iterator[tuple[float, float]]:
    """Assigned score and factor of each positive where the own form has a slope to speak of."""
    slope = _slopes(form, scene)[0]
    for row in numpy.flatnonzero((scene.scores > 0) & (numpy.abs(slope) > STEEP)):
        yield float(scene.scores[row]), float(scene.gradient[row] * divisor / slope[row])
