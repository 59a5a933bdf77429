"""Stage two: how do the losses of single elements become what is returned for a batch?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import questions
from focalbench_suite.suites.explainer.calls import Answer, Call
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.formula import Fit
from focalbench_suite.suites.explainer.here import exact_tensor
from focalbench_suite.suites.explainer.search import Tolerance
from focalbench_suite.suites.explainer.vocabulary.labels import MAPS, LabelMap
from focalbench_suite.suites.explainer.vocabulary.option import Context, Points, Semantics, change
from focalbench_suite.suites.explainer.vocabulary.reduction import REDUCTIONS, Batch, Reduction

NEAR = Tolerance(1e-6, 1e-11)
IDENTITY = Context((), "", lambda s: s)


@dataclass(frozen=True)
class Batches:
    """Batches that were asked; `labels` are their class labels (N,) where the function takes labels."""

    loss: str
    calls: list[Call]
    seen: list[Answer]
    labels: list[torch.Tensor] | None = None

    def labels_of(self, i: int) -> torch.Tensor:
        """The class labels of a batch, where the function takes labels."""
        if self.labels is None:
            raise ValueError("these batches have no labels")
        return self.labels[i]

    def without(self, has: Callable[[Call], bool]) -> Batches:
        """The batches that do not have a feature."""
        rows = [i for i, call in enumerate(self.calls) if not has(call)]
        labels = None if self.labels is None else [self.labels[i] for i in rows]
        return Batches(self.loss, [self.calls[i] for i in rows], [self.seen[i] for i in rows], labels)

    def answered(self) -> Iterator[int]:
        return (i for i, one in enumerate(self.seen) if one.ok)


@dataclass(frozen=True)
class Whole:
    """The function of a batch: what an element's loss is, the reduction, and the labels' map."""

    fit: Fit
    reduction: Reduction
    labels: LabelMap | None = None

    @property
    def semantics(self) -> Semantics:
        return self.fit.semantics


def put(case: Examination, soft: bool, fits: list[Fit]) -> Batches:
    """Batches of canonical targets, with logits between 0 and 1 where the fits are defined for no others."""
    asked = _asked(case, soft)
    if any(_defined(fit, asked) for fit in fits):
        return asked
    inside = _asked(case, soft, inside=True)
    return inside if any(_defined(fit, inside) for fit in fits) else asked


def _asked(case: Examination, soft: bool, inside: bool = False) -> Batches:
    calls = case.questions.batches(case.settings, soft, inside)
    return Batches(case.loss, calls, case.ask(calls))


def _defined(fit: Fit, asked: Batches) -> bool:
    """Whether the fit gives a number for the larger part of what was answered."""
    with torch.no_grad():
        numbers = [bool(batch_of(fit.semantics, asked, i).entropy.isfinite().all()) for i in asked.answered()]
    return 2 * sum(numbers) > len(numbers)


def put_labels(case: Examination) -> Batches:
    """Batches of class labels with background (C) and ignored rows (-1)."""
    calls = case.questions.labelled(case.settings[0])
    return Batches(case.loss, calls, case.ask(calls), [torch.tensor(call.targets) for call in calls])


def _ignores(call: Call) -> bool:
    return call.own_targets and -1 in call.targets


def _has_background(call: Call) -> bool:
    return call.own_targets and any(label in (-1, len(call.logits[0])) for label in call.targets)


def _crowded(call: Call) -> bool:
    rows = call.targets if call.targets and isinstance(call.targets[0], list) else []
    return any(sum(target > 0 for target in row) > 1 for row in rows)


# Batches that a loss may not be made for; what it makes of the others is known all the same.
FEATURES: dict[str, Callable[[Call], bool]] = {
    "ignored": _ignores, "background": _has_background, "several positives a row": _crowded
}  # fmt: skip


def find(fits: list[Fit], batches: Batches, tolerance: Tolerance) -> Whole | None:
    """The simplest whole that gives what every batch returned, value by value."""
    loose = replace(tolerance, relative=max(tolerance.relative, 1e-6), absolute=max(tolerance.absolute, 1e-11))
    ranked = [
        (fit, mapping, reduction)
        for fit in fits
        for mapping in (MAPS if batches.labels is not None else [None])
        for reduction in REDUCTIONS
    ]
    ranked.sort(key=lambda whole: _cost(whole[0].semantics, *whole[1:]))
    answered = list(batches.answered())
    made: dict[tuple[int, int, int], Batch] = {}  # by the places of the fit and the map in their lists, and the batch

    def batch(fit: Fit, mapping: LabelMap | None, i: int) -> Batch:
        key = (fits.index(fit), -1 if mapping is None else MAPS.index(mapping), i)
        if key not in made:
            with torch.no_grad():
                made[key] = batch_of(fit.semantics, batches, i, mapping)
        return made[key]

    for fit, mapping, reduction in ranked:
        if all(_gives(reduction, batch(fit, mapping, i), batches.seen[i], loose) for i in answered):
            return Whole(fit, reduction, mapping)
    return None


def _cost(semantics: Semantics, mapping: LabelMap | None, reduction: Reduction) -> int:
    early = 3 if reduction.early else int(reduction.change is not None)
    return 2 * len(semantics.changes) + early + (2 * len(mapping.changes) if mapping else 0)


def _gives(reduction: Reduction, batch: Batch, answer: Answer, tolerance: Tolerance) -> bool:
    if not torch.isfinite(batch.entropy).all():
        return True  # the context says nothing of this batch: a softmax over one class
    out, seen = _reduced(reduction, batch), answer.output
    if out is None or seen is None:
        return False
    if reduction.text == "terms" and seen.ndim == 2 and out.shape == seen.shape[:1]:
        seen = seen.sum(1)  # the row's loss, spread over the classes
    return out.size == seen.size and bool(tolerance.same(seen.ravel(), out.ravel()).all())


def _reduced(reduction: Reduction, batch: Batch) -> numpy.ndarray | None:
    try:
        with torch.no_grad():
            return reduction.apply(batch).numpy()
    except (RuntimeError, IndexError, TypeError):
        return None  # a reduction over a dimension that these losses do not have


def batch_of(
    semantics: Semantics, batches: Batches, i: int, mapping: LabelMap | None = None, x: torch.Tensor | None = None
) -> Batch:
    """The factors of every element of one batch; `x` are the logits where their gradient is wanted."""
    call = batches.calls[i]
    x = torch.tensor(call.logits, dtype=torch.float64) if x is None else x
    kept = torch.ones_like(x)
    if CANONICAL[batches.loss].inputs != "dense":
        return _rows(batches.loss, semantics, call, x)
    if mapping is None:
        y = torch.tensor(call.targets, dtype=torch.float64)
    else:
        y, kept = mapping.apply(batches.labels_of(i), x.shape[-1])
    points = _points(batches.loss, call, x, y)
    hard = bool(((y == 0) | (y == 1)).all())
    if hard and all(change.kind == "soft_labels" for change in semantics.context.changes):
        semantics = replace(semantics, context=IDENTITY)
    weight, modulation, entropy, seen = semantics.factors(points)
    if seen.share is not None:  # each element twice, as a positive and as a negative
        total = (weight * modulation * entropy * seen.share).reshape(len(x), -1, x.shape[-1]).sum(1)
        weight, modulation, entropy = torch.ones_like(total), torch.ones_like(total), total
    labels = None if mapping is None else batches.labels_of(i)
    return Batch(weight, modulation, entropy, y, kept, _power(batches.loss, call), x.shape[-1], labels)


def _power(loss: str, call: Call) -> float:
    """The power of the modulating factor in a call; 0 for a loss without one."""
    power = CANONICAL[loss].of_role("power")
    return float(call.parameters.get(power.name, power.absent)) if power else 0.0


def _points(loss: str, call: Call, x: torch.Tensor, y: torch.Tensor) -> Points:
    """Every row of a batch as a call of its own."""
    parameters = questions.parameters(loss, [call] * len(x), x.shape[-1])
    positives = torch.full((len(x), 1), float(y.mean()), dtype=x.dtype)
    return Points(x, y, parameters, positives=positives, together=True)


def _rows(loss: str, semantics: Semantics, call: Call, x: torch.Tensor) -> Batch:
    rows = len(x)
    parameters = questions.parameters(loss, [call] * rows, x.shape[-1])
    if call.parameters.get("weight") is not None:
        parameters["weight"] = torch.tensor(call.parameters["weight"], dtype=x.dtype).reshape(rows, 1)
    y = exact_tensor(call.targets).reshape(rows, 1)
    weight, modulation, entropy, seen = semantics.factors(Points(x, y, parameters))
    if entropy.shape[-1] > 1 or modulation.shape[-1] > 1 or seen.share is not None:  # two bins make one element
        entropy = (modulation * entropy * (1.0 if seen.share is None else seen.share)).sum(-1, keepdim=True)
        modulation = torch.ones_like(weight)
    weight, modulation, entropy = (factor.expand(rows, 1)[:, 0] for factor in (weight, modulation, entropy))
    ones = torch.ones(rows, dtype=x.dtype)
    kept = seen.share[:, 0] if seen.share is not None and seen.share.shape == (rows, 1) else ones
    by_class = _class_weights(loss, parameters, y)
    return Batch(weight, modulation, entropy, ones, kept, _power(loss, call), x.shape[-1], class_weights=by_class)


def _class_weights(loss: str, parameters: Mapping[str, torch.Tensor | None], y: torch.Tensor) -> torch.Tensor | None:
    """Each row's class weight (N,), where the call gives any."""
    place = CANONICAL[loss].of_role("class_weights")
    given = None if place is None else parameters.get(place.name)
    return None if given is None else given.gather(1, y.long())[:, 0]


def gradient_of(whole: Whole, batches: Batches, i: int) -> numpy.ndarray:
    """The gradient of the summed output of one batch under the whole that was found; NaN where no formula gives it.

    What was measured at single logits alone has no slope.
    """
    x = torch.tensor(batches.calls[i].logits, dtype=torch.float64, requires_grad=True)
    out = whole.reduction.apply(batch_of(whole.semantics, batches, i, whole.labels, x)).sum()
    return torch.autograd.grad(out, x)[0].numpy() if out.requires_grad else numpy.full(x.shape, numpy.nan)


def by_slope(whole: Whole, batches: Batches) -> Whole:
    """The whole, or the one with the same values whose normaliser is detached, where the gradients are that one's."""
    for other in (replace(whole, reduction=reduction) for reduction in REDUCTIONS if reduction.detached):
        fits = all(_gives(other.reduction, batch_of(other.semantics, batches, i, other.labels), batches.seen[i], NEAR)
                   for i in batches.answered())  # fmt: skip
        if fits and _slopes_fit(other, batches) and not _slopes_fit(whole, batches):
            return other
    return whole


def _slopes_fit(whole: Whole, batches: Batches) -> bool:
    for i in batches.answered():
        right, seen = gradient_of(whole, batches, i), batches.seen[i].gradient
        known = seen is not None and numpy.isfinite(right).all() and numpy.isfinite(seen).all()
        if known and numpy.abs(seen - right).max() > 1e-3 * numpy.abs(right).max() + 1e-9:
            return False
    return True


def proportional(semantics: Semantics, batches: Batches, tolerance: Tolerance) -> list[tuple[Call, float]] | None:
    """The divisor of each batch, where every gradient is the gradient of the plain sum over one number; else None."""
    found = []
    plain = Reduction("sum", "sum(terms)")
    for i in batches.answered():
        seen = batches.seen[i]
        model = gradient_of(
            Whole(Fit(semantics, semantics), plain, MAPS[0] if batches.labels is not None else None), batches, i
        )
        if seen.gradient is None or not numpy.isfinite(seen.gradient).all():
            continue
        largest = numpy.abs(model).argmax()
        if not model.ravel()[largest]:
            return None
        factor = seen.gradient.ravel()[largest] / model.ravel()[largest]
        if (
            numpy.abs(seen.gradient - factor * model).max()
            > max(1e-7, tolerance.relative) * numpy.abs(seen.gradient).max()
        ):
            return None
        found.append((batches.calls[i], 1 / factor if factor else float("inf")))
    return found or None


UNKNOWN = change("reduction", "no_weighted_sum")
