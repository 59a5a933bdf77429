"""Stage four: where floating point ends. Lost digits and non-finite numbers far from the easy logits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement import numerics
from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer.examples import Finding, simplest, truth, value_example
from focalbench_suite.suites.explainer.formula import Elements, shares
from focalbench_suite.suites.explainer.grid import Call
from focalbench_suite.suites.explainer.observe import see
from focalbench_suite.suites.explainer.vocabulary.option import Semantics


def findings(
    subject: Subject,
    semantics: Semantics,
    elements: Elements,
    share: torch.Tensor | None,
    settings: list[dict[str, Any]],
    sloped: bool,
) -> Iterator[Finding]:
    """Precision and non-finite findings of the function that was found; `sloped`: its gradient is its own derivative.

    A gradient that is another function's differs from the paper's by more than digits, and loses none worth telling.
    """
    points = replace(elements.points, share=shares(elements)[share] if share else None)
    with torch.no_grad():
        model = semantics.terms(points).sum(-1).numpy()
    yield from _coarse(subject, model, elements)
    yield from _undefined(subject, model, elements)
    paper = all(change.kind == "soft_labels" for change in semantics.changes)
    if paper and not share and elements.layout == "one":
        fixed = _fixed(subject.loss, semantics, settings[0])
        yield from _cut_off(subject, settings[0], fixed)
        found = _scanned(subject, fixed)
        yield from (f for f in found if sloped or not (f.kind == "precision" and f.statement.startswith("gradient")))
    else:
        yield from _nonfinite(subject, elements, settings)


def _coarse(subject: Subject, model: numpy.ndarray, elements: Elements) -> Iterator[Finding]:
    """A float64 result that is not as accurate as float64."""
    with numpy.errstate(all="ignore"):
        error = numpy.abs(elements.values - model) / numpy.abs(model)
    error = numpy.where(numpy.isfinite(error) & (numpy.abs(model) > 1e-9), error, 0)
    i = int(error.argmax())
    if error[i] <= 1e-9:
        return
    told = "float16 or bfloat16" if elements.tolerance.relative > 1e-2 else "float32, or an epsilon is added"
    yield Finding(
        "precision",
        f"float64 logits give a result of relative error {error[i]:.1g}: an intermediate is {told}",
        "fragile",
        value_example(subject.code, subject.loss, elements.calls[i]),
        repr(float(model[i])),
        repr(float(elements.values[i])),
    )


def _undefined(subject: Subject, model: numpy.ndarray, elements: Elements) -> Iterator[Finding]:
    """NaN or infinity at moderate logits, where the function that was found has a number."""
    undefined = numpy.isfinite(model) & ~numpy.isfinite(elements.values)
    if undefined.any():
        i = simplest(elements.calls, lambda i: bool(undefined[i]))
        call = elements.calls[i]
        yield Finding(
            "nonfinite",
            f"value is {elements.values[i]} at logits {call.logits}, targets {call.targets}, {call.parameters}",
            "fragile",
            value_example(subject.code, subject.loss, call),
            repr(float(model[i])),
            repr(float(elements.values[i])),
        )


def _fixed(loss: str, semantics: Semantics, setting: dict[str, Any]) -> dict[str, Any]:
    """The paper's parameters that the function does not take, with the values it uses."""
    weighted = {"alpha": CANONICAL[loss].recommended.get("alpha")} if semantics.weight.formula else {}
    values = CANONICAL[loss].absent | weighted
    return {name: values[name] for name in CANONICAL[loss].names if name not in setting}


def _cut_off(subject: Subject, setting: dict[str, Any], fixed: dict[str, Any]) -> Iterator[Finding]:
    """A logarithm or a logit with a limit: the loss of a badly missed element stays where it is."""
    if CANONICAL[subject.loss].inputs != "dense":
        return
    for y, sign in ((1.0, -1.0), (0.0, 1.0)):
        calls = [Call([[sign * x]], [[y]], setting) for x in (60.0, 80.0)]
        seen = [see(subject.call, c.logits, c.targets, c.parameters).value for c in calls]
        expected = float(truth(subject.loss, replace(calls[0], parameters=setting | fixed))[0].sum())
        if numpy.isfinite(seen).all() and seen[0] == seen[1] > 0 and abs(seen[0] - expected) > 1e-3 * expected:
            limit = 60 * seen[0] / expected
            yield Finding(
                "precision",
                f"the loss of {'positives' if y else 'negatives'} is cut off where the logit passes {sign * limit:.3g}"
                f" (an epsilon of {math.exp(-limit):.1g} in the logarithm, or clamped logits), with no gradient beyond",
                "fragile",
                value_example(subject.code, subject.loss, calls[0]),
                repr(expected),
                repr(seen[0]),
            )
            return


def _scanned(subject: Subject, fixed: dict[str, Any]) -> Iterator[Finding]:
    """The scan over the whole range of logits, told once for each quantity and side."""
    seen = set()
    for found in numerics.scan(subject, ("float32", "float64"), fixed):
        key = (found["kind"], *found["statement"].split()[:4])
        if key not in seen:
            seen.add(key)
            yield Finding(
                found["kind"], found["statement"], "fragile", found["example"], found["expected"], found["got"]
            )


def _nonfinite(subject: Subject, elements: Elements, settings: list[dict[str, Any]]) -> Iterator[Finding]:
    """NaN or infinity on saturated logits, in value or gradient, where moderate logits give numbers."""
    seen_kinds = set()
    for setting in settings[:4]:
        for x in (20.0, -20.0, 50.0, -50.0, 100.0, -100.0):
            for call in _at(elements, x, setting):
                seen = see(subject.call, call.logits, call.targets, call.parameters)
                for quantity, numbers in (("value", seen.output), ("gradient", seen.gradient)):
                    if numbers is None or numpy.isfinite(numbers).all() or quantity in seen_kinds:
                        continue
                    seen_kinds.add(quantity)
                    bad = numbers[~numpy.isfinite(numbers)].flat[0]
                    told = "NaN" if numpy.isnan(bad) else "infinite"
                    yield Finding(
                        "nonfinite",
                        f"{quantity} is {told} in float64 at logit {x:g}, target {call.targets}",
                        "fragile",
                        value_example(subject.code, subject.loss, call, gradient=quantity == "gradient"),
                        "finite",
                        repr(float(bad)),
                    )


def _at(elements: Elements, x: float, setting: dict[str, Any]) -> list[Call]:
    first = elements.calls[0]
    if isinstance(first.targets[0], list):
        rest = first.logits[0][1:]
        labels = first.targets[0][1:]
        return [Call([[x, *rest], *first.logits[1:]], [[y, *labels], *first.targets[1:]], setting) for y in (1.0, 0.0)]
    row = [0.0] * len(first.logits[0])
    return [Call([[x, *row[1:]]], [y], setting) for y in (0, 1)]
