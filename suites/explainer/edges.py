"""The edges of a batch: no rows, no positives, nothing but ignored rows, and the defaults of the signature."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy

from focalbench_suite.suites.explainer.calls import Answer, Call, ask_one
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.questions import CLASS_COUNTS
from focalbench_suite.suites.explainer.vocabulary.option import change


def tell_edges(case: Examination) -> None:
    """What raises or is no number there, though the plain batch is answered."""
    _defaults(case)
    plain = case.questions.batches(case.settings[:1], soft=False)[0]
    answer = ask_one(case.ask, plain)
    if not answer.ok or not numpy.isfinite(answer.output).all():
        return  # what the plain batch does not get is told elsewhere
    _no_rows(case, plain)
    _no_positives(case)
    if case.questions.labels == "index":
        _ignored_alone(case)
    if case.questions.ignored is not None and case.questions.canonical.inputs != "bins":
        _ignored_among_others(case, case.questions.ignored)


def _defaults(case: Examination) -> None:
    """A call that leaves every parameter to the signature."""
    plain = case.questions.batches(case.settings[:1], soft=False)[0]
    answer = ask_one(case.ask, replace(plain, parameters={}))
    if not answer.ok and not answer.unsupported and ask_one(case.ask, plain).ok:
        for classes in CLASS_COUNTS if case.questions.columns is None else ():
            if _takes_classes(case, classes):
                told = change("defaults", "default_of_classes", classes=classes, error=answer.error)
                case.show(told, "note", replace(plain, parameters={}), "", answer.error, (None, "out"))
                return
        told = change("defaults", "default_refused", error=answer.error)
        case.show(told, "fragile", replace(plain, parameters={}), "", answer.error, (None, "out"))


def _takes_classes(case: Examination, classes: int) -> bool:
    """Whether the defaults are for this many classes; weights among them are often float32, and not for float64."""
    call = replace(case.questions, columns=classes).batches(case.settings[:1], soft=False)[0]
    asked = [replace(call, parameters={}, dtype=dtype) for dtype in (call.dtype, "float32")]
    return any(answer.ok for answer in case.ask(asked))


def _no_rows(case: Examination, plain: Call) -> None:
    columns, inputs = len(plain.logits[0]), case.questions.canonical.inputs
    logits = numpy.zeros((0, columns))
    targets = logits if inputs == "dense" else numpy.zeros(0, dtype=int if inputs == "index" else float)
    call = replace(case.questions.call(logits, targets, {}), parameters=_without_rows(case, plain))
    answer = ask_one(case.ask, call)
    if not answer.ok and not answer.unsupported:
        case.show(
            change("shape", "no_rows_refused", error=answer.error), "fragile", call, "", answer.error, (None, "out")
        )


def _without_rows(case: Examination, plain: Call) -> dict:
    role = {parameter.name: parameter.role for parameter in case.questions.canonical.parameters}
    return {name: () if role[name] == "row_weights" else value for name, value in plain.parameters.items()}


def _no_positives(case: Examination) -> None:
    if case.questions.canonical.inputs != "dense":
        return
    columns = case.questions.columns or 3
    logits = [[-1.0 - 0.5 * i + 0.25 * j for j in range(columns)] for i in range(3)]
    call = case.questions.call(logits, [[0.0] * columns] * 3, case.settings[0])
    answer = ask_one(case.ask, call)
    labels = case.questions.labels
    if not answer.ok and not answer.unsupported and labels != "index":  # which is asked about its labels elsewhere
        told = change("nonfinite", "no_positives_refused", error=answer.error)
        if labels == "label_score":
            told = change("background_index", "label_refused", label="C", error=answer.error)
        case.show(told, "fragile", call, "", answer.error, (None, "out"))
    elif answer.ok and not numpy.isfinite(answer.output).all():
        told = change("nonfinite", "no_positives_nonfinite", nan=bool(numpy.isnan(answer.output).any()))
        case.show(told, "fragile", call, "a number", answer.value, (None, "out"))


def _ignored_alone(case: Examination) -> None:
    call = case.questions.call([[0.5, -1.0, 2.0]] * 2, [-1, -1], case.settings[0], own_targets=True)
    answer = ask_one(case.ask, call)
    if answer.ok and not math.isfinite(answer.value):
        told = change("nonfinite", "all_ignored_nonfinite", nan=math.isnan(answer.value))
        case.show(told, "fragile", call, "a number", answer.value)


def _ignored_among_others(case: Examination, label: int) -> None:
    """What becomes of a row or an element with the label that the function itself names for what does not count."""
    calls = case.questions.with_ignored(case.settings[0])
    one, other, without = case.ask(calls)
    rows = "elements" if isinstance(calls[0].targets[0], list) else "rows"
    if not one.ok:
        told = change("ignore_label", "own_label_refused", label=label, rows=rows, error=one.error)
        case.show(told, "fragile", calls[0], "", one.error, (None, "out"))
    elif not (one.value == other.value or math.isclose(one.value, other.value, rel_tol=1e-6)):
        case.show(
            change("ignore_label", "own_label_counted", label=label, rows=rows),
            "fragile",
            calls[0],
            printed=(None, "out"),
        )
    else:
        told = change("ignore_label", _fate(one, without, calls[0], rows), label=label, rows=rows)
        case.show(told, "note", calls[0], printed=(None, "out"))


def _fate(one: Answer, without: Answer, call: Call, rows: str) -> str:
    """What one number over all says of the label: it counts in the mean, or is left out; else that it is ignored."""
    if one.output is None or numpy.size(one.output) != 1 or not without.ok:
        return "own_label_ignored"
    share = (len(call.targets) - 1) / len(call.targets) if rows == "rows" else 0.5
    if math.isclose(one.value, share * without.value, rel_tol=1e-5):
        return "own_label_in_the_mean"
    return "own_label_left_out" if math.isclose(one.value, without.value, rel_tol=1e-5) else "own_label_ignored"
