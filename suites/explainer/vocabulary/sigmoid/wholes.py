"""Losses whose factors do not come apart: FL*, focal loss around a heat map's peaks, sides blended as a whole."""

from __future__ import annotations

import itertools

from focalbench_suite.adapters.canon import Canonical, Parameter
from focalbench_suite.suites.explainer.vocabulary.expression import parameters, put
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option, product
from focalbench_suite.suites.explainer.vocabulary.parameters import own_values, symbol
from focalbench_suite.suites.explainer.vocabulary.sigmoid.contexts import SMOOTHED_BY_ALPHA
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import SIGMOID, blend
from focalbench_suite.suites.explainer.vocabulary.sigmoid.weights import SIDES

STAR = "softplus(-(g*x_t + shift))/g"
STAR_GAMMAS, STAR_SHIFTS = (1, 2, 3, 4), (0, 0.5, 1, 2)  # the appendix of the focal loss paper uses 2, 1 and 4, 0
PENALTY_POWERS = (1, 2, 3, 4)  # CenterNet's negatives near a peak are weighted with (1-y)^4
PENALTY = "where(y == 1, -q**g*log_p, -(1 - y)**k*p**g*log_q)"
# CornerNet's and MMDetection's names (arXiv:1808.01244 eq. 1): alpha is the power, gamma that of the penalty
HEAT_MAP = "where(y == 1, -q**alpha*log_p, -(1 - y)**gamma*p**alpha*log_q)"
# the same where every target is in part a positive, whose weight then is y^gamma
HEAT_MAP_BLENDED = "-(y**gamma*q**alpha*log_p + (1 - y)**gamma*p**alpha*log_q)"
# PolyLoss's first term on the focal loss (arXiv:2204.12511, section 5), which alpha does not weigh
POLY_ONE, POLY_EPSILONS = "+ e*miss**(g + 1)", (1.0, 2.0, 0.5, 0.1, -1.0)
# the asymmetric loss (arXiv:2009.14119): negatives count from p = margin on, and have a power of their own
MARGINS, ASYMMETRIC_POWERS = (0.05, 0.1, 0.2), ((1, 4), (0, 4), (0, 2), (2, 2), (1, 2))
# code: (what of a negative is raised to its power, whose logarithm is its cross entropy)
ASYMMETRIC_SIDES: dict[str, tuple[str, str]] = {
    "asymmetric_with_margin": ("max(p - m, 0)", "min(q + m, 1)"),
    "asymmetric_margin_in_factor": ("max(p - m, 0)", "q"),
    "asymmetric_margin_in_cross_entropy": ("p", "min(q + m, 1)"),
    "asymmetric_power_of_sure_negatives": ("min(q + m, 1)", "min(q + m, 1)"),
    "asymmetric_margin_raises": ("min(p + m, 1)", "max(q - m, 1e-8)"),
    "asymmetric_margin_raises_in_cross_entropy": ("p", "max(q - m, 1e-8)"),
}
ASYMMETRIC_BLENDED = "-(y*q**a*log_p + (1 - y)*(negative)**b*log(sure))"
# modulating factor and cross entropy of the asymmetric loss; on soft labels, p_t is blended, or the powers are
ASYMMETRIC_FACTORS: dict[str, tuple[Change, ...]] = {
    "(y*q + (1 - y)*negative)**(a*y + b*(1 - y))": (),
    "y*q**a + (1 - y)*(negative)**b": (change("soft_labels", "powers_blended"),),
}
ASYMMETRIC_ENTROPY = "-(y*log_p + (1 - y)*log(sure))"
# (kind, code): weight and modulation in one, where the paper's are chosen by y > 0
JOINT_BLENDS: dict[tuple[str, str], str] = {
    ("soft_labels", "cases_blended"): "y*y + (1 - y)*alpha*p**g",
    ("soft_labels", "target_plus_blended_negatives"): "y + (1 - y)*alpha*p**g",
    ("soft_labels", "target_added_to_negatives"): "y + alpha*p**g",
    ("soft_labels", "distance_weights_blended"): "y*abs(y - p)**g + (1 - y)*alpha*p**g",
    ("alpha", "whole_weight_under_root"): "sqrt(where(y > 0, y, alpha*p**g))",
    ("alpha", "whole_weight_squared"): "where(y > 0, y, alpha*p**g)**2",
}


def wholes(loss: Canonical, accepts: set[str]) -> list[Option]:
    """Modulation and cross entropy in one."""
    power = loss.of_role("power")
    if power is None or "where" in loss.made_of.modulation:
        return []
    found = []
    for g in (power.name,) if power.name in accepts else map(str, STAR_GAMMAS):
        for shift in STAR_SHIFTS:
            values = {"gamma": g, "shift": shift}
            text = put(STAR, g=g, shift=f"{shift:g}") if shift else put("softplus(-g*x_t)/g", g=g)
            found.append(option(text, SIGMOID, change("gamma", "star", **values)))
    g = symbol(power, accepts)
    own = [] if power.name in accepts else [own for own, _ in own_values(power.name, power)]
    for k in PENALTY_POWERS:
        told = change("soft_labels", "penalty_reduced", power=k)
        found.append(option(put(PENALTY, g=g, k=f"{k:g}"), SIGMOID, told))
        for other in own:
            text = put(PENALTY, g=f"{dict(other.values)['value']:g}", k=f"{k:g}")
            found.append(option(text, SIGMOID, other, told))
    found += _asymmetric(power, accepts)
    return [
        *found,
        option(put("-(1 - bce)**g*log(bce)", g=g), SIGMOID, change("cross_entropy", "cross_entropy_for_p_t")),
    ]


def complete(loss: Canonical, accepts: set[str]) -> list[Option]:
    """Losses that have the parameters' names and are no product of the paper's factors."""
    power = loss.of_role("power")
    if power is None or "where" in loss.made_of.modulation:
        return []
    weighted = "alpha_t*" if "alpha" in accepts else ""
    poly = [
        option(
            put(f"{weighted}miss**g*bce {POLY_ONE}", g=symbol(power, accepts), e=repr(epsilon)),
            SIGMOID,
            change("cross_entropy", "poly_one", epsilon=epsilon),
        )
        for epsilon in POLY_EPSILONS
    ]
    if not {"gamma", "alpha"} <= accepts:
        return poly
    heat_maps = {"heat_map": HEAT_MAP, "heat_map_blended": HEAT_MAP_BLENDED}
    return [option(text, SIGMOID, change("gamma", code)) for code, text in heat_maps.items()] + poly


def _asymmetric(power: Parameter, accepts: set[str]) -> list[Option]:
    """Powers and a margin of the asymmetric loss; where the function takes a power, it may be either side's."""
    pairs = [(f"{one:g}", f"{zero:g}") for one, zero in ASYMMETRIC_POWERS]
    if power.name in accepts:
        pairs += [(power.name, power.name), (power.name, "4"), (power.name, "2"), ("0", power.name), ("1", power.name)]
    found = []
    for (positive, negative), margin in itertools.product(pairs, MARGINS):
        values = {"positive": positive, "negative": negative, "margin": margin}
        for code, (raised, sure) in ASYMMETRIC_SIDES.items():
            told, given = change("gamma", code, **values), {"a": positive, "b": negative, "m": f"{margin!r}"}
            entropy = put(put(ASYMMETRIC_ENTROPY, sure=sure), **given)
            for factor, soft in ASYMMETRIC_FACTORS.items():
                found.append(product(put(put(factor, negative=raised), **given), entropy, SIGMOID, told, *soft))
            blended = put(put(ASYMMETRIC_BLENDED, negative=raised, sure=sure), **given)
            found.append(option(blended, SIGMOID, told, change("soft_labels", "sides_blended")))
    return found


def joint(loss: Canonical, accepts: set[str]) -> list[Option]:
    """Weight and modulation in one: chosen by y > 0 or y, and then blended, or alpha raised to the power, too."""
    power = loss.of_role("power")
    if power is None:
        return []
    if "where" not in loss.made_of.modulation:
        if "alpha" not in accepts:
            return []
        g = symbol(power, accepts)
        told = change("gamma", "power_of_alpha_too", parameter=power.name)
        blended = blend("alpha*q**g", "(1 - alpha)*p**g")
        return [
            option(put("(alpha_t*miss)**g", g=g), SIGMOID, told),
            option(put(blended, g=g), SIGMOID, change("soft_labels", "weighted_powers_blended")),
        ]
    absent = {p.name: symbol(p, accepts) for p in loss.parameters}
    return [
        option(put(text, **{"g": absent[power.name]} | absent), SIGMOID, change(*told))
        for told, text in JOINT_BLENDS.items()
    ]


def weighted(loss: Canonical, accepts: set[str]) -> list[Option]:
    """Weight and cross entropy in one: each side's weight within the cross entropy, which soft labels show."""
    if "alpha" not in parameters(loss.made_of.weight, SIGMOID) or "where" in loss.made_of.weight:
        return []
    inside = change("soft_labels", "weights_inside_cross_entropy")
    if "alpha" not in accepts:
        return [option(_inside("0.25", "0.75"), SIGMOID, inside)]
    return [
        *(_smoothed_by_alpha() if loss.of_role("power") else ()),  # without a factor beside it, it is what all see
        option(_inside("alpha", "1 - alpha"), SIGMOID, inside),
        *(
            option(_inside(*pair), SIGMOID, change("alpha", code), inside)
            for code, pair in SIDES.items()
            if pair[0] != pair[1]
        ),
    ]


def _smoothed_by_alpha() -> list[Option]:
    """Labels smoothed inside the cross entropy only, by what should weigh the sides."""
    return [
        option(put("softplus(x) - x*(t)", t=text), SIGMOID, change("label_smoothing", f"{code}_in_cross_entropy"))
        for code, text in SMOOTHED_BY_ALPHA.items()
    ]


def _inside(positive: str, negative: str) -> str:
    return f"-({blend(f'({positive})*log_p', f'({negative})*log_q')})"
