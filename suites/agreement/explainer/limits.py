"""Stage four: where floating point ends. Lost digits and non-finite numbers far from the easy logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import torch

from suites.agreement import numerics
from suites.agreement.explainer.examples import Finding, value_example
from suites.agreement.explainer.formula import Elements, accurate
from suites.agreement.explainer.grid import Call
from suites.agreement.explainer.observe import see
from suites.agreement.explainer.option import Semantics
from suites.agreement.subject import Subject


def findings(
    subject: Subject,
    semantics: Semantics,
    elements: Elements,
    share: torch.Tensor | None,
    settings: list[dict[str, Any]],
) -> Iterator[Finding]:
    """Precision and non-finite findings of the function that was found."""
    error = accurate(semantics, elements, share)
    if error > 1e-9:
        told = "float32" if error < 3e-5 else "float16 or bfloat16" if error < 0.1 else "less than half precision"
        if error > 2e-6 or elements.tolerance.relative > 1e-5 or error < 2e-6:
            yield _coarse(subject, semantics, elements, share, error, told)
    paper = not semantics.changes or all(change.kind == "soft_labels" for change in semantics.changes)
    if paper and share is None and elements.layout == "one":
        yield from _scanned(subject, set(settings[0]))
    else:
        yield from _nonfinite(subject, elements, settings)


def _coarse(subject: Subject, semantics: Semantics, elements: Elements, share: Any, error: float, told: str) -> Finding:
    from suites.agreement.explainer.formula import near

    with torch.no_grad():
        from dataclasses import replace

        model = semantics.terms(replace(elements.points, share=share)).sum(-1).numpy()
    with numpy.errstate(all="ignore"):
        relative = numpy.where(near(elements), numpy.abs(elements.values - model) / numpy.abs(model), 0)
    i = int(numpy.nanargmax(numpy.where(numpy.abs(model) > 1e-9, relative, 0)))
    return Finding(
        "precision", f"float64 logits give a result of relative error {error:.1g}: an intermediate is {told}, or an epsilon is added",
        "fragile", value_example(subject.code, subject.loss, elements.calls[i]), repr(float(model[i])), repr(float(elements.values[i])),
    )  # fmt: skip


def _scanned(subject: Subject, accepts: set[str]) -> Iterator[Finding]:
    """The scan over the whole range of logits, told once for each quantity and side."""
    seen = set()
    for found in numerics.scan(subject, ("float32", "float64")):
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
                        "nonfinite", f"{quantity} is {told} in float64 at logit {x:g}, target {call.targets}", "fragile",
                        value_example(subject.code, subject.loss, call, gradient=quantity == "gradient"), "finite", repr(float(bad)),
                    )  # fmt: skip


def _at(elements: Elements, x: float, setting: dict[str, Any]) -> list[Call]:
    first = elements.calls[0]
    if isinstance(first.targets[0], list):
        rest = first.logits[0][1:]
        labels = first.targets[0][1:]
        return [Call([[x, *rest], *first.logits[1:]], [[y, *labels], *first.targets[1:]], setting) for y in (1.0, 0.0)]
    row = [0.0] * len(first.logits[0])
    return [Call([[x, *row[1:]]], [y], setting) for y in (0, 1)]
