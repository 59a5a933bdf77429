"""The process that imports one release: it asks every loss and writes what it saw into a file, as plain data.

``python -m focalbench_suite.suites.history.observing REFERENCE FILE LOSS …``, with the release first on the path.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, Adapter, Loss
from focalbench_suite.suites.agreement.subject import of
from focalbench_suite.suites.explainer import CannotAnswer, explain, numerics
from focalbench_suite.suites.explainer.calls import Answer, Remembered
from focalbench_suite.suites.explainer.explain import KNOWN
from focalbench_suite.suites.explainer.here import Here, sentence
from focalbench_suite.suites.history.asked import questions
from focalbench_suite.suites.history.importing import Broken, Missing, load
from focalbench_suite.suites.history.observation import (
    ABSENT,
    BROKEN,
    RAISES,
    Observation,
    Said,
    Seen,
    Signature,
    write,
)

SCANNED = ("float32", "bfloat16", "float16")  # where digits are lost and numbers overflow
STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
CALLS = ("forward", "call", "__call__")  # what is called of an object that was made of a class, the first that it has


def main(reference: str, file: str, *losses: str) -> None:
    """Ask the release that is first on the path."""
    adapter = adapters.load(reference)
    if adapter.prepare:
        adapter.prepare()
    warnings.simplefilter("ignore")
    write(Observation(str(adapter.version), [observe(loss, reference, adapter) for loss in forms(adapter, losses)]),
          Path(file))  # fmt: skip


def forms(adapter: Adapter, losses: tuple[str, ...]) -> list[Loss]:
    """The losses of that name, in the form that this release is called in."""
    return [loss for loss in adapter.losses if loss.name in losses]


def observe(loss: Loss, reference: str, adapter: Adapter) -> Seen:
    """One loss: what it is, its signature, and its answers."""
    without, found = "", None
    try:
        if loss.origin:
            found, without = load(loss.origin, adapter.modules[:1])
    except Missing as error:
        return Seen(loss.name, loss.label, ABSENT, str(error))
    except Broken as error:
        return Seen(loss.name, loss.label, BROKEN, str(error))
    subject = of(loss, reference if adapters.is_users(reference) else "")
    ask = Remembered(Here(subject.call))
    verdict, formula, told = "", "", []
    if loss.name in KNOWN:
        try:
            accepts = set(CANONICAL[loss.name].names) - set(loss.without)
            explained = explain(loss.name, ask, subject.code, accepts=accepts)
            verdict, formula, told = explained.verdict, explained.formula, [*explained.findings]
        except CannotAnswer as error:
            raised = _raised(loss)
            return Seen(loss.name, loss.label, RAISES if raised else BROKEN, raised or str(error), without=without)
    seen = {finding.change for finding in told}
    told += [one for one in numerics.scan(ask, loss.name, subject.code, SCANNED, subject.off) if one.change not in seen]
    answers = {question.name: _said(question.answer(loss)) for question in questions(loss)}
    return Seen(
        loss.name,
        loss.label,
        without=without,
        verdict=verdict,
        formula=formula,
        findings=[finding.plain for finding in told],
        signature=_signature(found),
        answers=answers,
    )


def _raised(loss: Loss) -> str:
    """What the library itself raises first, not what the adapter says it has none of."""
    answers = (question.answer(loss) for question in questions(loss))
    return next((answer.error for answer in answers if answer.error and not answer.unsupported), "")


def _said(answer: Answer) -> Said:
    if answer.error or answer.output is None or answer.gradient is None:
        return Said(error=answer.error, unsupported=answer.unsupported)
    return Said(answer.output.tolist(), answer.gradient.tolist(), answer.dtype)


def _signature(found: Any) -> Signature:
    """The parameters of a function; of a class, of its constructor and of its call."""
    if not inspect.isclass(found):
        return {"call": _parameters(found)} if callable(found) else {}
    called = next((getattr(found, name) for name in CALLS if name in vars(found)), None)
    return {"constructor": _parameters(found)} | ({"call": _parameters(called)} if called else {})


def _parameters(function: Callable[..., Any]) -> dict[str, str | None]:
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # what is compiled has none
        return {}
    return {
        ("**" if one.kind is one.VAR_KEYWORD else "*" if one.kind is one.VAR_POSITIONAL else "") + one.name: _default(
            one
        )
        for one in taken
        if one.name != "self"
    }


def _default(parameter: inspect.Parameter) -> str | None:
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return ""
    if parameter.default is parameter.empty:
        return None
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    plain = default is None or isinstance(default, (str, int, float, bool, tuple, list))
    return repr(default) if plain else type(default).__name__


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Exception, SystemExit) as error:
        print(sentence(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)  # what a library left running is not waited for
