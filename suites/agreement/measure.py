"""The rows of `agreement.csv`: every probe of a loss, put to one source in one dtype on one device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy

from focalbench_suite.adapters import Loss, Unsupported
from focalbench_suite.suites import oracle
from focalbench_suite.suites.agreement import judge
from focalbench_suite.suites.agreement.call import evaluate
from focalbench_suite.suites.agreement.judge import Answered, Judgement
from focalbench_suite.suites.agreement.probes import Probe, ProbeCall, probes

Row = dict[str, Any]
FORMS = ("reduced", "elementwise")


def rows(loss: Loss, dtype: str, device: str, smoke: bool, asked_forms: tuple[str, ...] = FORMS) -> list[Row]:
    """Rows without the columns that name the source: two quantities for each probe, per element and reduced."""
    asked = [probe for probe in probes(loss.name, loss.off) if probe.smoke or not smoke]
    forms = {"reduced": loss.reduced} | ({"elementwise": loss.elementwise} if loss.has_elementwise else {})
    calls = {form: functools.partial(_call, loss, call) for form, call in forms.items() if form in asked_forms}
    return [row for form, call in calls.items() for row in _form(loss, form, call, asked, dtype, device)]


def _call(loss: Loss, call: Callable, logits: Any, targets: Any, **parameters: Any) -> Any:
    classes = logits.shape[-1] if logits.dim() else 1
    return call(logits, loss.native(targets, classes), **parameters)


def _form(loss: Loss, form: str, call: Callable, asked: list[Probe], dtype: str, device: str) -> list[Row]:
    """All probes in one form; the reduction that most probes show breaks ties where one probe fits several."""
    answered = [(probe, *_answers(loss.name, call, probe, dtype, device)) for probe in asked]
    usual = _usual([answers for _, answers, _ in answered if answers], dtype)
    return [
        {
            "device": device,
            "dtype": dtype,
            "quantity": quantity,
            "probe": probe.name,
            "scope": probe.scope,
            "zeros": judgement.zeros,
            "rounding": judgement.rounding,
            "defined": judgement.defined,
            "form": form,
            "reduction": usual,
            "cases": len(answers),
            "points": judgement.points,
            **judgement.worst,
            "verdict": judgement.verdict,
            "relation": judgement.relation,
        }
        for probe, answers, refusals in answered
        for quantity in ("value", "gradient")
        for judgement in [_judgement(answers, refusals, quantity, dtype, usual)]
    ]


def _answers(
    loss: str, call: Callable, probe: Probe, dtype: str, device: str
) -> tuple[list[Answered], list[tuple[str, str]]]:
    answers, refusals = [], []
    for case in probe.cases:
        value, gradient = _exact(loss, case)
        try:
            output = evaluate(
                call, loss, case.logits, case.targets, case.parameters, dtype, device, strided=case.strided
            )
        except Unsupported as refusal:
            refusals.append(("unsupported", str(refusal)))
        except Exception as error:  # whatever a measured library raises is the finding
            refusals.append(("error", sentence(error)))
        else:
            answers.append(Answered(case, value, gradient, output))
    return answers, refusals


def sentence(error: Exception) -> str:
    """An exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _exact(loss: str, case: ProbeCall) -> tuple[oracle.Exact, oracle.Exact]:
    logits = numpy.asarray(case.logits, dtype=float)
    return oracle.exact(loss, logits, case.targets, **case.parameters)


def _usual(answered: list[list[Answered]], dtype: str) -> str | None:
    """The reduction that fits the most probes, the plainest of those that tie."""
    votes: dict[str, int] = {}
    for answers in answered:
        for name in judge.fitting(answers, judge.rounding(answers, dtype)[-1]):
            votes[name] = votes.get(name, 0) + 1
    return max(votes, key=votes.__getitem__, default=None)


def _judgement(
    answers: list[Answered], refusals: list[tuple[str, str]], quantity: str, dtype: str, usual: str | None
) -> Judgement:
    if not answers:
        verdicts = [verdict for verdict, _ in refusals]
        reasons = "; ".join(dict.fromkeys(reason for _, reason in refusals))
        return Judgement("error" if "error" in verdicts else "unsupported", reasons, 0, judge.NOTHING)
    found = judge.judge(answers, quantity, dtype, usual)
    if not refusals:
        return found
    reasons = "; ".join(dict.fromkeys(reason for _, reason in refusals))
    more = f"; {len(refusals)} of {len(refusals) + len(answers)} cases: {reasons}"
    return replace(found, relation=found.relation + more)
