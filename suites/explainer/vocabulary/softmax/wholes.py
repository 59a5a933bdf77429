"""Losses of a row whose factors do not come apart: one against all, cross entropies in p_t's place, smoothed terms."""

from __future__ import annotations

from dataclasses import replace

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import symbol
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import ADDED, SOFTMAX
from focalbench_suite.suites.explainer.vocabulary.softmax.smoothing import smoothed
from focalbench_suite.suites.explainer.vocabulary.softmax.weights import CLASS_WEIGHTS, NORMALISED

# (kind, code): the focal loss of every class of a row, where that of the target's class is meant
EVERY_CLASS: dict[tuple[str, str], str] = {
    ("activation", "sigmoid_of_every_class"): "sigmoid_miss**g*bce",
    ("cross_entropy", "focal_of_every_class"): "-(hot*(1 - p)**g*log_p + (1 - hot)*p**g*log(1 - p))",
    ("cross_entropy", "binary_cross_entropy_modulated_by_softmax"): "(hot*(1 - p) + (1 - hot)*p)**g*bce",
}
POLY_EPSILONS = (1.0, 2.0, 0.5, 0.1, -1.0)
REDUCED = {"summed": "sum_c", "averaged": "mean_c"}


def wholes(loss: Canonical, accepts: set[str]) -> list[Option]:
    """Modulation and cross entropy in one."""
    power = loss.of_role("power")
    if power is None:
        return []
    g = symbol(power, accepts)
    found = [
        option(put(f"{reduce}({text})", g=g), SOFTMAX, change(kind, code, how=how))
        for how, reduce in REDUCED.items()
        for (kind, code), text in EVERY_CLASS.items()
    ]
    text = put("-(1 + log_p_y)**g*log(-log_p_y)", g=g)
    found.append(option(text, SOFTMAX, change("cross_entropy", "cross_entropy_for_p_t")))
    return found + _smoothed(g) + _guarded(g)


def _smoothed(g: str) -> list[Option]:
    """Smoothed labels weigh the terms of all classes, or mix their probabilities into p_t."""
    forms: dict[str, str | tuple[str, str]] = {
        "terms_smoothed": "-sum_c(t*(1 - p)**g*log_p)",
        "smoothed_p_t": ("(1 - sum_c(t*p))**g", "-log(sum_c(t*p))"),
        "smoothed_cross_entropy_modulated": ("(1 - exp(sum_c(t*log_p)))**g", "-sum_c(t*log_p)"),
    }
    return smoothed(forms, g)


def _guarded(g: str) -> list[Option]:
    """An epsilon added to every probability before it is used anywhere."""
    return [
        option(
            put("-(miss - e)**g*log(p_y + e)", e=repr(e), g=g),
            SOFTMAX,
            change("precision", "epsilon_added_to_p_t", epsilon=e),
        )
        for e in ADDED
    ]


def complete(loss: Canonical, accepts: set[str]) -> list[Option]:
    """Weight, modulation and cross entropy in one: every class is weighted with its own alpha, or a term is added."""
    power, classes = loss.of_role("power"), loss.of_role("class_weights")
    if power is None or classes is None:
        return []
    g = symbol(power, accepts)
    if classes.name not in accepts:
        return [_polynomial(epsilon, "1", g) for epsilon in POLY_EPSILONS]
    own = change("alpha", "every_class_has_its_own_weight")
    found = [
        option(put(f"{reduce}({classes.name}*({text}))", g=g), SOFTMAX, change(kind, code, how=how), own)
        for how, reduce in REDUCED.items()
        for (kind, code), text in EVERY_CLASS.items()
    ]
    smoothed_terms = smoothed({"terms_smoothed": "-sum_c(t*alpha*(1 - p)**g*log_p)"}, g)
    found += [replace(one, changes=(*one.changes, own)) for one in smoothed_terms]
    return found + [one for epsilon in POLY_EPSILONS for one in _polynomials(epsilon, g)]


def _polynomial(epsilon: float, weight: str, g: str, *changes: Change) -> Option:
    """PolyLoss's first term added to the focal loss (arXiv:2204.12511, section 5), and both weighted."""
    text = put("w*(-miss**g*log_p_y + e*miss**(g + 1))", w=weight, e=repr(epsilon), g=g)
    return option(text, SOFTMAX, change("cross_entropy", "poly_one", epsilon=epsilon), *changes)


def _polynomials(epsilon: float, g: str) -> list[Option]:
    """The same with class weights: as they are, normalised, of the first part alone, or inside p_t."""
    told = change("cross_entropy", "poly_one", epsilon=epsilon)
    found = [_polynomial(epsilon, "alpha_y", g)]
    found += [_polynomial(epsilon, CLASS_WEIGHTS[code], g, change("alpha", code)) for code in NORMALISED]
    text = put("-alpha_y*miss**g*log_p_y + e*miss**(g + 1)", e=repr(epsilon), g=g)
    found.append(option(text, SOFTMAX, told, change("alpha", "poly_term_not_weighted")))
    inside = change("alpha", "alpha_inside_p_t", weight="class_weights")
    for power, squared in ((f"{g} + 1", ()), ("2", (change("gamma", "poly_term_squared"),))):
        text = put("-s**g*alpha_y*log_p_y + e*s**k", s="1 - exp(alpha_y*log_p_y)", e=repr(epsilon), g=g, k=power)
        found.append(option(text, SOFTMAX, told, inside, *squared))
    return found
