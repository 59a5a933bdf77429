"""The rows of `agreement.csv`: every probe of a loss, put to one source in one dtype on one device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL, Loss
from focalbench_suite.suites import oracle
from focalbench_suite.suites.agreement import judge
from focalbench_suite.suites.agreement.judge import Answered, Judgement
from focalbench_suite.suites.agreement.probes import Probe, ProbeCall, probes
from focalbench_suite.suites.explainer.calls import Answer, Call
from focalbench_suite.suites.explainer.here import Here

Row = dict[str, Any]
FORMS = ("reduced", "elementwise")


def rows(loss: Loss, dtype: str, device: str, smoke: bool, asked_forms: tuple[str, ...] = FORMS) -> list[Row]:
    """Rows without the columns that name the source: two quantities for each probe, per element and reduced."""
    asked = [probe for probe in probes(loss.name, loss.off) if probe.smoke or not smoke]
    forms = {"reduced": loss.reduced} | ({"elementwise": loss.elementwise} if loss.has_elementwise else {})
    calls = {form: functools.partial(_call, loss, call) for form, call in forms.items() if form in asked_forms}
    return [row for form, call in calls.items() for row in _form(loss, form, call, asked, dtype, device)]


def reduction(loss: Loss, call: Callable) -> str | None:
    """The reduction of the paper's values that a call of a loss shows, by measurement, not by its argument's word.

    None where what it returns is none of the paper's values in any reduction that is known.
    """
    asked = [probe for probe in probes(loss.name, loss.off) if probe.smoke and probe.scope == "function"]
    found = _form(loss, "reduced", functools.partial(_call, loss, call), asked, "float32", "cpu")
    agrees = any(row["verdict"] in ("agrees", "agrees_up_to_scale") for row in found)
    return found[0]["reduction"] if agrees else None


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
        answer = ask(call, loss, case, dtype, device)
        if answer.error:
            refusals.append(("unsupported" if answer.unsupported else "error", answer.error))
        else:
            answers.append(answered(loss, case, answer))
    return answers, refusals


def ask(function: Callable, loss: str, case: ProbeCall, dtype: str, device: str = "cpu") -> Answer:
    """What a function answers to one call of a probe; one without a gradient is an error, too."""
    targets = numpy.asarray(case.targets, dtype=int if CANONICAL[loss].inputs == "index" else float)
    call = Call(case.logits, targets, case.parameters, dtype)
    answer = Here(_strided(function) if case.strided else function, device=device).answer(call)
    if answer.error or answer.gradient is not None:
        return answer
    return replace(answer, error=answer.backward_error or "TypeError: the result has no gradient")


def _strided(function: Callable) -> Callable:
    """The function of the same numbers in views that are not contiguous."""

    def call(logits: torch.Tensor, targets: torch.Tensor, **parameters: Any) -> Any:
        x, y = (torch.stack((tensor, tensor), dim=-1)[..., 0] for tensor in (logits, targets))
        return function(x, y, **parameters)

    return call


def answered(loss: str, case: ProbeCall, answer: Answer) -> Answered:
    """An answer with a gradient, beside what the paper says."""
    assert answer.output is not None
    assert answer.gradient is not None
    return Answered(case, *_exact(loss, case), answer.output, answer.gradient, answer.dtype)


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
