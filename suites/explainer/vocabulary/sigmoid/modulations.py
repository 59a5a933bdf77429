"""What may stand in place of the modulating factor (1-p_t)^gamma."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor
from focalbench_suite.suites.explainer.vocabulary.sigmoid.element import (
    RULES,
    alpha_of,
    between,
    cross_entropy,
    distance,
    miss_and_hit,
    one,
    probabilities,
)
from focalbench_suite.suites.explainer.vocabulary.sigmoid.weights import SIDES

# name: the modulating factor from miss = 1 - p_t, hit = p_t and gamma
POWERS = {
    "p_t^{g}": (lambda q, h, g: h**g, "uses p_t^{g} instead of (1-p_t)^{g}"),
    "1": (lambda q, h, g: torch.ones_like(q), "is missing: {g} has no effect"),
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


def _exponential(s: Points) -> tuple[Tensor, Tensor]:
    hit = (-cross_entropy(s)).exp()
    return 1 - hit, hit


def _signed(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = probabilities(s.x)
    return s.y - p, 1 - (s.y - p)


def _signed_other(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = probabilities(s.x)
    return p - s.y, 1 - (p - s.y)


def _logit_distance(s: Points) -> tuple[Tensor, Tensor]:
    return (s.y - s.x).abs(), 1 - (s.y - s.x).abs()


def _clamped(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = probabilities(s.x)
    return (s.y - p).clamp(min=0), 1 - (s.y - p).clamp(min=0)


FAMILIES = {  # name: (where, miss and hit)
    "interpolated": ("p_t = p y + (1-p)(1-y)", miss_and_hit),
    "distance": ("1-p_t = |y-p|", distance),
    "exponential": ("p_t = exp(-BCE)", _exponential),
    **{
        rule: (f"p_t = p if {rule} else 1-p", lambda s, r=read: miss_and_hit(replace(s, y=r(s.y))))
        for rule, read in RULES.items()
    },
}
READINGS = {  # families that also change hard labels
    "y-p": ("gamma", "takes y-p without the absolute value", _signed),
    "p-y": ("gamma", "takes p-y without the absolute value", _signed_other),
    "max(y-p, 0)": ("gamma", "cuts y-p off at 0, so that negatives have no modulating factor", _clamped),
    "1-p": (
        "gamma",
        "uses 1-p for positives and negatives alike, instead of 1-p_t",
        lambda s: (torch.sigmoid(-s.x), torch.sigmoid(s.x)),
    ),
    "p": (
        "gamma",
        "uses p for positives and negatives alike, instead of 1-p_t",
        lambda s: (torch.sigmoid(s.x), torch.sigmoid(-s.x)),
    ),
    "1-sigmoid(p_t)": (
        "activation",
        "applies the sigmoid twice in the modulating factor",
        lambda s: miss_and_hit(replace(s, x=torch.sigmoid(s.x))),
    ),
    "|y-x|": ("activation", "takes the distance between target and logit, without the sigmoid", _logit_distance),
    "1-p_t from logits": (
        "activation",
        "uses the logits as if they were probabilities in the modulating factor",
        lambda s: (between(s.y, 1 - s.x, s.x), between(s.y, s.x, 1 - s.x)),
    ),
}


def modulations(loss: str, free: bool, power: str) -> list[Option]:
    if loss in ("cross_entropy", "balanced_cross_entropy"):
        return [
            one(),
            *(_power_option(miss_and_hit, "", lambda q, h, g, e=e: q**e, _ignored(e)) for e in (0.5, 1.0, 1.5, 2.0)),
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
    _, family = FAMILIES[default]
    own = [
        _power_option(
            family,
            f"(1-p_t)^{power:g}",
            lambda q, h, g, e=power: q**e,
            (Change("gamma", f"takes no gamma and uses {power:g}, not the paper's 2"),),
        )
        for power in (0.5, 1.0, 1.5, 2.5, 3.0, 4.0, 5.0)
    ]
    return [*options, *own]


def _one_sided(family: Callable, power: str) -> list[Option]:
    def only(positive: bool, read: Callable[[Tensor], Tensor]) -> Callable[[Points], Tensor]:
        def modulation(s: Points) -> Tensor:
            miss, _ = family(s)
            raised, side = miss**s.gamma, read(s.y)
            one = torch.ones_like(raised)
            return between(side, raised, one) if positive else between(side, one, raised)

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
        p, q = probabilities(s.x)
        return between(s.y, q**s.gamma, p**s.gamma)

    change = Change("soft_labels", "for soft labels, the powers are blended by the target instead of p_t")
    return [Option((change,), f"[y (1-p)^{power} + (1-y) p^{power}]", modulation)]


def _weighted_probability(power: str) -> list[Option]:
    """p_t = exp(-weighted cross entropy): the class weight has entered the modulating factor."""

    def option(name: str, positive: Callable, negative: Callable) -> Option:
        def modulation(s: Points) -> Tensor:
            weight = between(s.y, positive(alpha_of(s)), negative(alpha_of(s)))
            return (1 - (-weight * cross_entropy(s)).exp()) ** s.gamma

        change = Change("alpha", f"alpha enters p_t: p_t = exp(-w BCE), with w = {name}")
        return Option((change,), f"(1-exp(-w BCE))^{power}[w = {name}]", modulation)

    def inside(s: Points) -> Tensor:
        weight = between(s.y, alpha_of(s), 1 - alpha_of(s))
        return torch.where(weight == 0, 0.0, (weight * miss_and_hit(s)[0]) ** s.gamma / weight)

    def multiplied(name: str, positive: Callable, negative: Callable) -> Option:
        def modulation(s: Points) -> Tensor:
            weight = between(s.y, positive(alpha_of(s)), negative(alpha_of(s)))
            return (1 - weight * miss_and_hit(s)[1]) ** s.gamma

        change = Change("alpha", f"p_t is multiplied by w = {name} in the modulating factor")
        return Option((change,), f"(1-w p_t)^{power}[w = {name}]", modulation)

    change = Change("gamma", f"the power {power} is taken of alpha_t, too: (alpha_t (1-p_t))^{power}")
    sides = {"alpha_t": (lambda a: a, lambda a: 1 - a), **SIDES}
    return [
        *(make(name, *pair) for make in (option, multiplied) for name, pair in sides.items()),
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
            p, q = probabilities(s.x)
            return torch.where(RULES[rule](s.y) > 0, positive(p, q, s.y, s.gamma), negative(p, q, s.y, s.gamma))

        return Option((change,) if change else (), formula, modulation)

    def one(p: Tensor, q: Tensor, y: Tensor, g: Tensor) -> Tensor:
        return torch.ones_like(p)

    def power(p: Tensor, q: Tensor, y: Tensor, g: Tensor) -> Tensor:
        return p**g

    g = "gamma"
    options = [
        option("(1 if y > 0 else p^gamma)", None, one, power),
        option(
            "|y-p|^gamma",
            Change(g, "positives are modulated, too, with |y-p|^gamma"),
            lambda p, q, y, g: (y - p).abs() ** g,
            power,
        ),
        option(
            "((1-p)^gamma if y > 0 else p^gamma)",
            Change(g, "positives are modulated, too, with (1-p)^gamma"),
            lambda p, q, y, g: q**g,
            power,
        ),
        option("p^gamma", Change(g, "positives are modulated, too, with p^gamma"), power, power),
        option("(p^gamma if y > 0 else 1)", Change(g, "positives are modulated instead of negatives"), power, one),
        option(
            "(|y-p|^gamma if y > 0 else 1)",
            Change(g, "positives are modulated instead of negatives"),
            lambda p, q, y, g: (y - p).abs() ** g,
            one,
        ),
        option("1", Change(g, "the modulating factor is missing: gamma has no effect"), one, one),
        option(
            "(1 if y > 0 else (1-p)^gamma)",
            Change(g, "negatives are modulated with 1-p instead of p"),
            one,
            lambda p, q, y, g: q**g,
        ),
        option("(1 if y > 0 else gamma p)", Change(g, "gamma is a factor, not a power"), one, lambda p, q, y, g: g * p),
        *(
            option(
                f"(1 if y > 0 else p^{e})",
                Change(g, f"negatives are modulated with p to the power {e}"),
                one,
                lambda p, q, y, g, f=f: p ** f(g),
            )
            for e, f in {
                "2, whatever gamma is": lambda g: 2 + 0 * g,
                "1, whatever gamma is": lambda g: 1 + 0 * g,
                "gamma+1": lambda g: g + 1,
                "gamma-1": lambda g: g - 1,
                "1/gamma": lambda g: 1 / g,
                "2 gamma": lambda g: 2 * g,
                "gamma/2": lambda g: g / 2,
                "int(gamma)": lambda g: g.trunc(),
            }.items()
        ),
        option("(1 if y > 0 else 1-p^gamma)", Change(g, "uses 1-p^gamma"), one, lambda p, q, y, g: 1 - p**g),
        option(
            "(1 if y > 0 else (1-p^... )",
            Change("activation", "applies the sigmoid twice in the modulating factor"),
            one,
            lambda p, q, y, g: torch.sigmoid(p) ** g,
        ),
        option(
            "(p-y)^gamma",
            Change(g, "takes (p-y)^gamma without the absolute value, on positives, too"),
            lambda p, q, y, g: (p - y) ** g,
            power,
        ),
        option(
            "(y-p)^gamma",
            Change(g, "takes (y-p)^gamma without the absolute value, on positives, too"),
            lambda p, q, y, g: (y - p) ** g,
            lambda p, q, y, g: (-p) ** g,
        ),
    ]
    for rule in ("y > 0.5", "y >= 0.5", "y == 1"):
        change = Change("soft_labels", f"positives are those with {rule}, not y > 0")
        options.append(option(f"(1 if {rule} else p^gamma)", change, one, power, rule))
        options.append(
            option(f"(1 if {rule} else |y-p|^gamma)", change, one, lambda p, q, y, g: (y - p).abs() ** g, rule)
        )
    options.append(
        Option(
            (Change("soft_labels", "the two cases are blended by the target instead of chosen by y > 0"),),
            "[blended]",
            lambda s: (s.y * s.y + 0.75 * (1 - s.y) * torch.sigmoid(s.x) ** s.gamma) / (s.y * s.y + 0.75 * (1 - s.y)),
        )
    )
    return options


def star() -> Option:
    """FL* of the focal loss paper's appendix, with its shift at 0: a logistic loss of gamma x_t, over gamma."""
    change = Change("gamma", "computes FL*, -log sigmoid(gamma x_t) / gamma, which is another loss than FL")
    return Option((change,), "FL*", lambda s: torch.nn.functional.softplus(-s.gamma * s.x * (2 * s.y - 1)) / s.gamma)
