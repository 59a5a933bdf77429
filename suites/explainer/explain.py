"""The stages in order, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer import batches, conduct, formula, grid, limits, locality
from focalbench_suite.suites.explainer.batches import Batches, Whole
from focalbench_suite.suites.explainer.case import Case
from focalbench_suite.suites.explainer.examples import SEVERITIES, Finding
from focalbench_suite.suites.explainer.formula import Elements, Fit, Reading
from focalbench_suite.suites.explainer.observe import see
from focalbench_suite.suites.explainer.telling import (
    tell,
    tell_changes,
    tell_edge,
    tell_labels,
    tell_off,
    tell_reduction,
    tell_slope,
    tell_soft,
)
from focalbench_suite.suites.explainer.vocabulary.option import Semantics

KNOWN = tuple(loss.name for loss in CANONICAL.values() if loss.factors)
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
    subject: Subject,
    *,
    accepts: set[str] | None = None,
    labels: str = "dense",
    reduction: str | None = None,
    fresh: Callable[[], Callable] | None = None,
    raw: Callable[..., Any] | None = None,
    off: Any = ...,
) -> Explanation:
    """Examine `subject.call(logits, targets, **canonical parameters)`.

    `accepts` are the canonical parameters it takes (all, where not given); `raw` is the call with class labels in place
    of dense targets; `reduction` is the one it must have; `off` is the alpha that turns the weighting off, if there is
    one; `fresh` makes the callable anew, without what earlier calls left behind. Raises `CannotAnswer` where no call
    succeeds and `KeyError` for a loss that has no vocabulary.
    """
    taken = set(CANONICAL[subject.loss].names) - set(subject.off) if accepts is None else set(accepts)
    case = _prepare(subject, taken, labels)
    before = list(conduct.findings(subject, case.settings[0], case.dtype, fresh))
    case.findings += before
    remembers = any(finding.kind == "state" for finding in before)
    if remembers and fresh is not None:  # loaded anew for every call, which is slow: fewer settings
        case.subject = replace(subject, call=lambda *a, **k: fresh()(*a, **k))
        case.settings = case.settings[:3]
    elements = formula.ask(case.subject.call, case.loss, case.settings, labels, case.dtype)
    if not elements.answered.any():
        raise CannotAnswer(elements.seen[0].error)
    told, name = "", ""
    if dead := locality.constant(case.subject, elements):
        tell(case, *dead)
        return _conclude(case, told, name)
    reading = formula.read(elements, case.varied, labels)
    if reading.fits and reading.where != "none":
        told, name = _explained(case, elements, reading, reduction, off, raw)
    elif not remembers:
        for change, i, expected in locality.locate(case.subject, elements, case.varied, labels):
            tell(case, change, elements, i, expected)
    return _conclude(case, told, name)


def _conclude(case: Case, told: str, name: str) -> Explanation:
    worst = max((SEVERITIES.index(finding.severity) for finding in case.findings), default=0)
    order = sorted(case.findings, key=lambda finding: -SEVERITIES.index(finding.severity))
    return Explanation(case.loss, VERDICTS[SEVERITIES[worst]], name or "unknown", told, order)


def _prepare(subject: Subject, accepts: set[str], labels: str) -> Case:
    """Find a dtype and the settings in which the loss answers at all."""
    errors = []
    for dtype in (torch.float64, torch.float32):
        for taken in (accepts, accepts - {"alpha", "weight"}, set()):
            settings = [*grid.settings(subject.loss, taken)]
            answered = []
            for setting in settings:
                seen = [
                    see(subject.call, c.logits, c.targets, c.parameters, dtype)
                    for c in grid.first_calls(subject.loss, setting)
                ]
                if any(one.ok for one in seen):
                    answered.append(setting)
                errors += [one.error for one in seen if not one.ok]
            if answered:
                return Case(subject, labels, answered, dtype, [])
    raise CannotAnswer(errors[0] if errors else "no call succeeds")


def _explained(
    case: Case, elements: Elements, reading: Reading, wanted: str | None, off: Any, raw: Callable | None
) -> tuple[str, str]:
    """Batches, then the findings of the combination that both stages agree on; its formula and its reduction."""
    asked = batches.ask(case.subject.call, case.loss, case.settings, reading.where == "all", case.dtype)
    labelled = None
    if case.labels == "index" and raw is not None:
        labelled = batches.ask_labels(raw, case.loss, case.settings[0], case.dtype)
    reading, fits, whole = _in_batches(case, elements, reading, labelled or asked)
    fit = whole.fit if whole else fits[0]
    share = formula.shares(elements)[fit.share] if fit.share else None
    tell_changes(case, elements, fit.semantics, share)
    if reading.where == "hard":
        tell_soft(case, elements, share)
    tell_labels(case, whole, labelled)
    tell_edge(case, elements)
    name = tell_reduction(case, fit.semantics, whole, labelled or asked, elements, wanted)
    shown = reading.fits[fits.index(fit)].seen
    told = elements.keep(
        elements.answered & formula.near(elements) & (elements.hard if reading.where == "hard" else True)
    )
    tell_slope(case, shown, told, fit.share, whole, labelled or asked)
    if off is not ...:
        tell_off(case, fit.semantics, elements, share, off)
    if not any(finding.kind == "state" for finding in case.findings):
        sloped = not any(finding.kind == "gradient" for finding in case.findings)
        case.findings += limits.findings(case.subject, shown, told, fit.share, case.settings, sloped)
    return _formula(fit.semantics, name), name


def _in_batches(
    case: Case, elements: Elements, reading: Reading, asked: Batches
) -> tuple[Reading, list[Fit], Whole | None]:
    """The fits that the batches bear out: where none of the simplest changes do, those of one change more."""

    def tried(reading: Reading) -> tuple[Reading, list[Fit], Whole | None]:
        fits = reading.fits if asked.labels is None else [_without_labels(fit) for fit in reading.fits]
        return reading, fits, batches.find(fits, asked, elements.tolerance)

    first = tried(reading)
    if first[-1] is not None or not all(fit.semantics.changes for fit in reading.fits):
        return first
    further = tried(formula.further(elements, case.varied, case.labels, reading.fits))
    return first if further[-1] is None else further


def _without_labels(fit: Fit) -> Fit:
    """The labels' map, found in batches of labels, takes the place of what single elements showed of it."""
    if not any(change.kind == "background_index" for change in fit.semantics.context.changes):
        return fit
    return replace(fit, semantics=replace(fit.semantics, context=batches.IDENTITY))


def _formula(semantics: Semantics, name: str) -> str:
    return f"{semantics.formula}" if name in ("none", "unknown") else f"{name} of {semantics.formula}"
