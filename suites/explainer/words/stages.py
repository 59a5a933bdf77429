"""What the other stages of an explanation find out: precision, gradients, state, what was measured.

Where a sentence depends on more than numbers that are filled in, it is made by a function of the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from focalbench_suite.suites.explainer.words.template import Template, Values


def _setting(values: Values) -> str:
    told = [f"{name} = {value:g}" for name, value in values["setting"] if isinstance(value, (int, float))]
    return f" with {', '.join(told)}" if told else ""


def _nan(values: Values) -> str:
    return "NaN" if values["nan"] else "infinite"


def _nonfinite_from(values: Values) -> str:
    """The gradient is NaN from logit 17 at target 1 and …: quantities that fail at the same places told together."""
    places: dict[tuple, list[str]] = {}
    for place in map(dict, values["places"]):
        at = f"at logit {place['logit']:g}, target {place['target']:g} ({place['points']} of {place['of']} grid points)"
        places.setdefault((place["quantity"], _nan(place)), []).append(at)
    told = [f"{quantity} is {what} {' and '.join(at)}" for (quantity, what), at in places.items()]
    return f"in {values['dtype']}{_setting(values)}, {'; '.join(told)}"


def _nonfinite_at(values: Values) -> str:
    where = f"logits {values['logits']}, targets {values['targets']}{_setting(values)}"
    return f"{values['quantity']} is {_nan(values)} in {values['dtype']} at {where}"


def _digits_lost(values: Values) -> str:
    side = "easy" if values["easy"] else "hard"
    sign = "positives" if values["target"] else "negatives"
    zero = ""
    if values["zero_from"] is not None:
        zero = f", exactly 0 at {values['zero_from']:g} and in {values['points']} of {values['of']} grid points"
    return (
        f"{values['quantity']} of {side} {sign} loses its digits in {values['dtype']}{_setting(values)}: relative "
        f"error {values['error']:.1g} at logit {values['logit']:g}{zero}"
    )


def _easy_digits_lost(values: Values) -> str:
    zero = f" and are exactly 0 from {values['zero_from']:g}" if values["zero_from"] is not None else ""
    return (
        f"in {values['dtype']}, easy elements lose their digits from |logit| = {values['logit']:g} (relative error "
        f"{values['error']:.1g}){zero}, as in nearly every loss built on BCE-with-logits or log-softmax"
    )


SIDES_NAMED = {1.0: "positives", 0.0: "negatives"}


def _cut_off(values: Values) -> str:
    label, logit = values["label"], values["logit"]
    of = (SIDES_NAMED | {"both": "missed elements", None: "a row"})[label]
    where = {None: "-log p_t", "both": "|logit|"}.get(label, "the logit")
    passes = abs(logit) if label in (None, "both") else logit
    return (
        f"the loss of {of} is cut off where {where} passes {passes:.3g} (an epsilon of "
        f"{values['epsilon']:.1g} in the logarithm, or clamped logits), with no gradient beyond"
    )


def _setting_refused(values: Values) -> str:
    return f"raises in {values['dtype']}{_setting(values)}: {values['error']}"


def _weights_as_measured(values: Values) -> str:
    table = values["table"]
    by_label = {y: {float(f"{w:.4g}") for other, _, w in table if other == y} for y, _, _ in table}
    elsewhere = values.get("elsewhere_papers", False)
    alone = all(len(weights) == 1 for weights in by_label.values()) and not elsewhere
    if alone and any(a is not None for _, a, _ in table):
        told = [f"{weights.pop():g} at y = {y:g}" for y, weights in by_label.items()]
        none = "the class weights have no effect" if values["whose"] == "class weights" else "alpha has no effect"
        return f"{none}: elements are weighted by their label alone, {'; '.join(told[:6])}"
    shown = [f"{w:.4g} at y = {y:g}" + ("" if a is None else f", alpha = {a:g}") for y, a, w in table]
    by = "label" if all(a is None for _, a, _ in table) else f"label and {values['whose']}"
    rest = "; elsewhere as in the paper" if elsewhere else ""
    return f"elements are weighted by their {by} as measured: {'; '.join(shown[:6])}{rest}"


def _factor_as_measured(values: Values) -> str:
    shown = [
        f"{c:.4g} (1-p_t)^{round(e, 6):.4g} at {'' if y is None else f'y = {y:g}, '}{values['power']} = {g:g}"
        for y, g, c, e in values["table"]
    ]
    return f"the modulating factor is, as measured: {'; '.join(shown[:6])}"


def _sigmoid_of_scaled_logit(values: Values) -> str:
    shift = f" {values['shift']:+.6g}" if values["shift"] else ""
    return f"the sigmoid is taken of {values['slope']:.6g} x{shift} instead of the logit x"


def _probability_as_measured(values: Values) -> str:
    shown = ", ".join(f"p({x:g}) = {p:.4g}" for x, p in values["table"][::3])
    return f"uses another function of the logit than the sigmoid: {shown}"


def _unknown_normaliser(values: Values) -> str:
    shown = ", ".join(f"{divisor:g} for {rows} x {columns}" for rows, columns, divisor in values["table"])
    return f"the sum is divided by a number that is no known normaliser: {shown}"


def _state(what: str) -> Callable[[Values], str]:
    def told(values: Values) -> str:
        random = " (it draws random numbers)" if values["random"] else ""
        return what + random + (f": {values['error']}" if values["error"] else "")

    return told


BARS = "▁▂▃▄▅▆▇█"


def bars(numbers: list[float]) -> str:
    """Numbers as a small plot, the largest the full height; what is no number is a dot."""
    top = max((abs(n) for n in numbers if math.isfinite(n)), default=0.0) or 1.0
    return "".join(BARS[round(abs(n) / top * 7)] if math.isfinite(n) else "·" for n in numbers)


def _unexplained(values: Values) -> str:
    told = "no known combination reproduces every probe"
    lines = []
    for target in dict.fromkeys(y for y, *_ in values["factor"]):
        rows = sorted(row[1:] for row in values["factor"] if row[0] == target)
        shown = ", ".join(f"{p:.2g}: {found:.3g} ({paper:.3g})" for p, found, paper in rows[::2])
        plot = f"{bars([row[1] for row in rows])} (paper {bars([row[2] for row in rows])})"
        lines.append(f"y = {target:g}  {plot}  p: factor (paper's)  {shown}")
    if not lines:
        return told
    return "\n".join([f"{told}; what multiplies the cross entropy, from p = 0 to 1, as measured:", *lines])


def _overlap_loss(values: Values) -> str:
    weights = values["alarms"], values["misses"]
    name = "Dice" if weights == ("0.5", "0.5") else "Tversky"
    smooth = f" + {values['smooth']:g}" if values["smooth"] else ""
    alarms, misses = ("" if weight == "1" else f"{weight} " for weight in weights)
    ratio = f"(TP{smooth})/(TP + {alarms}FP + {misses}FN{smooth})"
    power = "" if values["power"] == "1" else f", to the power {values['power']}"
    return (
        f"is no cross entropy but {name}'s loss, 1 - {ratio}{power}: TP, FP and FN are sums of y p, (1-y) p and "
        f"y (1-p){f' over {over}' if (over := values['over']) else ''}"
    )


def _no_positives_nonfinite(values: Values) -> str:
    return f"is {_nan(values)} for a batch without positives"


def _all_ignored_nonfinite(values: Values) -> str:
    return f"is {_nan(values)} where every row is ignored (label -1, unless it has another of its own)"


def _shape_refused(values: Values) -> str:
    shape = {
        "rows_unlike_classes": "N ≠ C", "square": "a square batch", "one_row": "one row", "one_class": "one class"
    }[values["shape"]]  # fmt: skip
    return f"raises for {shape}: {values['error']}"


def _label_refused(values: Values) -> str:
    ignored = "of a row to ignore (-1, unless it has another of its own)"
    label = ignored if values["label"] == -1 else "C (background)"
    return f"raises for label {label}: {values['error']}"


def _number_weighs_classes(values: Values) -> str:
    shown = ", ".join(f"class {i} with {weight:.4g}" for i, weight in enumerate(values["weights"]))
    return f"{values['parameter']} is one number, which weighs classes apart: {values['value']:g} weighs {shown}"


def _reduces_by_shape(values: Values) -> str:
    return (
        f"reduces by {values['reduction']}, so its value depends on how the batch is shaped: the same "
        f"{values['elements']} elements give {values['value']:.6g} as {values['shape']} and {values['other']:.6g} as "
        f"{values['turned']}"
    )


def _probe(quantity: str) -> Callable[[Values], str]:
    def told(values: Values) -> str:
        changed = ", ".join(f"{name} = {value}" for name, value in values["setting"])
        return f"{values['probe']}{f' ({changed})' if changed else ''}: {quantity}{values['relation']}"

    return told


STAGES: dict[str, Template] = {
    # precision and non-finite numbers
    "nonfinite_from": _nonfinite_from,
    "nonfinite_at": _nonfinite_at,
    "never_finite": "returns NaN or infinity on every call",
    "digits_lost": _digits_lost,
    "easy_digits_lost": _easy_digits_lost,
    "easy_loss_floored": "the loss of easy elements stops falling: from |logit| = {logit:g} on it is {times:.2g} times "
    "the paper's and more, since p is clamped, or an epsilon stands beside it",
    "cut_off": _cut_off,
    "factor_floored": lambda values: (
        f"the modulating factor of easy {SIDES_NAMED.get(values['label'], 'elements')} falls no further than "
        f"{values['factor']:.1g}: p is clamped at {values['epsilon']:.1g} in it, and not in their cross entropy"
    ),
    "half_inside": "float64 logits give a result of relative error {error:.1g}: an intermediate is float16 or bfloat16",
    "rounded_to_single": lambda values: (
        f"{values['what']} {'are' if values['what'] == 'targets' else 'is'} rounded to float32 for float64 logits "
        f"(relative error {values['error']:.1g})"
    ),
    "single_inside": "float64 logits give a result of relative error {error:.1g}: an intermediate is float32, or an "
    "epsilon is added",
    # what is measured where nothing known fits, and what is left
    "weights_as_measured": _weights_as_measured,
    "weights_in_p_t_as_measured": lambda values: (
        f"{_weights_as_measured(values)}; and the weight w enters p_t: p_t = exp(-w CE)"
    ),
    "factor_as_measured": _factor_as_measured,
    "sides_weighted_in_cross_entropy": "the cross entropy weighs positives with {positive:g} and negatives with "
    "{negative:g} (pos_weight {ratio:g})",
    "every_element_scaled": "every element is multiplied by {factor:.6g}",
    "sigmoid_of_scaled_logit": _sigmoid_of_scaled_logit,
    "probability_as_measured": _probability_as_measured,
    "gamma_cancels_in_one_row": "in a row alone {parameter} has no effect, in several it has: a modulating factor is "
    "divided by what holds it, in no known way",
    "soft_labels_of_the_paper": "what differs does so on hard labels alone: on soft ones (0 < y < 1) it is the paper's",
    "soft_labels_another": "for soft labels (0 < y < 1) it is another function",
    "constant": "returns {value:g} whatever the logits",
    "logits_ignored": "does not depend on the logits",
    "overlap_loss": _overlap_loss,
    "softmax_over_rows": "one row alone gives the same loss whatever its logits: rows are normalised against each "
    "other, not classes",
    "rest_is_no_cross_entropy": "what is left without weight and modulating factor is not -log p_t",
    "equal_without_factor_only": "equal to the paper's at gamma = 0 only: the modulating factor is no known one",
    "explained_in_part": "{cause} (only {parameter} = {value:g} is explained; beyond it, it is no known function)",
    "equal_in_part": "equal to {formula} for {parameter} = {value:g} only: {parameter} is applied in no known way",
    "unexplained": _unexplained,
    # reduction
    "no_weighted_sum": "with more than one element, what is returned is no weighted sum of the elements' losses",
    "unknown_normaliser": _unknown_normaliser,
    "another_reduction": "reduces by {found}, not by {wanted}",
    "reduces_by": "reduces by {reduction}",
    "reduces_by_shape": _reduces_by_shape,
    # gradient
    "backward_refused": "the backward pass raises: {error}",
    "backward_refused_for_one_row": "the backward pass raises for a batch of one row alone: {error}",
    "no_gradient": "the result has no gradient to the logits",
    "factor_detached": "the modulating factor is detached: the gradient is that of the cross entropy alone, times the "
    "factor",
    "cross_entropy_detached": "the cross entropy is detached: the gradient is that of the modulating factor alone",
    "gradient_without_factor": "the gradient leaves out the modulating factor",
    "gradient_without_weight_and_factor": "the gradient leaves out the weight and the modulating factor",
    "gradient_without_weight": "the gradient leaves out the weight",
    "factor_detached_gradient_without_weight": "the modulating factor is detached, and the gradient leaves out the "
    "weight",
    "gradient_sign": "the gradient has the wrong sign",
    "gradient_zero": "the gradient is 0 everywhere",
    "gradient_through_cut": "where the value is cut off and does not change, the gradient goes on as if it did",
    "gradient_scaled": "the gradient is {factor:.6g} times that of the value",
    "gradient_cut_off": "the gradient is cut off at ±{limit:.6g}",
    "gradient_another": "the gradient is not the derivative of the value",
    "gradient_another_in_batch": "in a batch, the gradient is not the derivative of the value",
    "second_backward_differs": "a second backward pass through the same graph gives another gradient",
    # arguments, state, dtypes, shapes
    "argument_changed": "changes its argument {argument} in place",
    "arguments_not_kept": "{detail}",
    "second_call_differs": _state("a second call with the same input returns something else"),
    "call_after_others_differs": _state("the same call after others returns something else"),
    "earlier_call_left_something": _state("what an earlier call left behind changes the result"),
    "modes_switched": "changes torch's gradient mode or default dtype for everyone",
    "not_deterministic": "{detail}",
    "dtype_refused": "raises for {dtype}: {error}",
    "dtype_narrowed": "returns {returned} for {given} logits",
    "float64_not_kept": "does not compute in float64: {detail}",
    "integer_targets_refused": "integer targets are refused: {detail}",
    "setting_refused": _setting_refused,
    "default_refused": "raises with the defaults of its own signature: {error}",
    "default_of_classes": "the defaults of its own signature are for {classes} classes: with others it raises {error}",
    "no_rows_refused": "raises for a batch without rows (N = 0): {error}",
    "no_positives_refused": "raises for a batch without positives: {error}",
    "no_positives_nonfinite": _no_positives_nonfinite,
    "all_ignored_nonfinite": _all_ignored_nonfinite,
    "ignored_rows_counted": "rows to ignore (label -1) change the result, in no known way",
    "background_read_otherwise": "background rows (label C) are read in no known way",
    "several_positives_a_row": "made for at most one positive a row: with several, it is another function",
    "gradient_at_zero": "the gradient is wrong where a logit is exactly 0: a kink of its formula lies there",
    "shape_refused": _shape_refused,
    "label_refused": _label_refused,
    "own_label_refused": "raises for the label that it names itself for {rows} to ignore, {label}: {error}",
    "own_label_counted": "{rows} of the label that it names itself for what to ignore, {label}, change the result",
    "own_label_ignored": "{rows} of label {label} have no loss",
    "own_label_in_the_mean": "{rows} of label {label} have no loss, and the mean counts them",
    "own_label_left_out": "{rows} of label {label} have no loss, and the mean leaves them out",
    "last_bin_refused": "raises for a target on the last bin, K-1: {error}",
    # parameters
    "zero_weights_are_none": "where all row weights are 0 they are taken for none, and the loss is not 0",
    "off_refused": "{parameter} = {value} raises: {error}",
    "off_does_not_turn_off": "{parameter} = {value} does not turn the weighting off",
    "weights_are_one_number": "{parameter} is one number for every class, so a scale and no class weights",
    "number_weighs_classes": _number_weighs_classes,
    "number_is_no_weight": "{parameter} is one number and no weight: {value:g} in place of 1 multiplies the loss of a "
    "row of equal logits by {factor:.4g}",
    "default_gives_no_loss": "gives no loss with its own default of {parameter}, None",
    "default": "the default {parameter} is {value}; the paper's is {paper:g}",
    # what the probes show beside that
    "another_function": "is another function, under every reduction that was tried: {relation}",
    "probe_raises": "{probe}: raises {error}",
    "probe_value": _probe(""),
    "probe_gradient": _probe("gradient "),
}
