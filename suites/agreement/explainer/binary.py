"""The vocabulary of the sigmoid losses: focal, quality focal, varifocal and their cross entropies.

Every factor is written for hard labels as a pair (on a positive, on a negative) and then read with a rule that says
what it does between 0 and 1. The functions here are only right where float64 is comfortable (|logit| up to about 10).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch.nn.functional import softplus

from suites.agreement.explainer.option import Change, Context, Option, Points, Tensor, Vocabulary

EPSILONS = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05)
RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "y > 0.5": lambda y: (y > 0.5).to(y),
    "y >= 0.5": lambda y: (y >= 0.5).to(y),
    "y == 1": lambda y: (y == 1).to(y),
    "y > 0": lambda y: (y > 0).to(y),
}


def vocabulary(
    loss: str, parameters: set[str], smoothing: Iterable[tuple[float, float]] = (), epsilons: Iterable[float] = EPSILONS
) -> Vocabulary:
    """All options of `loss` for a function that takes `parameters`; `smoothing` are label pairs (of 1, of 0) to try."""
    power = "beta" if loss == "quality_focal" else "gamma"
    free = power in parameters
    return Vocabulary(
        _weights(loss, "alpha" in parameters),
        _modulations(loss, free, power),
        _entropies(epsilons),
        _contexts(loss, smoothing, free and "alpha" in parameters, power),
    )


# -- weight -----------------------------------------------------------------------------------------------------------

# name: what a positive and a negative are weighted with
SIDES = {
    "(1-alpha) on positives, alpha on negatives": (lambda a: 1 - a, lambda a: a),
    "alpha on positives only, negatives unweighted": (lambda a: a, lambda a: 1 + 0 * a),
    "1-alpha on negatives only, positives unweighted": (lambda a: 1 + 0 * a, lambda a: 1 - a),
    "alpha on positives and negatives alike": (lambda a: a, lambda a: a),
    "1-alpha on positives and negatives alike": (lambda a: 1 - a, lambda a: 1 - a),
    "alpha on negatives only, positives unweighted": (lambda a: 1 + 0 * a, lambda a: a),
    "1-alpha on positives only, negatives unweighted": (lambda a: 1 - a, lambda a: 1 + 0 * a),
    "alpha squared": (lambda a: a**2, lambda a: (1 - a) ** 2),
    "the square root of alpha": (lambda a: a**0.5, lambda a: (1 - a) ** 0.5),
    "2 alpha and 2 (1-alpha)": (lambda a: 2 * a, lambda a: 2 * (1 - a)),
    "alpha / (1-alpha) on positives": (lambda a: a / (1 - a), lambda a: 1 + 0 * a),
    "(1-alpha) / alpha on negatives": (lambda a: 1 + 0 * a, lambda a: (1 - a) / a),
    "1+alpha on positives": (lambda a: 1 + a, lambda a: 1 + 0 * a),
    "alpha on positives, 0 on negatives": (lambda a: a, lambda a: 0 * a),
}


def _between(y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return y * positive + (1 - y) * negative


def _weights(loss: str, free: bool) -> list[Option]:
    if loss == "varifocal":
        return _varifocal_weights(free)
    if loss in ("quality_focal", "cross_entropy"):
        return [_one(), *_fixed_weights(), _target_weight("quality_focal")]
    if not free:  # alpha is no parameter: off and the paper's 0.25 are both the paper's
        paper = _side("0.25 on positives, 0.75 on negatives", (), lambda a: 0.25 + 0 * a, lambda a: 0.75 + 0 * a)
        return [_one(), paper, *_fixed_weights(), *_balanced()]
    default = _side("alpha_t", (), lambda a: a, lambda a: 1 - a)
    options = [default, *_ruled("alpha_t", (), lambda a: a, lambda a: 1 - a)]
    ignored = Change("alpha", "alpha is ignored: positives and negatives weigh 1")
    options.append(_one(ignored))
    for name, sides in SIDES.items():
        change = Change("alpha", f"weighs with {name}, instead of alpha on positives and 1-alpha on negatives")
        options += [_side(f"[{name}]", (change,), *sides), *_ruled(f"[{name}]", (change,), *sides)]
    options += _balanced()
    for value in (0.25, 0.5, 0.75):
        change = Change("alpha", f"alpha is ignored and {value:g} used instead")
        fixed = (lambda a, v=value: v + 0 * a, lambda a, v=value: 1 - v + 0 * a)
        options.append(_side(f"({value:g} if positive else {1 - value:g})", (change,), *fixed))
    return options


def _one(*changes: Change) -> Option:
    return Option(changes, "", lambda s: torch.ones_like(s.x))


def _alpha(s: Points) -> Tensor:
    return torch.full_like(s.x, 0.5) if s.alpha is None else s.alpha.expand_as(s.x)


def _side(formula: str, changes: tuple[Change, ...], positive: Callable, negative: Callable) -> Option:
    def weight(s: Points) -> Tensor:
        if s.alpha is None and formula == "alpha_t":
            return torch.ones_like(s.x)
        return _between(s.y, positive(_alpha(s)), negative(_alpha(s)))

    return Option(changes, formula, weight)


def _ruled(formula: str, changes: tuple[Change, ...], positive: Callable, negative: Callable) -> list[Option]:
    plain = _side(formula, changes, positive, negative)
    return [
        Option(
            (*changes, Change("soft_labels", f"alpha's side is chosen by {rule}, also for soft labels")),
            f"{formula}({rule})",
            lambda s, r=read: plain.apply(replace(s, y=r(s.y))),
        )
        for rule, read in RULES.items()
    ]


def _fixed_weights() -> list[Option]:
    """Weights of a function that should have none (or takes no alpha)."""
    pairs = [(0.75, 0.25), (0.5, 0.5), (0.25, 1.0), (0.75, 1.0), (1.0, 0.25), (1.0, 0.75), (0.25, 0.25), (0.25, 0.75),
             (0.75, 0.75)]  # fmt: skip
    return [
        _side(
            f"({one:g} if positive else {zero:g})",
            (Change("alpha", f"positives are weighted {one:g} and negatives {zero:g}"),),
            lambda a, v=one: v + 0 * a,
            lambda a, v=zero: v + 0 * a,
        )
        for one, zero in pairs
    ]


def _balanced() -> list[Option]:
    """Weights that are computed from the targets of the batch."""
    told = {
        "1-f on positives, f on negatives": (lambda f: 1 - f, lambda f: f),
        "f on positives, 1-f on negatives": (lambda f: f, lambda f: 1 - f),
        "(1-f)/f on positives": (lambda f: (1 - f) / f, lambda f: 1 + 0 * f),
        "1/f on positives, 1/(1-f) on negatives": (lambda f: 1 / f, lambda f: 1 / (1 - f)),
    }
    return [
        Option(
            (Change("alpha", f"weighs with {name}, where f is the mean target of the batch"),), f"[{name}]",
            lambda s, p=positive, n=negative: _between(s.y, p(s.positives), n(s.positives)),
        )
        for name, (positive, negative) in told.items()
    ]  # fmt: skip


def _target_weight(kind: str) -> Option:
    change = Change("soft_labels", "each element is weighted with its target, so negatives (y = 0) weigh nothing")
    return Option((change,), "y", lambda s: s.y)


def _varifocal_weights(free: bool) -> list[Option]:
    """(formula, change, weight of y > 0, weight of y = 0)."""
    alpha = (lambda s: _alpha(s)) if free else (lambda s: torch.full_like(s.x, 0.75))

    def option(
        formula: str, change: Change | None, positive: Callable, negative: Callable, rule: str = "y > 0"
    ) -> Option:
        def weight(s: Points) -> Tensor:
            return torch.where(RULES[rule](s.y) > 0, positive(s), negative(s))

        return Option((change,) if change else (), formula, weight)

    def y(s: Points) -> Tensor:
        return s.y

    def one(s: Points) -> Tensor:
        return torch.ones_like(s.x)

    soft, a = "soft_labels", "alpha"
    options = [
        option("(y if y > 0 else alpha)", None, y, alpha),
        option("(1 if y > 0 else alpha)", Change(soft, "positives are not weighted with their target"), one, alpha),
        option("(alpha y if y > 0 else alpha)", Change(a, "alpha weighs positives, too"), lambda s: alpha(s) * s.y, alpha),
        option("(alpha y if y > 0 else 1)", Change(a, "alpha weighs positives instead of negatives"),
               lambda s: alpha(s) * s.y, one),
        option("(alpha y if y > 0 else 1-alpha)", Change(a, "alpha weighs positives and 1-alpha negatives"),
               lambda s: alpha(s) * s.y, lambda s: 1 - alpha(s)),
        option("(alpha if y > 0 else 1-alpha)", Change(a, "alpha weighs positives (in place of the target) and 1-alpha negatives"),
               alpha, lambda s: 1 - alpha(s)),
        option("(alpha if y > 0 else 1)", Change(a, "alpha weighs positives in place of their target"), alpha, one),
        option("(y if y > 0 else 1-alpha)", Change(a, "negatives are weighted with 1-alpha"), y, lambda s: 1 - alpha(s)),
        option("((1-alpha) y if y > 0 else alpha)", Change(a, "positives are weighted with 1-alpha, too"),
               lambda s: (1 - alpha(s)) * s.y, alpha),
        option("(y if y > 0 else 1)", Change(a, "alpha is ignored: negatives weigh 1"), y, one),
        option("(y if y > 0 else alpha^2)", Change(a, "negatives are weighted with alpha squared"), y, lambda s: alpha(s) ** 2),
        option("(y^2 if y > 0 else alpha)", Change(soft, "positives are weighted with the square of their target"),
               lambda s: s.y**2, alpha),
        option("(y^gamma if y > 0 else alpha)", Change(soft, "positives are weighted with their target to the power gamma"),
               lambda s: s.y ** s.gamma, alpha),
        option("(y if y > 0 else 0)", Change(a, "negatives are not counted"), y, lambda s: torch.zeros_like(s.x)),
        Option((Change(soft, "the two cases are blended by the target instead of chosen by y > 0"),), "(y·y + (1-y) alpha)",
               lambda s: s.y * s.y + (1 - s.y) * alpha(s)),
        Option((Change(a, "alpha weighs every element, positives included"),), "alpha", alpha),
        Option((Change(soft, "every element is weighted with its target, so negatives (y = 0) weigh nothing"),), "y", y),
        Option((Change(a, "neither the target nor alpha weigh anything"),), "", one),
    ]  # fmt: skip
    for rule in ("y > 0.5", "y >= 0.5", "y == 1"):
        options.append(
            option(
                f"(y if {rule} else alpha)", Change(soft, f"positives are those with {rule}, not y > 0"), y, alpha, rule
            )
        )
    return options


# -- modulation -------------------------------------------------------------------------------------------------------

# name: the modulating factor from miss = 1 - p_t, hit = p_t and gamma
POWERS = {
    "p_t^{g}": (lambda q, h, g: h**g, "uses p_t^{g} instead of (1-p_t)^{g}"),
    "1": (lambda q, h, g: torch.ones_like(q), "has no modulating factor: {g} has no effect"),
    "{g}(1-p_t)": (lambda q, h, g: g * q, "multiplies by {g} (1-p_t) instead of raising to the power {g}"),
    "(1-p_t)^(1/{g})": (lambda q, h, g: q ** (1 / g), "raises to the power 1/{g}"),
    "(1-p_t)^({g}+1)": (lambda q, h, g: q ** (g + 1), "raises to the power {g}+1"),
    "(1-p_t)^({g}-1)": (lambda q, h, g: q ** (g - 1), "raises to the power {g}-1"),
    "(1-p_t)^({g}/2)": (lambda q, h, g: q ** (g / 2), "raises to the power {g}/2"),
    "(1-p_t)^(2{g})": (lambda q, h, g: q ** (2 * g), "raises to the power 2 {g}"),
    "(1-p_t)^({g}^2)": (lambda q, h, g: q ** (g * g), "raises to the power {g}^2"),
    "(1-p_t)^2": (lambda q, h, g: q**2, "{g} is ignored: the power is always 2"),
    "(1-p_t)^1": (lambda q, h, g: q, "{g} is ignored: the power is always 1"),
    "(1-p_t)^1.5": (lambda q, h, g: q**1.5, "{g} is ignored: the power is always 1.5"),
    "(1-p_t)^max({g},1)": (lambda q, h, g: q ** g.clamp(min=1), "raises {g} to at least 1"),
    "(1-p_t)^min({g},2)": (lambda q, h, g: q ** g.clamp(max=2), "limits {g} to 2"),
    "(1-p_t)^int({g})": (lambda q, h, g: q ** g.trunc(), "cuts {g} to an integer"),
    "(1-p_t)^round({g})": (lambda q, h, g: q ** g.round(), "rounds {g} to an integer"),
    "(1-p_t)^ceil({g})": (lambda q, h, g: q ** g.ceil(), "rounds {g} up to an integer"),
    "(1-p_t)^({g} or 2)": (lambda q, h, g: q ** torch.where(g == 0, 2.0, g), "takes {g} = 0 for absent and uses 2"),
    "(0 if {g} = 0)": (lambda q, h, g: torch.where(g == 0, 0.0, q**g), "returns 0 at {g} = 0"),
    "{g}^(1-p_t)": (lambda q, h, g: g**q, "has {g} as the base and 1-p_t as the exponent"),
    "exp({g}(1-p_t))": (lambda q, h, g: (g * q).exp(), "uses exp({g} (1-p_t)) instead of a power"),
    "exp(-{g} p_t)": (lambda q, h, g: (-g * h).exp(), "uses exp(-{g} p_t) instead of a power"),
    "(1-p_t^{g})": (lambda q, h, g: 1 - h**g, "uses 1-p_t^{g} instead of (1-p_t)^{g}"),
    "(1-p_t)^-{g}": (lambda q, h, g: q**-g, "raises to the power -{g}"),
    "(1+p_t)^{g}": (lambda q, h, g: (1 + h) ** g, "uses 1+p_t instead of 1-p_t"),
    "(2-p_t)^{g}": (lambda q, h, g: (1 + q) ** g, "adds 1 to 1-p_t before the power"),
    "(1+(1-p_t)^{g})": (lambda q, h, g: 1 + q**g, "adds 1 to the modulating factor"),
    "(1-(1-p_t)^{g})": (lambda q, h, g: 1 - q**g, "uses 1-(1-p_t)^{g} instead of (1-p_t)^{g}"),
    "(1-p_t)+{g}": (lambda q, h, g: q + g, "adds {g} instead of raising to the power {g}"),
    "(p_t-1)^{g}": (lambda q, h, g: (h - 1) ** g, "uses p_t-1, whose odd powers are negative and fractional ones NaN"),
    "(1-p_t)/{g}": (lambda q, h, g: q / g, "divides by {g} instead of raising to the power {g}"),
    "(-log p_t)^{g}": (lambda q, h, g: (-h.log()) ** g, "raises -log p_t instead of 1-p_t to the power {g}"),
    "sqrt((1-p_t)^{g} + p_t^{g})": (lambda q, h, g: (q**g + h**g) ** 0.5, "mixes both powers under a root"),
    "p_t^{g} + (1-p_t)^{g}": (lambda q, h, g: q**g + h**g, "adds p_t^{g} to the modulating factor"),
    "tanh": (lambda q, h, g: torch.tanh(g * q), "uses tanh({g} (1-p_t)) instead of a power"),
    "(1+{g}(1-p_t))": (lambda q, h, g: 1 + g * q, "uses 1+{g} (1-p_t) instead of a power"),
    "(1-p_t)^({g}+1-p_t)": (lambda q, h, g: q ** (g + q), "raises to the power {g}+1-p_t, which falls with p_t"),
    "(1-p_t)^({g}+p_t)": (lambda q, h, g: q ** (g + h), "raises to the power {g}+p_t"),
    "(1-p_t)^({g}(1-p_t))": (lambda q, h, g: q ** (g * q), "raises to the power {g} (1-p_t)"),
    "(1-p_t)^({g} p_t)": (lambda q, h, g: q ** (g * h), "raises to the power {g} p_t"),
    "(1-p_t)^max({g},0.5)": (lambda q, h, g: q ** g.clamp(min=0.5), "raises {g} to at least 0.5"),
    "(1-p_t)^max({g},2)": (lambda q, h, g: q ** g.clamp(min=2), "raises {g} to at least 2"),
    "(1-p_t)^min({g},1)": (lambda q, h, g: q ** g.clamp(max=1), "limits {g} to 1"),
    "(1-p_t)^3": (lambda q, h, g: q**3, "{g} is ignored: the power is always 3"),
    "(1-p_t)^0.5": (lambda q, h, g: q**0.5, "{g} is ignored: the power is always 0.5"),
    "(p_t(1-p_t))^{g}": (lambda q, h, g: (q * h) ** g, "uses p_t (1-p_t) instead of 1-p_t"),
}


def power_statement(statement: str, power: str) -> str:
    """An entry of `POWERS` as a sentence."""
    told = statement.format(g=power)
    return told if told.startswith(f"{power} is") else f"the modulating factor {told}"


def _p(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(x), torch.sigmoid(-x)


def _miss(s: Points) -> tuple[Tensor, Tensor]:
    p, q = _p(s.x)
    return _between(s.y, q, p), _between(s.y, p, q)


def _distance(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = _p(s.x)
    return (s.y - p).abs(), 1 - (s.y - p).abs()


def _exponential(s: Points) -> tuple[Tensor, Tensor]:
    hit = (-_cross_entropy(s)).exp()
    return 1 - hit, hit


def _signed(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = _p(s.x)
    return s.y - p, 1 - (s.y - p)


def _signed_other(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = _p(s.x)
    return p - s.y, 1 - (p - s.y)


def _logit_distance(s: Points) -> tuple[Tensor, Tensor]:
    return (s.y - s.x).abs(), 1 - (s.y - s.x).abs()


def _clamped(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = _p(s.x)
    return (s.y - p).clamp(min=0), 1 - (s.y - p).clamp(min=0)


FAMILIES = {  # name: (where, miss and hit)
    "interpolated": ("p_t = p y + (1-p)(1-y)", _miss),
    "distance": ("1-p_t = |y-p|", _distance),
    "exponential": ("p_t = exp(-BCE)", _exponential),
    **{
        rule: (f"p_t = p if {rule} else 1-p", lambda s, r=read: _miss(replace(s, y=r(s.y))))
        for rule, read in RULES.items()
    },
}
READINGS = {  # families that also change hard labels
    "y-p": ("gamma", "takes y-p without the absolute value", _signed),
    "p-y": ("gamma", "takes p-y without the absolute value", _signed_other),
    "max(y-p, 0)": ("gamma", "cuts y-p off at 0, so that negatives have no modulating factor", _clamped),
    "1-p": ("gamma", "uses 1-p for positives and negatives alike, instead of 1-p_t",
            lambda s: (torch.sigmoid(-s.x), torch.sigmoid(s.x))),
    "p": ("gamma", "uses p for positives and negatives alike, instead of 1-p_t",
          lambda s: (torch.sigmoid(s.x), torch.sigmoid(-s.x))),
    "1-sigmoid(p_t)": ("activation", "applies the sigmoid twice in the modulating factor",
                       lambda s: _miss(replace(s, x=torch.sigmoid(s.x)))),
    "|y-x|": ("activation", "takes the distance between target and logit, without the sigmoid", _logit_distance),
    "1-p_t from logits": ("activation", "uses the logits as if they were probabilities in the modulating factor",
                          lambda s: (_between(s.y, 1 - s.x, s.x), _between(s.y, s.x, 1 - s.x))),
}  # fmt: skip


def _modulations(loss: str, free: bool, power: str) -> list[Option]:
    if loss in ("cross_entropy", "balanced_cross_entropy"):
        return [
            _one(),
            *(_power_option(_miss, "", lambda q, h, g, e=e: q**e, _ignored(e)) for e in (0.5, 1.0, 1.5, 2.0)),
        ]
    if loss == "varifocal":
        return _varifocal_modulations(free)
    default = "distance" if loss == "quality_focal" else "interpolated"
    options = []
    for name, (where, family) in sorted(FAMILIES.items(), key=lambda item: item[0] != default):
        soft = () if name == default else (Change("soft_labels", f"for soft labels, {where} in the modulating factor"),)
        told = "" if name == default else f"[{where}]"
        if loss == "quality_focal" and name == default:
            told = "[1-p_t = |y-p|]"
        options.append(_power_option(family, f"(1-p_t)^{power}{told}", lambda q, h, g: q**g, soft))
        for formula, (function, statement) in POWERS.items():
            change = Change("gamma", power_statement(statement, power))
            options.append(_power_option(family, formula.format(g=power) + told, function, (*soft, change)))
        if default != "distance":
            continue
    _, family = FAMILIES[default]
    for formula, (kind, statement, reading) in READINGS.items():
        options.append(
            _power_option(
                reading,
                f"({formula})^{power}",
                lambda q, h, g: q**g,
                (Change(kind, f"the modulating factor {statement}"),),
            )
        )
    options += [
        *_one_sided(family, power),
        *_blended(power),
        *_weighted_probability(power),
        *_late_epsilon(family, power),
    ]
    return options if free else _fixed_powers(default, options)


def _ignored(power: float) -> tuple[Change, ...]:
    return (Change("gamma", f"a modulating factor (1-p_t)^{power:g} is applied"),)


def _power_option(family: Callable, formula: str, function: Callable, changes: tuple[Change, ...]) -> Option:
    def modulation(s: Points) -> Tensor:
        miss, hit = family(s)
        return function(miss, hit, s.gamma.expand_as(miss))

    return Option(changes, formula, modulation)


def _fixed_powers(default: str, options: list[Option]) -> list[Option]:
    """A function without the parameter: the power 2 is the paper's default, another one is its own."""
    where, family = FAMILIES[default]
    own = [
        _power_option(
            family, f"(1-p_t)^{power:g}", lambda q, h, g, e=power: q**e,
            (Change("gamma", f"takes no gamma and uses {power:g}, not the paper's 2"),),
        )
        for power in (0.5, 1.0, 1.5, 2.5, 3.0, 4.0, 5.0)
    ]  # fmt: skip
    return [*options, *own]


def _one_sided(family: Callable, power: str) -> list[Option]:
    def only(positive: bool, read: Callable[[Tensor], Tensor]) -> Callable[[Points], Tensor]:
        def modulation(s: Points) -> Tensor:
            miss, _ = family(s)
            raised, side = miss**s.gamma, read(s.y)
            one = torch.ones_like(raised)
            return _between(side, raised, one) if positive else _between(side, one, raised)

        return modulation

    options = []
    for side, positive in (("positives", True), ("negatives", False)):
        change = Change("gamma", f"the modulating factor applies to {side} only")
        formula = f"((1-p_t)^{power} on {side}, else 1)"
        options.append(Option((change,), formula, only(positive, lambda y: y)))
        for rule, read in RULES.items():
            soft = Change("soft_labels", f"positives are those with {rule}")
            options.append(Option((change, soft), f"{formula}[{rule}]", only(positive, read)))
    return options


def _blended(power: str) -> list[Option]:
    def modulation(s: Points) -> Tensor:
        p, q = _p(s.x)
        return _between(s.y, q**s.gamma, p**s.gamma)

    change = Change("soft_labels", "for soft labels, the powers are blended by the target instead of p_t")
    return [Option((change,), f"[y (1-p)^{power} + (1-y) p^{power}]", modulation)]


def _weighted_probability(power: str) -> list[Option]:
    """p_t = exp(-weighted cross entropy): the class weight has entered the modulating factor."""

    def option(name: str, positive: Callable, negative: Callable) -> Option:
        def modulation(s: Points) -> Tensor:
            weight = _between(s.y, positive(_alpha(s)), negative(_alpha(s)))
            return (1 - (-weight * _cross_entropy(s)).exp()) ** s.gamma

        change = Change("alpha", f"alpha enters p_t: p_t = exp(-w BCE), with w = {name}")
        return Option((change,), f"(1-exp(-w BCE))^{power}[w = {name}]", modulation)

    def inside(s: Points) -> Tensor:
        weight = _between(s.y, _alpha(s), 1 - _alpha(s))
        return torch.where(weight == 0, 0.0, (weight * _miss(s)[0]) ** s.gamma / weight)

    change = Change("gamma", f"the power {power} is taken of alpha_t, too: (alpha_t (1-p_t))^{power}")
    sides = {"alpha_t": (lambda a: a, lambda a: 1 - a), **SIDES}
    return [
        *(option(name, *pair) for name, pair in sides.items()),
        Option((change,), f"(alpha_t (1-p_t))^{power}/alpha_t", inside),
    ]


def _late_epsilon(family: Callable, power: str) -> list[Option]:
    def option(epsilon: float) -> Option:
        def modulation(s: Points) -> Tensor:
            return (family(s)[0] + epsilon) ** s.gamma

        change = Change("precision", f"adds {epsilon:g} to 1-p_t before the power")
        return Option((change,), f"(1-p_t+{epsilon:g})^{power}", modulation)

    return [option(epsilon) for epsilon in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)]


def _varifocal_modulations(free: bool) -> list[Option]:
    def option(
        formula: str, change: Change | None, positive: Callable, negative: Callable, rule: str = "y > 0"
    ) -> Option:
        def modulation(s: Points) -> Tensor:
            p, q = _p(s.x)
            return torch.where(RULES[rule](s.y) > 0, positive(p, q, s.y, s.gamma), negative(p, q, s.y, s.gamma))

        return Option((change,) if change else (), formula, modulation)

    def one(p: Tensor, q: Tensor, y: Tensor, g: Tensor) -> Tensor:
        return torch.ones_like(p)

    def power(p: Tensor, q: Tensor, y: Tensor, g: Tensor) -> Tensor:
        return p**g

    g = "gamma"
    options = [
        option("(1 if y > 0 else p^gamma)", None, one, power),
        option("|y-p|^gamma", Change(g, "positives are modulated, too, with |y-p|^gamma"),
               lambda p, q, y, g: (y - p).abs() ** g, power),
        option("((1-p)^gamma if y > 0 else p^gamma)", Change(g, "positives are modulated, too, with (1-p)^gamma"),
               lambda p, q, y, g: q**g, power),
        option("p^gamma", Change(g, "positives are modulated, too, with p^gamma"), power, power),
        option("(p^gamma if y > 0 else 1)", Change(g, "positives are modulated instead of negatives"), power, one),
        option("(|y-p|^gamma if y > 0 else 1)", Change(g, "positives are modulated instead of negatives"),
               lambda p, q, y, g: (y - p).abs() ** g, one),
        option("1", Change(g, "has no modulating factor: gamma has no effect"), one, one),
        option("(1 if y > 0 else (1-p)^gamma)", Change(g, "negatives are modulated with 1-p instead of p"), one,
               lambda p, q, y, g: q**g),
        option("(1 if y > 0 else gamma p)", Change(g, "gamma is a factor, not a power"), one, lambda p, q, y, g: g * p),
        *(option(f"(1 if y > 0 else p^{e})", Change(g, f"negatives are modulated with p to the power {e}"), one,
                 lambda p, q, y, g, f=f: p ** f(g))
          for e, f in {"2, whatever gamma is": lambda g: 2 + 0 * g, "1, whatever gamma is": lambda g: 1 + 0 * g,
                       "gamma+1": lambda g: g + 1, "gamma-1": lambda g: g - 1, "1/gamma": lambda g: 1 / g,
                       "2 gamma": lambda g: 2 * g, "gamma/2": lambda g: g / 2,
                       "int(gamma)": lambda g: g.trunc()}.items()),
        option("(1 if y > 0 else 1-p^gamma)", Change(g, "uses 1-p^gamma"), one, lambda p, q, y, g: 1 - p**g),
        option("(1 if y > 0 else (1-p^... )", Change("activation", "applies the sigmoid twice in the modulating factor"), one,
               lambda p, q, y, g: torch.sigmoid(p) ** g),
        option("(p-y)^gamma", Change(g, "takes (p-y)^gamma without the absolute value, on positives, too"),
               lambda p, q, y, g: (p - y) ** g, power),
        option("(y-p)^gamma", Change(g, "takes (y-p)^gamma without the absolute value, on positives, too"),
               lambda p, q, y, g: (y - p) ** g, lambda p, q, y, g: (-p) ** g),
    ]  # fmt: skip
    for rule in ("y > 0.5", "y >= 0.5", "y == 1"):
        change = Change("soft_labels", f"positives are those with {rule}, not y > 0")
        options.append(option(f"(1 if {rule} else p^gamma)", change, one, power, rule))
        options.append(
            option(f"(1 if {rule} else |y-p|^gamma)", change, one, lambda p, q, y, g: (y - p).abs() ** g, rule)
        )
    options.append(
        Option((Change("soft_labels", "the two cases are blended by the target instead of chosen by y > 0"),), "[blended]",
               lambda s: (s.y * s.y + 0.75 * (1 - s.y) * torch.sigmoid(s.x) ** s.gamma) / (s.y * s.y + 0.75 * (1 - s.y)))
    )  # fmt: skip
    return options


# -- cross entropy ----------------------------------------------------------------------------------------------------


def _cross_entropy(s: Points) -> Tensor:
    return softplus(s.x, threshold=50) - s.x * s.y


def _entropies(epsilons: Iterable[float]) -> list[Option]:
    """Name: (kind, statement, function of p, 1-p, y, x)."""
    ce, activation = "cross_entropy", "activation"
    named = {
        "-log2 p_t": (ce, "the logarithm has base 2", lambda s: _cross_entropy(s) / math.log(2)),
        "-log10 p_t": (ce, "the logarithm has base 10", lambda s: _cross_entropy(s) / math.log(10)),
        "-y log p": (ce, "the part of the negatives, -(1-y) log(1-p), is missing", lambda s: -s.y * _p(s.x)[0].log()),
        "-(1-y) log(1-p)": (ce, "the part of the positives, -y log p, is missing", lambda s: -(1 - s.y) * _p(s.x)[1].log()),
        "-log p": (ce, "uses -log p for positives and negatives alike", lambda s: -_p(s.x)[0].log()),
        "-log(1-p)": (ce, "uses -log(1-p) for positives and negatives alike", lambda s: -_p(s.x)[1].log()),
        "-log(1-p_t)": (ce, "uses the other label's logarithm: -log(1-p_t) instead of -log p_t", lambda s: -_miss(s)[0].log()),
        "log p_t": (ce, "the minus sign is missing", lambda s: -_cross_entropy(s)),
        "(y-p)^2": (ce, "uses the squared error instead of the cross entropy", lambda s: _distance(s)[0] ** 2),
        "|y-p|": (ce, "uses the absolute error instead of the cross entropy", lambda s: _distance(s)[0]),
        "-p_t": (ce, "the logarithm is missing: -p_t", lambda s: -_miss(s)[1]),
        "p_t": (ce, "the logarithm is missing: p_t", lambda s: _miss(s)[1]),
        "-p_t log p_t": (ce, "multiplies the cross entropy by p_t", lambda s: _miss(s)[1] * _cross_entropy(s)),
        "BCE^2": (ce, "squares the cross entropy", lambda s: _cross_entropy(s) ** 2),
        "log(1+BCE)": (ce, "takes the logarithm of 1 + the cross entropy", lambda s: _cross_entropy(s).log1p()),
        "KL": (ce, "subtracts the entropy of the target (the Kullback-Leibler divergence)",
               lambda s: _cross_entropy(s) + torch.special.xlogy(s.y, s.y) + torch.special.xlogy(1 - s.y, 1 - s.y)),
        "softplus(-x)": (ce, "uses log(1+exp(-x)) whatever the label", lambda s: softplus(-s.x)),
        "exp(-x)": (ce, "uses the exponential loss", lambda s: (-(2 * s.y - 1) * s.x).exp()),
        "hinge": (ce, "uses the hinge loss", lambda s: (1 - (2 * s.y - 1) * s.x).clamp(min=0)),
        "(x-y)^2": (ce, "uses the squared error between logit and target", lambda s: (s.x - s.y) ** 2),
        "softplus(x)": (ce, "drops the term x y of the cross entropy", lambda s: softplus(s.x)),
        "BCE(sigmoid(p), y)": (activation, "the cross entropy takes p for a logit, so the sigmoid is applied twice there",
                               lambda s: _cross_entropy(replace(s, x=torch.sigmoid(s.x)))),
        "-log of the logits": (activation, "the cross entropy takes the logits for probabilities",
                               lambda s: -(s.y * s.x.log() + (1 - s.y) * (1 - s.x).log())),
    }  # fmt: skip
    options = [Option((), "BCE", _cross_entropy)]
    options += [
        Option((Change(kind, statement),), formula, function) for formula, (kind, statement, function) in named.items()
    ]
    interpolated = Change("soft_labels", "for soft labels, the cross entropy is -log p_t with p_t = p y + (1-p)(1-y)")
    options.append(Option((interpolated,), "-log p_t", lambda s: -_miss(s)[1].log()))
    for rule, read in RULES.items():
        change = Change("soft_labels", f"the cross entropy takes {rule} for the target")
        options.append(Option((change,), f"BCE(x, {rule})", lambda s, r=read: _cross_entropy(replace(s, y=r(s.y)))))
    return options + [option for epsilon in epsilons for option in _guarded(epsilon)]


def _guarded(e: float) -> list[Option]:
    """Logarithms with an epsilon, wherever people put it."""

    def entropy(positive: Callable, negative: Callable) -> Callable[[Points], Tensor]:
        return lambda s: -(s.y * positive(*_p(s.x)) + (1 - s.y) * negative(*_p(s.x)))

    kind = "precision" if e < 5e-3 else "cross_entropy"
    forms = {
        f"p clipped to [{e:g}, 1-{e:g}]": entropy(
            lambda p, q: p.clamp(e, 1 - e).log(), lambda p, q: q.clamp(e, 1 - e).log()
        ),
        f"log(p+{e:g}) and log(1-p+{e:g})": entropy(lambda p, q: (p + e).log(), lambda p, q: (q + e).log()),
        f"log of at least {e:g}": entropy(lambda p, q: p.clamp(min=e).log(), lambda p, q: q.clamp(min=e).log()),
        f"log(p+{e:g}) and log(1-p)": entropy(lambda p, q: (p + e).log(), lambda p, q: q.log()),
        f"log(p) and log(1-p+{e:g})": entropy(lambda p, q: p.log(), lambda p, q: (q + e).log()),
        f"log(p+{e:g}) and log(1-p-{e:g})": entropy(lambda p, q: (p + e).log(), lambda p, q: (q - e).log()),
        f"p scaled into [{e:g}, 1-{e:g}]": entropy(
            lambda p, q: (p * (1 - 2 * e) + e).log(), lambda p, q: (q * (1 - 2 * e) + e).log()
        ),
    }
    return [
        Option((Change(kind, f"guards the logarithm with an epsilon: {name}"),), f"BCE[{name}]", function)
        for name, function in forms.items()
    ]


# -- contexts ---------------------------------------------------------------------------------------------------------


def _contexts(loss: str, smoothing: Iterable[tuple[float, float]], both: bool, power: str) -> list[Context]:
    contexts = [Context((), "", lambda s: s)]
    contexts += [context for pair in smoothing for context in (_smoothed(*pair), _clamped_labels(*pair))]
    contexts += [
        _context("activation", "applies the sigmoid twice", "x = sigmoid(logit)", lambda s: replace(s, x=torch.sigmoid(s.x))),
        _context("activation", "takes the logits for probabilities: no sigmoid is applied", "p = logit",
                 lambda s: replace(s, x=torch.logit(s.x))),
        _context("activation", "uses (1+tanh(x))/2 in place of the sigmoid", "x = 2 logit", lambda s: replace(s, x=2 * s.x)),
        _context("activation", "halves the logits", "x = logit/2", lambda s: replace(s, x=s.x / 2)),
        _context("activation", "negates the logits", "x = -logit", lambda s: replace(s, x=-s.x)),
        _context("activation", "takes tanh for the sigmoid", "p = tanh(logit)", lambda s: replace(s, x=torch.logit(torch.tanh(s.x)))),
        _context("activation", "cuts negative logits off before the sigmoid", "x = relu(logit)", lambda s: replace(s, x=s.x.relu())),
        *(_context("precision", f"cuts the logits off at ±{c:g}", f"x = logit, at most {c:g} in size",
                   lambda s, c=c: replace(s, x=s.x.clamp(-c, c))) for c in (1.0, 2.0, 3.0, 4.0)),
        _context("cross_entropy", "reads 1 as negative and 0 as positive", "y = 1 - target", lambda s: replace(s, y=1 - s.y)),
        _context("activation", "takes the softmax over the classes for the sigmoid of each", "p = softmax(logits)", _softmax),
        _context("call", "takes the targets first and the logits second", "the arguments are exchanged",
                 lambda s: replace(s, x=s.y, y=s.x)),
    ]  # fmt: skip
    for rule, read in RULES.items():
        contexts.append(
            _context("soft_labels", f"soft labels are read as hard ones: 1 where {rule}", f"y = 1 if {rule}",
                     lambda s, r=read: replace(s, y=r(s.y)))
        )  # fmt: skip
    contexts.append(
        _context("soft_labels", "for soft labels, the positive's and the negative's whole loss are blended by the target",
                 "loss = y loss(y=1) + (1-y) loss(y=0)", _two_sided)
    )  # fmt: skip
    if loss == "varifocal":
        contexts = [c for c in contexts if "blended" not in (c.changes[0].statement if c.changes else "")]
    if both:
        contexts.append(
            _context("call", f"exchanges alpha and {power}", f"alpha and {power} exchanged",
                     lambda s: replace(s, gamma=s.alpha, alpha=s.gamma) if s.alpha is not None else s)
        )  # fmt: skip
    return contexts


def index_contexts() -> list[Context]:
    """What class labels may have become on the way to 0 and 1; which one it is, batches of labels will tell."""
    told = "class labels are read differently"
    return [
        _context("background_index", told, "label 0 is background", lambda s: replace(s, y=1 - s.y)),
        _context("background_index", told, "background is a class", lambda s: replace(s, y=torch.ones_like(s.y))),
        _context("background_index", told, "background is left out",
                 lambda s: replace(s, share=s.y if s.share is None else s.share * s.y)),
    ]  # fmt: skip


def _context(kind: str, statement: str, where: str, apply: Callable[[Points], Points]) -> Context:
    return Context((Change(kind, statement),), where, apply)


def _softmax(s: Points) -> Points:
    """Logits whose sigmoid is the softmax; undefined for a single class, whose probability is always 1."""
    others = torch.where(torch.eye(s.x.shape[-1], dtype=torch.bool), -torch.inf, s.x[..., None, :]).logsumexp(-1)
    return replace(s, x=s.x - others)


def _two_sided(s: Points) -> Points:
    """Each element twice: as a positive with weight y and as a negative with weight 1-y."""
    ones, share = torch.ones_like(s.y), 1.0 if s.share is None else s.share
    return replace(
        s,
        x=torch.cat((s.x, s.x), -1),
        y=torch.cat((ones, 0 * ones), -1),
        share=torch.cat((s.y * share, (1 - s.y) * share), -1),
    )


def _smoothed(one: float, zero: float) -> Context:
    return _context(
        "label_smoothing", f"labels are smoothed: 1 becomes {one:.4g} and 0 becomes {zero:.4g}", f"y = {zero:.4g} + {one - zero:.4g} y",
        lambda s: replace(s, y=zero + (one - zero) * s.y),
    )  # fmt: skip


def _clamped_labels(one: float, zero: float) -> Context:
    return _context(
        "target_range", f"targets are clamped to [{zero:.4g}, {one:.4g}]", f"y = clamp(y, {zero:.4g}, {one:.4g})",
        lambda s: replace(s, y=s.y.clamp(zero, one)),
    )  # fmt: skip


def smoothing_grid() -> list[tuple[float, float]]:
    """The usual smoothings, for a function whose labels cannot be read off."""
    pairs = [((1 - e / 2, e / 2), (1 - e, e), (1 - e, 0.0)) for e in (0.01, 0.05, 0.1, 0.2)]
    return list(itertools.chain.from_iterable(pairs))


def entropy_smoothed(one: float, zero: float) -> Option:
    """Labels smoothed inside the cross entropy only."""
    change = Change(
        "label_smoothing",
        f"labels are smoothed in the cross entropy only: 1 becomes {one:.4g} and 0 becomes {zero:.4g}",
    )
    return Option((change,), f"BCE(x, {zero:.4g}+{one - zero:.4g}y)",
                  lambda s: _cross_entropy(replace(s, y=zero + (one - zero) * s.y)))  # fmt: skip
