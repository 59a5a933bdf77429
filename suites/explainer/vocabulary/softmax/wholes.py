"""Losses of a row whose factors do not come apart: one against all, cross entropies in p_t's place, smoothed terms."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import symbol
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import ADDED, SOFTMAX
from focalbench_suite.suites.explainer.vocabulary.softmax.smoothing import smoothed

# (kind, code): the focal loss of every class of a row, where that of the target's class is meant
EVERY_CLASS: dict[tuple[str, str], str] = {
    ("activation", "sigmoid_of_every_class"): "sigmoid_miss**g*bce",
    ("cross_entropy", "focal_of_every_class"): "-(hot*(1 - p)**g*log_p + (1 - hot)*p**g*log(1 - p))",
    ("cross_entropy", "binary_cross_entropy_modulated_by_softmax"): "(hot*(1 - p) + (1 - hot)*p)**g*bce",
}
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
    forms = {
        "terms_smoothed": "-sum_c(t*(1 - p)**g*log_p)",
        "smoothed_p_t": "-(1 - sum_c(t*p))**g*log(sum_c(t*p))",
        "smoothed_cross_entropy_modulated": "-(1 - exp(sum_c(t*log_p)))**g*sum_c(t*log_p)",
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
    """Weight, modulation and cross entropy in one: every class is weighted with its own alpha."""
    power, classes = loss.of_role("power"), loss.of_role("class_weights")
    if power is None or classes is None or classes.name not in accepts:
        return []
    g = symbol(power, accepts)
    own = change("alpha", "every_class_has_its_own_weight")
    return [
        option(put(f"{reduce}({classes.name}*({text}))", g=g), SOFTMAX, change(kind, code, how=how), own)
        for how, reduce in REDUCED.items()
        for (kind, code), text in EVERY_CLASS.items()
    ]
