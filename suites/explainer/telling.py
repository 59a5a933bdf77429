"""What was understood of a loss as findings: what differs, and the simplest example that shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import batches, formula, slope
from focalbench_suite.suites.explainer.batches import Batches, Whole
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.examples import SLOPES, simplest, truth
from focalbench_suite.suites.explainer.formula import Elements
from focalbench_suite.suites.explainer.measured import only_at_the_grid
from focalbench_suite.suites.explainer.vocabulary.labels import MAPS
from focalbench_suite.suites.explainer.vocabulary.option import Change, Semantics, change
from focalbench_suite.suites.explainer.vocabulary.reduction import REDUCTIONS

SOMEWHERE = ("gradient_at_zero", "backward_refused_for_one_row")  # wrong gradients that training hardly meets
PLAIN = ("none", "mean", "sum")


def _paper(case: Examination, elements: Elements, share: torch.Tensor | None) -> numpy.ndarray:
    """The paper's value of every call, reduced as the function reduces."""
    default = formula.vocabulary(elements, case.varied, case.questions.labels).paper
    with torch.no_grad():
        return default.terms(replace(elements.points, share=share)).sum(-1).numpy()


def tell_changes(
    case: Examination, elements: Elements, semantics: Semantics, share: torch.Tensor | None, whole: Whole | None
) -> None:
    """Each change that the formula needs, with the simplest call on which it shows."""
    paper = _paper(case, elements, share)
    for told in semantics.changes:
        if case.has("state") and told.kind == "normaliser":
            continue  # a factor that grows from call to call is what it remembers
        if told.code == "class_weights_ignored" and whole is not None and whole.reduction.weighs_classes:
            continue  # they weigh the mean, which is told
        among = ~elements.hard if told.kind == "soft_labels" else numpy.ones(len(paper), bool)
        i = _first_apart(elements, paper, among)
        i = _first_apart(elements, paper, numpy.ones(len(paper), bool)) if i is None else i
        if told.code == "gamma_ignored" and whole is None and _matters_in_batches(case):
            told = change("gamma", "gamma_cancels_in_one_row", parameter=dict(told.values)["parameter"])
        if i is not None:
            _tell(case, told, elements, i, float(paper[i]), _severity(told, elements, paper, whole))
        else:
            _tell_by_gradient(case, told, elements)


def _matters_in_batches(case: Examination) -> bool:
    """Whether the power changes what a batch of several rows gives."""
    power = CANONICAL[case.loss].of_role("power")
    if power is None or power.name not in case.settings[0]:
        return False
    plain = case.questions.batches(case.settings[:1], soft=False)[0]
    calls = [replace(plain, parameters=plain.parameters | {power.name: value}, backwards=0) for value in (1.0, 3.0)]
    one, other = (answer.value for answer in case.ask(calls))
    return _apart(one, other)


def _severity(told: Change, elements: Elements, paper: numpy.ndarray, whole: Whole | None) -> str:
    """How much a change of single elements matters: a guard that shows little is no other loss.

    A mean over rows and classes, as over a one-hot matrix, is a way to reduce like any other mean.
    """
    if (told.kind == "precision" or told.code == "targets_clamped") and _slight(elements, paper):
        return "fragile"
    if told.code == "divided_by_classes" and whole is not None and whole.reduction.name != "none":
        return "note"
    return "different"


def _tell_by_gradient(case: Examination, told: Change, elements: Elements) -> None:
    """A change that is too small for the values: the call whose gradient is furthest from the paper's."""
    apart = []
    for call, seen in zip(elements.calls, elements.seen, strict=True):
        right = truth(case.loss, call)[1].ravel()
        if seen.gradient is not None and seen.gradient.size == right.size and numpy.isfinite(right).all():
            with numpy.errstate(all="ignore"):
                off = numpy.abs(seen.gradient.ravel() - right) / numpy.abs(right)
            apart.append((float(numpy.nanmax(numpy.nan_to_num(off, posinf=0.0))), call, seen.gradient.ravel(), right))
    if apart:
        _, call, got, right = max(apart, key=lambda one: one[0])
        case.show(told, "different", call, right.tolist(), got.tolist(), SLOPES)


def _first_apart(elements: Elements, paper: numpy.ndarray, among: numpy.ndarray) -> int | None:
    """The simplest of some calls whose value is not the paper's."""
    return simplest(elements.calls, lambda i: bool(among[i]) and _apart(float(elements.values[i]), float(paper[i])))


def _slight(elements: Elements, paper: numpy.ndarray) -> bool:
    """Whether no hard label's value is off by more than a twentieth, up to logits of 5.

    Where the paper's loss is 0, as with alpha 0, it may be off by a millionth of the largest.
    """
    asked = elements.hard & elements.answered
    off, size = numpy.abs(elements.values - paper)[asked], numpy.abs(paper)[asked]
    return not (off > 0.05 * size + 1e-6 * size.max()).any()


def _apart(got: float, expected: float) -> bool:
    return not (abs(got - expected) <= 1e-6 * abs(expected) + 1e-12)


def _tell(case: Examination, told: Change, elements: Elements, i: int, expected: float, severity: str) -> None:
    """A change, shown by call `i` of single elements, whose value should be `expected`."""
    case.show(told, severity, elements.calls[i], expected, elements.seen[i].error or elements.values[i])


def tell_soft(case: Examination, elements: Elements, share: torch.Tensor | None) -> None:
    """Hard labels are explained and soft ones are not: it is known where they differ, if not how."""
    paper = _paper(case, elements, share)
    i = simplest(
        elements.calls,
        lambda i: not elements.hard[i] and elements.seen[i].ok and _apart(float(elements.values[i]), float(paper[i])),
    )
    if i is not None:
        _tell(case, change("soft_labels", "soft_labels_another"), elements, i, float(paper[i]), "different")
        return
    i = simplest(elements.calls, lambda i: not elements.hard[i] and elements.seen[i].ok)
    if i is not None:
        _tell(case, change("soft_labels", "soft_labels_of_the_paper"), elements, i, float(paper[i]), "note")


def tell_labels(case: Examination, whole: Whole | None, labelled: Batches | None) -> None:
    """Class labels that it refuses, and those that it takes for another class."""
    if labelled is None:
        return
    for call, seen in zip(labelled.calls, labelled.seen, strict=True):
        ignored, background = -1 in call.targets, 3 in call.targets
        if seen.ok or ignored == background:
            continue  # of a batch with both nobody can say which of them raises
        kind, label = ("ignore_label", -1) if ignored else ("background_index", "C")
        told = change(kind, "label_refused", label=label, error=seen.error)
        case.show(told, "fragile", call, "", seen.error)  # loud, and the same function for every class
    if whole is None or whole.labels is None:
        return
    for told in whole.labels.changes:
        wanted = -1 if told.kind == "ignore_label" else 3
        i = next((i for i, c in enumerate(labelled.calls) if wanted in c.targets and labelled.seen[i].ok), 0)
        right = replace(whole, labels=MAPS[0])
        with torch.no_grad():
            expected = right.reduction.apply(batches.batch_of(right.semantics, labelled, i, right.labels)).sum()
        case.show(told, "different", labelled.calls[i], float(expected), labelled.seen[i].value)


def tell_apart(case: Examination, feature: str, whole: Whole, asked: Batches) -> None:
    """Batches with a feature that the function does not treat as the others."""
    has = batches.FEATURES[feature]
    i = next(i for i, call in enumerate(asked.calls) if has(call) and asked.seen[i].ok)
    right = replace(whole, labels=MAPS[0]) if asked.labels is not None else whole
    with torch.no_grad():
        expected = right.reduction.apply(batches.batch_of(right.semantics, asked, i, right.labels)).sum()
    told, severity = {
        "ignored": (change("ignore_label", "ignored_rows_counted"), "different"),
        "background": (change("background_index", "background_read_otherwise"), "different"),
        "several positives a row": (
            change("target_range", "several_positives_a_row"),
            "note" if CANONICAL[case.loss].soft else "different",
        ),
    }[feature]
    case.show(told, severity, asked.calls[i], float(expected), asked.seen[i].value)


def tell_edge(case: Examination, elements: Elements) -> None:
    """A target on the last bin is in range, and yet the bin to its right does not exist."""
    if CANONICAL[case.loss].inputs != "bins":
        return
    i = simplest(
        elements.calls,
        lambda i: not elements.seen[i].ok and elements.calls[i].targets[0] == len(elements.calls[i].logits[0]) - 1,
    )
    if i is not None:
        told = change("target_range", "last_bin_refused", error=elements.seen[i].error)
        _tell(case, told, elements, i, float(truth(case.loss, elements.calls[i])[0].sum()), "fragile")


def tell_reduction(
    case: Examination, semantics: Semantics, whole: Whole | None, asked: Batches, elements: Elements, wanted: str | None
) -> str:
    """The reduction's name; a finding where it is not plain, comes too early, or is not the wanted one."""
    i = next(asked.answered(), None)
    if i is None:
        return "unknown"
    call, got = asked.calls[i], asked.seen[i].value
    if whole is None:
        if only_at_the_grid(semantics):
            return "unknown"
        found = batches.proportional(semantics, asked, elements.tolerance)
        if found is None:
            case.show(batches.UNKNOWN, "different", call, "", got)
            return "unknown"
        table = tuple((len(c.logits), len(c.logits[0]), float(f"{divisor:.4g}")) for c, divisor in found[:4])
        told = change("normaliser", "unknown_normaliser", table=table)
        case.show(told, "different" if wanted in PLAIN else "note", call, "", got)
        return "sum / something"
    name = whole.reduction.name
    if asked.labels is None and wanted in (None, "mean"):
        expected = float(truth(case.loss, call)[0].mean())  # what the example prints
    else:
        expected = _reduced_as(wanted or "mean", whole, asked, i)
    if whole.reduction.early and whole.reduction.change is not None:
        case.show(whole.reduction.change, "different", call, expected, got)
    elif wanted is not None and name != wanted:
        kind = whole.reduction.change.kind if whole.reduction.change else "reduction"
        case.show(change(kind, "another_reduction", found=name, wanted=wanted), "different", call, expected, got)
    elif whole.reduction.change is not None:
        case.show(whole.reduction.change, "note", call, expected, got)
    return name


def _reduced_as(name: str, whole: Whole, asked: Batches, i: int) -> float:
    plain = next(reduction for reduction in REDUCTIONS if reduction.name == name)
    with torch.no_grad():
        return float(plain.apply(batches.batch_of(whole.semantics, asked, i, whole.labels)).sum())


def tell_slope(
    case: Examination, semantics: Semantics, told: Elements, share: str, whole: Whole | None, asked: Batches
) -> None:
    """The gradient of single elements; where that is right, the gradient in batches."""
    if only_at_the_grid(semantics):
        return
    found = slope.explain_slope(semantics, told, formula.shares(told)[share] if share else None)
    if found:
        why, wrong, right = found
        if why.code == "backward_refused" and any(g.gradient is not None for g in asked.seen):
            why = change("gradient", "backward_refused_for_one_row", error=dict(why.values)["error"])
        i = _showing(case, told, wrong, right)
        got = told.seen[i].gradient
        shown = "none" if got is None else got.reshape(-1).tolist()
        case.show(
            why,
            "fragile" if why.code in SOMEWHERE else "different",
            told.calls[i],
            right[i].tolist(),
            shown,
            SLOPES,
        )
    alone = found is not None and found[0].code == "backward_refused" and why.code != "backward_refused"
    if (not found or alone) and whole is not None and told.tolerance.relative < 1e-2 and not case.has("state"):
        _tell_batch_slope(case, whole, asked)


def _showing(case: Examination, told: Elements, wrong: numpy.ndarray, right: numpy.ndarray) -> int:
    """The simplest call of the wrong gradients, where there is one whose right gradient is the paper's, too."""

    def paper(i: int) -> bool:
        gradient = truth(case.loss, told.calls[i])[1].ravel()
        return bool(wrong[i]) and gradient.shape == right[i].shape and numpy.allclose(gradient, right[i], rtol=1e-6)

    for of_these in (paper, lambda i: bool(wrong[i])):
        if (i := simplest(told.calls, of_these)) is not None:
            return i
    raise ValueError("No call's gradient is wrong.")


def _tell_batch_slope(case: Examination, whole: Whole, asked: Batches) -> None:
    """Right on single elements, wrong in a batch: a normaliser that is detached, or rows that get no gradient."""
    for i in asked.answered():
        seen = asked.seen[i]
        right = batches.gradient_of(whole, asked, i)
        if seen.gradient is None or not numpy.isfinite(right).all() or not numpy.isfinite(seen.gradient).all():
            continue
        if numpy.abs(seen.gradient - right).max() > 1e-3 * numpy.abs(right).max() + 1e-9:
            at = numpy.abs(seen.gradient - right).argmax()
            expected, got = float(right.ravel()[at]), float(seen.gradient.ravel()[at])
            case.show(
                change("gradient", "gradient_another_in_batch"), "different", asked.calls[i], expected, got, SLOPES
            )
            return


def _weighs_otherwise(semantics: Semantics) -> bool:
    """Whether a weight stands somewhere else than in front, where nothing says what is left without it."""
    return any(told.kind == "alpha" or told.code.endswith("with_weights") for told in semantics.changes)


def tell_off(
    case: Examination, semantics: Semantics, elements: Elements, share: torch.Tensor | None, off: dict[str, Any]
) -> None:
    """A parameter's "off", None or a negative number, must leave every element unweighted."""
    usual = case.settings[0]
    for name, value in off.items():
        weighs_rows = CANONICAL[case.loss][name].role == "row_weights"  # then None means ones, which single rows are
        if name not in usual or semantics.weight.cost or weighs_rows or _weighs_otherwise(semantics):
            continue
        mine = [i for i, call in enumerate(elements.calls) if call.parameters == usual]
        points = elements.points.without(name).take(torch.as_tensor(mine, dtype=torch.long))
        with torch.no_grad():
            model = semantics.terms(replace(points, share=None if share is None else share[mine])).sum(-1).numpy()
        calls = [replace(elements.calls[i], parameters=usual | {name: value}) for i in mine]
        for call, seen, right in zip(calls, case.ask(calls), model, strict=True):
            if not seen.ok and case.has("defaults"):
                break  # what turns it off is the default, of which it is told that it raises
            if not seen.ok:
                told = change("alpha", "off_refused", parameter=name, value=value, error=seen.error)
                case.show(told, "note", call, right, seen.error)
                break
            same = elements.tolerance.same(numpy.array([seen.value]), numpy.array([right])).all()
            if numpy.isfinite(right) and not same:
                told = change("alpha", "off_does_not_turn_off", parameter=name, value=value)
                case.show(told, "different", call, right, seen.value)
                break
