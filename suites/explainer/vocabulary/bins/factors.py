"""What may stand in place of the row's weight, the two bins' parts, and the two bins' cross entropies."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.bins.quantities import ADDED, BINS, LIMITS
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import options_of

# code: the weight of a row
ROW_WEIGHTS: dict[str, str] = {
    "weight_ignored": "1",
    "weight_applied_twice": "weight**2",
    "weight_under_root": "sqrt(weight)",
    "weight_complement": "1 - weight",
    "weight_as_mask": "weight > 0",
    "weight_plus_one": "1 + weight",
}
CONSTANTS = (0.25, 0.5, 2)  # factors of every row: a box has four sides
# code: the parts of the left and of the right bin
PARTS: dict[str, tuple[str, str]] = {
    "parts_exchanged": ("fraction", "rest"),
    "parts_of_one_half": ("0.5", "0.5"),
    "parts_of_one": ("1", "1"),
    "parts_squared": ("rest**2", "fraction**2"),
    "parts_under_root": ("sqrt(rest)", "sqrt(fraction)"),
    "right_bin_missing": ("rest", "0"),
    "left_bin_missing": ("0", "fraction"),
    "left_bin_only": ("1", "0"),
    "right_bin_only": ("0", "1"),
    "nearest_bin_only": ("where(fraction < 0.5, 1, 0)", "where(fraction >= 0.5, 1, 0)"),
    "left_part_of_one": ("1", "fraction"),
    "right_part_of_one": ("rest", "1"),
    "left_part_for_both": ("rest", "rest"),
    "right_part_for_both": ("fraction", "fraction"),
    "right_part_negative": ("rest", "-fraction"),
    "left_part_negative": ("-rest", "fraction"),
}
CE, ACT = "cross_entropy", "activation"
# (kind, code): the entropies of both bins
ENTROPIES: dict[tuple[str, str], str] = {
    (CE, "logarithm_base_2"): "-log_S/log(2)",
    (CE, "logarithm_base_10"): "-log_S/log(10)",
    (CE, "minus_sign_missing"): "log_S",
    (CE, "logarithm_missing"): "-S",
    (CE, "logarithm_and_sign_missing"): "S",
    (CE, "miss_for_cross_entropy"): "1 - S",
    (CE, "logarithm_of_miss"): "-log(1 - S)",
    (ACT, "softmax_twice"): "-at(log_softmax(softmax(x)), bins)",
    (ACT, "sigmoid_for_softmax"): "softplus(-at(x, bins))",
    (ACT, "sigmoid_before_softmax"): "-at(log_softmax(sigmoid(x)), bins)",
    (ACT, "logit_for_log_probability"): "-at(x, bins)",
    (ACT, "logit_for_probability"): "-log(at(x, bins))",
    (ACT, "logits_negated"): "-at(log_softmax(-x), bins)",
    (CE, "squared_error"): "(1 - S)**2",
    (CE, "binary_cross_entropies_of_bins"): "sum_c(softplus(x)) - at(x, bins)",
}
POWERS = (0.5, 1, 2, 3)  # of a modulating factor, which this loss has not
SMOOTHING = (0.01, 0.05, 0.1, 0.2)
GUARDS = {
    "epsilon_added_in_logarithms": ("-log(S + e)", ADDED),
    "epsilon_floors_logarithms": ("-log(max(S, e))", LIMITS),  # a limit above as well shows nowhere
}
# code: losses that are no sum over two bins
WHOLES: dict[str, str] = {
    "logarithm_of_blend": "-log(S_mixed)",
    "absolute_error_of_expected_bin": "abs(off)",
    "squared_error_of_expected_bin": "off**2",
    "half_squared_error_of_expected_bin": "off**2/2",
    "smooth_error_of_expected_bin": "where(abs(off) < 1, off**2/2, abs(off) - 0.5)",
    "less_target_entropy": "sum_c(xlogy(parts, parts) - parts*log_S)",
    "modulated_by_blended_probability": "-sum_c(parts*log_S)*(1 - S_mixed)**2",
}


def row_weights(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's weight first, and everything that may stand in its place."""
    constant = [option(f"{c:g}", BINS, change("normaliser", "constant_weight", value=c)) for c in CONSTANTS]
    row = loss.of_role("row_weights")
    if row is None or row.name not in accepts:
        return [option("1", BINS), *constant, option("1/K", BINS, change("normaliser", "divided_by_classes"))]
    found = [option(loss.made_of.weight, BINS)]
    found += [option(text, BINS, change("alpha", code)) for code, text in ROW_WEIGHTS.items()]
    unheeded = change("alpha", "weight_ignored")
    for c in CONSTANTS:
        scaled = change("normaliser", "constant_weight", value=c)
        found += [option(f"{c:g}*weight", BINS, scaled), option(f"{c:g}", BINS, unheeded, scaled)]
    return [*found, option("weight/K", BINS, change("normaliser", "divided_by_classes"))]


def parts(loss: Canonical) -> list[Option]:
    """How much of the loss either bin gets."""
    found = [option(loss.made_of.modulation, BINS)]
    return found + [
        option(
            f"pair(0*fraction + {left}, 0*fraction + {right})",
            BINS,
            change("target_range", code),
            shown=f"pair({left}, {right})",
        )
        for code, (left, right) in PARTS.items()
    ]


def entropies(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The entropy of both bins."""
    found = options_of(loss.made_of.entropy, BINS, loss, accepts)
    found += [option(text, BINS, change(*told)) for told, text in ENTROPIES.items()]
    for power in POWERS:
        told = change("gamma", "modulated_by_power", value=power)
        found.append(option(put("-(1 - S)**g*log_S", g=f"{power:g}"), BINS, told))
    for e in SMOOTHING:
        told = change("label_smoothing", "bins_smoothed", epsilon=e)
        found.append(option(f"-({1 - e!r}*log_S + {e!r}*mean_c(log_softmax(x)))", BINS, told))
    return found + [
        option(put(text, e=repr(e)), BINS, change("precision", code, epsilon=e))
        for code, (text, epsilons) in GUARDS.items()
        for e in epsilons
    ]


def wholes() -> list[Option]:
    """Parts and entropies in one. Columns are summed, so half of the loss stands in either."""
    return [
        option(f"pair(({text})/2, ({text})/2)", BINS, change(CE, code), shown=text) for code, text in WHOLES.items()
    ]
