"""What was understood of a loss as findings: what differs, and the simplest example that shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import batches, formula, slope
from focalbench_suite.suites.explainer.batches import Batches, Whole
from focalbench_suite.suites.explainer.case import Case
from focalbench_suite.suites.explainer.examples import simplest, truth, value_example
from focalbench_suite.suites.explainer.formula import Elements
from focalbench_suite.suites.explainer.observe import see
from focalbench_suite.suites.explainer.vocabulary.labels import MAPS
from focalbench_suite.suites.explainer.vocabulary.option import Change, Semantics, said
from focalbench_suite.suites.explainer.vocabulary.reduction import REDUCTIONS

PLAIN = ("none", "mean", "sum")


def _paper(case: Case, elements: Elements, share: torch.Tensor | None) -> numpy.ndarray:
    """The paper's value of every call, reduced as the function reduces."""
    vocabulary = formula.vocabulary(elements, case.varied, case.labels)
    default = Semantics(
        vocabulary.contexts[0], vocabulary.weights[0], vocabulary.modulations[0], vocabulary.entropies[0]
    )
    with torch.no_grad():
        return default.terms(replace(elements.points, share=share)).sum(-1).numpy()


def tell_changes(case: Case, elements: Elements, semantics: Semantics, share: torch.Tensor | None) -> None:
    """Each change that the formula needs, with the simplest call on which it shows."""
    paper = _paper(case, elements, share)
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
            tell(case, change, elements, i, paper[i], severity)


def _slight(elements: Elements, paper: numpy.ndarray) -> bool:
    """Whether no hard label's value is off by more than a twentieth, up to logits of 5."""
    off = numpy.abs(elements.values - paper)[elements.hard & elements.answered]
    return not (off > 0.05 * numpy.abs(paper)[elements.hard & elements.answered]).any()


def _apart(got: float, expected: float) -> bool:
    return not (abs(got - expected) <= 1e-6 * abs(expected) + 1e-12)


def tell(case: Case, change: Change, elements: Elements, i: int, expected: float, severity: str = "different") -> None:
    """A change, shown by call `i` of single elements, whose value should be `expected`."""
    call = elements.calls[i]
    example = value_example(case.subject.code, case.loss, call, case.dtype_name)
    case.add(change, severity, example, expected, elements.seen[i].error or elements.values[i])


def tell_soft(case: Case, elements: Elements, share: torch.Tensor | None) -> None:
    """Hard labels are explained and soft ones are not: where they differ is known, if not how."""
    paper = _paper(case, elements, share)
    i = simplest(
        elements.calls, lambda i: not elements.hard[i] and elements.seen[i].ok and _apart(elements.values[i], paper[i])
    )
    if i is not None:
        tell(case, said("soft_labels", "for soft labels (0 < y < 1) it is another function"), elements, i, paper[i])


def tell_labels(case: Case, whole: Whole | None, labelled: Batches | None) -> None:
    """Class labels that it refuses, and those that it takes for another class."""
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
            case.add(said(kind, f"raises for label {told}: {seen.error}"), "different", example, "", seen.error)
    for change in whole.labels.changes if whole and whole.labels else ():
        wanted = -1 if change.kind == "ignore_label" else 3
        i = next((i for i, c in enumerate(labelled.calls) if wanted in c.targets and labelled.seen[i].ok), 0)
        right = replace(whole, labels=MAPS[0])
        with torch.no_grad():
            expected = right.reduction.apply(batches.batch_of(right.semantics, labelled, i, right.labels)).sum()
        example = value_example(case.subject.code, case.loss, labelled.calls[i], case.dtype_name, labels=True)
        case.add(change, "different", example, float(expected), labelled.seen[i].value)


def tell_edge(case: Case, elements: Elements) -> None:
    """A target on the last bin is in range, and yet the bin to its right does not exist."""
    if CANONICAL[case.loss].inputs != "bins":
        return
    i = simplest(
        elements.calls,
        lambda i: not elements.seen[i].ok and elements.calls[i].targets[0] == len(elements.calls[i].logits[0]) - 1,
    )
    if i is not None:
        change = said("target_range", f"raises for a target on the last bin, K-1: {elements.seen[i].error}")
        expected = float(truth(case.loss, elements.calls[i])[0].sum())
        tell(case, change, elements, i, expected, "fragile")


def _raises_background(labelled: Batches) -> bool:
    return any(
        not s.ok for c, s in zip(labelled.calls, labelled.seen, strict=True) if 3 in c.targets and -1 not in c.targets
    )


def tell_reduction(
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
        change = said("normaliser", f"the sum is divided by a number that is no known normaliser: {told}")
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
        change = whole.reduction.change or said("reduction", f"reduces by {name}, not by {wanted}")
        case.add(
            said(change.kind, f"reduces by {name}, not by {wanted}"),
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


def tell_slope(
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
            change = said("gradient", "in a batch, the gradient is not the derivative of the value")
            example = value_example(case.subject.code, case.loss, asked.calls[i], case.dtype_name, gradient=True)
            at = numpy.abs(seen.gradient - right).argmax()
            case.add(change, "different", example, float(right.ravel()[at]), float(seen.gradient.ravel()[at]))
            return


def tell_off(case: Case, semantics: Semantics, elements: Elements, share: torch.Tensor | None, off: Any) -> None:
    """alpha's "off": None, or a negative number, must leave every element unweighted."""
    if "alpha" not in case.settings[0] or semantics.weight.cost:
        return
    usual = case.settings[0]
    mine = [i for i, call in enumerate(elements.calls) if call.parameters == usual]
    parameters = {**elements.points.parameters, "alpha": None}
    points = replace(elements.points, parameters=parameters, share=share).take(torch.as_tensor(mine))
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
                said("alpha", f"alpha = {off} does not turn the weighting off"),
                "different",
                example,
                model[k],
                seen.value,
            )
            return
        if not seen.ok:
            example = value_example(case.subject.code, case.loss, call, case.dtype_name)
            case.add(said("alpha", f"alpha = {off} raises: {seen.error}"), "note", example, model[k], seen.error)
            return
