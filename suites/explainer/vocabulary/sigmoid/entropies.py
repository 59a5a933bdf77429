"""What may stand in place of the binary cross entropy, and the guards that people put around its logarithms."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import options_of
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import ADDED, LIMITS, RULES, SIGMOID

CE, ACT = "cross_entropy", "activation"
# (kind, code): the entropy, where the binary cross entropy is meant
ENTROPIES: dict[tuple[str, str], str] = {
    (CE, "logarithm_base_2"): "bce/log(2)",
    (CE, "logarithm_base_10"): "bce/log(10)",
    (CE, "part_of_negatives_missing"): "-y*log_p",
    (CE, "part_of_positives_missing"): "-(1 - y)*log_q",
    (CE, "log_p_for_both"): "-log_p",
    (CE, "log_one_minus_p_for_both"): "-log_q",
    (CE, "logarithm_of_other_label"): "-log(miss)",
    (CE, "minus_sign_missing"): "-bce",
    (CE, "squared_error"): "abs(y - p)**2",
    (CE, "absolute_error"): "abs(y - p)",
    (CE, "logarithm_missing"): "-hit",
    (CE, "logarithm_and_sign_missing"): "hit",
    (CE, "miss_for_cross_entropy"): "miss",
    (CE, "times_p_t"): "hit*bce",
    (CE, "cross_entropy_squared"): "bce**2",
    (CE, "log_of_one_plus_cross_entropy"): "log1p(bce)",
    (CE, "log_of_cross_entropy"): "-log(bce)",
    (CE, "less_target_entropy"): "bce + xlogy(y, y) + xlogy(1 - y, 1 - y)",
    (CE, "exponential_loss"): "exp(-x_t)",
    (CE, "hinge_loss"): "max(1 - x_t, 0)",
    (CE, "squared_error_of_logit"): "(x - y)**2",
    (ACT, "cross_entropy_of_p_as_logit"): "softplus(p) - p*y",
    (ACT, "cross_entropy_of_logits_as_probabilities"): "-(y*log(x) + (1 - y)*log(1 - x))",
    ("soft_labels", "cross_entropy_of_interpolated_p_t"): "-log(hit)",
    ("soft_labels", "cross_entropy_in_logit"): "softplus(-x_t)",
}
# code: -(y positive + (1-y) negative) with an epsilon e, wherever people put it
GUARDS: dict[str, tuple[str, str]] = {
    "epsilon_clips_p": ("log(clamp(p, e, 1 - e))", "log(clamp(q, e, 1 - e))"),
    "epsilon_added_in_logarithms": ("log(p + e)", "log(q + e)"),
    "epsilon_floors_logarithms": ("log(max(p, e))", "log(max(q, e))"),
    "epsilon_added_to_p": ("log(p + e)", "log_q"),
    "epsilon_added_to_one_minus_p": ("log_p", "log(q + e)"),
    "epsilon_shifts_p": ("log(p + e)", "log(q - e)"),
    "epsilon_scales_p": ("log(p*(1 - 2*e) + e)", "log(q*(1 - 2*e) + e)"),
}

LIMITING = ("epsilon_clips_p", "epsilon_floors_logarithms")  # where they do nothing for most p


def entropies(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's cross entropy first, and everything that may stand in its place."""
    found = options_of(loss.made_of.entropy, SIGMOID, loss, accepts)
    found += [option(text, SIGMOID, change(*told)) for told, text in ENTROPIES.items()]
    for rule in RULES:
        told = change("soft_labels", "cross_entropy_by_rule", rule=rule)
        found.append(option(f"softplus(x) - x*where({rule}, 1, 0)", SIGMOID, told))
    return found + [
        option(put(f"-(y*{positive} + (1 - y)*{negative})", e=repr(e)), SIGMOID, change("precision", code, epsilon=e))
        for code, (positive, negative) in GUARDS.items()
        for e in (LIMITS if code in LIMITING else ADDED)
    ]


def entropy_smoothed(one: float, zero: float) -> Option:
    """Labels smoothed inside the cross entropy only."""
    told = change("label_smoothing", "labels_smoothed_in_cross_entropy", one=one, zero=zero)
    return option(f"softplus(x) - x*({zero!r} + {one - zero!r}*y)", SIGMOID, told)


def entropy_smoothed_over_classes(e: float) -> Option:
    """Labels smoothed inside the cross entropy only, by e/C for every class."""
    told = change("label_smoothing", "labels_smoothed_over_classes_in_cross_entropy", epsilon=e)
    return option(f"softplus(x) - x*({1 - e!r}*y + {e!r}/C)", SIGMOID, told)
