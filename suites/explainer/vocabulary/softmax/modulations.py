"""What may stand in place of the modulating factor (1-p_t)^gamma of a row."""

from __future__ import annotations

import itertools

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import options_of, symbol
from focalbench_suite.suites.explainer.vocabulary.shapes import SHAPES
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import ADDED, LIMITS, SMOOTHED, SMOOTHING, SOFTMAX
from focalbench_suite.suites.explainer.vocabulary.softmax.smoothing import smoothed
from focalbench_suite.suites.explainer.vocabulary.softmax.weights import CLASS_WEIGHTS, NORMALISED

# (kind, code): the factor, with the power g
FACTORS: dict[tuple[str, str], str] = {
    ("gamma", "largest_probability"): "(1 - max_c(p))**g",
    ("activation", "sigmoid_in_factor"): "sigmoid(-x_y)**g",
    ("activation", "softmax_twice_in_factor"): "(1 - at(softmax(p), y))**g",
    ("activation", "logits_for_probabilities_in_factor"): "(1 - x_y)**g",
    ("gamma", "log_probability_in_factor"): "(1 - log_p_y)**g",
    ("gamma", "probability_of_first_class"): "(1 - at(p, 0*y))**g",
    ("gamma", "first_class_modulated_only"): "where(y == 0, miss**g, 1)",
    ("gamma", "first_class_not_modulated"): "where(y == 0, 1, miss**g)",
    ("gamma", "factor_averaged_over_classes"): "mean_c((1 - p)**g)",
    ("gamma", "factor_summed_over_classes"): "sum_c((1 - p)**g)",
    ("cross_entropy", "cross_entropy_for_p_t_in_factor"): "(1 + log_p_y)**g",
}
FIXED_POWERS = (0, 0.5, 1, 2, 3, 4)  # of classes that do not follow gamma
# code: the factor, with a weight w that has entered p_t
WEIGHTED = {"alpha_inside_p_t": "(1 - exp(w*log_p_y))**g", "alpha_times_p_t": "(1 - w*p_y)**g"}


def modulations(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's factor first, and everything that may stand in its place."""
    found = options_of(loss.made_of.modulation, SOFTMAX, loss, accepts)
    power = loss.of_role("power")
    if power is None:
        return found
    g = symbol(power, accepts)
    for shape, text in SHAPES.items():
        told = change("gamma", shape, parameter=power.name)
        found.append(option(put(text, hit="p_y", g=g), SOFTMAX, told))
    found += [option(put(text, g=g), SOFTMAX, change(*told)) for told, text in FACTORS.items()]
    found += _guarded(g) + _smoothed(g, accepts) + (_of_one_class(power.name) if power.name in accepts else [])
    return found + _weighted(power.name, g) if "alpha" in accepts else found


def _weighted(name: str, g: str) -> list[Option]:
    """The class weight has entered p_t, as it is given or normalised."""
    weights = {"class_weights": "alpha_y"} | {code: CLASS_WEIGHTS[code] for code in NORMALISED}
    found = [
        option(put(text, w=weight, g=g), SOFTMAX, change("alpha", code, weight=weight_code))
        for code, text in WEIGHTED.items()
        for weight_code, weight in weights.items()
    ]
    text = put("(alpha_y*miss)**g", g=g)
    return [*found, option(text, SOFTMAX, change("alpha", "alpha_raised_to_gamma", parameter=name))]


def _of_one_class(name: str) -> list[Option]:
    """One class has the parameter for its power, and the others a fixed one, or the other way round."""
    found = []
    for which, value in itertools.product((0, 1), FIXED_POWERS):
        own, others = put("miss**g", g=name), f"miss**{value:g}" if value else "1"
        for code, pair in {"gamma_of_one_class": (own, others), "gamma_of_the_other_classes": (others, own)}.items():
            told = change("gamma", code, parameter=name, which=which, value=value)
            found.append(option("where(y == {}, {}, {})".format(which, *pair), SOFTMAX, told))
    return found


def _guarded(g: str) -> list[Option]:
    forms = {"epsilon_added_in_factor": "(miss + e)**g", "p_clipped_in_factor": "(1 - clamp(p_y, e, 1 - e))**g"}
    return [
        option(put(text, e=repr(e), g=g), SOFTMAX, change("precision", code, epsilon=e))
        for code, text in forms.items()
        for e in (LIMITS if code == "p_clipped_in_factor" else ADDED)
    ]


def _smoothed(g: str, accepts: set[str]) -> list[Option]:
    """p_t from a cross entropy of smoothed labels, or the part of p that smoothed labels take."""
    forms = {
        "p_t_of_smoothed_cross_entropy": "(1 - exp(sum_c(t*log_p)))**g",
        "p_t_of_smoothed_labels": "(1 - sum_c(t*p))**g",
    }
    found = smoothed(forms, g)
    if "alpha" in accepts:
        found += [
            option(
                put("(1 - exp(sum_c(t*alpha*log_p)))**g", t=put(SMOOTHED["smoothed_over_classes"], e=repr(e)), g=g),
                SOFTMAX,
                change("label_smoothing", "p_t_of_smoothed_weighted_cross_entropy", epsilon=e),
            )
            for e in SMOOTHING
        ]
    return found
