"""Stage one: what does the function compute for one element (or one row)?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import measured, questions
from focalbench_suite.suites.explainer.calls import Answer, Ask, Call
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.search import Search, Tolerance, search
from focalbench_suite.suites.explainer.vocabulary import bins, sigmoid, softmax
from focalbench_suite.suites.explainer.vocabulary.option import (
    Change,
    Context,
    Option,
    Points,
    Semantics,
    Vocabulary,
)
from focalbench_suite.suites.explainer.vocabulary.reduction import REDUCTIONS, Batch

# Changes after which nothing of the loss is left: the sigmoids of every class are no softmax, and a function that
# reads one bin alone is one of a class index.
OF_ANOTHER_FAMILY = {
    "sigmoid_of_every_class", "binary_cross_entropies_summed", "binary_cross_entropies_averaged", "left_bin_only",
    "right_bin_only", "nearest_bin_only",
}  # fmt: skip
EVERY = 500  # fits of one change, of which one is sought that explains the gradients, too
STEPS = (1.37e-3, 1.37e-6)  # to see roughness with; odd, since an even step can march with the grid of a dtype
LAYOUTS = ("one", "companion", "row", "chosen", "mixed", "block")
TOLERANCES = {"double": Tolerance(), "single": Tolerance(5e-4, 1e-6), "half": Tolerance(6e-2, 5e-3)}
# for float64 with a rounded number inside: labels in float32, an epsilon beside what was found
ROUNDED = Tolerance(5e-5, 1e-13)
FLOORED = Tolerance(
    5e-5, 2e-7
)  # and with what a clamp to [1e-7, 1 - 1e-7], Keras's own, leaves where nothing should be


@dataclass(frozen=True)
class Elements:
    """The grid of single elements, what was asked and what came back; `values` holds the sum of each output."""

    loss: str
    calls: list[Call]
    points: Points
    seen: list[Answer]
    layout: str
    tolerance: Tolerance

    @property
    def values(self) -> numpy.ndarray:
        return numpy.array([one.value for one in self.seen])

    def keep(self, mask: numpy.ndarray) -> Elements:
        rows = numpy.flatnonzero(mask)
        return replace(
            self,
            calls=[self.calls[i] for i in rows],
            points=self.points.take(torch.as_tensor(rows)),
            seen=[self.seen[i] for i in rows],
        )

    @property
    def hard(self) -> numpy.ndarray:
        first = self.points.y[:, 0]
        return ((first == 0) | (first == 1)).numpy()

    @property
    def answered(self) -> numpy.ndarray:
        return numpy.array([one.ok for one in self.seen])


@dataclass(frozen=True)
class Fit:
    """A combination, and how it shows in a single element: `seen` lacks a weight that cancels in the normaliser.

    `share` names the normaliser that shows in a single element; "" is none.
    """

    semantics: Semantics
    seen: Semantics
    share: str = ""


@dataclass(frozen=True)
class Reading:
    """Combinations that fit (several where the elements cannot tell them apart), and the part of the grid that they
    reproduce: all | hard | none; and how nearly they do.
    """

    fits: list[Fit]
    where: str
    tolerance: Tolerance


def put(case: Examination) -> Elements:
    """The function on single elements, in the first layout in which its answers say most."""
    dense = CANONICAL[case.loss].inputs == "dense"
    asked = []
    for layout in LAYOUTS if dense else ("one", "twice"):
        one_a_row = case.questions.hard or case.questions.labels == "label_score"
        if (layout == "mixed" and case.questions.labels != "dense") or (layout == "chosen" and not one_a_row):
            continue  # the one has two positives in a row, the other is for what has a class in every row
        calls = case.questions.elements(case.settings, layout)
        tolerance = TOLERANCES[grain(case.ask, calls[0])]
        found = Elements(case.loss, calls, questions.points(case.loss, calls), case.ask(calls), layout, tolerance)
        asked.append(found)
        if _telling(found) == 2 if dense else found.answered.any():
            break
    return max(asked, key=_telling) if dense else asked[-1]


def _telling(found: Elements) -> int:
    """For how many of positives and negatives the answers are mostly numbers that change with the logit."""
    return sum(_moves(found, label) for label in (1.0, 0.0))


def _moves(found: Elements, label: float) -> bool:
    """Whether the value changes with the logit under the first setting, for elements of this label."""
    first = found.calls[0].parameters
    mine = [
        s.value
        for s, c in zip(found.seen, found.calls, strict=True)
        if c.parameters == first and c.targets[0][0] == label
    ]
    numbers = numpy.array(mine)[numpy.isfinite(mine)]
    return len(numbers) >= len(mine) / 4 and bool(numpy.ptp(numbers) > 1e-4 * numpy.abs(numbers).max())


def grain(ask: Ask, example: Call) -> str:
    """The precision in which the value is computed, seen in its roughness: double, single or half."""
    rough = {}
    for step in STEPS:
        jumps = []
        for start in (0.71, -1.37):
            values = [answer.value for answer in ask([_moved(example, start + i * step) for i in range(24)])]
            size = numpy.abs(values).max()
            jumps.append(numpy.abs(numpy.diff(values, 2)).max() / size if size > 0 else 0.0)
        rough[step] = min(jumps)
    if rough[STEPS[0]] > 3e-5:
        return "half"
    return "single" if rough[STEPS[1]] > 2e-9 or example.dtype == "float32" else "double"


def _moved(example: Call, logit: float) -> Call:
    """The same call with another first logit in every row."""
    return replace(example, logits=[[logit, *row[1:]] for row in example.logits], backwards=0)


def read(elements: Elements, accepts: set[str], labels: str = "dense") -> Reading:
    """The simplest combination that reproduces every element; else every hard label; else nothing."""
    usable = _usable(elements)
    if not len(usable.calls):
        return Reading([], "none", elements.tolerance)
    known = vocabulary(usable, accepts, labels)
    dense = CANONICAL[elements.loss].inputs == "dense"
    fits, tolerance = _simplest(usable, known)
    if fits or not dense or elements.tolerance is TOLERANCES["half"]:
        return Reading(fits, "all" if fits else "none", tolerance)
    hard = usable.keep(usable.hard)
    fits, tolerance = _simplest(hard, _hard(known))
    for fit in fits[:6]:  # what soft labels leave open is tried over soft changes alone
        for share, weights in _alike_on_hard(usable, fit.share).items():
            points = replace(usable.points, share=weights) if share else usable.points
            whole = search(points, usable.values, _softened(fit.semantics, known), tolerance, 5)
            if whole:
                return Reading([Fit(s, s, share) for s in whole], "all", tolerance)
    return Reading(fits, "hard" if fits else "none", tolerance)


def _alike_on_hard(elements: Elements, share: str) -> dict[str, torch.Tensor]:
    """The normalisers that are this one on hard labels: of soft ones, a count and a sum are no longer the same."""
    known, hard = shares(elements), torch.as_tensor(elements.hard)
    return {name: one for name, one in known.items() if torch.equal(one[hard], known[share][hard])}


def changes_needed(elements: Elements, accepts: set[str], labels: str) -> float:
    """How many changes make the function of the paper's: 0 or 1, a half more on hard labels alone; else infinite."""
    usable = _usable(elements)
    known = vocabulary(usable, accepts, labels)
    parts = [(usable, known, 0.0)]
    if CANONICAL[elements.loss].inputs == "dense" and not usable.hard.all():
        parts.append((usable.keep(usable.hard), _hard(known), 0.5))
    for cost in (0, 1):
        for part, vocabulary_of_part, more in parts:
            among = Search(part.points, part.values, vocabulary_of_part, part.tolerance, shares(part))
            normalisers = among.shares if cost == 0 else [""]  # all of them for every change would take too long
            if any(_is_near(fit) for share in normalisers for fit in among.fits(cost, share, most=3)):
                return cost + more
    return math.inf


def _is_near(fit: Semantics) -> bool:
    """Whether a combination is the loss with something else, and not a loss of another family under its name."""
    return not any(told.code in OF_ANOTHER_FAMILY or _turns_off(told) for told in fit.changes)


def _turns_off(told: Change) -> bool:
    """Whether a change leaves out what makes the loss another than the cross entropy."""
    return told.code.endswith("_of_its_own") and dict(told.values)["value"] == 0


def further(elements: Elements, accepts: set[str], labels: str, fits: list[Fit]) -> Reading:
    """Combinations of one change more than `fits`, which they do not contain."""
    usable = _usable(elements)
    among = Search(usable.points, usable.values, vocabulary(usable, accepts, labels), usable.tolerance)
    simpler = [set(fit.semantics.changes) for fit in fits]
    found = among.fits(1 + min(map(len, simpler)), simpler=simpler)
    return Reading([Fit(s, s) for s in found], "all" if found else "none", usable.tolerance)


def one_more(elements: Elements, accepts: set[str], labels: str) -> list[Fit]:
    """Combinations of one change, whatever fits without any."""
    usable = _usable(elements)
    among = Search(usable.points, usable.values, vocabulary(usable, accepts, labels), usable.tolerance)
    return [Fit(s, s) for s in among.fits(1, most=EVERY)]


def _usable(elements: Elements) -> Elements:
    numbers = numpy.isfinite(elements.values)
    if numbers.sum() < len(numbers) / 2:
        numbers[:] = True  # where most are NaN, that is what must be explained
    return elements.keep(elements.answered & near(elements) & numbers)


def _simplest(usable: Elements, known: Vocabulary) -> tuple[list[Fit], Tolerance]:
    """Fits at the least cost: chosen options first, then measured factors, then three changes at once; how near."""
    among = Search(usable.points, usable.values, known, usable.tolerance, shares(usable))
    coarse = usable.tolerance is TOLERANCES["half"]
    for cost in (0, 1) if coarse else (0, 1, 2):
        fits = _shared(among, cost)
        if fits:
            # of two, the one that is no table, and says something of more calls
            fits.sort(key=lambda fit: (measured.only_at_the_grid(fit.semantics), -defined(fit, usable)))
            return [*fits, *_cancelled(fits, known)], usable.tolerance
    if coarse:
        return [], usable.tolerance
    if usable.tolerance is TOLERANCES["double"]:
        for among.tolerance, cost in itertools.product((ROUNDED, FLOORED), (0, 1, 2)):
            if rounded := _shared(among, cost):
                return rounded, among.tolerance
        among.tolerance = usable.tolerance
    inputs = CANONICAL[usable.loss].inputs
    power = CANONICAL[usable.loss].of_role("power")
    found = measured.measure_factor(
        usable.points, usable.values, known, usable.tolerance, power.name if power else "", inputs == "dense"
    )
    fits = [Fit(s, s) for s in found or among.fits(3)]
    return [*fits, *_cancelled(fits, known)], usable.tolerance


def defined(fit: Fit, elements: Elements) -> int:
    """How many of the calls the context of a fit is defined on."""
    return int(torch.isfinite(fit.semantics.context.apply(elements.points).x).all(-1).sum())


def _shared(among: Search, cost: int) -> list[Fit]:
    """Fits at this cost with every normaliser that shows in a single element; with none, also at the next cost."""
    if cost > 1:
        return [Fit(s, s) for s in among.fits(cost)]
    fits = [Fit(s, s, share) for share in among.shares for s in among.fits(cost, share)]
    if fits and all(fit.share for fit in fits):
        fits += [Fit(s, s) for s in among.fits(cost + 1)]
    return fits


def _hard(known: Vocabulary) -> Vocabulary:
    """The options that tell hard labels apart."""

    def without_soft(group: list) -> list:
        return [option for option in group if all(change.kind != "soft_labels" for change in option.changes)]

    return Vocabulary(**{name: without_soft(group) for name, group in vars(known).items()})


def _softened(fit: Semantics, vocabulary: Vocabulary) -> Vocabulary:
    """The options that only add soft-label changes to those of `fit`."""

    def more(group: list, mine: Option | Context) -> list:
        wanted = set(mine.changes)
        same = [o for o in group if {c for c in o.changes if c.kind != "soft_labels"} == wanted]
        return same if mine in same else [mine, *same]

    return Vocabulary(
        more(vocabulary.weights, fit.weight),
        more(vocabulary.modulations, fit.modulation),
        more(vocabulary.entropies, fit.entropy),
        more(vocabulary.contexts, fit.context),
    )


def near(elements: Elements) -> numpy.ndarray:
    """Calls at moderate logits, where a coarse precision still shows the formula."""
    limit = {"double": 9.0, "single": 3.5, "half": 2.5}[
        next(k for k, t in TOLERANCES.items() if t is elements.tolerance)
    ]
    return (elements.points.x.abs().amax(-1) <= limit).numpy()


def vocabulary(elements: Elements, accepts: set[str], labels: str) -> Vocabulary:
    """What is tried for the loss of `elements`, with what the answers themselves give to try."""
    inputs = CANONICAL[elements.loss].inputs
    if inputs == "bins":
        return vocabulary_of(elements.loss, accepts, cuts=bins.cuts_read_off(elements.points, elements.values))
    if inputs == "index":
        return vocabulary_of(elements.loss, accepts)
    power = CANONICAL[elements.loss].of_role("power")
    readable = power is not None and power.name in accepts
    smoothing = measured.labels_read_off(elements.points, elements.values) if readable else None
    found = vocabulary_of(elements.loss, accepts, labels, smoothing)
    found.contexts.extend(measured.activations(elements.points, elements.values))
    return _hard(found) if labels in ("hard", "index") else found


def vocabulary_of(
    loss: str,
    accepts: set[str],
    labels: str = "dense",
    smoothing: list[tuple[float, float]] | None = None,
    cuts: Iterable[float] = (),
) -> Vocabulary:
    """Everything that is tried for a loss, its paper's own factors first.

    `smoothing` are the label pairs to try where some were read off, `cuts` the distances below the last bin.
    """
    known = CANONICAL[loss]
    if known.inputs == "index":
        return softmax.vocabulary(known, accepts)
    if known.inputs == "bins":
        return bins.vocabulary(known, accepts, cuts)
    return sigmoid.vocabulary(known, accepts, sigmoid.smoothing_grid() if smoothing is None else smoothing, labels)


def shares(elements: Elements) -> dict[str, torch.Tensor]:
    """What the reductions make of one call of the grid whose elements' losses are all 1, where that is not the sum."""
    points = elements.points
    if CANONICAL[elements.loss].inputs != "dense":
        ones = torch.ones_like(points.x[:, :1])  # what normalisers there are show in batches
        return {"": ones} if elements.layout == "one" else {"": ones, "sum": 2 * ones}
    shares: dict[str, torch.Tensor] = {"": torch.ones_like(points.x)}
    seen = {shares[""].numpy().tobytes()}
    labels, which = points.y.unique(dim=0, return_inverse=True)
    for reduction in REDUCTIONS:
        if reduction.early:
            continue
        found = torch.stack([_of_ones(reduction, tuple(y.tolist())) for y in labels])[which]
        key = found.nan_to_num(-1).numpy().tobytes()
        if key not in seen and torch.isfinite(found).any():
            shares[reduction.name] = found
            seen.add(key)
    return shares


@cache
def _of_ones(reduction: Any, targets: tuple[float, ...]) -> torch.Tensor:
    y = torch.tensor(targets, dtype=torch.float64)
    terms = (
        torch.ones(1, len(y), dtype=torch.float64, requires_grad=True)
        if len(y) == 1
        else torch.ones(len(y), 1, dtype=torch.float64, requires_grad=True)
    )
    one = torch.ones_like(terms.detach())
    out = reduction.apply(Batch(one, one, terms, y.reshape(terms.shape), one, classes=terms.shape[1])).sum()
    return (
        torch.autograd.grad(out, terms)[0].reshape(-1)
        if out.requires_grad
        else torch.full((len(y),), torch.nan, dtype=torch.float64)
    )


CANCELLING = {"alpha_ignored", "alpha_fixed", "class_weights_ignored", "weight_ignored"}


def _cancelled(fits: list[Fit], known: Vocabulary) -> list[Fit]:
    """Where a factor seems ignored it may have cancelled in the normaliser, alone or with another: batches tell."""
    found = []
    for fit in fits:
        lost = any(told.code == "gamma_ignored" for told in fit.semantics.modulation.changes)
        modulated = replace(fit.semantics, modulation=known.modulations[0])
        if lost:
            others = (option for option in known.modulations if option.cost <= 1 and not _soft(option))
            found += [replace(fit, semantics=replace(fit.semantics, modulation=option)) for option in others]
        if not any(told.code in CANCELLING for told in fit.semantics.weight.changes):
            continue
        for weight in (option for option in known.weights if option.cost <= 1 and not _soft(option)):
            found.append(replace(fit, semantics=replace(fit.semantics, weight=weight)))
            if weight.cost == 0 and any(told.kind == "gamma" for told in fit.semantics.modulation.changes):
                found.append(replace(fit, semantics=replace(modulated, weight=weight)))
    return found


def _soft(option: Option) -> bool:
    return any(change.kind == "soft_labels" for change in option.changes)
