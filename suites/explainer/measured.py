"""Factors that no option reproduces, read off the observations themselves.

Where all but one factor are known, their quotient is the unknown one. If it depends on nothing but the label and alpha,
it is a weight; if it is a power of 1-p_t, its exponent is what the function makes of gamma.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy
import torch

from focalbench_suite.suites.explainer.search import Tolerance, reproduces
from focalbench_suite.suites.explainer.vocabulary.option import (
    Change,
    Context,
    Option,
    Points,
    Semantics,
    Tensor,
    Vocabulary,
    change,
    option,
)
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import SIGMOID

CONSTANTS = {  # a factor on every element that has a reason of its own
    1 / math.log(2): change("cross_entropy", "logarithm_base_2"),
    1 / math.log(10): change("cross_entropy", "logarithm_base_10"),
    -1.0: change("cross_entropy", "minus_sign_missing"),
}
PROBABILITY_AS_MEASURED = "probability_as_measured"  # known at the grid's logits alone, so it has no slope
FEWEST_LOGITS = 4  # that a label is read off from
ROUNDED = 1e-7  # below this two numbers are one, as a float32 intermediate rounds them
CLIPPED = 1e-3  # nearer to 0 or 1 than this, people's guards clip p
Table = dict[tuple[float, float], float]


def measure_factor(
    points: Points, observed: numpy.ndarray, vocabulary: Vocabulary, tolerance: Tolerance, power: str, dense: bool
) -> list[Semantics]:
    """Combinations in which one factor is measured instead of chosen; the plainest reading first."""
    single = points.x.shape[-1] == 1 or not dense
    if not single:
        return []
    for cost in (0, 1):
        found: list[Semantics] = []
        for parts in _known(vocabulary, cost):
            found += _weight(points, observed, parts, tolerance)
            found += _power(points, observed, parts, tolerance, power, dense) if power else ()
            found += _weight_in_p_t(points, observed, parts, tolerance, power) if power else ()
        found = [s for s in found if reproduces(s, points, observed, tolerance)]
        if found:
            return sorted(found, key=lambda s: len(s.changes))
    return []


def _known(vocabulary: Vocabulary, cost: int) -> Iterator[Semantics]:
    """Combinations of at most `cost` changes."""
    few = (vocabulary.contexts, vocabulary.weights, vocabulary.modulations, vocabulary.entropies)
    cheap = [[option for option in group if option.cost <= cost] for group in few]
    for context, weight, modulation, entropy in _combinations(cheap, cost):
        yield Semantics(context, weight, modulation, entropy)


def _combinations(groups: list[list], cost: int) -> Iterator[tuple]:
    free = [[option for option in group if option.cost == 0] for group in groups]
    if cost == 0:
        yield from itertools.product(*free)
        return
    for index, group in enumerate(groups):
        changed = [option for option in group if option.cost == cost]
        yield from itertools.product(*(changed if i == index else free[i] for i in range(len(groups))))


def _quotient(observed: numpy.ndarray, known: Tensor) -> numpy.ndarray:
    with numpy.errstate(all="ignore"):
        return observed / known.sum(-1).numpy()


def _weight(points: Points, observed: numpy.ndarray, parts: Semantics, tolerance: Tolerance) -> Iterator[Semantics]:
    """A weight that depends on nothing but label and alpha."""
    if parts.weight.cost:
        return
    with torch.no_grad():
        _, modulation, entropy, seen = parts.factors(points)
        share = 1.0 if seen.share is None else seen.share
        ratio = _quotient(observed, modulation * entropy * share)
        usual = _quotient(
            (parts.weight.apply(seen) * modulation * entropy * share).sum(-1).numpy(), modulation * entropy * share
        )
    usable = numpy.isfinite(ratio) & (observed != 0)
    if usable.sum() < 8:
        return
    with numpy.errstate(all="ignore"):
        scale = ratio / usual
    if _constant(scale[usable], tolerance):
        yield _scaled(parts, float(numpy.median(scale[usable])))
        return
    if parts.entropy.formula == "BCE":
        sides = [scale[usable & (points.y[:, 0] == label).numpy()] for label in (1.0, 0.0)]
        if all(len(side) > 2 and _constant(side, tolerance) for side in sides):
            yield _sided(parts, *(float(f"{numpy.median(side):.6g}") for side in sides))
    table = _table(ratio, _label_and_alpha(points), usable, tolerance)
    if table is not None:
        papers = _table(usual, _label_and_alpha(points), usable, tolerance) or {}
        told = _as_measured("weights_as_measured", table, points, papers)
        yield replace(parts, weight=Option((told,), "w(y, alpha)", _lookup(table)))


def _label_and_alpha(points: Points) -> list:
    """What a weight may depend on, in every call."""
    return list(zip(points.y[:, 0].tolist(), _alphas(points), strict=True))


def _as_measured(code: str, table: Table, points: Points, papers: Table | None = None) -> Change:
    """What was measured; where some of the weights are the paper's, the others alone, and that there are such."""
    others = {key: value for key, value in table.items() if not _close(value, (papers or {}).get(key, math.nan))}
    rows = tuple((y, None if math.isnan(a) else a, value) for (y, a), value in others.items())
    of = points.parameters.get("alpha")
    whose = "class weights" if of is not None and of.shape[-1] > 1 else "alpha"
    elsewhere = {"elsewhere_papers": True} if len(others) < len(table) else {}
    return change("alpha", code, table=rows, whose=whose, **elsewhere)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-5)


def _weight_in_p_t(
    points: Points, observed: numpy.ndarray, parts: Semantics, tolerance: Tolerance, power: str
) -> Iterator[Semantics]:
    """A weight of label and alpha that has entered p_t, too: the loss is (1-exp(-w CE))^g w CE."""
    if parts.changes:
        return
    raised = points.parameters[power]
    with torch.no_grad():
        entropy = parts.entropy.apply(points)[:, 0]
        powers = torch.zeros_like(entropy) if raised is None else raised[:, 0]
    weighted = _weighted_entropy(torch.as_tensor(observed), powers).numpy()
    ratio = _quotient(weighted, entropy[:, None])
    usable = numpy.isfinite(ratio) & (observed != 0)
    table = _table(ratio, _label_and_alpha(points), usable, replace(tolerance, relative=10 * tolerance.relative))
    if table is None:
        return
    told, weight = _as_measured("weights_in_p_t_as_measured", table, points), _lookup(table)

    def factor(s: Points) -> Tensor:
        raised = s.parameters[power]
        miss = 1 - (-weight(s) * parts.entropy.apply(s)).exp()
        return torch.ones_like(miss) if raised is None else miss**raised

    modulation = Option((told,), f"(1-exp(-w CE))^{power}", factor)
    yield replace(parts, weight=Option((told,), "w(y, alpha)", weight), modulation=modulation)


def _weighted_entropy(observed: Tensor, powers: Tensor) -> Tensor:
    """The e for which (1-exp(-e))^g e is what was observed, by halving: that grows with e."""
    low, high = torch.zeros_like(observed), torch.full_like(observed, 1e4)
    for _ in range(100):
        middle = (low + high) / 2
        below = (1 - torch.exp(-middle)) ** powers * middle < observed
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _constant(numbers: numpy.ndarray, tolerance: Tolerance) -> bool:
    middle = numpy.median(numbers)
    return bool(
        numpy.isfinite(numbers).all() and (numpy.abs(numbers - middle) <= 3 * tolerance.relative * abs(middle)).all()
    )


def _scaled(parts: Semantics, scale: float) -> Semantics:
    told = change("normaliser", "every_element_scaled", factor=float(f"{scale:.6g}"))
    for constant, reason in CONSTANTS.items():
        if abs(scale / constant - 1) < 1e-5:
            told = reason
    weight = parts.weight
    return replace(
        parts,
        weight=Option(
            (told,),
            " · ".join(filter(None, (f"{scale:.6g}", weight.formula))),
            lambda s: scale * weight.apply(s),
        ),
    )


def _sided(parts: Semantics, positive: float, negative: float) -> Semantics:
    """Positives and negatives weighed apart within the cross entropy, as ``pos_weight`` does."""
    told = change(
        "cross_entropy", "sides_weighted_in_cross_entropy", positive=positive, negative=negative,
        ratio=positive / negative if negative else math.inf,
    )  # fmt: skip
    weighed = option(f"-({positive!r}*y*log_p + {negative!r}*(1 - y)*log_q)", SIGMOID, told)
    return replace(parts, entropy=weighed)


def _alphas(points: Points) -> list[float]:
    alpha = points.parameters.get("alpha")
    return [math.nan] * len(points.x) if alpha is None else alpha[:, 0].tolist()


def _table(ratio: numpy.ndarray, keys: list, usable: numpy.ndarray, tolerance: Tolerance) -> Table | None:
    """One number for each label and alpha, or None where the quotient depends on more than those."""
    table: Table = {}
    for key in dict.fromkeys(keys):
        mine = numpy.array([k == key or str(k) == str(key) for k in keys]) & usable
        if mine.sum() < 3 or not _constant(ratio[mine], tolerance):
            return None
        table[key] = float(numpy.median(ratio[mine]))
    return table if len(table) > 1 else None


def _lookup(table: Table) -> Callable[[Points], Tensor]:
    def weight(s: Points) -> Tensor:
        given = s.parameters.get("alpha")
        alpha = torch.full_like(s.x[:, :1], math.nan) if given is None else given[:, :1]
        out = torch.full(s.y.shape, math.nan, dtype=s.x.dtype)
        for (y, a), value in table.items():
            same = (alpha == a) | (torch.isnan(alpha) & math.isnan(a))
            out = torch.where((s.y == y) & same, torch.as_tensor(value, dtype=s.x.dtype), out)
        return out

    return weight


def _power(
    points: Points, observed: numpy.ndarray, parts: Semantics, tolerance: Tolerance, power: str, dense: bool
) -> Iterator[Semantics]:
    """A modulating factor c (1-p_t)^e with c and e for each label and gamma."""
    if parts.modulation.cost or parts.context.cost:
        return
    with torch.no_grad():
        weight, _, entropy, seen = parts.factors(points)
        ratio = _quotient(observed, weight * entropy)
        base = (
            (seen.y * torch.sigmoid(-seen.x) + (1 - seen.y) * torch.sigmoid(seen.x))[:, 0] if dense else _row_miss(seen)
        )
    usable = numpy.isfinite(ratio) & (ratio > 0) & (observed != 0)
    raised = points.parameters[power]
    powers = [] if raised is None else raised[:, 0].tolist()
    for sides in ([None] * len(powers), points.y[:, 0].tolist() if dense else None):
        table = sides and _exponents(base.numpy(), ratio, list(zip(sides, powers, strict=True)), usable, tolerance)
        if table:
            yield replace(parts, modulation=_raised(table, power, dense))
            return


def _exponents(
    base: numpy.ndarray, ratio: numpy.ndarray, keys: list, usable: numpy.ndarray, tolerance: Tolerance
) -> dict[tuple, tuple[float, float]] | None:
    """Exponent and factor for each key, or None where the quotient is no power of the base."""
    table = {}
    for key in dict.fromkeys(keys):
        mine = numpy.array([k == key for k in keys]) & usable
        if mine.sum() < 4 or numpy.ptp(base[mine]) < 1e-3:
            continue
        exponent, logarithm = numpy.polyfit(numpy.log(base[mine]), numpy.log(ratio[mine]), 1)
        if not tolerance.same(ratio[mine], numpy.exp(logarithm) * base[mine] ** exponent).all():
            return None
        table[key] = (float(exponent), float(numpy.exp(logarithm)))
    return table


def _raised(table: dict, power: str, dense: bool) -> Option:
    rows = tuple((y, g, c, e) for (y, g), (e, c) in table.items())
    told = change("gamma", "factor_as_measured", power=power, table=rows)

    def modulation(s: Points) -> Tensor:
        miss = s.y * torch.sigmoid(-s.x) + (1 - s.y) * torch.sigmoid(s.x) if dense else _row_miss(s)[:, None]
        out = torch.full_like(miss, math.nan)
        for (y, g), (e, c) in table.items():
            mine = (s.parameters[power] == g) & (torch.ones_like(miss, dtype=torch.bool) if y is None else s.y == y)
            out = torch.where(mine, c * miss**e, out)
        return out

    return Option((told,), "c (1-p_t)^e", modulation)


def _row_miss(s: Points) -> Tensor:
    p = s.x.softmax(-1)
    return 1 - p.gather(-1, s.y)[:, 0]


def only_at_the_grid(semantics: Semantics) -> bool:
    """Whether the combination was measured at the grid's logits, and so says nothing of others."""
    return any(told.code == PROBABILITY_AS_MEASURED for told in semantics.changes)


def _unmodulated(points: Points) -> numpy.ndarray:
    """The calls whose power is 0."""
    power = next((points.parameters[name] for name in ("gamma", "beta") if name in points.parameters), None)
    return numpy.zeros(len(points.x), bool) if power is None else (power[:, 0] == 0).numpy()


def labels_read_off(points: Points, observed: numpy.ndarray) -> list[tuple[float, float]] | None:
    """What the labels 1 and 0 have become, from calls without modulation.

    There the loss of a label y' is k (softplus(x) - y' x), or -k log(y' p + (1-y') (1-p)) where p_t is blended before
    its logarithm. None where these are all 0 and so say nothing.
    """
    plain = _unmodulated(points)
    alphas = numpy.nan_to_num(numpy.array(_alphas(points)), nan=-1.0)
    if points.x.shape[-1] != 1 or not plain.any():
        return []
    if not observed[plain].any():
        return None
    equal = bool((alphas[plain] == 0.5).any())
    usual = alphas == (0.5 if equal else alphas[plain][0])
    for read in (_label_in_cross_entropy, _label_in_p_t):
        found = []
        for label in (1.0, 0.0):
            mine = plain & usual & (points.y[:, 0] == label).numpy() & numpy.isfinite(observed)
            found.append(read(points.x[mine, 0].numpy(), observed[mine], 0.5 if equal else 1.0))
        one, zero = found
        if one is not None and zero is not None:
            return [(one, zero)] if 0 <= zero < one <= 1 and (one, zero) != (1.0, 0.0) else []
    return []


def _label_in_cross_entropy(x: numpy.ndarray, observed: numpy.ndarray, _scale: float) -> float | None:
    if len(x) < FEWEST_LOGITS:
        return None
    columns = numpy.stack((numpy.logaddexp(0, x), -x), axis=1)
    (scale, slope), *_ = numpy.linalg.lstsq(columns, observed, rcond=None)
    if numpy.abs(columns @ (scale, slope) - observed).max() > ROUNDED or scale == 0:
        return None
    return round(float(slope / scale), 9)


def _label_in_p_t(x: numpy.ndarray, observed: numpy.ndarray, scale: float) -> float | None:
    p = _sigmoid(x)
    inside = (p > CLIPPED) & (p < 1 - CLIPPED)
    if inside.sum() < FEWEST_LOGITS:
        return None
    with numpy.errstate(all="ignore"):
        hit = numpy.exp(-observed[inside] / scale)
    (label,), *_ = numpy.linalg.lstsq((2 * p[inside] - 1)[:, None], hit - (1 - p[inside]), rcond=None)
    if not numpy.abs((2 * p[inside] - 1) * label + 1 - p[inside] - hit).max() < ROUNDED:
        return None
    return float(f"{label:.4g}") if label < 0.5 else 1 - float(f"{1 - label:.4g}")


def _sigmoid(x: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-x))


def _affine(x: numpy.ndarray, y: numpy.ndarray) -> bool:
    """Whether y is a straight line in x."""
    return bool(numpy.abs(numpy.polyval(numpy.polyfit(x, y, 1), x) - y).max() < ROUNDED)


def activations(points: Points, observed: numpy.ndarray) -> Iterator[Context]:
    """Another probability in place of the sigmoid, read off calls without modulation, where the loss is -k log p_t."""
    plain = _unmodulated(points) & numpy.isfinite(observed)
    alphas = numpy.nan_to_num(numpy.array(_alphas(points)), nan=-1.0)
    if points.x.shape[-1] != 1 or not plain.any():
        return
    equal = 0.5 in alphas[plain]
    plain &= alphas == (0.5 if equal else alphas[plain][0])
    scale = {1.0: 0.5, 0.0: 0.5} if equal else {1.0: 1.0, 0.0: 1.0}
    found: dict[float, dict[float, float]] = {}
    for label in (1.0, 0.0):
        mine = plain & (points.y[:, 0] == label).numpy()
        with numpy.errstate(all="ignore"):
            hit = numpy.exp(-observed[mine] / scale[label])
        found[label] = dict(zip(points.x[mine, 0].tolist(), hit if label else 1 - hit, strict=True))
    table = {x: p for x, p in found[1.0].items() if abs(p - found[0.0].get(x, math.nan)) < 1e-7}
    usual = all(abs(p - 1 / (1 + math.exp(-x))) < 1e-7 for x, p in table.items())
    if len(table) < 6 or len(table) < len(found[1.0]) or usual or not all(0 < p < 1 for p in table.values()):
        return
    x = numpy.array(list(table))
    z = numpy.log(list(table.values())) - numpy.log1p(-numpy.array(list(table.values())))
    if _affine(_sigmoid(x), numpy.array(list(table.values()))):
        return  # the sigmoid itself, blended by another label
    slope, shift = numpy.polyfit(x, z, 1)
    if numpy.abs(slope * x + shift - z).max() < 1e-5:
        slope, shift = round(float(slope), 9), round(float(shift), 9)
        shifted = f" {shift:+.6g}" if shift else ""
        told = change("activation", "sigmoid_of_scaled_logit", slope=slope, shift=shift)
        yield Context((told,), f"x = {slope:.6g} logit{shifted}", lambda s: replace(s, x=slope * s.x + shift))
        return
    told = change("activation", PROBABILITY_AS_MEASURED, table=tuple(table.items()))
    logits = dict(zip(x.tolist(), z.tolist(), strict=True))

    def looked_up(s: Points) -> Points:
        values = torch.full_like(s.x, math.nan)
        for x, z in logits.items():
            values = torch.where(s.x == x, torch.as_tensor(z, dtype=s.x.dtype), values)
        return replace(s, x=values)

    yield Context((told,), "p(x) as measured", looked_up)
