"""What a function does besides its value: to its arguments, to the next call, to the shapes and dtypes it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy

from focalbench_suite.suites.explainer.calls import Answer, Call, ask_one
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.examples import SLOPES, TWICE
from focalbench_suite.suites.explainer.questions import BINS, CLASSES, Questions, row_of
from focalbench_suite.suites.explainer.vocabulary.option import Change, change


def tell_side_effects(case: Examination, fresh: bool) -> None:
    """Everything this stage finds; `fresh` says that the function can be asked as it is before its first call."""
    setting = case.settings[0]
    calls = case.questions.batches([setting], soft=False)
    _mutation(case, [*calls, *_extreme(case.questions, setting)])
    _state(case, calls, fresh)
    _backward_again(case, calls[0])
    _dtypes(case, calls[0])
    _shapes(case, setting)


def _extreme(questions: Questions, setting: dict[str, Any]) -> list[Call]:
    """Saturated logits and targets at the edges: what a clamp in place would change."""
    inputs, columns = questions.canonical.inputs, questions.columns
    if inputs == "dense":
        row = row_of((60.0, -60.0, 0.5), columns or 3)
        return [questions.call([row], [[1.0, *[0.0] * (len(row) - 1)]], setting)] + (
            [] if questions.hard else [questions.call([row], [[0.0] * (len(row) - 1) + [0.3]], setting)]
        )
    row = row_of((60.0, -60.0), columns or (CLASSES if inputs == "index" else BINS))
    return [questions.call([row], [0 if inputs == "index" else len(row) - 1.0], setting)]


def _mutation(case: Examination, calls: list[Call]) -> None:
    """Each argument that any of the calls changes, told once."""
    calls = [replace(call, backwards=0) for call in calls]
    for call, answer in zip(calls, case.ask(calls), strict=True):
        for found in answer.mutations:
            told = change("mutation", "argument_changed", argument=found.name)
            printed = (f"{found.name}.tolist()",) * 2
            case.show(told, "different", call, repr(found.before), repr(found.after), printed, before=True)


def _state(case: Examination, calls: list[Call], fresh: bool) -> None:
    """A call again after itself and after others; and the same calls on a function that has seen nothing else."""
    first, again, *others, last = case.ask([calls[0], replace(calls[0], turn=1), *calls[1:], replace(calls[0], turn=2)])
    for code, seen in (("second_call_differs", again), ("call_after_others_differs", last)):
        if not _equal(first, seen):
            _remember(case, change("state", code, random=first.drew, error=seen.error), calls[0], first, seen)
            return
    if any(answer.switched for answer in (first, again, *others, last)):
        case.add(change("state", "modes_switched"), "different", case.code)
        return
    if not fresh:
        return
    alone = case.ask([replace(call, anew=True) for call in calls[1:]])
    for call, one, seen in zip(calls[1:], alone, others, strict=True):
        if not _equal(one, seen):
            _remember(
                case, change("state", "earlier_call_left_something", random=False, error=seen.error), call, one, seen
            )
            return


def _equal(one: Answer, other: Answer) -> bool:
    if one.output is None or other.output is None:
        return one.ok == other.ok
    if one.output.shape != other.output.shape:
        return False
    pairs = [(one.output, other.output), *zip(one.gradients, other.gradients, strict=False)]
    return all(numpy.allclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True) for a, b in pairs)


def _remember(case: Examination, told: Change, call: Call, one: Answer, other: Answer) -> None:
    case.show(told, "different", call, _shown(one), _shown(other), TWICE)


def _shown(answer: Answer) -> str:
    return answer.error or repr(answer.value)


def _backward_again(case: Examination, call: Call) -> None:
    """Going back twice through one graph must give the same gradient twice."""
    call = replace(call, backwards=2)
    answer = ask_one(case.ask, call)
    if len(answer.gradients) < 2:
        return  # a backward pass that fails is told where the gradient is compared
    one, other = answer.gradients
    if not numpy.allclose(one, other, rtol=1e-6, atol=1e-12, equal_nan=True):
        at = numpy.abs(one - other).argmax()
        told = change("gradient", "second_backward_differs")
        case.show(told, "different", call, repr(float(one.flat[at])), repr(float(other.flat[at])), SLOPES)


def _dtypes(case: Examination, call: Call) -> None:
    """The dtypes that it refuses though it takes another, and those that it returns for a wider one."""
    wide, narrow = replace(call, dtype="float64"), replace(call, dtype="float32")
    of_wide, of_narrow = case.ask([wide, narrow])
    for one, seen, other in ((wide, of_wide, of_narrow), (narrow, of_narrow, of_wide)):
        if not seen.ok and other.ok:
            told = change("dtype", "dtype_refused", dtype=one.dtype, error=seen.error)
            case.show(told, "fragile", one, "", seen.error)
    for one, seen, less in (
        (wide, of_wide, ("float32", "float16", "bfloat16")),
        (narrow, of_narrow, ("float16", "bfloat16")),
    ):
        if seen.ok and seen.dtype in less:
            told = change("dtype", "dtype_narrowed", given=one.dtype, returned=seen.dtype)
            case.show(told, "fragile", one, one.dtype, seen.dtype, (None, "out.dtype"))


SHAPES = {  # what raising for such a batch makes of the verdict
    "rows_unlike_classes": "different",
    "one_row": "fragile",
    "one_class": "fragile",
    "square": "different",
}


def _shapes(case: Examination, setting: dict[str, Any]) -> None:
    """Shapes that raise, though others do not."""
    shaped = dict(_shaped(case.questions, setting))
    answers = dict(zip(shaped, case.ask(list(shaped.values())), strict=True))
    raised = {shape: answer for shape, answer in answers.items() if not answer.ok and not answer.unsupported}
    if "rows_unlike_classes" in raised and len(raised) >= len(shaped):
        return  # it raises whatever the shape
    for shape, answer in raised.items():
        told = change("shape", "shape_refused", shape=shape, error=answer.error)
        case.show(told, SHAPES[shape], shaped[shape], "", answer.error)


def _shaped(questions: Questions, setting: dict[str, Any]) -> Iterator[tuple[str, Call]]:
    inputs, fixed = questions.canonical.inputs, questions.columns
    columns = fixed or (CLASSES if inputs == "index" else BINS)

    def call(rows: int, columns: int) -> Call:
        logits = [[round(0.3 * i - 0.2 * j, 2) for j in range(columns)] for i in range(rows)]
        if inputs == "dense":
            targets: Any = [[float(j == i % columns) for j in range(columns)] for i in range(rows)]
        else:
            targets = [i % columns for i in range(rows)] if inputs == "index" else [0.5 + i for i in range(rows)]
        return questions.call(logits, targets, setting)

    yield "rows_unlike_classes", call(3, columns)
    yield "square", call(columns - (inputs == "bins"), columns)
    yield "one_row", call(1, columns)
    if inputs == "dense" and not fixed:
        yield "one_class", call(3, 1)
