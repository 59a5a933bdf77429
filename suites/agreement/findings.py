"""Every difference of one source that was found, with its reason and an example that can be pasted.

Three kinds of looking come together: the explainer (what function is it?), the scan for lost digits and non-finite
values (`numerics`), and what the probes, the capabilities and the source's own signature show beside that.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy

from focalbench_suite.adapters import CANONICAL, Loss
from focalbench_suite.suites import oracle
from focalbench_suite.suites.agreement import capability, judge, known, measure, probes, reductions
from focalbench_suite.suites.agreement.subject import Subject, of
from focalbench_suite.suites.explainer import CannotAnswer, explain, numerics
from focalbench_suite.suites.explainer.calls import Call, Remembered
from focalbench_suite.suites.explainer.examples import Finding, pasted
from focalbench_suite.suites.explainer.explain import KNOWN
from focalbench_suite.suites.explainer.headline import head_line
from focalbench_suite.suites.explainer.here import Here
from focalbench_suite.suites.explainer.vocabulary.option import Change, change

Row = dict[str, Any]
WRONG = ("differs", "nonfinite", "error")
SCANNED = ("float32", "bfloat16", "float16")
SYMPTOMS = ("alpha", "gamma", "soft_labels", "gradient", "mutation")  # of which the explainer knows the reason


def of_source(loss: Loss, reference: str, device: str, dtypes: tuple[str, ...] = SCANNED) -> list[Row]:
    """All findings of an adapter's loss; what the explainer has a reason for is not told again by its symptom.

    `known` of a finding is why it is accepted, empty where it is new; `head` is what a check says of the source in a
    line, the same for all of them.
    """
    subject = of(loss, reference)
    ask = Remembered(Here(subject.call, device=device))
    verdict, head, explained = _explained(subject, loss, ask)
    measured = [*_probed(subject, loss, device), *_capable(loss, reference, device), *_defaults(loss)]
    measured += numerics.scan(ask, subject.loss, subject.code, dtypes, subject.off)
    symptoms = {"unexplained", *SYMPTOMS} if verdict == "different" else {"mutation", "gradient"} & _kinds(explained)
    measured = [finding for finding in measured if finding.kind not in symptoms]
    if "dtype" in _kinds(explained):
        measured = [finding for finding in measured if finding.change.code != "float64_not_kept"]
    told = {finding.change for finding in measured}
    # the probes say what the reduction means for a batch, and the scan in which dtypes which digits are lost
    better = {"reduction", "normaliser"} if {"reduction", "normaliser"} & _kinds(measured) else set()
    reasons = [
        finding
        for finding in explained
        if finding.change not in told and finding.kind not in better and finding.change.code != "easy_digits_lost"
    ]
    return [
        finding.plain
        | {"values": json.dumps(finding.plain["values"])}
        | {"known": known.reason(finding.kind, loss.label, loss.name), "head": head}
        for finding in (*reasons, *measured)
    ]


def _kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def _explained(subject: Subject, loss: Loss, ask: Remembered) -> tuple[str, str, list[Finding]]:
    """The explainer's verdict, in a word and in a line, and its reasons; nothing of a loss that cannot be asked."""
    if subject.loss not in KNOWN:
        return "", "", []
    try:
        accepts = set(CANONICAL[loss.name].names) - set(loss.without)
        explanation = explain(subject.loss, ask, subject.code, accepts=accepts)
    except CannotAnswer:
        return "", "", []
    head = head_line(subject.loss, explanation.reduction, explanation.findings)
    return explanation.verdict, f"{explanation.verdict}: {head}", explanation.findings


def _probed(subject: Subject, loss: Loss, device: str) -> Iterator[Finding]:
    """The reduction, and every probe that shows something other than the usual one does."""
    rows = measure.rows(loss, "float64", device, smoke=False, asked_forms=("reduced",))
    usual = rows[0]["reduction"]
    if rows[0]["verdict"] not in ("agrees", "agrees_up_to_scale") or usual is None:
        yield from _other_function(subject, rows[0])
        return
    if usual not in reductions.PLAIN:
        yield _reduction(subject, usual)
    seen = set()
    asked = {probe.name: probe for probe in probes.probes(loss.name, loss.off)}
    for row in rows:
        probe = asked[row["probe"]]
        told = (row["probe"], row["verdict"])
        if probe.shows and told not in seen and (row["verdict"] in WRONG or not row["defined"]):
            seen.add(told)
            yield from _shown(subject, probe.shows, row, probe, usual, device)


def _other_function(subject: Subject, row: dict[str, Any]) -> Iterator[Finding]:
    if row["verdict"] != "differs":
        return
    case = probes.probes(subject.loss, subject.off)[0].cases[0]
    got = measure.ask(subject.call, subject.loss, case, "float64").value
    value, _ = oracle.exact(subject.loss, case.logits, case.targets, **case.parameters)
    expected = float(value.high.mean())
    told = change("unexplained", "another_function", relation=row["relation"])
    yield Finding(told, "different", _pasted(subject, case, "value.high.mean()"), repr(expected), repr(got))


def _reduction(subject: Subject, usual: str) -> Finding:
    """The same elements in two shapes, where that changes the value; else the usual batch against its mean."""
    case = probes.probes(subject.loss, subject.off)[0].cases[0]
    value, _ = oracle.exact(subject.loss, case.logits, case.targets, **case.parameters)
    got = measure.ask(subject.call, subject.loss, case, "float64").value
    kind = "normaliser" if usual in reductions.NORMALISED else "reduction"
    told = change(kind, "reduces_by", reduction=usual)
    rows = numpy.asarray(case.logits).shape
    if usual == "mean over dim 1, then sum":
        x, y = (numpy.asarray(numbers).reshape(rows[::-1]).tolist() for numbers in (case.logits, case.targets))
        other = measure.ask(subject.call, subject.loss, replace(case, logits=x, targets=y), "float64").value
        told = change(kind, "reduces_by_shape", reduction=usual, elements=int(value.high.size), value=got, shape=rows,
                      turned=rows[::-1], other=other)  # fmt: skip
    example = _pasted(subject, case, "value.high.mean()")
    return Finding(told, "note", example, repr(float(value.high.mean())), repr(got))


def _shown(
    subject: Subject, kind: str, row: dict[str, Any], probe: probes.Probe, usual: str, device: str
) -> Iterator[Finding]:
    """A finding with the first case of a probe that shows what the row says."""
    for case in probe.cases:
        value, _ = oracle.exact(subject.loss, numpy.asarray(case.logits), case.targets, **case.parameters)
        answer = measure.ask(subject.call, subject.loss, case, "float64", device)
        if answer.error:
            if row["verdict"] == "error":
                told = change(kind, "probe_raises", probe=probe.name, error=answer.error)
                yield _finding(subject, told, case, 1.0, value, answer.error)
                return
            continue
        seen = measure.answered(subject.loss, case, answer)
        if (
            row["verdict"] == "error"
            or judge.judge([seen], row["quantity"], "float64", usual).verdict != row["verdict"]
        ):
            continue
        yield _told(subject, kind, row, probe, seen, usual)
        return


def _told(
    subject: Subject, kind: str, row: dict[str, Any], probe: probes.Probe, answer: judge.Answered, usual: str
) -> Finding:
    reduced = reductions.apply(usual, answer.value, answer.shape, answer.returned_value.shape)
    scale = reduced[1] if reduced else 1.0
    shown = {"probe": probe.name, "setting": _changed(answer.case.parameters, subject), "relation": row["relation"]}
    if row["quantity"] == "value":
        told = change(kind, "probe_value", **shown)
        got = repr(float(answer.returned_value.sum()))
        severity = "note" if row["verdict"] == "unsupported" else "different"  # where the paper defines no value
        return _finding(subject, told, answer.case, scale, answer.value, got, severity)
    wrong = numpy.abs(answer.returned_gradient - answer.gradient.high * scale)
    where = numpy.unravel_index(numpy.argmax(numpy.nan_to_num(wrong, nan=numpy.inf)), wrong.shape)
    place = ", ".join(map(str, where))
    told = change(kind if row["verdict"] != "differs" else "gradient", "probe_gradient", **shown)
    example = _pasted(subject, answer.case, f"gradient.high[{place}] * {scale!r}", f"logits.grad[{place}].item()")
    expected = repr(float(answer.gradient.high[where] * scale))
    return Finding(told, "different", example, expected, repr(float(answer.returned_gradient[where])))


def _finding(
    subject: Subject,
    told: Change,
    case: probes.ProbeCall,
    scale: float,
    value: oracle.Exact,
    got: str,
    severity: str = "different",
) -> Finding:
    """A finding that the value shows: the sum of what is returned against the exact sum times `scale`."""
    example = _pasted(subject, case, f"value.high.sum() * {scale!r}")
    return Finding(told, severity, example, repr(float(value.high.sum() * scale)), got)


def _pasted(subject: Subject, case: probes.ProbeCall, expected: str, got: str = "out.sum().item()") -> str:
    call = Call(case.logits, case.targets, case.parameters)
    return pasted(subject.code, subject.loss, call, expected, got, strided=case.strided)


def _changed(parameters: dict[str, Any], subject: Subject) -> tuple[tuple[str, Any], ...]:
    """The parameters that are not the usual ones."""
    usual = {**CANONICAL[subject.loss].recommended, **subject.off}
    return tuple((name, value) for name, value in parameters.items() if value != usual.get(name))


CAPABLE = {  # capability -> what its lack is
    "keeps float64": ("dtype", "float64_not_kept"),
    "keeps its arguments": ("mutation", "arguments_not_kept"),
    "deterministic": ("state", "not_deterministic"),
    "integer targets": ("dtype", "integer_targets_refused"),
}


def _capable(loss: Loss, reference: str, device: str) -> Iterator[Finding]:
    bench = capability.Bench(loss, device)
    for name, (kind, code) in CAPABLE.items():
        row = capability.tried(capability.CAPABILITIES[name], bench)
        if row["supported"] == "no" and not row["refused"]:
            example = (
                "from focalbench_suite.suites.agreement.capability import CAPABILITIES, Bench, tried\n"
                "from focalbench_suite.adapters import find\n"
                f"loss = find({loss.name!r}, {loss.label!r}, {reference!r})\n"
                f"row = tried(CAPABILITIES[{name!r}], Bench(loss, {device!r}))\n"
                "print(\"expected yes, got\", f\"{row['supported']}: {row['detail']}\")"
            )
            told = change(kind, code, detail=row["detail"])
            yield Finding(told, "fragile", example, "yes", f"no: {row['detail']}")


def _defaults(loss: Loss) -> Iterator[Finding]:
    """Defaults that are not the paper's, read from the source's signature where the adapter names it."""
    actual = _signature(loss)
    for name, value in (dict(loss.defaults) | actual).items():
        paper = CANONICAL[loss.name].recommended.get(name)
        if paper is not None and value != paper:
            told = change("defaults", "default", parameter=name, value=value, paper=paper)
            yield Finding(told, "note", _default_example(loss, name, paper), f"{paper:g}", repr(value))


def _signature(loss: Loss) -> dict[str, Any]:
    """The defaults of the function or class that the adapter names, for the parameters that the adapter declares."""
    if not loss.origin:
        return {}
    try:
        parameters = inspect.signature(_import(loss.origin)).parameters
    except (ImportError, AttributeError, TypeError, ValueError):
        return {}  # what has no signature keeps what the adapter declares
    return {
        name: parameters[name].default
        for name in loss.defaults
        if name in parameters and isinstance(parameters[name].default, (int, float, type(None)))
    }


def _import(origin: str) -> Callable[..., Any]:
    module, _, name = origin.partition(":")
    return getattr(importlib.import_module(module), name)


def _default_example(loss: Loss, name: str, paper: float) -> str:
    if not loss.origin or name not in _signature(loss):
        return (
            "from focalbench_suite.adapters import find\n"
            f'print("expected", {paper!r}, "got", find({loss.name!r}, {loss.label!r}).defaults[{name!r}])'
        )
    module, _, attribute = loss.origin.partition(":")
    return (
        f"import inspect\nfrom {module} import {attribute}\n"
        f'print("expected", {paper!r}, "got", inspect.signature({attribute}).parameters[{name!r}].default)'
    )
