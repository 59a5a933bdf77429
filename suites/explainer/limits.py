"""Stage four: where floating point ends. Lost digits and non-finite numbers far from the easy logits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import numerics, questions
from focalbench_suite.suites.explainer.calls import Call
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.examples import SLOPES, Finding, simplest, truth
from focalbench_suite.suites.explainer.formula import Elements, shares
from focalbench_suite.suites.explainer.vocabulary.option import Semantics, change

SCANNED = ("float32", "float64")
HALF = ("bfloat16", "float16")  # scanned for what raises and for non-finite numbers alone
# What the scan over the whole range of logits finds is told once, in the first dtype that shows it, for each of these.
TOLD_ONCE = {
    "dtype_refused": ("dtype",),
    "setting_refused": ("setting",),
}
# logits at which a sigmoid is 1 in half, single and (nearly) double precision; exp(89) overflows in single
# form of the inputs: (label, sign of the logits that miss it); a row of classes has no label
MISSED: dict[str, tuple[tuple[float | None, float], ...]] = {
    "dense": ((1.0, -1.0), (0.0, 1.0)),
    "index": ((None, -1.0),),
}
EASY = (18.0, 21.0)  # where 1-p_t is below 1e-7 and float64 still has digits of the cross entropy
NEAR = 10.0  # a limit below this logit is met in training
FAR = {"float64": (20.0, 50.0, 100.0), "float32": (20.0, 50.0, 89.0)}


def tell_limits(case: Examination, semantics: Semantics, elements: Elements, share: str) -> None:
    """Precision and non-finite findings of the function that was found.

    A gradient that is another function's differs from the paper's by more than digits, and loses none worth telling.
    """
    points = replace(elements.points, share=shares(elements)[share] if share else None)
    with torch.no_grad():
        model = semantics.terms(points).sum(-1).numpy()
    alone = CANONICAL[case.loss].inputs in MISSED and elements.layout == "one" and not share
    added = _cut_off(case, semantics) if alone else 0.0
    if alone and case.questions.dtype == "float64":
        _floored(case, semantics)
    _coarse(case, model, elements, added)
    _undefined(case, model, elements)
    paper = all(told.kind == "soft_labels" for told in semantics.changes)
    if not paper or share or elements.layout != "one":
        _nonfinite(case, elements)
        return
    fixed = _fixed(case.loss, model, elements) | _required_weights(case, elements)
    columns = None if CANONICAL[case.loss].inputs == "dense" else case.questions.columns
    sloped = not case.has("gradient")
    found = numerics.scan(case.ask, case.loss, case.code, SCANNED, fixed, columns=columns)
    found += [
        one
        for one in numerics.scan(case.ask, case.loss, case.code, HALF, fixed, usual_only=True, columns=columns)
        if one.change.code != "digits_lost"
    ]
    told: set[tuple] = set()
    for one in (one for one in found if one.change.code != "digits_lost"):
        if one.change.code == "dtype_refused" and _answers(case, elements, dict(one.change.values)["dtype"]):
            continue  # it is a setting of the scan that is refused, whatever the dtype
        news = _what(one)
        if not news <= told and all(one.change != known.change for known in case.findings):
            told |= news
            case.findings.append(one)
    _lost(case, [one for one in found if one.change.code == "digits_lost"], sloped)


def _what(finding: Finding) -> set[tuple]:
    """What a finding of the scan says, whatever the dtype and the setting: of several, it is told once."""
    code, values = finding.change.code, dict(finding.change.values)
    if code == "nonfinite_from":
        places = [dict(place) for place in values["places"]]
        return {(code, place["quantity"], place["nan"], place["target"]) for place in places}
    return {(code, *(values.get(name) for name in TOLD_ONCE[code]))}


def _required_weights(case: Examination, elements: Elements) -> dict[str, Any]:
    """Class weights of 1 for a function that refuses to be without any, since the scan goes without."""
    weights = CANONICAL[case.loss].of_role("class_weights")
    usual = case.settings[0]
    if weights is None or weights.name not in usual:
        return {}
    call = elements.calls[int(elements.answered.argmax())]
    without = replace(call, parameters=usual | {weights.name: None}, backwards=0)
    if case.ask([without])[0].ok:
        return {}
    return {weights.name: (1.0,) * (case.questions.columns or 2)}


def _answers(case: Examination, elements: Elements, dtype: str) -> bool:
    """Whether a call that was answered before is answered in this dtype, too."""
    i = int(elements.answered.argmax())
    return case.ask([replace(elements.calls[i], dtype=dtype)])[0].ok


def _lost(case: Examination, lost: list[Finding], sloped: bool) -> None:
    """Lost digits: of hard elements each, unless a cut-off that is told explains it; of easy ones all in one line.

    Nearly every sound loss loses the digits of easy elements in float32, so that line is the last.
    """
    cut = {told.change for told in case.findings if told.change.code == "cut_off"}
    single = [one for one in lost if dict(one.change.values)["dtype"] == "float32"]
    values = [(one, dict(one.change.values)) for one in single]
    case.findings += [
        one for one, told in values if not told["easy"] and not cut and (sloped or told["quantity"] == "value")
    ]
    easy = [(one, told) for one, told in values if told["easy"] and told["quantity"] == "value"]
    if easy:
        first, nearest = min(easy, key=lambda pair: abs(pair[1]["logit"]))
        if nearest["error"] > 1 and (times := _times_the_truth(case, nearest)) > 2:
            told = change("precision", "easy_loss_floored", logit=abs(nearest["logit"]), times=times)
            case.findings.append(replace(first, change=told))
            return
        zero = [abs(told["zero_from"]) for _, told in easy if told["zero_from"] is not None]
        told = change(
            "precision", "easy_digits_lost", dtype="float32", logit=abs(nearest["logit"]), error=nearest["error"],
            zero_from=min(zero, default=None),
        )  # fmt: skip
        case.findings.append(replace(first, change=told))


def _times_the_truth(case: Examination, told: dict[str, Any]) -> float:
    """How many times the paper's the loss of an easy element is in float64, whose digits are not lost there."""
    point = numerics.points(case.loss, "float64", told["target"], [told["logit"]], case.questions.columns)[0]
    call = Call(point.logits, point.targets, dict(case.settings[0]), case.questions.dtype)
    answer = case.ask([call])[0]
    exact = float(truth(case.loss, call)[0].sum())
    return answer.value / exact if answer.ok and exact > 0 else 0.0


def _coarse(case: Examination, model: numpy.ndarray, elements: Elements, added: float) -> None:
    """A float64 result that is not as accurate as float64, but for what an epsilon that is `added` to p_t explains.

    That a float32 result is no more accurate follows from its dtype, which is told.
    """
    with numpy.errstate(all="ignore"):
        distance = numpy.abs(elements.values - model)
        if added and (distance <= 8 * added * _over_smallest(elements)).all():  # the slope of -log p_t is 1/p_t
            return
    error = relative_error(elements, model)
    i = int(numpy.nan_to_num(error).argmax())
    if not error[i] > 1e-9 or case.questions.dtype != "float64":
        return
    worst = float(error[i])
    if elements.tolerance.relative > 1e-2:
        told = change("precision", "half_inside", error=worst)
    elif any(one.change.code == "dtype_narrowed" for one in case.findings):
        return
    elif what := rounded(elements, error):
        told = change("precision", "rounded_to_single", what=what, error=worst)
    else:
        told = change("precision", "single_inside", error=worst)
    case.show(told, "fragile", elements.calls[i], repr(float(model[i])), repr(float(elements.values[i])))


def relative_error(elements: Elements, model: numpy.ndarray) -> numpy.ndarray:
    """How far each value is from the model's; NaN where the model's is too small to tell, or either is no number."""
    with numpy.errstate(all="ignore"):
        error = numpy.abs(elements.values - model) / numpy.abs(model)
    return numpy.where(numpy.isfinite(error) & (numpy.abs(model) > 1e-9), error, numpy.nan)


def rounded(elements: Elements, error: numpy.ndarray) -> str:
    """What alone is rounded to float32, ``targets`` or a parameter: calls whose own float32 holds show no error."""
    asked, coarse = ~numpy.isnan(error), error > 1e-9
    if not coarse.any():
        return ""
    given = [{"targets": call.targets} | call.parameters for call in elements.calls]
    found = []
    for name in given[0]:
        held = numpy.array([_held(one[name]) for one in given])
        if (asked & held).any() and not (coarse & held).any():
            found.append(name)
    return found[0] if len(found) == 1 else ""


def _held(numbers: Any) -> bool:
    """Whether float32 holds the numbers as they are."""
    exact = numpy.asarray(0.0 if numbers is None else numbers, dtype=float)
    return bool((exact.astype("float32") == exact).all())


def _over_smallest(elements: Elements) -> numpy.ndarray:
    """At most what 1/p is, of each call's least probable class or, where elements stand alone, of a side."""
    rows = [numpy.atleast_2d(call.logits) for call in elements.calls]
    spread = [numpy.maximum(row.max(1), 0) - numpy.minimum(row.min(1), 0) for row in rows]
    return numpy.array([(row.shape[1] + 1) * math.exp(far.max()) for row, far in zip(rows, spread, strict=True)])


def _undefined(case: Examination, model: numpy.ndarray, elements: Elements) -> None:
    """NaN or infinity at moderate logits, where the function that was found has a number."""
    undefined = numpy.isfinite(model) & ~numpy.isfinite(elements.values)
    if undefined.any():
        i = simplest(elements.calls, lambda i: bool(undefined[i])) or 0
        call, value = elements.calls[i], float(elements.values[i])
        told = change("nonfinite", "nonfinite_at", quantity="value", nan=math.isnan(value), dtype=call.dtype,
                      logits=repr(call.logits), targets=repr(call.targets),
                      setting=tuple(call.parameters.items()))  # fmt: skip
        case.show(told, "fragile", call, repr(float(model[i])), repr(value))


def _fixed(loss: str, model: numpy.ndarray, elements: Elements) -> dict[str, Any]:
    """The parameters that the function does not take, with those of the paper's values that it uses.

    A function without alpha is the paper's with alpha off and with the recommended one; its numbers say which it is.
    """
    missing = [p for p in CANONICAL[loss].parameters if p.name not in elements.calls[0].parameters]
    choices = [dict(zip((p.name for p in missing), values, strict=True))
               for values in itertools.product(*((p.absent, p.recommended) for p in missing))]  # fmt: skip
    few = numpy.flatnonzero(numpy.isfinite(model) & elements.hard)[:12]
    for choice in choices:
        calls = [replace(elements.calls[i], parameters=choice | elements.calls[i].parameters) for i in few]
        exact = [float(truth(loss, call)[0].sum()) for call in calls]
        if numpy.allclose(exact, model[few], rtol=1e-6, atol=1e-12):
            return choice
    return choices[0]


def _cut_off(case: Examination, semantics: Semantics) -> float:
    """A logarithm or a logit with a limit: the loss of a badly missed element stays where it is.

    It is held against the function that was found, the paper's or another, since any may have such a limit, too. One
    that lies within |logit| < 10, where elements are in training, makes another loss. An epsilon that is added to a
    probability bends the loss instead of cutting it, and is returned; 0 where there is none.
    """
    added, limits = 0.0, []
    for y, sign in MISSED[CANONICAL[case.loss].inputs]:
        calls = [_missed(case, sign * x, y) for x in (60.0, 80.0)]
        seen = [answer.value for answer in case.ask(calls)]
        expected, further = (_found(case, semantics, call) for call in calls)
        slope = (further - expected) / 20
        stays = numpy.isfinite([*seen, slope]).all() and seen[0] == seen[1] > 0 and slope > 0
        if stays and seen[0] < 0.999 * expected:
            limit = 60 - (expected - seen[0]) / slope
            bends = _bends(case, sign * limit, y, seen[0], slope, semantics)
            if not bends and not _follows(case, _missed(case, sign * (limit - 0.5), y), semantics):
                continue  # it leaves that function's line elsewhere, so that no limit lies where the two cross
            passed = limit if y is not None else seen[0] / slope
            limits.append((y, sign * passed, limit < NEAR, calls[0], expected, seen[0]))
            added = math.exp(-passed) if bends else added
    alike = (
        len(limits) == 2 and math.isclose(-limits[0][1], limits[1][1], rel_tol=1e-3) and limits[0][2] == limits[1][2]
    )
    for y, logit, near, call, expected, got in limits[: 1 if alike else 2]:
        told = change("precision", "cut_off", label="both" if alike else y, logit=logit, epsilon=math.exp(-abs(logit)))
        case.show(told, "different" if near else "fragile", call, repr(expected), repr(got))
    return added


def _floored(case: Examination, semantics: Semantics) -> None:
    """A modulating factor that stops falling while the cross entropy falls on: p is clamped in the factor alone."""
    power = CANONICAL[case.loss].of_role("power")
    gamma = float(case.settings[0].get(power.name, power.absent)) if power is not None else 0.0
    sides = MISSED[CANONICAL[case.loss].inputs]
    found = [(y, *floor) for y, sign in sides if gamma and (floor := _floor(case, semantics, -sign, y))]
    for y, factor, call, expected, got in found[:1]:
        label = "any" if len(found) == len(sides) else y
        told = change("precision", "factor_floored", label=label, factor=factor, epsilon=factor ** (1 / gamma))
        case.show(told, "note", call, repr(expected), repr(got))


def _floor(
    case: Examination, semantics: Semantics, sign: float, y: float | None
) -> tuple[float, Call, float, float] | None:
    """The least factor of one side, the call that shows it, what it should return and what it returns."""
    calls = [_missed(case, sign * x, y) for x in EASY]
    with torch.no_grad():
        factors = [semantics.factors(questions.points(case.loss, [call]))[:3] for call in calls]
    rest = [float((weight * entropy).sum()) for weight, _, entropy in factors]
    if not all(rest) or any(part.numel() != 1 for parts in factors for part in parts):
        return None
    first, second = (answer.value / one for answer, one in zip(case.ask(calls), rest, strict=True))
    right = float(factors[1][1].sum())
    if not (math.isclose(first, second, rel_tol=1e-3) and second > 10 * right > 0):
        return None
    return second, calls[1], rest[1] * right, rest[1] * second


def _bends(case: Examination, limit: float, y: float | None, most: float, slope: float, semantics: Semantics) -> bool:
    """Whether p_t has an epsilon added: where they are equal, the loss is log 2 below its most, far off on the line."""
    middle = case.ask([_missed(case, limit, y)])[0].value
    near = math.copysign(max(abs(limit) - 7.5, 0), limit)  # there p_t is some 2,000 epsilons
    far = _follows(case, _missed(case, near, y), semantics)
    return far and abs(most - middle - slope * math.log(2)) <= 1e-3 * slope


def _missed(case: Examination, x: float, y: float | None) -> Call:
    """One element with this logit and label; without a label, a row whose class has it, the other classes 0."""
    if y is not None:
        return case.questions.call([[x]], [[y]], case.settings[0])
    return case.questions.call([[x, *[0.0] * ((case.questions.columns or 2) - 1)]], [0], case.settings[0])


def _found(case: Examination, semantics: Semantics, call: Call) -> float:
    """What the function that was found gives for a call."""
    with torch.no_grad():
        return float(semantics.terms(questions.points(case.loss, [call])).sum())


def _follows(case: Examination, call: Call, semantics: Semantics) -> bool:
    """Whether the loss is that of the function that was found for this call."""
    expected = _found(case, semantics, call)
    return abs(case.ask([call])[0].value - expected) <= 1e-3 * abs(expected)


def _nonfinite(case: Examination, elements: Elements) -> None:
    """NaN or infinity on saturated logits, in value or gradient, where moderate logits give numbers."""
    told = set()
    undefined = {
        str(call.parameters)
        for call, answer in zip(elements.calls, elements.seen, strict=True)
        if answer.output is not None and not numpy.isfinite(answer.output).all()
    }
    first = elements.calls[0]  # whose rows say how many class weights are to be given
    settings = [case.questions.call(first.logits, first.targets, one).parameters for one in case.settings[:4]]
    for setting in (one for one in settings if str(one) not in undefined):
        calls = [
            replace(call, dtype=dtype)
            for dtype, far in FAR.items()
            for x in far
            for sign in (1, -1)
            for call in _at(elements, sign * x, setting)
        ]
        for call, answer in zip(calls, case.ask(calls), strict=True):
            for quantity, numbers in (("value", answer.output), ("gradient", answer.gradient)):
                if numbers is None or numpy.isfinite(numbers).all() or quantity in told:
                    continue
                told |= {quantity, "gradient"}  # the gradient of what is no number is none, either
                bad = float(numbers[~numpy.isfinite(numbers)].flat[0])
                found = change("nonfinite", "nonfinite_at", quantity=quantity, nan=math.isnan(bad), dtype=call.dtype,
                               logits=repr(call.logits), targets=repr(call.targets),
                               setting=tuple(call.parameters.items()))  # fmt: skip
                case.show(found, "fragile", call, "finite", repr(bad), SLOPES if quantity == "gradient" else None)


def _at(elements: Elements, x: float, setting: dict[str, Any]) -> Iterator[Call]:
    first = elements.calls[0]
    if isinstance(first.targets[0], list):
        rest, labels = first.logits[0][1:], first.targets[0][1:]
        for y in (1.0, 0.0):
            yield Call([[x, *rest], *first.logits[1:]], [[y, *labels], *first.targets[1:]], setting)
        return
    for label in (0, 1):
        yield Call([[x, *[0.0] * (len(first.logits[0]) - 1)]], [label], setting)
