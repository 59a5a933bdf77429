"""What positives and negatives may be weighted with: alpha's sides and conventions, and the targets themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor
from focalbench_suite.suites.explainer.vocabulary.sigmoid.element import RULES, alpha_of, between, one

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


def weights(loss: str, free: bool) -> list[Option]:
    if loss == "varifocal":
        return _varifocal_weights(free)
    if loss in ("quality_focal", "cross_entropy"):
        return [one(), *_fixed_weights(), _target_weight("quality_focal")]
    if not free:  # alpha is no parameter: off and the paper's 0.25 are both the paper's
        paper = _side("0.25 on positives, 0.75 on negatives", (), lambda a: 0.25 + 0 * a, lambda a: 0.75 + 0 * a)
        return [one(), paper, *_fixed_weights(), *_balanced()]
    default = _side("alpha_t", (), lambda a: a, lambda a: 1 - a)
    options = [default, *_ruled("alpha_t", (), lambda a: a, lambda a: 1 - a)]
    ignored = Change("alpha", "alpha is ignored: positives and negatives weigh 1")
    options.append(one(ignored))
    for name, sides in SIDES.items():
        change = Change("alpha", f"weighs with {name}, instead of alpha on positives and 1-alpha on negatives")
        options += [_side(f"[{name}]", (change,), *sides), *_ruled(f"[{name}]", (change,), *sides)]
    options += _balanced()
    for value in (0.25, 0.5, 0.75):
        change = Change("alpha", f"alpha is ignored and {value:g} used instead")
        fixed = (lambda a, v=value: v + 0 * a, lambda a, v=value: 1 - v + 0 * a)
        options.append(_side(f"({value:g} if positive else {1 - value:g})", (change,), *fixed))
    return options


def _side(formula: str, changes: tuple[Change, ...], positive: Callable, negative: Callable) -> Option:
    def weight(s: Points) -> Tensor:
        if s.alpha is None and formula == "alpha_t":
            return torch.ones_like(s.x)
        return between(s.y, positive(alpha_of(s)), negative(alpha_of(s)))

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
    pairs = [
        (0.75, 0.25),
        (0.5, 0.5),
        (0.25, 1.0),
        (0.75, 1.0),
        (1.0, 0.25),
        (1.0, 0.75),
        (0.25, 0.25),
        (0.25, 0.75),
        (0.75, 0.75),
    ]
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
            (Change("alpha", f"weighs with {name}, where f is the mean target of the batch"),),
            f"[{name}]",
            lambda s, p=positive, n=negative: between(s.y, p(s.positives), n(s.positives)),
        )
        for name, (positive, negative) in told.items()
    ]


def _target_weight(kind: str) -> Option:
    change = Change("soft_labels", "each element is weighted with its target, so negatives (y = 0) weigh nothing")
    return Option((change,), "y", lambda s: s.y)


def _varifocal_weights(free: bool) -> list[Option]:
    """(formula, change, weight of y > 0, weight of y = 0)."""
    alpha = (lambda s: alpha_of(s)) if free else (lambda s: torch.full_like(s.x, 0.75))

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
        option(
            "(alpha y if y > 0 else alpha)", Change(a, "alpha weighs positives, too"), lambda s: alpha(s) * s.y, alpha
        ),
        option(
            "(alpha y if y > 0 else 1)",
            Change(a, "alpha weighs positives instead of negatives"),
            lambda s: alpha(s) * s.y,
            one,
        ),
        option(
            "(alpha y if y > 0 else 1-alpha)",
            Change(a, "alpha weighs positives and 1-alpha negatives"),
            lambda s: alpha(s) * s.y,
            lambda s: 1 - alpha(s),
        ),
        option(
            "(alpha if y > 0 else 1-alpha)",
            Change(a, "alpha weighs positives (in place of the target) and 1-alpha negatives"),
            alpha,
            lambda s: 1 - alpha(s),
        ),
        option("(alpha if y > 0 else 1)", Change(a, "alpha weighs positives in place of their target"), alpha, one),
        option(
            "(y if y > 0 else 1-alpha)", Change(a, "negatives are weighted with 1-alpha"), y, lambda s: 1 - alpha(s)
        ),
        option(
            "((1-alpha) y if y > 0 else alpha)",
            Change(a, "positives are weighted with 1-alpha, too"),
            lambda s: (1 - alpha(s)) * s.y,
            alpha,
        ),
        option("(y if y > 0 else 1)", Change(a, "alpha is ignored: negatives weigh 1"), y, one),
        option(
            "(y if y > 0 else alpha^2)",
            Change(a, "negatives are weighted with alpha squared"),
            y,
            lambda s: alpha(s) ** 2,
        ),
        option(
            "(y^2 if y > 0 else alpha)",
            Change(soft, "positives are weighted with the square of their target"),
            lambda s: s.y**2,
            alpha,
        ),
        option(
            "(y^gamma if y > 0 else alpha)",
            Change(soft, "positives are weighted with their target to the power gamma"),
            lambda s: s.y**s.gamma,
            alpha,
        ),
        option("(y if y > 0 else 0)", Change(a, "negatives are not counted"), y, lambda s: torch.zeros_like(s.x)),
        Option(
            (Change(soft, "the two cases are blended by the target instead of chosen by y > 0"),),
            "(y·y + (1-y) alpha)",
            lambda s: s.y * s.y + (1 - s.y) * alpha(s),
        ),
        Option((Change(a, "alpha weighs every element, positives included"),), "alpha", alpha),
        Option(
            (Change(soft, "every element is weighted with its target, so negatives (y = 0) weigh nothing"),), "y", y
        ),
        Option((Change(a, "neither the target nor alpha weigh anything"),), "", one),
    ]
    for rule in ("y > 0.5", "y >= 0.5", "y == 1"):
        options.append(
            option(
                f"(y if {rule} else alpha)", Change(soft, f"positives are those with {rule}, not y > 0"), y, alpha, rule
            )
        )
    return options
