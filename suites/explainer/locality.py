"""Where no combination fits: which part is wrong can often still be proved, and else the smallest counterexample found.

If the loss over alpha's weight does not depend on alpha, the weight is right; if it is the cross entropy at gamma = 0,
so is that, and what is left is the modulating factor. Nothing is said that the probes do not show.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import find as shrink
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer import formula, grid
from focalbench_suite.suites.explainer.examples import simplest, truth
from focalbench_suite.suites.explainer.formula import Elements
from focalbench_suite.suites.explainer.grid import Call
from focalbench_suite.suites.explainer.observe import see
from focalbench_suite.suites.explainer.search import search
from focalbench_suite.suites.explainer.vocabulary.option import Change, Semantics, Vocabulary, said
from focalbench_suite.suites.explainer.words import sentence

Located = tuple[Change, int, float]


def locate(subject: Subject, elements: Elements, accepts: set[str], labels: str) -> Iterator[Located]:
    """One change with the simplest call that shows it and the paper's number there."""
    finite = numpy.isfinite(elements.values)
    usable = elements.keep(elements.answered & formula.near(elements) & (finite if finite.any() else True))
    vocabulary = formula.vocabulary(usable, accepts, labels)
    default = Semantics(
        vocabulary.contexts[0], vocabulary.weights[0], vocabulary.modulations[0], vocabulary.entropies[0]
    )
    with torch.no_grad():
        paper = default.terms(elements.points).sum(-1).numpy()
    change = _over_rows(subject, usable) or _separated(usable, default) or _part(usable, vocabulary)
    if change is None:
        kept = _shrunk(subject, elements, default)
        change = said("unexplained", "no known combination reproduces every probe")
        if kept is not None:
            elements.calls.append(kept[0])
            elements.seen.append(see(subject.call, kept[0].logits, kept[0].targets, kept[0].parameters))
            yield change, len(elements.calls) - 1, kept[1]
            return
    values = elements.values
    i = simplest(elements.calls, lambda i: _wrong(values[i], paper[i]))
    if i is not None:
        yield change, i, float(paper[i])


def constant(subject: Subject, elements: Elements) -> tuple[Change, Elements, int, float] | None:
    """NaN on every call, or one number whatever the logits, which every formula with a zero in it would fit."""
    batches = grid.batches(subject.loss, [elements.calls[0].parameters], soft=False)
    more = [see(subject.call, c.logits, c.targets, c.parameters, backward=False).value for c in batches]
    values = numpy.array([*elements.values[elements.answered], *more])
    finite = values[numpy.isfinite(values)]
    if finite.size and numpy.ptp(finite):
        return None
    kind, told = ("cross_entropy", f"returns {finite[0]:g} whatever the logits") if finite.size else (
        "nonfinite", "returns NaN or infinity on every call")  # fmt: skip
    i = simplest(elements.calls, lambda i: elements.seen[i].ok)
    return said(kind, told), elements, i, float(truth(elements.loss, elements.calls[i])[0].sum())


def _over_rows(subject: Subject, usable: Elements) -> Change | None:
    """One row alone gives the same whatever its logits, two rows do not: they are normalised against each other."""
    groups: dict[str, list[float]] = {}
    for seen, call in zip(usable.seen, usable.calls, strict=True):
        if call.parameters == usable.calls[0].parameters:
            groups.setdefault(str(call.targets), []).append(seen.value)
    for group in groups.values():
        if len(group) < 4 or numpy.ptp(group) > 1e-6 * max(numpy.abs(group).max(), 1e-9):
            return None
    pairs = [
        see(
            subject.call, [*one.logits, *other.logits], [*one.targets, *other.targets], one.parameters, backward=False
        ).value
        for one, other in ((usable.calls[0], usable.calls[1]), (usable.calls[0], usable.calls[-1]))
    ]
    if not numpy.isfinite(pairs).all() or pairs[0] == pairs[1]:
        return None
    return said(
        "activation",
        "one row alone gives the same loss whatever its logits: rows are normalised against each other, not classes",
    )


def _wrong(got: float, expected: float) -> bool:
    return not (abs(got - expected) <= 1e-4 * abs(expected) + 1e-9)


def _separated(usable: Elements, default: Semantics) -> Change | None:
    """The factor that is left when the others divide out of every observation."""
    if usable.points.x.shape[-1] != 1 and CANONICAL[usable.loss].inputs == "dense":
        return None
    with torch.no_grad():
        weight, modulation, entropy, _ = default.factors(usable.points)
    hard = usable.hard if CANONICAL[usable.loss].inputs == "dense" else numpy.ones(len(usable.calls), bool)
    value = usable.values
    rows = [str((c.logits, c.targets)) for c in usable.calls]
    power = usable.points.parameters.get("gamma", usable.points.parameters.get("beta"))
    power = [0.0] * len(usable.calls) if power is None else power[:, 0].tolist()
    with numpy.errstate(all="ignore"):
        without_weight = value / weight.sum(-1).numpy()
        without_both = without_weight / modulation.sum(-1).numpy()
        rest = without_weight / entropy.sum(-1).numpy()
    if len(set(power)) > 1 and _fixed(without_both, rows, hard):
        return said("cross_entropy", "what is left without weight and modulating factor is not -log p_t")
    weighted = _fixed(without_weight, list(zip(rows, power, strict=True)), hard)
    flat = numpy.array(power) == 0
    if weighted and (flat & hard).any() and _one(rest[flat & hard]):
        return said("gamma", "equal to the paper's at gamma = 0 only: the modulating factor is no known one")
    if weighted and len({str(c.parameters.get("alpha")) for c in usable.calls}) > 1 and not (flat & hard).any():
        return None
    return None


def _fixed(numbers: numpy.ndarray, keys: list, mask: numpy.ndarray) -> bool:
    """Whether the numbers depend on nothing but their key."""
    groups: dict = {}
    for number, key, on in zip(numbers, keys, mask, strict=True):
        if on and numpy.isfinite(number):
            groups.setdefault(key, []).append(number)
    several = [group for group in groups.values() if len(group) > 1]
    return bool(several) and all(numpy.ptp(g) <= 1e-5 * numpy.abs(g).max() + 1e-12 for g in several)


def _one(ratio: numpy.ndarray) -> bool:
    finite = ratio[numpy.isfinite(ratio)]
    return bool(finite.size > 3 and numpy.ptp(finite) <= 1e-5 * numpy.abs(finite).max())


def _part(usable: Elements, vocabulary: Vocabulary) -> Change | None:
    """A part of the grid on which a combination of at most one change fits, where another part has none."""
    power = "beta" if usable.loss == "quality_focal" else "gamma"
    parts = {
        ("gamma", f"{power} = 0"): [c.parameters.get("gamma", c.parameters.get("beta")) == 0 for c in usable.calls],
        ("gamma", f"{power} = 2"): [c.parameters.get("gamma", c.parameters.get("beta")) == 2 for c in usable.calls],
        ("alpha", "alpha = 0.5"): [c.parameters.get("alpha") == 0.5 for c in usable.calls],
    }
    for (kind, told), mask in parts.items():
        mask = numpy.array(mask) & (usable.hard if CANONICAL[usable.loss].inputs == "dense" else True)
        if mask.sum() < 8 or mask.all():
            continue
        part = usable.keep(mask)
        fits = search(part.points, part.values, vocabulary, part.tolerance, 1)
        if (
            fits
            and any(change.kind not in ("precision",) for change in fits[0].changes)
            and fits[0].changes[0].kind != kind
        ):
            first = fits[0].changes[0]
            return said(
                first.kind, f"{sentence(first)} (and {kind} is applied in no known way: only {told} is explained)"
            )
        if fits:
            return said(kind, f"equal to {fits[0].formula} for {told} only: {kind} is applied in no known way")
    return None


def _shrunk(subject: Subject, elements: Elements, default: Semantics) -> tuple[Call, float] | None:
    """The smallest input that shows the difference, by hypothesis's shrinking; for single dense elements."""
    if CANONICAL[elements.loss].inputs != "dense" or elements.layout != "one":
        return None
    used = list({str(c.parameters): c.parameters for c in elements.calls}.values())
    logits = st.integers(-40, 40).map(lambda n: n / 4)
    cases = st.tuples(logits, st.sampled_from(sorted({c.targets[0][0] for c in elements.calls})), st.sampled_from(used))

    def paper(call: Call) -> float:
        with torch.no_grad():
            return float(default.terms(grid.points(elements.loss, [call])).sum())

    def differs(case: tuple) -> bool:
        call = Call([[case[0]]], [[case[1]]], case[2])
        seen = see(subject.call, call.logits, call.targets, call.parameters, backward=False)
        return seen.ok and _wrong(seen.value, paper(call))

    quiet = settings(
        max_examples=200,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        x, y, setting = shrink(cases, differs, settings=quiet)
    except NoSuchExample:
        return None
    call = Call([[x]], [[y]], setting)
    return call, paper(call)
