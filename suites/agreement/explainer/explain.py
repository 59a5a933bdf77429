"""The stages in order, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch

from adapters import CANONICAL
from suites.agreement.explainer import batches, conduct, formula, grid, limits, locality, slope
from suites.agreement.explainer.batches import Batches, Whole
from suites.agreement.explainer.examples import SEVERITIES, Finding, simplest, truth, value_example
from suites.agreement.explainer.formula import Elements, Fit, Reading
from suites.agreement.explainer.labels import MAPS
from suites.agreement.explainer.observe import see
from suites.agreement.explainer.option import Change, Semantics
from suites.agreement.explainer.reduction import REDUCTIONS
from suites.agreement.subject import Subject

KNOWN = tuple(grid.PARAMETERS)
PLAIN = ("none", "mean", "sum")
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


@dataclass
class Case:
    """One examination: what is asked, how, and what was found so far."""

    subject: Subject
    accepts: set[str]
    labels: str
    settings: list[dict[str, Any]]
    dtype: torch.dtype
    findings: list[Finding]

    @property
    def loss(self) -> str:
        return self.subject.loss

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    def add(self, change: Change, severity: str, example: str = "", expected: Any = "", got: Any = "") -> None:
        known = {(finding.kind, finding.statement) for finding in self.findings}
        if (change.kind, change.statement) not in known:
            numbers = (repr(float(n)) if isinstance(n, (float, numpy.floating)) else str(n) for n in (expected, got))
            self.findings.append(Finding(change.kind, change.statement, severity, example, *numbers))


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
    taken = set(CANONICAL[subject.loss].parameters) - set(subject.off) if accepts is None else set(accepts)
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
        _tell(case, *dead)
        return _conclude(case, told, name)
    reading = formula.read(elements, _varied(case), labels)
    if reading.fits and reading.where != "none":
        told, name = _explained(case, elements, reading, reduction, off, raw)
    elif not remembers:
        for change, i, expected in locality.locate(case.subject, elements, _varied(case), labels):
            _tell(case, change, elements, i, expected)
    return _conclude(case, told, name)


def _varied(case: Case) -> set[str]:
    """The parameters that the settings vary: those that the function takes."""
    return set(case.settings[0])


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
                return Case(subject, taken, labels, answered, dtype, [])
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
    _tell_changes(case, elements, fit.semantics, share)
    if reading.where == "hard":
        _tell_soft(case, elements, share)
    _tell_labels(case, whole, labelled)
    _tell_edge(case, elements)
    name = _tell_reduction(case, fit.semantics, whole, labelled or asked, elements, wanted)
    shown = reading.fits[fits.index(fit)].seen
    told = elements.keep(
        elements.answered & formula.near(elements) & (elements.hard if reading.where == "hard" else True)
    )
    _tell_slope(case, shown, told, fit.share, whole, labelled or asked)
    if off is not ...:
        _tell_off(case, fit.semantics, elements, share, off)
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
    further = tried(formula.further(elements, _varied(case), case.labels, reading.fits))
    return first if further[-1] is None else further


def _without_labels(fit: Fit) -> Fit:
    """The labels' map, found in batches of labels, takes the place of what single elements showed of it."""
    if not any(change.kind == "background_index" for change in fit.semantics.context.changes):
        return fit
    return replace(fit, semantics=replace(fit.semantics, context=batches.IDENTITY))


def _formula(semantics: Semantics, name: str) -> str:
    return f"{semantics.formula}" if name in ("none", "unknown") else f"{name} of {semantics.formula}"


# -- findings ---------------------------------------------------------------------------------------------------------


def _paper(case: Case, elements: Elements, labels: str, share: torch.Tensor | None) -> numpy.ndarray:
    """The paper's value of every call, reduced as the function reduces."""
    vocabulary = formula.vocabulary(elements, _varied(case), labels)
    default = Semantics(
        vocabulary.contexts[0], vocabulary.weights[0], vocabulary.modulations[0], vocabulary.entropies[0]
    )
    with torch.no_grad():
        return default.terms(replace(elements.points, share=share)).sum(-1).numpy()


def _tell_changes(case: Case, elements: Elements, semantics: Semantics, share: torch.Tensor | None) -> None:
    paper = _paper(case, elements, case.labels, share)
    remembers = any(finding.kind == "state" for finding in case.findings)
    for change in semantics.changes:
        if remembers and change.kind == "normaliser":
            continue  # a factor that grows from call to call is what it remembers
        only = (
            ~elements.hard if change.kind == "soft_labels" and (~elements.hard).any() else numpy.ones(len(paper), bool)
        )
        i = simplest(elements.calls, lambda i, only=only: only[i] and _apart(elements.values[i], paper[i]))
        if i is None:
            i = simplest(elements.calls, lambda i: _apart(elements.values[i], paper[i]))
        if i is not None:
            severity = "fragile" if change.kind == "precision" and _slight(elements, paper) else "different"
            _tell(case, change, elements, i, paper[i], severity)


def _slight(elements: Elements, paper: numpy.ndarray) -> bool:
    """Whether no hard label's value is off by more than a twentieth, up to logits of 5."""
    off = numpy.abs(elements.values - paper)[elements.hard & elements.answered]
    return not (off > 0.05 * numpy.abs(paper)[elements.hard & elements.answered]).any()


def _apart(got: float, expected: float) -> bool:
    return not (abs(got - expected) <= 1e-6 * abs(expected) + 1e-12)


def _tell(case: Case, change: Change, elements: Elements, i: int, expected: float, severity: str = "different") -> None:
    call = elements.calls[i]
    example = value_example(case.subject.code, case.loss, call, case.dtype_name)
    case.add(change, severity, example, expected, elements.seen[i].error or elements.values[i])


def _tell_soft(case: Case, elements: Elements, share: torch.Tensor | None) -> None:
    """Hard labels are explained and soft ones are not: where they differ is known, if not how."""
    paper = _paper(case, elements, case.labels, share)
    i = simplest(
        elements.calls, lambda i: not elements.hard[i] and elements.seen[i].ok and _apart(elements.values[i], paper[i])
    )
    if i is not None:
        _tell(case, Change("soft_labels", "for soft labels (0 < y < 1) it is another function"), elements, i, paper[i])


def _tell_labels(case: Case, whole: Whole | None, labelled: Batches | None) -> None:
    if labelled is None:
        return
    for i, seen in enumerate(labelled.seen):
        call = labelled.calls[i]
        if seen.ok:
            continue
        ignored, background = -1 in call.targets, 3 in call.targets
        if ignored or background:
            kind = "ignore_label" if ignored and not _raises_background(labelled) else "background_index"
            told = "-1 (ignore)" if kind == "ignore_label" else "C (background)"
            example = value_example(case.subject.code, case.loss, call, case.dtype_name, labels=True)
            case.add(Change(kind, f"raises for label {told}: {seen.error}"), "different", example, "", seen.error)
    for change in whole.labels.changes if whole and whole.labels else ():
        wanted = -1 if change.kind == "ignore_label" else 3
        i = next((i for i, c in enumerate(labelled.calls) if wanted in c.targets and labelled.seen[i].ok), 0)
        right = replace(whole, labels=MAPS[0])
        with torch.no_grad():
            expected = right.reduction.apply(batches.batch_of(right.semantics, labelled, i, right.labels)).sum()
        example = value_example(case.subject.code, case.loss, labelled.calls[i], case.dtype_name, labels=True)
        case.add(change, "different", example, float(expected), labelled.seen[i].value)


def _tell_edge(case: Case, elements: Elements) -> None:
    """A target on the last bin is in range, and yet the bin to its right does not exist."""
    if CANONICAL[case.loss].inputs != "bins":
        return
    i = simplest(
        elements.calls,
        lambda i: not elements.seen[i].ok and elements.calls[i].targets[0] == len(elements.calls[i].logits[0]) - 1,
    )
    if i is not None:
        change = Change("target_range", f"raises for a target on the last bin, K-1: {elements.seen[i].error}")
        expected = float(truth(case.loss, elements.calls[i])[0].sum())
        _tell(case, change, elements, i, expected, "fragile")


def _raises_background(labelled: Batches) -> bool:
    return any(
        not s.ok for c, s in zip(labelled.calls, labelled.seen, strict=True) if 3 in c.targets and -1 not in c.targets
    )


def _tell_reduction(
    case: Case, semantics: Semantics, whole: Whole | None, asked: Batches, elements: Elements, wanted: str | None
) -> str:
    """The reduction's name; a finding where it is not plain, comes too early, or is not the wanted one."""
    i = next(asked.answered(), None)
    if i is None:
        return "unknown"
    call = asked.calls[i]
    example = value_example(case.subject.code, case.loss, call, case.dtype_name, labels=asked.labels is not None)
    if whole is None:
        if "measured" in semantics.context.where:
            return "unknown"  # an activation that was measured at the grid's logits alone
        found = batches.proportional(semantics, asked, elements.tolerance)
        if found is None:
            case.add(batches.UNKNOWN, "different", example, "", asked.seen[i].value)
            return "unknown"
        told = ", ".join(f"{divisor:.4g} for {len(c.logits)} x {len(c.logits[0])}" for c, divisor in found[:4])
        change = Change("normaliser", f"the sum is divided by a number that is no known normaliser: {told}")
        case.add(change, "different" if wanted in PLAIN else "note", example, "", asked.seen[i].value)
        return "sum / something"
    name = whole.reduction.name
    if asked.labels is None and wanted in (None, "mean"):
        expected = float(truth(case.loss, call)[0].mean())  # what the example prints
    else:
        expected = _reduced_as(wanted or "mean", whole, asked, i)
    if whole.reduction.early:
        case.add(whole.reduction.change, "different", example, expected, asked.seen[i].value)
    elif wanted is not None and name != wanted:
        change = whole.reduction.change or Change("reduction", f"reduces by {name}, not by {wanted}")
        case.add(
            Change(change.kind, f"reduces by {name}, not by {wanted}"),
            "different",
            example,
            expected,
            asked.seen[i].value,
        )
    elif whole.reduction.change is not None:
        case.add(whole.reduction.change, "note", example, expected, asked.seen[i].value)
    return name


def _reduced_as(name: str, whole: Whole, asked: Batches, i: int) -> float:
    plain = next(reduction for reduction in REDUCTIONS if reduction.name == name)
    with torch.no_grad():
        return float(plain.apply(batches.batch_of(whole.semantics, asked, i, whole.labels)).sum())


def _tell_slope(
    case: Case, semantics: Semantics, told: Elements, share: str, whole: Whole | None, asked: Batches
) -> None:
    """The gradient of single elements; where that is right, the gradient in batches."""
    if "measured" in semantics.context.where:
        return  # known at the grid's logits only, so it has no slope
    found = slope.check(semantics, told, formula.shares(told)[share] if share else None)
    if found:
        change, wrong, right = found
        i = _showing(case, told, wrong, right)
        got = told.seen[i].gradient
        example = value_example(case.subject.code, case.loss, told.calls[i], case.dtype_name, gradient=True)
        case.add(change, "different", example, right[i].tolist(), "none" if got is None else got.reshape(-1).tolist())
    elif whole is not None and told.tolerance.relative < 1e-2 and not any(f.kind == "state" for f in case.findings):
        _tell_batch_slope(case, whole, asked)


def _showing(case: Case, told: Elements, wrong: numpy.ndarray, right: numpy.ndarray) -> int:
    """The simplest call of the wrong gradients, where there is one whose right gradient is the paper's, too."""

    def paper(i: int) -> bool:
        gradient = truth(case.loss, told.calls[i])[1].ravel()
        return bool(wrong[i]) and gradient.shape == right[i].shape and numpy.allclose(gradient, right[i], rtol=1e-6)

    i = simplest(told.calls, paper)
    return simplest(told.calls, lambda i: bool(wrong[i])) if i is None else i


def _tell_batch_slope(case: Case, whole: Whole, asked: Batches) -> None:
    """Right on single elements, wrong in a batch: a normaliser that is detached, or rows that get no gradient."""
    for i in asked.answered():
        seen = asked.seen[i]
        right = batches.gradient_of(whole, asked, i)
        if seen.gradient is None or not numpy.isfinite(right).all() or not numpy.isfinite(seen.gradient).all():
            continue
        if numpy.abs(seen.gradient - right).max() > 1e-3 * numpy.abs(right).max() + 1e-9:
            change = Change("gradient", "in a batch, the gradient is not the derivative of the value")
            example = value_example(case.subject.code, case.loss, asked.calls[i], case.dtype_name, gradient=True)
            at = numpy.abs(seen.gradient - right).argmax()
            case.add(change, "different", example, float(right.ravel()[at]), float(seen.gradient.ravel()[at]))
            return


def _tell_off(case: Case, semantics: Semantics, elements: Elements, share: torch.Tensor | None, off: Any) -> None:
    """alpha's "off": None, or a negative number, must leave every element unweighted."""
    if "alpha" not in case.settings[0] or semantics.weight.cost:
        return
    usual = case.settings[0]
    mine = [i for i, call in enumerate(elements.calls) if call.parameters == usual]
    points = replace(elements.points, alpha=None, share=share).take(torch.as_tensor(mine))
    with torch.no_grad():
        model = semantics.terms(points).sum(-1).numpy()
    for k, i in enumerate(mine):
        call = replace(elements.calls[i], parameters=usual | {"alpha": off})
        seen = see(case.subject.call, call.logits, call.targets, call.parameters, case.dtype)
        if (
            seen.ok
            and numpy.isfinite(model[k])
            and not elements.tolerance.same(numpy.array(seen.value), model[k : k + 1]).all()
        ):
            example = value_example(case.subject.code, case.loss, call, case.dtype_name)
            case.add(
                Change("alpha", f"alpha = {off} does not turn the weighting off"),
                "different",
                example,
                model[k],
                seen.value,
            )
            return
        if not seen.ok:
            example = value_example(case.subject.code, case.loss, call, case.dtype_name)
            case.add(Change("alpha", f"alpha = {off} raises: {seen.error}"), "note", example, model[k], seen.error)
            return
