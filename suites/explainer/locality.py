"""Where no combination fits: which part is wrong can often still be proved, and else the smallest counterexample found.

If the loss over alpha's weight does not depend on alpha, the weight is right; if it is the cross entropy at gamma = 0,
so is that, and what is left is the modulating factor. Nothing is said that the probes do not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import find as shrink
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import formula, questions
from focalbench_suite.suites.explainer.calls import Answer, Call, ask_one
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.examples import simplest, truth
from focalbench_suite.suites.explainer.formula import Elements
from focalbench_suite.suites.explainer.overlap import overlap
from focalbench_suite.suites.explainer.search import search
from focalbench_suite.suites.explainer.vocabulary.option import Change, Semantics, Vocabulary, change

Located = tuple[Change, Call, Answer, float]


def locate(case: Examination, elements: Elements) -> Located | None:
    """One change with the simplest call that shows it, its answer, and the paper's number there."""
    finite = numpy.isfinite(elements.values)
    usable = elements.keep(elements.answered & formula.near(elements) & (finite if finite.any() else True))
    vocabulary = formula.vocabulary(usable, case.varied, case.questions.labels)
    default = vocabulary.paper
    with torch.no_grad():
        paper = default.terms(elements.points).sum(-1).numpy()
    told = _over_rows(case, usable) or _separated(usable, default) or _part(usable, vocabulary)
    if told is None:
        told = change("unexplained", "unexplained", factor=_factor(usable, default))
        kept = _shrunk(case, elements, default)
        if kept is not None:
            return told, kept, ask_one(case.ask, kept), _of_paper(default, case.loss, kept)
    values = elements.values
    i = simplest(elements.calls, lambda i: _wrong(float(values[i]), float(paper[i])))
    return None if i is None else (told, elements.calls[i], elements.seen[i], float(paper[i]))


def _factor(usable: Elements, default: Semantics) -> tuple[tuple[float, float, float, float], ...]:
    """What multiplies the cross entropy, as measured under the usual parameters: (target, p, factor, the paper's)."""
    if CANONICAL[usable.loss].inputs != "dense" or usable.layout != "one":
        return ()
    mine = [i for i, call in enumerate(usable.calls) if call.parameters == usable.calls[0].parameters]
    points = usable.points.take(torch.as_tensor(mine))
    with torch.no_grad():
        weight, modulation, entropy, _ = default.factors(points)
        paper = (weight * modulation)[:, 0].tolist()
        found = (torch.as_tensor(usable.values[mine]) / entropy[:, 0]).tolist()
    rows = zip(points.y[:, 0].tolist(), points.x[:, 0].sigmoid().tolist(), found, paper, strict=True)
    return tuple(tuple(round(number, 6) for number in row) for row in rows)


def constant(case: Examination, elements: Elements) -> Located | None:
    """NaN on every call, or one number whatever the logits, which every formula with a zero in it would fit."""
    plain = [replace(call, backwards=0) for call in case.questions.batches(case.settings[:1], soft=False)]
    batches = [*plain, *(replace(call, logits=[[-x for x in row] for row in call.logits]) for call in plain)]
    groups: dict[str, list[float]] = {}
    seen = [*zip(elements.calls, elements.seen, strict=True), *zip(batches, case.ask(batches), strict=True)]
    for call, answer in seen:
        if answer.ok:
            groups.setdefault(repr((call.targets, call.parameters)), []).append(answer.value)
    values = [numpy.array(group)[numpy.isfinite(group)] for group in groups.values()]
    if any(group.size and numpy.ptp(group) for group in values):
        return None
    finite = numpy.concatenate(values)
    i = next(i for i, answer in enumerate(elements.seen) if answer.ok)
    if not finite.size:
        told = change("nonfinite", "never_finite")
    elif numpy.ptp(finite):
        told = change("cross_entropy", "logits_ignored")
    else:
        told = change("cross_entropy", "constant", value=float(finite[0]))
    return told, elements.calls[i], elements.seen[i], float(truth(elements.loss, elements.calls[i])[0].sum())


def overlapping(case: Examination, elements: Elements) -> Located | None:
    """A loss of the overlap, with the simplest call on which it is not the paper's."""
    told = overlap(case, elements)
    if told is None:
        return None
    right = [float(truth(elements.loss, call)[0].sum()) for call in elements.calls]
    i = simplest(elements.calls, lambda i: _wrong(float(elements.values[i]), right[i]))
    return None if i is None else (told, elements.calls[i], elements.seen[i], right[i])


def _over_rows(case: Examination, usable: Elements) -> Change | None:
    """One row alone gives the same whatever its logits, two rows do not: they are normalised against each other."""
    groups: dict[str, list[float]] = {}
    for seen, call in zip(usable.seen, usable.calls, strict=True):
        if call.parameters == usable.calls[0].parameters:
            groups.setdefault(str(call.targets), []).append(seen.value)
    for group in groups.values():
        if len(group) < 4 or numpy.ptp(group) > 1e-6 * max(numpy.abs(group).max(), 1e-9):
            return None
    first = usable.calls[0]
    pairs = [
        replace(first, logits=[*first.logits, *other.logits], targets=[*first.targets, *other.targets], backwards=0)
        for other in (usable.calls[1], usable.calls[-1])
    ]
    one, other = (answer.value for answer in case.ask(pairs))
    if not numpy.isfinite([one, other]).all() or one == other:
        return None
    return change("activation", "softmax_over_rows")


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
    raised = usable.points.parameters.get("gamma", usable.points.parameters.get("beta"))
    power: list[float] = [0.0] * len(usable.calls) if raised is None else raised[:, 0].tolist()
    with numpy.errstate(all="ignore"):
        without_weight = value / weight.sum(-1).numpy()
        without_both = without_weight / modulation.sum(-1).numpy()
        rest = without_weight / entropy.sum(-1).numpy()
    if len(set(power)) > 1 and _fixed(without_both, rows, hard):
        return change("cross_entropy", "rest_is_no_cross_entropy")
    weighted = _fixed(without_weight, list(zip(rows, power, strict=True)), hard)
    flat = numpy.array(power) == 0
    if weighted and (flat & hard).any() and _one(rest[flat & hard]):
        return change("gamma", "equal_without_factor_only")
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
    for name, kind, value in _parts(usable.loss):
        mask = numpy.array([call.parameters.get(name) == value for call in usable.calls])
        mask &= usable.hard if CANONICAL[usable.loss].inputs == "dense" else True
        if mask.sum() < 8 or mask.all():
            continue
        part = usable.keep(mask)
        fits = search(part.points, part.values, vocabulary, part.tolerance, 1)
        if fits:
            other = next((c for c in fits[0].changes if c.kind not in ("precision", kind)), None)
            if other is not None:
                return change(other.kind, "explained_in_part", cause=other, parameter=name, value=value)
            return change(kind, "equal_in_part", formula=fits[0].formula, parameter=name, value=value)
    return None


def _parts(loss: str) -> Iterator[tuple[str, str, float]]:
    """Parameter, kind of change and value: the power off and as recommended, and both sides weighted alike."""
    power, balance = CANONICAL[loss].of_role("power"), CANONICAL[loss].of_role("balance")
    if power is not None:
        yield power.name, "gamma", power.off
        yield power.name, "gamma", power.recommended
    if balance is not None:
        yield balance.name, "alpha", 0.5


def _of_paper(default: Semantics, loss: str, call: Call) -> float:
    with torch.no_grad():
        return float(default.terms(questions.points(loss, [call])).sum())


def _shrunk(case: Examination, elements: Elements, default: Semantics) -> Call | None:
    """The smallest input that shows the difference, by hypothesis's shrinking; for single dense elements."""
    if CANONICAL[elements.loss].inputs != "dense" or elements.layout != "one":
        return None
    used = list({str(c.parameters): c.parameters for c in elements.calls}.values())
    logits = st.integers(-40, 40).map(lambda n: n / 4)
    cases = st.tuples(logits, st.sampled_from(sorted({c.targets[0][0] for c in elements.calls})), st.sampled_from(used))

    def as_call(drawn: tuple) -> Call:
        return Call([[drawn[0]]], [[drawn[1]]], drawn[2], backwards=0)

    def differs(drawn: tuple) -> bool:
        answer = ask_one(case.ask, as_call(drawn))
        return answer.ok and _wrong(answer.value, _of_paper(default, case.loss, as_call(drawn)))

    quiet = settings(
        max_examples=200,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        return replace(as_call(shrink(cases, differs, settings=quiet)), backwards=1)
    except NoSuchExample:
        return None
