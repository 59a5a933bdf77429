"""From what a loss returned on the cases of a probe to a verdict and a sentence, by stated criteria.

The criteria. A point agrees where its error is within `ROUNDINGS` roundings of the paper's value and of the
intermediates (whose size is that of the logits), and the whole probe agrees where, besides, the error's norm is below a
hundredth of the values' norm (`WHOLE` roundings, where the dtype is coarser than that): small values that are all
returned as 0 lie within rounding of the intermediates one by one, but are not the paper's function. In order:

* ``nonfinite``: NaN or infinity where the paper's value is a number of the dtype;
* ``agrees``: the paper's values, or their mean or sum;
* ``agrees_up_to_scale``: proportional to them, in value and gradient: another normaliser, or one factor on all;
* ``differs``: neither;
* ``unsupported``: the source cannot be asked, or the paper defines no value here;
* ``error``: the source raises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from focalbench_suite.suites import errors
from focalbench_suite.suites.agreement import reductions
from focalbench_suite.suites.agreement.probes import ProbeCall
from focalbench_suite.suites.oracle import Exact

# How many roundings a point may be off. In float32 every verdict on seven sources is the same from 4 to 32; with 2,
# MMDetection's activated focal loss would differ, with 64 fvcore's star would agree at saturated logits. In bfloat16
# every verdict is the same from 8 to 128.
ROUNDINGS = 32
WORTH_SAYING = 0.01  # a relative error within rounding of the intermediates that the relation names all the same
# Roundings of the norm, which decide in half precision: in bfloat16, torch's balanced cross entropy would differ at the
# prior with 8, and fvcore's star would agree with 32.
WHOLE = 16


@dataclass(frozen=True)
class Answered:
    """One call of a probe with what the paper says and what the source returned, and the dtype that it returned."""

    case: ProbeCall
    value: Exact
    gradient: Exact
    returned_value: numpy.ndarray
    returned_gradient: numpy.ndarray
    returned_dtype: str

    def returned(self, quantity: str) -> numpy.ndarray:
        """The value or the gradient that the source returned."""
        return self.returned_value if quantity == "value" else self.returned_gradient

    @property
    def shape(self) -> reductions.Shape:
        weight = self.case.parameters.get("weight")
        if weight is None and isinstance(self.case.parameters.get("alpha"), tuple):
            weight = [self.case.parameters["alpha"][int(y)] for y in self.case.targets]
        return reductions.Shape(
            self.value.high.shape,
            numpy.asarray(self.case.targets, dtype=float),
            None if weight is None else numpy.asarray(weight),
        )


@dataclass(frozen=True)
class Judgement:
    """A row's measured part; `relation` is for people, the rest for programs.

    `zeros` counts points that are returned as exactly 0 where the paper has a number, `rounding` is the dtype by whose
    rounding the answers agree, `defined` says that the paper defines a value at any of the points.
    """

    verdict: str
    relation: str
    points: int
    worst: dict[str, float | None]
    zeros: int = 0
    rounding: str = ""
    defined: bool = True


@dataclass(frozen=True)
class Compared:
    """The paper's numbers in the shape of the source's, the source's, and how far rounding may move them."""

    exact: Exact
    actual: numpy.ndarray
    allowed: numpy.ndarray


def rounding(answers: list[Answered], dtype: str) -> list[str]:
    """The dtypes by whose rounding the answers may be judged, the finest first.

    A source that returns a coarser dtype than it was given is judged by that one; one that computes in float32 whatever
    it is given may be no better than that in float64, and the row says so.
    """
    returned = max([dtype, *(answer.returned_dtype for answer in answers)], key=errors.epsilon)
    return [returned, "float32"] if returned == "float64" else [returned]


def fitting(answers: list[Answered], dtype: str) -> list[str]:
    """The reductions that give every case's value and gradient but for rounding in `dtype`, the plainest first."""
    return [
        name
        for name in reductions.names()
        if all(
            (pair := compared(answer, name, quantity, dtype)) is not None and close([pair], dtype)
            for answer in answers
            for quantity in ("value", "gradient")
        )
    ]


def compared(answer: Answered, name: str, quantity: str, dtype: str) -> Compared | None:
    """One quantity of a case under a reduction; None where that reduction cannot give what was returned."""
    reduced = reductions.apply(name, answer.value, answer.shape, answer.returned_value.shape)
    if reduced is None:
        return None
    exact, factor = reduced
    if quantity == "gradient":
        gradient = answer.gradient.scaled(factor)
        return Compared(gradient, answer.returned_gradient, abs(factor) * _intermediates(answer, dtype))
    spread = _intermediates(answer, dtype).sum() * abs(factor) / max(exact.high.size, 1)
    return Compared(exact, answer.returned_value, numpy.full(exact.high.shape, spread))


def _intermediates(answer: Answered, dtype: str) -> numpy.ndarray:
    """How far rounding of intermediates as large as the logits may move each element's gradient (or value)."""
    size = numpy.abs(numpy.asarray(answer.case.logits, dtype=float))
    return ROUNDINGS * errors.epsilon(dtype) * (1 + answer.case.power) * numpy.maximum(size, 1)


def close(pairs: list[Compared], dtype: str) -> bool:
    """Whether the source's numbers are the paper's but for rounding, point by point and as a whole."""
    actual = numpy.concatenate([pair.actual.ravel() for pair in pairs])
    exact = numpy.concatenate([pair.exact.high.ravel() for pair in pairs])
    error = numpy.concatenate([pair.exact.error(pair.actual).ravel() for pair in pairs])
    allowed = numpy.concatenate([pair.allowed.ravel() for pair in pairs])
    defined = numpy.isfinite(exact)
    with numpy.errstate(all="ignore"):
        pointwise = numpy.abs(error) <= allowed + ROUNDINGS * errors.epsilon(dtype) * numpy.abs(exact)
        whole = max(0.01, WHOLE * errors.epsilon(dtype)) * numpy.linalg.norm(exact[defined])
        floor = errors.smallest(dtype) * numpy.sqrt(max(defined.sum(), 1))
        total = numpy.linalg.norm(error[defined]) <= whole + floor
    return bool(numpy.isfinite(actual[defined]).all() and pointwise[defined].all() and total)


def judge(answers: list[Answered], quantity: str, dtype: str, usual: str | None) -> Judgement:
    """The verdict on one quantity over the cases of a probe; `usual` is the source's reduction as other probes show."""
    asked = dtype
    for dtype in rounding(answers, asked):
        if found := fitting(answers, dtype):
            break
    name = usual if usual in found else found[0] if found else usual
    pairs = [pair for answer in answers if (pair := compared(answer, name or "none", quantity, dtype)) is not None]
    if not pairs:
        pairs = [pair for answer in answers if (pair := _any(answer, quantity, dtype)) is not None]
    points = sum(int(numpy.isfinite(pair.exact.high).sum()) for pair in pairs)
    if not points and any(pair.exact.high.size for pair in pairs):
        told = f"the paper defines no value here; {_told(answers, quantity)}"
        return Judgement("unsupported", told, 0, NOTHING, defined=False)
    measured = [errors.errors_of(pair.actual, pair.exact, asked) for pair in pairs]
    worst = _worst(measured)
    if bad := sum(int(one.nonfinite.sum()) for one in measured):
        return Judgement("nonfinite", _nonfinite(pairs, measured, bad, points), points, worst)
    if name and len(pairs) == len(answers) and close(pairs, dtype):
        verdict = "agrees" if name in reductions.PLAIN else "agrees_up_to_scale"
        rounded = f"; to {dtype}'s rounding only" if dtype != asked else ""
        zeros = sum(int(one.lost.sum()) for one in measured)
        return Judgement(verdict, _relation(name, answers, measured) + rounded, points, worst, zeros, dtype)
    if not points:
        return Judgement("agrees", "= nothing, as for the paper", 0, worst)
    if (scale := _scale(answers, dtype)) is not None:
        return Judgement("agrees_up_to_scale", f"= {scale:.6g} x the paper's {quantity}", points, worst)
    return Judgement("differs", _difference(pairs, measured, points, name), points, worst)


NOTHING: dict[str, float | None] = {"max_ulp": None, "max_abs_error": None, "max_rel_error": None}


def _any(answer: Answered, quantity: str, dtype: str) -> Compared | None:
    """Compared under the first reduction that yields the returned shape at all."""
    for name in reductions.names():
        if (pair := compared(answer, name, quantity, dtype)) is not None:
            return pair
    return None


def _worst(measured: list[errors.Errors]) -> dict[str, float | None]:
    columns = [one.worst for one in measured]
    return {
        name: max((value for column in columns if (value := column[name]) is not None), default=None)
        for name in NOTHING
    }


def _relation(name: str, answers: list[Answered], measured: list[errors.Errors]) -> str:
    told = "= the paper's values" if name == "none" else f"= {name}"
    if name in reductions.SCALARS and name not in reductions.PLAIN:
        factors = {reductions.SCALARS[name](answer.shape) for answer in answers}
        told = f"= {', '.join(f'{f:.6g}' for f in sorted(factors))} x the paper's sum ({name})"
    lost = sum(int(one.lost.sum()) for one in measured)
    points = sum(one.lost.size for one in measured)
    off = [size for one in measured for size in one.relative[~one.lost] if size > WORTH_SAYING]
    told += f"; exactly 0 at {lost} of {points} points where the paper has a number" if lost else ""
    return told + (f"; off by up to {max(off):.0%} at {len(off)} of {points} points" if off else "")


def _nonfinite(pairs: list[Compared], measured: list[errors.Errors], bad: int, points: int) -> str:
    for pair, one in zip(pairs, measured, strict=True):
        if one.nonfinite.any():
            where = tuple(int(i) for i in numpy.argwhere(one.nonfinite)[0])
            exact, actual = float(pair.exact.high[where]), float(pair.actual[where])
            return f"{actual} where the paper has {exact:.6g} ({bad} of {points} points)"
    raise AssertionError("no point is non-finite")


def _scale(answers: list[Answered], dtype: str) -> float | None:
    """The one factor c with value = c x the paper's and gradient likewise, over all cases; None where there is none."""
    scales = []
    for answer in answers:
        reference = next(
            (r for name in ("none", "sum over dim 1", "sum")
             if (r := reductions.apply(name, answer.value, answer.shape, answer.returned_value.shape))),
            None,
        )  # fmt: skip
        if reference is None or not numpy.any(reference[0].high):
            return None
        exact = reference[0].high.ravel()
        scale = float(exact @ answer.returned_value.ravel() / (exact @ exact))
        spread = _intermediates(answer, dtype)
        even = numpy.full(reference[0].high.shape, spread.mean())
        pairs = [
            Compared(reference[0].scaled(scale), answer.returned_value, even),
            Compared(answer.gradient.scaled(scale), answer.returned_gradient, spread),
        ]
        if not numpy.isfinite(scale) or scale == 0 or not all(close([pair], dtype) for pair in pairs):
            return None
        scales.append(scale)
    return scales[0] if scales and numpy.allclose(scales, scales[0], rtol=64 * errors.epsilon(dtype)) else None


def _difference(pairs: list[Compared], measured: list[errors.Errors], points: int, name: str | None) -> str:
    if not pairs:
        return "returns a shape that no reduction of the paper's values has"
    lost = sum(int(one.lost.sum()) for one in measured)
    if points and lost > points / 2:
        return f"0 at {lost} of {points} points where the paper has a number"
    pair, one = max(zip(pairs, measured, strict=True), key=lambda both: numpy.nan_to_num(both[1].absolute).max())
    where = numpy.unravel_index(numpy.nanargmax(one.absolute), one.absolute.shape)
    wrong = sum(int((~_within(p)).sum()) for p in pairs)
    reduction = f" under {name}" if name and name != "none" else ""
    got, expected = float(pair.actual[where]), float(pair.exact.high[where])
    return f"{got:.6g} where the paper has {expected:.6g}{reduction} ({wrong} of {points} points)"


def _within(pair: Compared) -> numpy.ndarray:
    with numpy.errstate(invalid="ignore"):
        return ~(numpy.abs(pair.exact.error(pair.actual)) > pair.allowed)


def _told(answers: list[Answered], quantity: str) -> str:
    """What was returned where there is nothing to compare it with."""
    returned = [answer.returned(quantity) for answer in answers]
    return "returns " + "; ".join(f"{float(numbers.sum()):.6g}" for numbers in returned)
