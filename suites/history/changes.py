"""What is not as it was between two releases of one loss: a pure function of what was seen of each.

Answers are compared question by question. Two numbers are the same where rounding of intermediates as large as the
logits may have moved one to the other, so that a release that only orders its sums otherwise has changed nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from focalbench_suite.adapters import Loss
from focalbench_suite.suites import errors
from focalbench_suite.suites.explainer import words
from focalbench_suite.suites.explainer.vocabulary.option import Change, change
from focalbench_suite.suites.history.asked import DTYPES, Question, code, questions
from focalbench_suite.suites.history.observation import ABSENT, READY, Said, Seen, Signature

ROUNDINGS = 16
UNEXPLAINED = "unexplained"
NUMERICS = ("precision", "nonfinite")  # kinds that say where floating point ends, and nothing of the function
PLACES = ("constructor", "call")


@dataclass(frozen=True)
class Difference:
    """One change of a release. `unsafe` says that an upgrade over it changes what a user gets.

    `example` is Python that shows it, with both numbers in its first lines; they stand in `before` and `after`, too.
    """

    change: Change
    unsafe: bool
    example: str = ""
    before: str = ""
    after: str = ""
    dtype: str = ""

    @property
    def kind(self) -> str:
        """The kind of finding that it is."""
        return self.change.kind

    @property
    def statement(self) -> str:
        """The change as a sentence."""
        return words.sentence(self.change)

    @property
    def plain(self) -> dict[str, Any]:
        """Plain data, for a program that reads it."""
        names = ("kind", "statement", "unsafe", "example", "before", "after", "dtype")
        return {"code": self.change.code} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Pair:
    """One loss in two releases, of which the versions are named in an example."""

    package: str
    versions: tuple[str, str]
    before: Seen
    after: Seen
    forms: tuple[Loss, ...]
    reference: str = ""

    def question(self, name: str) -> Question:
        """The question that has this name."""
        return next(one for form in self.forms for one in questions(form) if one.name == name)


def differences(pair: Pair) -> list[Difference]:
    """Everything that changed from the first release to the second, what makes an upgrade unsafe first."""
    if READY not in (pair.before.state, pair.after.state) or pair.before.state != pair.after.state:
        return list(_availability(pair.before, pair.after, pair.versions[0]))
    told = list(_findings(pair.before, pair.after))
    reason = _reason(told)
    found = [*_answers(pair, reason), *_signatures(pair.before.signature, pair.after.signature)]
    if pair.before.formula != pair.after.formula:
        formulas = change(reason, "release_formula", before=pair.before.formula, after=pair.after.formula)
        found.append(Difference(formulas, False))
    return sorted([*found, *told], key=lambda one: not one.unsafe)


def _reason(told: list[Difference]) -> str:
    """The kind of what the explainer says otherwise of the two releases, which is why their numbers differ.

    What is new comes before what is gone, and another function before lost digits.
    """
    kinds = [one.kind for one in told if one.kind != UNEXPLAINED]
    functions = [kind for kind in kinds if kind not in NUMERICS]
    return next(iter((*functions, *kinds)), UNEXPLAINED)


def _availability(before: Seen, after: Seen, version: str) -> Iterator[Difference]:
    """A loss that comes, goes, or begins or ceases to answer; `version` is that of the release before."""
    if before.state == READY:
        told = "release_lacks" if after.state == ABSENT else "release_cannot_be_called"
        yield Difference(change("call", told, reason=after.reason), True)
    elif after.state == READY:
        if before.state == ABSENT:
            yield Difference(change("call", "release_has", version=version), False)
        else:
            yield Difference(change("call", "release_can_be_called", reason=before.reason), False)


# ---- answers

Judge = Callable[[Question, Said, Said], tuple[str, str, str] | None]  # what is shown, before, after


def _answers(pair: Pair, reason: str) -> Iterator[Difference]:
    """One difference for each way in which answers differ, with the simplest question that shows it.

    `reason` is the kind of those that show another value.
    """
    asked = {one.name: one for form in pair.forms for one in questions(form)}
    shared = [
        (asked[name], pair.before.answers[name], pair.after.answers[name])
        for name in asked
        if name in pair.before.answers and name in pair.after.answers
    ]
    shared = [one for one in shared if not (one[1].unsupported or one[2].unsupported)]
    done: set[str] = set()
    for kind, told, judge, unsafe in JUDGES:
        shown = [(one, seen) for one in shared if one[0].name not in done and (seen := judge(*one))]
        done |= {one[0].name for one, _ in shown}
        if shown:
            (question, _, after), (what, was, now) = min(shown, key=lambda each: _complexity(each[0][0]))
            values = {"before": was, "after": now, "dtype": question.dtype, "times": len(shown), "of": len(shared)}
            values |= {"given": question.dtype} if told == "release_dtype" else {}
            values |= {"quantity": _quantity(what)} if told in ("release_nonfinite", "release_finite") else {}
            safe = told == "release_dtype" and after.dtype == question.dtype
            example = _example(pair, question, what, was, now)
            told_as = change(reason if kind == UNEXPLAINED else kind, told, **values)
            yield Difference(told_as, unsafe and not safe, example, was, now, question.dtype)


def _quantity(shown: str) -> str:
    return "gradient" if "grad" in shown else "value"


def _complexity(question: Question) -> tuple[int, int, bool]:
    return DTYPES.index(question.dtype), numpy.size(question.case.logits), question.case.strided


def _example(pair: Pair, question: Question, shown: str, was: str, now: str) -> str:
    both = zip(pair.versions, (was, now), strict=True)
    head = "".join(f"# {pair.package} {version}: {number}\n" for version, number in both)
    return head + code(question, pair.forms[-1], pair.reference, shown)


def _raises(_question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    return ("out.sum().item()", _total(before), after.error) if after.error and not before.error else None


def _answers_now(_question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    return ("out.sum().item()", before.error, _total(after)) if before.error and not after.error else None


def _total(said: Said) -> str:
    return repr(float(numpy.sum(numpy.asarray(said.value, dtype=float))))


def _shape(_question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    was, now = numpy.shape(before.value), numpy.shape(after.value)
    return None if before.error or after.error or was == now else ("tuple(out.shape)", str(was), str(now))


def _dtype(_question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    both = before.dtype and after.dtype and before.dtype != after.dtype
    return ("out.dtype", f"torch.{before.dtype}", f"torch.{after.dtype}") if both else None


def _ceased_to_be_finite(question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    return _finiteness(question, before, after, lambda was, now: numpy.isfinite(was) & ~numpy.isfinite(now))


def _became_finite(question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    return _finiteness(question, before, after, lambda was, now: ~numpy.isfinite(was) & numpy.isfinite(now))


def _finiteness(
    _question: Question, before: Said, after: Said, told: Callable[[Any, Any], Any]
) -> tuple[str, str, str] | None:
    for name, shown in (("value", "out"), ("gradient", "logits.grad")):
        was, now = _numbers(before, name), _numbers(after, name)
        if was.shape == now.shape and (where := told(was, now)).any():
            return _shown(shown, was, now, int(numpy.argmax(where)))
    return None


def _value(question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    return _moved(question, before, after, "value", question.dtype)


def _gradient(question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    return _moved(question, before, after, "gradient", question.dtype)


def _rounding(question: Question, before: Said, after: Said) -> tuple[str, str, str] | None:
    """Numbers of float64 that differ by no more than float32's rounding: something within computes in float32."""
    if question.dtype != "float64":
        return None
    for name in ("value", "gradient"):
        fine = _moved(question, before, after, name, "float64")
        if fine and not _moved(question, before, after, name, "float32"):
            return fine
    return None


def _moved(question: Question, before: Said, after: Said, name: str, dtype: str) -> tuple[str, str, str] | None:
    """The element that moved most, where one did beyond rounding."""
    was, now = _numbers(before, name), _numbers(after, name)
    if before.error or after.error or was.shape != now.shape or not was.size:
        return None
    coarse = max((dtype, before.dtype, after.dtype), key=errors.epsilon)
    logits = numpy.abs(numpy.asarray(question.case.logits, dtype=float))
    size = max(1.0, float(logits.max(initial=0.0))) * (1 + question.case.power) * max(1, logits.size // was.size)
    with numpy.errstate(all="ignore"):
        beyond = numpy.abs(now - was) - ROUNDINGS * errors.epsilon(coarse) * (size + numpy.abs(was))
    beyond = numpy.where(numpy.isfinite(was) & numpy.isfinite(now), beyond, -numpy.inf)
    where = int(numpy.argmax(beyond))
    if beyond.ravel()[where] <= 0:
        return None
    return _shown("out" if name == "value" else "logits.grad", was, now, where)


def _numbers(said: Said, name: str) -> numpy.ndarray:
    return numpy.asarray(getattr(said, name) if not said.error else [], dtype=float)


def _shown(name: str, was: numpy.ndarray, now: numpy.ndarray, where: int) -> tuple[str, str, str]:
    place = ", ".join(map(str, numpy.unravel_index(where, was.shape)))
    indexed = f"{name}[{place}].item()" if was.shape else f"{name}.item()"
    return indexed, repr(float(was.ravel()[where])), repr(float(now.ravel()[where]))


JUDGES: tuple[tuple[str, str, Judge, bool], ...] = (  # kind, code, how it is seen, whether it is unsafe; the first fits
    ("call", "release_raises", _raises, True),
    ("call", "release_answers", _answers_now, False),
    ("reduction", "release_shape", _shape, True),
    ("nonfinite", "release_nonfinite", _ceased_to_be_finite, True),
    ("nonfinite", "release_finite", _became_finite, False),
    ("precision", "release_rounding", _rounding, False),
    (UNEXPLAINED, "release_value", _value, True),
    ("gradient", "release_gradient", _gradient, True),
    ("dtype", "release_dtype", _dtype, True),
)


# ---- findings and signatures


def _findings(before: Seen, after: Seen) -> Iterator[Difference]:
    """What the explainer says of one release and not of the other; the same code is said once.

    Findings are the same but for the sizes that they measure, which rounding moves.
    """
    for told, here, there in (("came", after, before), ("went", before, after)):
        known = set(there.addresses)
        new = [one for one, at in zip(here.findings, here.addresses, strict=True) if at not in known]
        for name in dict.fromkeys(one["code"] for one in new):
            alike = [one for one in new if one["code"] == name]
            values = {"statement": alike[0]["statement"], "more": len(alike) - 1}
            unsafe = told == "came" and any(one["severity"] != "note" for one in alike)
            shown = {"example": alike[0]["example"]} if told == "came" else {}
            yield Difference(change(alike[0]["kind"], f"release_finding_{told}", **values), unsafe, **shown)


def _signatures(before: Signature, after: Signature) -> Iterator[Difference]:
    """Arguments that went, that are needed now, that stand elsewhere, and defaults that are others."""
    for place in PLACES:
        was, now = before.get(place, {}), after.get(place, {})
        if not (was and now):
            continue
        anything = any(name.startswith("**") for name in now)
        if gone := [name for name in was if name not in now and not anything and not name.startswith("*")]:
            yield _of_call(place, "release_parameter_gone", parameters=", ".join(gone))
        if needed := [name for name, default in now.items() if default is None and was.get(name, "") is not None]:
            yield _of_call(place, "release_parameter_needed", parameters=", ".join(needed))
        shared = [name for name in was if name in now]
        order = [name for name in now if name in was]
        if shared != order:
            yield _of_call(place, "release_order", before=", ".join(shared), after=", ".join(order))
        for name in shared:
            if None not in (was[name], now[name]) and not _same_default(str(was[name]), str(now[name])):
                values = {"parameter": name, "place": place, "before": was[name], "after": now[name]}
                told = change("defaults", "release_default", **values)
                yield Difference(told, True, before=str(was[name]), after=str(now[name]))


def _same_default(was: str, now: str) -> bool:
    """Whether two defaults are one value, however it is written.

    >>> _same_default("2", "2.0"), _same_default("None", "'none'")
    (True, False)
    """
    try:
        return was == now or ast.literal_eval(was) == ast.literal_eval(now)
    except (ValueError, SyntaxError):  # the name of a type stands for what is no literal
        return False


def _of_call(place: str, told: str, **values: str) -> Difference:
    return Difference(change("call", told, place=place, **values), True)
