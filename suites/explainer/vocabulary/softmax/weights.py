"""What rows may be weighted with, where class weights are meant."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import SOFTMAX

# code: the weight of a row, where alpha of its class is meant
CLASS_WEIGHTS: dict[str, str] = {
    "class_weights_complement": "1 - alpha_y",
    "class_weights_squared": "alpha_y**2",
    "class_weights_under_root": "sqrt(alpha_y)",
    "class_weights_inverted": "1/alpha_y",
    "class_weights_sum_to_one": "alpha_y/sum_c(alpha)",
    "class_weights_average_one": "alpha_y/mean_c(alpha)",
    "class_weights_at_most_one": "alpha_y/max_c(alpha)",
    "weight_of_first_class": "at(alpha, 0*y)",
    "weight_of_second_class": "at(alpha, 0*y + 1)",
    "mean_of_class_weights": "mean_c(alpha)",
    "sum_of_class_weights": "sum_c(alpha)",
    "weight_of_predicted_class": "at(alpha, argmax_c(x))",
    "class_weights_shifted_up": "at(alpha, (y + 1) % C)",
    "class_weights_shifted_down": "at(alpha, (y - 1) % C)",
    "class_weights_reversed": "at(alpha, C - 1 - y)",
    "class_weights_under_prediction": "sum_c(alpha*p)",
    "largest_class_weight": "max_c(alpha)",
    "one_plus_class_weights": "1 + alpha_y",
}
NORMALISED = ("class_weights_sum_to_one", "class_weights_average_one", "class_weights_at_most_one")
CONSTANTS = (0.25, 0.5, 0.75, 2)  # factors of every row, whatever its class


def weights(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's weight first, and everything that may stand in its place."""
    classes = loss.of_role("class_weights")
    if classes is None or classes.name not in accepts:
        return [option("1", SOFTMAX), *(_constant(c) for c in CONSTANTS), _over_classes("1")]
    return [
        option(loss.made_of.weight, SOFTMAX),
        option("1", SOFTMAX, change("alpha", "class_weights_ignored")),
        *(option(text, SOFTMAX, change("alpha", code)) for code, text in CLASS_WEIGHTS.items()),
        _over_classes(loss.made_of.weight),
        *(_constant(c, f"*{loss.made_of.weight}") for c in CONSTANTS),
        *(option(f"{c:g}", SOFTMAX, change("alpha", "class_weights_ignored"), _times(c)) for c in CONSTANTS),
    ]


def _constant(value: float, times: str = "") -> Option:
    return option(f"{value:g}{times}", SOFTMAX, _times(value))


def _times(value: float) -> Change:
    return change("normaliser", "constant_weight", value=value)


def _over_classes(weight: str) -> Option:
    return option(f"{weight}/C", SOFTMAX, change("normaliser", "divided_by_classes"))
