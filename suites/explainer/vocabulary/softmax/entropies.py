"""What may stand in place of -log p_t of a row."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import options_of
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import ADDED, LIMITS, SMOOTHED, SMOOTHING, SOFTMAX

CE, ACT = "cross_entropy", "activation"
# (kind, code): the entropy of a row
ENTROPIES: dict[tuple[str, str], str] = {
    (CE, "logarithm_base_2"): "-log_p_y/log(2)",
    (CE, "logarithm_base_10"): "-log_p_y/log(10)",
    (CE, "minus_sign_missing"): "log_p_y",
    (CE, "logarithm_missing"): "-p_y",
    (CE, "logarithm_and_sign_missing"): "p_y",
    (CE, "miss_for_cross_entropy"): "miss",
    (CE, "logarithm_of_miss"): "-log(miss)",
    (CE, "times_p_t"): "-p_y*log_p_y",
    (CE, "cross_entropy_squared"): "log_p_y**2",
    (CE, "log_of_one_plus_cross_entropy"): "log1p(-log_p_y)",
    (CE, "log_of_cross_entropy"): "-log(-log_p_y)",
    (ACT, "logit_for_log_probability"): "-x_y",
    (ACT, "logit_for_probability"): "-log(x_y)",
    (ACT, "cross_entropy_of_p_as_logit"): "-at(log_softmax(p), y)",
    (ACT, "sigmoid_in_cross_entropy"): "softplus(-x_y)",
    (CE, "binary_cross_entropies_summed"): "sum_c(bce)",
    (CE, "binary_cross_entropies_averaged"): "mean_c(bce)",
    (CE, "other_classes_added"): "-sum_c(hot*log_p + (1 - hot)*log(1 - p))",
    (CE, "squared_error_of_probabilities"): "sum_c((p - hot)**2)",
    (CE, "log_probabilities_averaged"): "-mean_c(log_p)",
    (CE, "log_probabilities_summed"): "-sum_c(log_p)",
}
# code: -log with an epsilon e
GUARDS = {
    "epsilon_added_in_logarithms": ("-log(p_y + e)", ADDED),
    "epsilon_floors_logarithms": ("-log(max(p_y, e))", LIMITS),  # a limit above as well shows nowhere
}


def entropies(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's cross entropy first, and everything that may stand in its place."""
    found = options_of(loss.made_of.entropy, SOFTMAX, loss, accepts)
    found += [option(text, SOFTMAX, change(*told)) for told, text in ENTROPIES.items()]
    coefficient = loss.of_role("coefficient")
    if coefficient is not None and coefficient.name in accepts:
        told = change("cross_entropy", "epsilon_is_the_power", parameter=coefficient.name)
        found.append(option(put("-log_p_y + miss**(e + 1)", e=coefficient.name), SOFTMAX, told))
    for e in SMOOTHING:
        for how, labels in SMOOTHED.items():
            told = change("label_smoothing", "labels_smoothed_in_cross_entropy_of_row", epsilon=e, how=how)
            text = put("-sum_c(t*log_p)", t=put(labels, e=repr(e)))
            found.append(option(text, SOFTMAX, told, shown="-sum_c(smoothed(hot)*log_p)"))
        found.append(
            option(
                put("-log(sum_c(t*p))", t=put(SMOOTHED["smoothed_over_others"], e=repr(e))),
                SOFTMAX,
                change("label_smoothing", "logarithm_of_smoothed_p_t", epsilon=e),
                shown="-log(sum_c(smoothed(hot)*p))",
            )
        )
        if "alpha" in accepts:
            labels = put(SMOOTHED["smoothed_over_classes"], e=repr(e))
            told = change("label_smoothing", "labels_smoothed_with_weights", epsilon=e)
            found.append(option(put("-sum_c(t*alpha_ratio*log_p)", t=labels), SOFTMAX, told))
    return found + [
        option(put(text, e=repr(e)), SOFTMAX, change("precision", code, epsilon=e))
        for code, (text, epsilons) in GUARDS.items()
        for e in epsilons
    ]
