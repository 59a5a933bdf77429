"""The stages in order, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import batches, edges, formula, limits, locality, side_effects, slope
from focalbench_suite.suites.explainer.batches import Batches, Whole
from focalbench_suite.suites.explainer.calls import Ask, Remembered
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.examples import SEVERITIES, Finding
from focalbench_suite.suites.explainer.formula import Elements, Fit, Reading
from focalbench_suite.suites.explainer.questions import Questions
from focalbench_suite.suites.explainer.search import Tolerance
from focalbench_suite.suites.explainer.telling import (
    tell_apart,
    tell_changes,
    tell_edge,
    tell_labels,
    tell_off,
    tell_reduction,
    tell_slope,
    tell_soft,
)
from focalbench_suite.suites.explainer.vocabulary.option import Semantics, change

KNOWN = tuple(name for name, loss in CANONICAL.items() if loss.factors)
VERDICTS = {"note": "same", "fragile": "fragile", "different": "different"}


class CannotAnswer(Exception):
    """The loss raises on every call; the message is its own."""


@dataclass(frozen=True)
class Explanation:
    """What a loss computes: verdict same | fragile | different, its reduction, its formula, and every finding."""

    loss: str
    verdict: str
    reduction: str
    formula: str
    findings: list[Finding]


def explain(
    loss: str,
    ask: Ask,
    code: str,
    *,
    accepts: set[str] | None = None,
    labels: str = "dense",
    reduction: str | None = None,
    fresh: bool = False,
    off: dict[str, Any] | None = None,
    columns: int | None = None,
    ignored: int | None = None,
    dtype: str | None = None,
) -> Explanation:
    """Examine a function by its answers to calls: a pure function of them, so that a record can be explained again.

    `code` is Python that binds the function to the name ``call``. `accepts` are the canonical parameters it takes (all,
    where not given). `labels` is the form of its targets: ``dense``, ``hard`` (0 and 1 alone), ``index`` or
    ``label_score``. `reduction` is the one it must have. `off` are the values that turn its parameters off, where it
    has them. `columns` are the classes or bins that it is made for, `ignored` the label that it names for what does not
    count. `dtype` is the one to ask in (float64, where it
    can). `fresh` says that a call can be put to the function as it is before its first call. Raises `CannotAnswer`
    where no call succeeds and `KeyError` for a loss without factors.
    """
    if loss not in KNOWN:
        raise KeyError(loss)
    ask = ask if isinstance(ask, Remembered) else Remembered(ask)
    accepts = set(CANONICAL[loss].names) if accepts is None else set(accepts)
    dtypes = ("float64", "float32") if dtype is None else (dtype,)
    case = _prepare(Questions(loss, labels, columns=columns, ignored=ignored), ask, code, accepts, dtypes)
    side_effects.tell_side_effects(case, fresh)
    edges.tell_edges(case)
    if case.has("state") and fresh:  # loaded anew for every call, which is slow: fewer settings
        remembering = case.ask
        case.ask = Remembered(lambda calls: remembering([replace(call, anew=True) for call in calls]))
        case.settings = case.settings[:3]
    elements = formula.put(case)
    if not elements.answered.any():
        raise CannotAnswer(elements.seen[0].error)
    told, name = "", ""
    if located := locality.constant(case, elements) or locality.overlapping(case, elements):
        _tell_located(case, located)
        return _conclude(case, told, name)
    reading = formula.read(elements, case.varied, labels)
    if not reading.fits and (zero := _zero_weights(case, elements)).any():
        rest = elements.keep(~zero)
        if (other := formula.read(rest, case.varied, labels)).fits:
            _tell_zero_weights(case, elements.keep(zero))
            elements, reading = rest, other
    if reading.fits and reading.where != "none":
        told, name = _explained(case, elements, reading, reduction, off or {})
    elif not case.has("state") and (found := locality.locate(case, elements)):
        _tell_located(case, found)
    return _conclude(case, told, name)


def _zero_weights(case: Examination, elements: Elements) -> numpy.ndarray:
    """Which calls have row weights that are all 0, where any of those has a loss all the same."""
    weights = CANONICAL[case.loss].of_role("row_weights")
    if weights is None or weights.name not in case.varied:
        return numpy.zeros(len(elements.calls), bool)
    zero = numpy.array([not any(call.parameters[weights.name]) for call in elements.calls])
    return zero & bool((zero & elements.answered & (elements.values != 0)).any())


def _tell_zero_weights(case: Examination, weightless: Elements) -> None:
    """Row weights of 0 are taken for none: the settings that have them are not asked any more."""
    i = next(i for i, seen in enumerate(weightless.seen) if seen.ok and seen.value)
    told = change("alpha", "zero_weights_are_none")
    case.show(told, "different", weightless.calls[i], 0.0, weightless.seen[i].value)
    left_out = [call.parameters for call in weightless.calls]
    case.settings = [setting for setting in case.settings if setting not in left_out]


def changes_needed(loss: str, ask: Ask, accepts: set[str], labels: str, columns: int | None) -> float:
    """How far a function is from a loss, found quickly: the changes that its single elements need.

    They are infinite where they are too many. Raises `CannotAnswer` where no call succeeds.
    """
    case = _prepare(Questions(loss, labels, columns=columns), Remembered(ask), "", accepts, ("float64", "float32"))
    elements = formula.put(case)
    if locality.constant(case, elements):
        return math.inf
    return formula.changes_needed(elements, case.varied, labels)


def _tell_located(case: Examination, located: locality.Located) -> None:
    told, call, answer, expected = located
    case.show(told, "different", call, expected, answer.error or answer.value)


def _conclude(case: Examination, told: str, name: str) -> Explanation:
    worst = max((SEVERITIES.index(finding.severity) for finding in case.findings), default=0)
    order = sorted(case.findings, key=lambda finding: -SEVERITIES.index(finding.severity))
    return Explanation(case.loss, VERDICTS[SEVERITIES[worst]], name or "unknown", told, order)


def _prepare(
    questions: Questions, ask: Remembered, code: str, accepts: set[str], dtypes: tuple[str, ...]
) -> Examination:
    """Find a dtype and the settings in which the loss answers at all."""
    errors = []
    weights = {p.name for p in questions.canonical.parameters if p.role.endswith("weights") or p.role == "balance"}
    for dtype in dtypes:
        mine = replace(questions, dtype=dtype)
        for taken in (accepts, accepts - weights, set()):
            answered = []
            for setting in mine.settings(taken):
                answers = ask(mine.first(setting))
                if any(answer.ok for answer in answers):
                    answered.append(setting)
                errors += [answer.error for answer in answers if not answer.ok]
            if answered:
                return Examination(mine, ask, code, answered)
    raise CannotAnswer(errors[0] if errors else "no call succeeds")


def _explained(
    case: Examination, elements: Elements, reading: Reading, wanted: str | None, off: dict[str, Any]
) -> tuple[str, str]:
    """Batches, then the findings of the combination that both stages agree on; its formula and its reduction."""
    asked = batches.put(case, reading.where == "all", reading.fits)
    labelled = batches.put_labels(case) if case.questions.labels == "index" else None
    reading, fits, whole = _in_batches(case, elements, reading, labelled or asked)
    apart = None
    whole = whole and batches.by_slope(whole, labelled or asked)
    if whole is None:
        apart, whole = _in_part(fits, labelled or asked, reading.tolerance)
    fit = whole.fit if whole else fits[0]
    fit = _with_its_slope(case, elements, reading, _same_with_its_slope(elements, reading, fit))
    if whole is not None:
        whole = replace(whole, fit=fit)
    share = formula.shares(elements)[fit.share] if fit.share else None
    tell_changes(case, elements, fit.semantics, share, whole)
    if reading.where == "hard":
        tell_soft(case, elements, share)
    tell_labels(case, whole, labelled)
    if apart is not None and whole is not None:
        tell_apart(case, apart, whole, labelled or asked)
    tell_edge(case, elements)
    name = tell_reduction(case, fit.semantics, whole, labelled or asked, elements, wanted)
    shown = reading.fits[fits.index(fit)].seen if fit in fits else fit.seen
    usable = elements.answered & formula.near(elements) & (elements.hard if reading.where == "hard" else True)
    told = replace(elements.keep(usable), tolerance=reading.tolerance)
    plain = labelled or asked
    if not (whole and whole.reduction.detached):  # whose gradient is another's on purpose, and was held against it
        tell_slope(case, shown, told, fit.share, whole, plain.without(batches.FEATURES[apart]) if apart else plain)
    comparable = elements.hard if reading.where == "hard" else numpy.ones(len(elements.calls), bool)
    tell_off(
        case,
        fit.semantics,
        elements.keep(comparable),
        None if share is None else share[torch.as_tensor(comparable)],
        off,
    )
    if not case.has("state"):
        limits.tell_limits(case, shown, told, fit.share)
    return _formula(fit.semantics, name, bool(whole and whole.reduction.early)), name


def _in_batches(
    case: Examination, elements: Elements, reading: Reading, asked: Batches
) -> tuple[Reading, list[Fit], Whole | None]:
    """The fits that the batches bear out: where none of the simplest changes do, those of one change more."""

    def tried(reading: Reading) -> tuple[Reading, list[Fit], Whole | None]:
        fits = reading.fits if asked.labels is None else [_without_labels(fit) for fit in reading.fits]
        return reading, fits, batches.find(fits, asked, reading.tolerance)

    first = tried(reading)
    if first[-1] is not None or not all(fit.semantics.changes for fit in reading.fits):
        return first
    further = tried(formula.further(elements, case.varied, case.questions.labels, reading.fits))
    return first if further[-1] is None else further


def _same_with_its_slope(elements: Elements, reading: Reading, fit: Fit) -> Fit:
    """The fit, or one that has the same changes but for what is detached, where the gradients are that one's."""
    named = {told.code.removesuffix("_detached") for told in fit.semantics.changes}
    others = [
        other
        for other in reading.fits
        if other.share == fit.share
        and other.semantics.changes != fit.semantics.changes
        and {told.code.removesuffix("_detached") for told in other.semantics.changes} == named
    ]
    if not others or reading.where != "all":
        return fit
    told = elements.keep(elements.answered & formula.near(elements))
    share = formula.shares(told)[fit.share] if fit.share else None
    return next((one for one in (fit, *others) if slope.explain_slope(one.seen, told, share) is None), fit)


def _with_its_slope(case: Examination, elements: Elements, reading: Reading, fit: Fit) -> Fit:
    """The fit, or one of a change that is too small to show in the values and shows in the gradients."""
    if fit.semantics.changes or fit.share or reading.where != "all":
        return fit
    told = elements.keep(elements.answered & formula.near(elements))
    if slope.explain_slope(fit.seen, told, None) is None:
        return fit
    for other in formula.one_more(elements, case.varied, case.questions.labels):
        everywhere = formula.defined(other, told) == len(told.calls)  # else it leaves out what is to be explained
        if everywhere and slope.explain_slope(other.seen, told, None) is None:
            return other
    return fit


def _in_part(fits: list[Fit], asked: Batches, tolerance: Tolerance) -> tuple[str | None, Whole | None]:
    """What the batches without one feature say, where all of them together say nothing: the feature, and the whole."""
    for feature, has in batches.FEATURES.items():
        rest = asked.without(has)
        if 2 <= len(rest.calls) < len(asked.calls) and (whole := batches.find(fits, rest, tolerance)):
            return feature, whole
    return None, None


def _without_labels(fit: Fit) -> Fit:
    """The labels' map, found in batches of labels, takes the place of what single elements showed of it."""
    if not any(told.kind == "background_index" for told in fit.semantics.context.changes):
        return fit
    return replace(fit, semantics=replace(fit.semantics, context=batches.IDENTITY))


def _formula(semantics: Semantics, name: str, early: bool) -> str:
    if name in ("none", "unknown"):
        return semantics.formula
    return f"{semantics.formula}, reduced by {name}" if early else f"{name} of {semantics.formula}"
