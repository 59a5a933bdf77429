"""Every difference of one source that was found, with its reason and an example that can be pasted.

Three kinds of looking come together: the explainer (what function is it?), the scan for lost digits and non-finite
values (`numerics`), and what the probes, the capabilities and the source's own signature show beside that.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from focalbench_suite.adapters import CANONICAL, Loss
from focalbench_suite.suites.agreement import (
    capability,
    example,
    judge,
    known,
    measure,
    numerics,
    oracle,
    probes,
    reductions,
)
from focalbench_suite.suites.agreement.call import evaluate
from focalbench_suite.suites.agreement.subject import Subject, of
from focalbench_suite.suites.explainer import CannotAnswer, explain
from focalbench_suite.suites.explainer.explain import KNOWN

Finding = dict[str, str]
KINDS = {  # probe -> what kind of difference it shows
    "three dimensions": "shape",
    "one row": "shape",
    "one class": "shape",
    "two classes": "shape",
    "two bins": "shape",
    "no rows": "shape",
    "non-contiguous": "shape",
    "targets beyond [0, 1]": "target_range",
    "beyond the bins": "target_range",
    "below the bins": "target_range",
    "on the bins": "target_range",
    "on the last bin": "target_range",
    "just before the last bin": "target_range",
    "soft targets": "soft_labels",
    "one quality a row": "soft_labels",
    "gamma 0 to 5": "gamma",
    "beta 0 to 5": "gamma",
    "alpha off to 1": "alpha",
    "class weights": "alpha",
    "one weight for all classes": "alpha",
    "row weights": "normaliser",
}
WRONG = ("differs", "nonfinite", "error")
SCANNED = ("float32", "bfloat16", "float16")
COARSE = "does not compute in float64"
SYMPTOMS = ("alpha", "gamma", "soft_labels", "gradient", "mutation")  # of which the explainer knows the reason


def of_source(loss: Loss, reference: str, device: str, dtypes: tuple[str, ...] = SCANNED) -> list[Finding]:
    """All findings of an adapter's loss; what the explainer has a reason for is not told again by its symptom.

    `known` of a finding is why it is accepted, empty where it is new.
    """
    subject = of(loss, reference)
    verdict, explained = _explained(subject)
    measured = [*_probed(subject, loss, device), *_capable(loss, reference, device), *_defaults(loss)]
    measured += numerics.scan(subject, dtypes, subject.off, device)
    symptoms = {"unexplained", *SYMPTOMS} if verdict == "different" else {"mutation", "gradient"} & _kinds(explained)
    measured = [finding for finding in measured if finding["kind"] not in symptoms]
    if "dtype" in _kinds(explained):
        measured = [finding for finding in measured if not finding["statement"].startswith(COARSE)]
    told = {finding["statement"] for finding in measured}
    plain = {"reduction", "normaliser"} & _kinds(measured)  # the probes say what the reduction means for a batch
    reasons = [f for f in explained if f["statement"] not in told and f["kind"] not in plain]
    return [
        finding | {"known": known.reason(finding["kind"], loss.adapter, loss.name)} for finding in (*reasons, *measured)
    ]


def _kinds(findings: list[Finding]) -> set[str]:
    return {finding["kind"] for finding in findings}


def _explained(subject: Subject) -> tuple[str, list[Finding]]:
    """The explainer's verdict and reasons; nothing of a loss that has no vocabulary or that cannot be called."""
    if subject.loss not in KNOWN:
        return "", []
    try:
        explanation = explain(subject)
    except CannotAnswer:
        return "", []
    return explanation.verdict, [finding.plain for finding in explanation.findings]


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
    for row in rows:
        kind = KINDS.get(row["probe"])
        told = (row["probe"], row["verdict"])
        if kind and told not in seen and (row["verdict"] in WRONG or row["relation"].startswith("the paper defines")):
            seen.add(told)
            probe = next(probe for probe in probes.probes(loss.name, loss.off) if probe.name == row["probe"])
            yield from _shown(subject, kind, row, probe, usual, device)


def _other_function(subject: Subject, row: dict[str, Any]) -> Iterator[Finding]:
    if row["verdict"] != "differs":
        return
    case = probes.probes(subject.loss, subject.off)[0].cases[0]
    got = evaluate(subject.call, subject.loss, case.logits, case.targets, case.parameters, "float64").value.sum()
    value, _ = oracle.exact(subject.loss, case.logits, case.targets, **case.parameters)
    yield {
        "kind": "unexplained",
        "statement": f"is another function, under every reduction that was tried: {row['relation']}",
        "example": example.code(subject, case.logits, case.targets, case.parameters, "float64", "value.high.mean()"),
        "expected": repr(float(value.high.mean())),
        "got": repr(float(got)),
    }


def _reduction(subject: Subject, usual: str) -> Finding:
    """The same elements in two shapes, where that changes the value; else the usual batch against its mean."""
    case = probes.probes(subject.loss, subject.off)[0].cases[0]
    value, _ = oracle.exact(subject.loss, case.logits, case.targets, **case.parameters)
    ask = functools.partial(evaluate, subject.call, subject.loss, parameters=case.parameters, dtype="float64")
    got = float(ask(case.logits, case.targets).value.sum())
    statement = f"reduces by {usual}"
    rows = numpy.asarray(case.logits).shape
    if usual == "mean over dim 1, then sum":
        turned = [numpy.asarray(numbers).reshape(rows[::-1]).tolist() for numbers in (case.logits, case.targets)]
        other = float(ask(*turned).value.sum())
        statement += (
            f", so its value depends on how the batch is shaped: the same {value.high.size} elements give {got:.6g} as "
            f"{rows} and {other:.6g} as {rows[::-1]}"
        )
    return {
        "kind": "normaliser" if usual.startswith("sum / ") else "reduction",
        "statement": statement,
        "example": example.code(subject, case.logits, case.targets, case.parameters, "float64", "value.high.mean()"),
        "expected": repr(float(value.high.mean())),
        "got": repr(got),
    }


def _shown(
    subject: Subject, kind: str, row: dict[str, Any], probe: probes.Probe, usual: str, device: str
) -> Iterator[Finding]:
    """A finding with the first case of a probe that shows what the row says."""
    for case in probe.cases:
        value, gradient = oracle.exact(subject.loss, numpy.asarray(case.logits), case.targets, **case.parameters)
        try:
            output = evaluate(
                subject.call, subject.loss, case.logits, case.targets, case.parameters, "float64", device,
                strided=case.strided,
            )  # fmt: skip
        except Exception as error:  # what the source raises is the finding
            if row["verdict"] == "error":
                got = measure.sentence(error)
                yield _finding(subject, kind, f"{probe.name}: raises {got}", case, 1.0, value, got)
                return
            continue
        answer = judge.Answer(case, value, gradient, output)
        if (
            row["verdict"] == "error"
            or judge.judge([answer], row["quantity"], "float64", usual).verdict != row["verdict"]
        ):
            continue
        yield _told(subject, kind, row, probe, answer, usual)
        return


def _told(
    subject: Subject, kind: str, row: dict[str, Any], probe: probes.Probe, answer: judge.Answer, usual: str
) -> Finding:
    name = probe.name + _with(answer.case.parameters, subject)
    reduced = reductions.apply(usual, answer.value, answer.shape, answer.output.value.shape)
    scale = reduced[1] if reduced else 1.0
    if row["quantity"] == "value":
        got = repr(float(answer.output.value.sum()))
        return _finding(subject, kind, f"{name}: {row['relation']}", answer.case, scale, answer.value, got)
    wrong = numpy.abs(answer.output.gradient - answer.gradient.high * scale)
    where = numpy.unravel_index(numpy.argmax(numpy.nan_to_num(wrong, nan=numpy.inf)), wrong.shape)
    place = ", ".join(map(str, where))
    kind = kind if row["verdict"] != "differs" else "gradient"
    return {
        "kind": kind,
        "statement": f"{name}: gradient {row['relation']}",
        "example": _example(
            subject, answer.case, f"gradient.high[{place}] * {scale!r}", f"logits.grad[{place}].item()"
        ),
        "expected": repr(float(answer.gradient.high[where] * scale)),
        "got": repr(float(answer.output.gradient[where])),
    }


def _finding(
    subject: Subject, kind: str, statement: str, case: probes.Case, scale: float, value: oracle.Exact, got: str
) -> Finding:
    """A finding that the value shows: the sum of what is returned against the exact sum times `scale`."""
    return {
        "kind": kind,
        "statement": statement,
        "example": _example(subject, case, f"value.high.sum() * {scale!r}", "out.sum().item()"),
        "expected": repr(float(value.high.sum() * scale)),
        "got": got,
    }


def _example(subject: Subject, case: probes.Case, expected: str, got: str) -> str:
    return example.code(
        subject, case.logits, case.targets, case.parameters, "float64", expected, got, strided=case.strided
    )


def _with(parameters: dict[str, Any], subject: Subject) -> str:
    usual = CANONICAL[subject.loss].recommended | subject.off
    changed = {name: value for name, value in parameters.items() if value != usual.get(name)}
    return f" ({', '.join(f'{name} = {value}' for name, value in changed.items())})" if changed else ""


CAPABLE = {  # capability -> the kind of finding its lack is, and how it is said
    "keeps float64": ("dtype", COARSE + ": {}"),
    "keeps its arguments": ("mutation", "{}"),
    "deterministic": ("state", "{}"),
    "integer targets": ("dtype", "integer targets are refused: {}"),
}


def _capable(loss: Loss, reference: str, device: str) -> Iterator[Finding]:
    bench = capability.Bench(loss, device)
    for name, (kind, told) in CAPABLE.items():
        row = capability.tried(capability.CAPABILITIES[name], bench)
        if row["supported"] == "no" and "Unsupported" not in row["detail"]:
            yield {
                "kind": kind,
                "statement": told.format(row["detail"]),
                "example": (
                    "from focalbench_suite.suites.agreement.capability import CAPABILITIES, Bench, tried\n"
                    "from focalbench_suite.suites.agreement.subject import declared\n"
                    f"loss = declared({loss.name!r}, {loss.adapter!r}, {reference!r})\n"
                    f"row = tried(CAPABILITIES[{name!r}], Bench(loss, {device!r}))\n"
                    "print(\"expected yes, got\", f\"{row['supported']}: {row['detail']}\")"
                ),
                "expected": "yes",
                "got": f"no: {row['detail']}",
            }


def _defaults(loss: Loss) -> Iterator[Finding]:
    """Defaults that are not the paper's, read from the source's signature where the adapter names it."""
    actual = _signature(loss)
    for name, value in (dict(loss.defaults) | actual).items():
        paper = CANONICAL[loss.name].recommended.get(name)
        if paper is not None and value != paper:
            yield {
                "kind": "defaults",
                "statement": f"{name} is {value!r} when the user says nothing; the paper's is {paper:g}",
                "example": _default_example(loss, name, paper),
                "expected": f"{paper:g}",
                "got": repr(value),
            }


def _signature(loss: Loss) -> dict[str, Any]:
    """The defaults of the function or class that the adapter names, for the parameters that the adapter declares."""
    origin = getattr(loss, "origin", None)
    if not origin:
        return {}
    try:
        parameters = inspect.signature(_import(origin)).parameters
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
    if name not in _signature(loss):
        return (
            "from focalbench_suite.suites.agreement.subject import declared\n"
            f'print("expected", {paper!r}, "got", declared({loss.name!r}, {loss.adapter!r}).defaults[{name!r}])'
        )
    module, _, attribute = loss.origin.partition(":")
    return (
        f"import inspect\nfrom {module} import {attribute}\n"
        f'print("expected", {paper!r}, "got", inspect.signature({attribute}).parameters[{name!r}].default)'
    )
