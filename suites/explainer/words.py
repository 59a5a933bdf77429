"""The one place where codes become sentences. Nothing reads a sentence back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from focalbench_suite.suites.explainer.vocabulary.option import Change
from focalbench_suite.suites.explainer.vocabulary.reduction import DIVIDED_BY, GUARDED, ROWS, WEIGHING

Values = dict[str, Any]

# words of people for values that are names themselves
NAMED: dict[str, str] = {
    "alpha_t": "alpha on positives, 1-alpha on negatives",
    "alpha_exchanged": "1-alpha on positives, alpha on negatives",
    "alpha_on_positives_only": "alpha on positives, 1 on negatives",
    "one_minus_alpha_on_negatives_only": "1 on positives, 1-alpha on negatives",
    "alpha_on_both": "alpha",
    "alpha_times_complement_on_negatives": "alpha on positives, alpha (1-alpha) on negatives",
    "one_minus_alpha_on_both": "1-alpha",
    "alpha_on_negatives_only": "1 on positives, alpha on negatives",
    "one_minus_alpha_on_positives_only": "1-alpha on positives, 1 on negatives",
    "weights_squared": "alpha^2 on positives, (1-alpha)^2 on negatives",
    "weights_under_root": "sqrt(alpha) on positives, sqrt(1-alpha) on negatives",
    "weights_doubled": "2 alpha on positives, 2 (1-alpha) on negatives",
    "alpha_ratio_on_positives": "alpha/(1-alpha) on positives, 1 on negatives",
    "alpha_ratio_on_negatives": "1 on positives, (1-alpha)/alpha on negatives",
    "one_plus_alpha_on_positives": "1+alpha on positives, 1 on negatives",
    "negatives_weigh_nothing": "alpha on positives, 0 on negatives",
    "positives_weigh_nothing": "0 on positives, 1-alpha on negatives",
    "class_weights": "alpha[y]",
    "class_weights_sum_to_one": "alpha[y]/sum(alpha)",
    "class_weights_average_one": "alpha[y]/mean(alpha)",
    "class_weights_at_most_one": "alpha[y]/max(alpha)",
    "none": "no reduction",
    "smoothed_over_classes": "evenly over all classes",
    "smoothed_over_others": "evenly over the other classes",
    "smoothed_without_sharing": "without giving it to any class",
    "smoothed_as_binary": "with half of it for every class",
    "smoothed_and_added": "and added to every class",
    "smoothed_over_one_class_less": "with 1/(C-1) of it for every class",
}

_WEIGHS = "weighs positives with {} and negatives with {}, instead of alpha and 1-alpha"

ALPHA = {
    "alpha_ignored": "{parameter} has no effect",
    "alpha_fixed": "{parameter} has no effect: {value:g} is used in its place",
    "alpha_doubled": "doubles {parameter}",
    "alpha_halved": "halves {parameter}",
    "alpha_squared": "squares {parameter}",
    "alpha_complement": "uses 1-{parameter} in place of {parameter}",
    "alpha_negated": "negates {parameter}",
    "alpha_inverted": "divides by {parameter} in place of multiplying with it",
    "alpha_plus_one": "adds 1 to {parameter}",
    "alpha_as_power": "uses {parameter} as a power in place of a factor",
    "alpha_exchanged": "exchanges alpha and 1-alpha: positives weigh 1-alpha and negatives alpha",
    "alpha_on_positives_only": "only positives are weighted with alpha; negatives weigh 1",
    "alpha_times_complement_on_negatives": "negatives are weighted with alpha (1-alpha), positives with alpha: one "
    "factor alpha too many",
    "one_minus_alpha_on_negatives_only": "only negatives are weighted, with 1-alpha; positives weigh 1",
    "alpha_on_both": "alpha weighs positives and negatives alike",
    "one_minus_alpha_on_both": "1-alpha weighs positives and negatives alike",
    "alpha_on_negatives_only": "only negatives are weighted, with alpha; positives weigh 1",
    "one_minus_alpha_on_positives_only": "only positives are weighted, with 1-alpha; negatives weigh 1",
    "weights_squared": _WEIGHS.format("alpha^2", "(1-alpha)^2"),
    "weights_under_root": _WEIGHS.format("sqrt(alpha)", "sqrt(1-alpha)"),
    "weights_doubled": _WEIGHS.format("2 alpha", "2 (1-alpha)"),
    "alpha_ratio_on_positives": _WEIGHS.format("alpha/(1-alpha)", "1"),
    "alpha_ratio_on_negatives": _WEIGHS.format("1", "(1-alpha)/alpha"),
    "one_plus_alpha_on_positives": _WEIGHS.format("1+alpha", "1"),
    "negatives_weigh_nothing": "negatives are not counted",
    "positives_weigh_nothing": "positives are not counted",
    "alpha_on_positives_fixed_on_negatives": _WEIGHS.format("alpha", "{value:g}, whatever alpha is"),
    "fixed_on_positives_alpha_on_negatives": _WEIGHS.format("{value:g}, whatever alpha is,", "alpha"),
    "fixed_on_positives_complement_on_negatives": _WEIGHS.format("{value:g}, whatever alpha is,", "1-alpha"),
    "complement_on_positives_fixed_on_negatives": _WEIGHS.format("1-alpha", "{value:g}, whatever alpha is"),
    "fixed_weights": "weighs positives with {positive:g} and negatives with {negative:g}",
    "constant_weight": "multiplies every loss by the constant {value:g}",
    "balanced_by_mean_target": "weighs positives with 1-f and negatives with f, where f is the batch's mean target",
    "balanced_by_mean_target_exchanged": "weighs positives with f and negatives with 1-f, where f is the batch's mean "
    "target",
    "positives_balanced_by_ratio": "weighs positives with (1-f)/f, where f is the batch's mean target",
    "balanced_by_frequency": "weighs positives with 1/f and negatives with 1/(1-f), where f is the batch's mean target",
    "alpha_on_positives_complement_on_negatives": "alpha weighs positives, too, and 1-alpha negatives",
    "alpha_for_target_complement_on_negatives": "positives are weighted with alpha in place of their target, and "
    "negatives with 1-alpha",
    "alpha_for_target_on_positives_only": "positives are weighted with alpha in place of their target, and negatives "
    "weigh 1",
    "one_minus_alpha_on_positives_too": "positives are weighted with 1-alpha, too",
    "whole_weight_under_root": "the weight is the square root of the paper's, alpha p^gamma or the target",
    "whole_weight_squared": "the weight is the square of the paper's, alpha p^gamma or the target",
    "alpha_for_every_element": "every element is weighted with alpha, positives in place of their target",
    "focal_weights": "weighs with alpha y + (1-alpha) (1-y), as focal loss does",
    "no_weights": "neither the target nor alpha weigh anything",
    "alpha_inside_p_t": "the weight enters p_t: p_t = exp(-w CE), with w = {weight}",
    "alpha_times_p_t": "p_t is multiplied by the weight in the modulating factor: 1 - w p_t, with w = {weight}",
    "alpha_raised_to_gamma": "the class weights are raised to the power {parameter}, too",
    "class_weights_ignored": "the class weights alpha have no effect",
    "class_weights_complement": "weighs rows with 1-alpha[y] in place of alpha[y]",
    "class_weights_squared": "applies the class weights twice",
    "class_weights_under_root": "weighs rows with the square root of alpha[y]",
    "class_weights_inverted": "divides by alpha[y]",
    "class_weights_sum_to_one": "normalises the class weights so that they sum to 1",
    "class_weights_average_one": "normalises the class weights so that their mean is 1",
    "class_weights_at_most_one": "divides the class weights by the largest of them",
    "weight_of_first_class": "weighs every row with the first class's weight",
    "weight_of_second_class": "weighs every row with the second class's weight",
    "mean_of_class_weights": "weighs every row with the mean of the class weights",
    "sum_of_class_weights": "weighs every row with the sum of the class weights",
    "largest_class_weight": "weighs every row with the largest class weight",
    "weight_of_predicted_class": "weighs rows with the weight of the predicted class, not of the target",
    "class_weights_shifted_up": "uses the weight of the next class: alpha[y+1]",
    "class_weights_shifted_down": "uses the weight of the class before: alpha[y-1]",
    "class_weights_reversed": "reads the class weights in reverse order: alpha[C-1-y]",
    "class_weights_under_prediction": "weighs rows with the mean class weight under the predicted probabilities",
    "poly_term_not_weighted": "the class weights leave the polynomial term out",
    "one_plus_class_weights": "adds 1 to the class weights",
    "every_class_has_its_own_weight": "weighs the term of every class with that class's alpha, not with the target's",
    "weight_ignored": "the row weight has no effect",
    "weight_applied_twice": "the row weight is applied twice",
    "weight_under_root": "the square root of the row weight is applied",
    "weight_complement": "rows are weighted with 1-weight",
    "weight_as_mask": "the row weight only says whether a row counts at all",
    "weight_plus_one": "1 is added to the row weight",
}

_FACTOR = "the modulating factor is {} in place of (1-p_t)^{{parameter}}"

GAMMA = {
    "heat_map": "is the focal loss of heat maps (CornerNet, CenterNet): alpha is the power of the modulating factor, "
    "and a negative weighs (1-y)^gamma",
    "heat_map_blended": "is the focal loss of heat maps (CornerNet, CenterNet), but for the positives, which weigh "
    "y^gamma: alpha is the power of the modulating factor, and every target is a positive with the weight y^gamma and "
    "a negative with (1-y)^gamma",
    "poly_term_squared": "the polynomial term's power is always 2",
    "first_class_modulated_only": "the modulating factor is applied to the first class alone",
    "first_class_not_modulated": "the modulating factor is not applied to the first class",
    "gamma_ignored": "{parameter} has no effect: there is no modulating factor",
    "gamma_fixed": "{parameter} has no effect: the power is always {value:g}",
    "gamma_of_its_own": "takes no {parameter} and uses {value:g}, not the paper's {paper:g}",
    "gamma_doubled": "the power is 2 {parameter}",
    "gamma_halved": "the power is {parameter}/2",
    "gamma_squared": "the power is {parameter}^2",
    "gamma_complement": "the power is 1-{parameter}",
    "gamma_negated": "the power is -{parameter}",
    "gamma_inverted": "the power is 1/{parameter}",
    "gamma_plus_one": "the power is {parameter}+1",
    "gamma_minus_one": "the power is {parameter}-1",
    "gamma_truncated": "{parameter} is cut to an integer",
    "gamma_rounded": "{parameter} is rounded to an integer",
    "gamma_rounded_up": "{parameter} is rounded up to an integer",
    "gamma_zero_means_two": "{parameter} = 0 is taken for no {parameter} given, and 2 is used",
    "gamma_at_least": "{parameter} is raised to at least {value:g}",
    "gamma_at_most": "{parameter} is limited to {value:g}",
    "gamma_as_factor": "{parameter} is a factor, not a power: {parameter} (1-p_t) in place of (1-p_t)^{parameter}",
    "gamma_as_factor_on_positives": "positives are multiplied by {parameter} (1-p) in place of (1-p)^{parameter}",
    "gamma_as_factor_on_negatives": "negatives are multiplied by {parameter} p in place of p^{parameter}",
    "gamma_on_p_t": "p_t is raised to the power {parameter} in place of 1-p_t, so easy elements weigh most",
    "factor_zero_at_gamma_zero": "the loss is 0 at {parameter} = 0, where the factor should be 1",
    "gamma_as_base": "{parameter} is the base and 1-p_t the power: {parameter}^(1-p_t)",
    "gamma_in_exponential": _FACTOR.format("exp({parameter} (1-p_t))"),
    "gamma_in_exponential_of_p_t": _FACTOR.format("exp(-{parameter} p_t)"),
    "one_minus_power_of_p_t": _FACTOR.format("1-p_t^{parameter}"),
    "power_of_one_plus_p_t": _FACTOR.format("(1+p_t)^{parameter}"),
    "power_of_one_plus_miss": "1 is added to 1-p_t before the power",
    "one_plus_factor": "1 is added to the modulating factor",
    "one_minus_factor": _FACTOR.format("1-(1-p_t)^{parameter}"),
    "gamma_added": "{parameter} is added to 1-p_t, not its power",
    "power_of_p_t_minus_one": "p_t-1 is raised to the power {parameter}: odd powers are negative, fractional ones NaN",
    "divided_by_gamma": "1-p_t is divided by {parameter} in place of raised to that power",
    "power_of_logarithm": "-log p_t is raised to the power {parameter} in place of 1-p_t",
    "root_of_both_powers": _FACTOR.format("sqrt((1-p_t)^{parameter} + p_t^{parameter})"),
    "both_powers_added": "p_t^{parameter} is added to the modulating factor",
    "gamma_in_tanh": _FACTOR.format("tanh({parameter} (1-p_t))"),
    "one_plus_gamma_as_factor": _FACTOR.format("1+{parameter} (1-p_t)"),
    "power_plus_miss": "the power is {parameter}+1-p_t, which falls with p_t",
    "power_plus_p_t": "the power is {parameter}+p_t, which grows with p_t",
    "power_times_miss": "the power is {parameter} (1-p_t)",
    "power_times_p_t": "the power is {parameter} p_t",
    "power_of_product": "p_t (1-p_t) is raised to the power {parameter} in place of 1-p_t",
    "capped_at_half": "the modulating factor is 1 up to p_t = 0.5, and (2 (1-p_t))^{parameter} beyond (reduced focal "
    "loss)",
    "asymmetric_with_margin": "computes the asymmetric loss: the power is {positive} for positives and {negative} for "
    "negatives, whose p is lowered by {margin:g} first",
    "asymmetric_margin_raises": "computes the asymmetric loss (the power is {positive} for positives and {negative} "
    "for negatives) with the margin's sign exchanged: p of negatives is raised by {margin:g}, in the modulating factor "
    "and in the logarithm",
    "asymmetric_margin_raises_in_cross_entropy": "computes the asymmetric loss (the power is {positive} for positives "
    "and {negative} for negatives) with the margin's sign exchanged: p of negatives is raised by {margin:g} in the "
    "logarithm",
    "asymmetric_margin_in_factor": "computes the asymmetric loss: the power is {positive} for positives and {negative} "
    "for negatives, whose p is lowered by {margin:g} in the modulating factor, not in the cross entropy",
    "asymmetric_margin_in_cross_entropy": "computes the asymmetric loss: the power is {positive} for positives and "
    "{negative} for negatives, whose p is lowered by {margin:g} in the cross entropy, not in the modulating factor",
    "asymmetric_power_of_sure_negatives": "computes the asymmetric loss (the power is {positive} for positives and "
    "{negative} for negatives, whose p is lowered by {margin:g} first), but raises 1-p of a negative to its power in "
    "place of p: sure negatives weigh most",
    "distance_without_absolute": "the modulating factor takes y-p without its absolute value",
    "distance_negated_without_absolute": "the modulating factor takes p-y without its absolute value",
    "distance_cut_at_zero": "the modulating factor cuts y-p off at 0, so that confident negatives weigh nothing",
    "signed_power": "the modulating factor has the sign of y-p",
    "signed_power_of_p": "the modulating factor has the sign of p-y",
    "one_minus_p_for_both": "the modulating factor is that of a positive, (1-p)^gamma, for negatives, too",
    "p_for_both": "the modulating factor is that of a negative, p^gamma, for positives, too",
    "modulated_by_power": "a modulating factor with the power {value:g} is applied, where there should be none",
    "positives_modulated_only": "the modulating factor applies to positives only",
    "negatives_modulated_only": "the modulating factor applies to negatives only",
    "adaptive_threshold": "is the adaptive threshold focal loss: the modulating factor is (1.000001-p_t)^(-log of the "
    "batch's mean p_t) where p_t > 0.5, and (1.5-p_t)^(-log p_t) elsewhere",
    "two_powers": "positives have the power {positive:g} and negatives {negative:g}, not one gamma for both",
    "gamma_on_positives_fixed_on_negatives": "gamma is the power of positives only; negatives always have {value:g}",
    "fixed_on_positives_gamma_on_negatives": "gamma is the power of negatives only; positives always have {value:g}",
    "power_of_alpha_too": "the weight is raised to the power {parameter}, too: (alpha_t (1-p_t))^{parameter}",
    "positives_modulated_by_distance": "positives are modulated, too, with |y-p|^gamma",
    "positives_modulated_by_miss": "positives are modulated, too, with (1-p)^gamma",
    "positives_modulated_by_p": "positives are modulated, too, with p^gamma",
    "positives_modulated_instead": "positives are modulated in place of negatives, with p^gamma",
    "positives_modulated_instead_by_distance": "positives are modulated in place of negatives, with |y-p|^gamma",
    "positives_modulated_instead_by_miss": "positives are modulated in place of negatives, with (1-p)^gamma",
    "negatives_modulated_by_one_minus_p": "negatives are modulated with (1-p)^gamma in place of p^gamma",
    "largest_probability": "the modulating factor uses the largest probability, not the target's",
    "log_probability_in_factor": "the modulating factor uses 1-log p_t in place of 1-p_t",
    "probability_of_first_class": "the modulating factor uses the first class's probability, not the target's",
    "factor_averaged_over_classes": "the modulating factor is averaged over all classes",
    "factor_summed_over_classes": "the modulating factor is summed over all classes",
    "star": "computes FL*, -log sigmoid({gamma} x_t + {shift:g}) / {gamma}, which is another loss than FL",
}

SOFT_LABELS = {
    "alpha_side_by_rule": "a soft label is on alpha's side where {rule}, not in part on both",
    "weighted_by_target": "each element is weighted with its target, so negatives (y = 0) weigh nothing",
    "weights_inside_cross_entropy": "for soft labels, alpha weighs the two logarithms of the cross entropy one by one, "
    "not their sum",
    "positives_not_weighted_by_target": "positives are not weighted with their target",
    "positives_weighted_by_target_squared": "positives are weighted with the square of their target",
    "positives_weighted_by_target_to_gamma": "positives are weighted with their target to the power gamma",
    "positives_by_rule": "positives are the elements with {rule}",
    "soft_labels_interpolated": "for soft labels, the modulating factor takes p_t = y p + (1-y)(1-p)",
    "soft_labels_distance": "for soft labels, the modulating factor takes 1-p_t = |y-p|",
    "soft_labels_exponential": "for soft labels, the modulating factor takes p_t = exp(-BCE)",
    "soft_labels_geometric": "for soft labels, the modulating factor takes 1-p_t = p^(1-y) (1-p)^y",
    "soft_labels_in_logit": "for soft labels, the modulating factor takes 1-p_t = sigmoid(x (1-2y))",
    "soft_labels_distance_without_absolute": "for soft labels, the modulating factor of positives takes y-p without "
    "its absolute value: odd powers are negative where p > y, fractional ones NaN",
    "soft_labels_by_rule": "for soft labels, the modulating factor takes p_t = p if {rule} else 1-p",
    "power_blended": "for soft labels, the powers of positives and negatives are blended by the target",
    "weighted_powers_blended": "for soft labels, alpha (1-p)^gamma of a positive and (1-alpha) p^gamma of a negative "
    "are blended by the target",
    "powers_blended": "for soft labels, the modulating factors of a positive and of a negative are blended by the "
    "target, not p_t",
    "cross_entropy_of_interpolated_p_t": "for soft labels, the cross entropy is -log p_t with p_t = y p + (1-y)(1-p)",
    "cross_entropy_by_rule": "the cross entropy takes soft labels for hard ones: 1 where {rule}",
    "between_hard_labels_nothing": "elements with a label between 0 and 1 have no loss",
    "soft_labels_read_as_hard": "soft labels are taken for hard ones: 1 where {rule}",
    "sides_blended": "for soft labels, the whole loss of a positive and that of a negative are blended by the target",
    "targets_raised_to_gamma": "targets are raised to the power {parameter}",
    "penalty_reduced": "a label below 1 is a negative, weighted with (1-y)^{power:g}",
    "cases_blended": "the positive's weight y and the negative's alpha p^gamma are blended by the target, not chosen "
    "by y > 0",
    "target_plus_blended_negatives": "the weight is y + (1-y) alpha p^gamma, not y or alpha p^gamma by y > 0",
    "target_added_to_negatives": "the weight is y + alpha p^gamma, not one of both by y > 0",
    "distance_weights_blended": "the weight is y |y-p|^gamma + (1-y) alpha p^gamma, not y or alpha p^gamma by y > 0",
}

CROSS_ENTROPY = {
    "logarithm_base_2": "the logarithm has base 2",
    "logarithm_base_10": "the logarithm has base 10",
    "part_of_negatives_missing": "the part of the negatives, -(1-y) log(1-p), is missing",
    "part_of_positives_missing": "the part of the positives, -y log p, is missing",
    "log_p_for_both": "uses -log p for positives and negatives alike",
    "log_one_minus_p_for_both": "uses -log(1-p) for positives and negatives alike",
    "logarithm_of_other_label": "uses the other label's logarithm: -log(1-p_t) in place of -log p_t",
    "minus_sign_missing": "the minus sign is missing",
    "squared_error": "uses the squared error in place of the cross entropy",
    "absolute_error": "uses the absolute error in place of the cross entropy",
    "logarithm_missing": "the logarithm is missing: -p_t in place of -log p_t",
    "logarithm_and_sign_missing": "the logarithm is missing: p_t in place of -log p_t",
    "miss_for_cross_entropy": "uses 1-p_t in place of the cross entropy",
    "times_p_t": "multiplies the cross entropy by p_t",
    "cross_entropy_squared": "squares the cross entropy",
    "log_of_one_plus_cross_entropy": "takes the logarithm of 1 + the cross entropy",
    "log_of_cross_entropy": "takes the logarithm of the cross entropy: a cross entropy is given as a probability",
    "cross_entropy_for_p_t": "the cross entropy stands in p_t's place: -(1-CE)^gamma log CE",
    "cross_entropy_for_p_t_in_factor": "the modulating factor takes the cross entropy for p_t",
    "less_target_entropy": "subtracts the target's own entropy (the Kullback-Leibler divergence): another value, "
    "the same gradient",
    "exponential_loss": "uses the exponential loss",
    "hinge_loss": "uses the hinge loss",
    "squared_error_of_logit": "uses the squared error between logit and target",
    "labels_inverted": "reads 1 as negative and 0 as positive",
    "logarithm_of_miss": "uses -log(1-p_t) in place of -log p_t",
    "binary_cross_entropies_summed": "uses the binary cross entropy of every class, summed, in place of the softmax's",
    "binary_cross_entropies_averaged": "uses the binary cross entropy of every class, averaged, in place of the "
    "softmax's",
    "other_classes_added": "adds -log(1-p) of the other classes",
    "poly_one": "is PolyLoss-1: {epsilon:g} (1-p_t)^(gamma+1) is added to the loss",
    "squared_error_of_probabilities": "uses the squared error of the probabilities",
    "log_probabilities_averaged": "averages -log p over all classes",
    "log_probabilities_summed": "sums -log p over all classes",
    "focal_of_every_class": "adds the focal loss of the other classes as negatives, {how}",
    "binary_cross_entropy_modulated_by_softmax": "modulates the sigmoid's cross entropy of every class with its "
    "softmax, {how}",
    "binary_cross_entropies_of_bins": "uses the binary cross entropies of all bins in place of the softmax's",
    "logarithm_of_blend": "takes the logarithm of the two bins' blended probability, not the blend of their logarithms",
    "absolute_error_of_expected_bin": "uses the absolute error of the expected bin in place of the cross entropies",
    "squared_error_of_expected_bin": "uses the squared error of the expected bin in place of the cross entropies",
    "half_squared_error_of_expected_bin": "uses half the squared error of the expected bin in place of the cross "
    "entropies",
    "smooth_error_of_expected_bin": "uses the smooth L1 error of the expected bin in place of the cross entropies",
    "modulated_by_blended_probability": "a modulating factor (1-S)^2 is applied, with S the two bins' blended "
    "probability",
    "coefficient_ignored": "{parameter} has no effect",
    "coefficient_fixed": "{parameter} has no effect: {value:g} is used in its place",
    "coefficient_of_its_own": "takes no {parameter} and uses {value:g}, not the paper's {paper:g}",
    "coefficient_doubled": "doubles {parameter}",
    "coefficient_halved": "halves {parameter}",
    "coefficient_squared": "squares {parameter}",
    "coefficient_complement": "uses 1-{parameter} in place of {parameter}",
    "coefficient_negated": "negates {parameter}",
    "coefficient_inverted": "divides by {parameter} in place of multiplying with it",
    "coefficient_plus_one": "adds 1 to {parameter}",
    "coefficient_as_power": "uses {parameter} as a power in place of a factor",
}

ACTIVATION = {
    "sigmoid_twice": "applies the sigmoid twice",
    "sigmoid_twice_in_factor": "applies the sigmoid twice in the modulating factor",
    "logits_for_probabilities": "takes the logits for probabilities: no sigmoid or softmax is applied",
    "logits_for_probabilities_in_factor": "takes the logits for probabilities in the modulating factor",
    "cross_entropy_of_p_as_logit": "the cross entropy takes probabilities for logits and applies the sigmoid or "
    "softmax once more",
    "cross_entropy_of_logits_as_probabilities": "the cross entropy takes the logits for probabilities",
    "distance_to_logit": "the modulating factor takes the distance between target and logit, without the sigmoid",
    "tanh_rescaled_for_sigmoid": "uses (1+tanh(x))/2 in place of the sigmoid",
    "tanh_for_sigmoid": "uses tanh in place of the sigmoid",
    "logits_halved": "halves the logits",
    "logits_negated": "negates the logits",
    "negative_logits_cut": "cuts negative logits off before the sigmoid",
    "softmax_for_sigmoid": "takes the softmax over the classes in place of the sigmoid of each",
    "softmax_twice": "applies the softmax twice",
    "softmax_twice_in_factor": "applies the softmax twice in the modulating factor",
    "sigmoid_before_softmax": "applies the sigmoid before the softmax",
    "sigmoids_over_their_sum": "divides the sigmoids by their sum in place of the softmax",
    "sigmoid_for_softmax": "uses the sigmoid in place of the softmax",
    "sigmoid_in_factor": "the modulating factor uses the sigmoid of the target's logit, not its softmax",
    "sigmoid_in_cross_entropy": "the cross entropy uses the sigmoid of the target's logit, not its softmax",
    "sigmoid_of_every_class": "uses the sigmoid focal loss of every class, {how}, in place of the softmax's",
    "temperature": "divides the logits by a temperature of {value:g}",
    "logit_for_log_probability": "takes logits for log-probabilities: no log-softmax is applied",
    "logit_for_probability": "takes the logarithm of logits: no softmax is applied",
}

PRECISION = {
    "epsilon_clips_p": "guards the logarithm: p is clipped to [{epsilon:g}, 1-{epsilon:g}]",
    "epsilon_added_in_logarithms": "guards the logarithm: {epsilon:g} is added to the probability",
    "epsilon_floors_logarithms": "guards the logarithm: probabilities are raised to at least {epsilon:g}",
    "epsilon_added_to_p": "guards the logarithm of p alone: {epsilon:g} is added",
    "epsilon_added_to_one_minus_p": "guards the logarithm of 1-p alone: {epsilon:g} is added",
    "epsilon_shifts_p": "adds {epsilon:g} to p in both logarithms, so log(1-p) becomes log(1-p-{epsilon:g})",
    "epsilon_scales_p": "guards the logarithm: p is scaled into [{epsilon:g}, 1-{epsilon:g}]",
    "epsilon_added_to_p_t": "adds {epsilon:g} to p_t, in the logarithm and in the factor",
    "epsilon_added_in_factor": "adds {epsilon:g} to 1-p_t before the power",
    "epsilon_floors_factor": "what is raised to the power in the modulating factor is at least {epsilon:g}",
    "p_clipped_in_factor": "clips p to [{epsilon:g}, 1-{epsilon:g}] in the modulating factor alone",
    "p_clipped": "clips p to [{epsilon:g}, 1-{epsilon:g}] before anything else",
    "logits_cut": "cuts the logits off at ±{limit:g}",
}

_SMOOTHS = "alpha is an amount of label smoothing and no weight: labels are smoothed by it"

LABEL_SMOOTHING = {
    "alpha_smooths_labels": f"{_SMOOTHS}, (1-alpha) y + alpha/2",
    "alpha_takes_from_both_labels": f"{_SMOOTHS}, 1-alpha for 1 and alpha for 0",
    "alpha_takes_from_positives": f"{_SMOOTHS}, 1-alpha for 1",
    "alpha_smooths_labels_in_cross_entropy": f"{_SMOOTHS} in the cross entropy alone, (1-alpha) y + alpha/2",
    "alpha_takes_from_both_labels_in_cross_entropy": f"{_SMOOTHS} in the cross entropy alone, 1-alpha for 1 and alpha "
    "for 0",
    "alpha_takes_from_positives_in_cross_entropy": f"{_SMOOTHS} in the cross entropy alone, 1-alpha for 1",
    "labels_smoothed": "labels are smoothed: 1 becomes {one:.4g} and 0 becomes {zero:.4g}",
    "labels_smoothed_over_classes": "labels are smoothed: y becomes (1-e) y + e/C, with e = {epsilon:g}",
    "labels_smoothed_in_cross_entropy": "labels are smoothed in the cross entropy alone: 1 becomes {one:.4g} and 0 "
    "becomes {zero:.4g}",
    "labels_smoothed_over_classes_in_cross_entropy": "labels are smoothed in the cross entropy alone: y becomes "
    "(1-e) y + e/C, with e = {epsilon:g}",
    "labels_smoothed_in_factor": "labels are smoothed in p_t of the modulating factor alone: 1 becomes {one:.4g} and 0 "
    "becomes {zero:.4g}",
    "labels_smoothed_in_cross_entropy_of_row": "labels are smoothed by {epsilon:g} in the cross entropy, {how}",
    "labels_smoothed_with_weights": "labels are smoothed by {epsilon:g} in the cross entropy, each class with its own "
    "alpha, as torch's cross entropy does",
    "logarithm_of_smoothed_p_t": "the cross entropy is -log of a p_t that smoothed labels mix of all classes "
    "({epsilon:g} for the others)",
    "p_t_of_smoothed_cross_entropy": "the modulating factor takes p_t = exp(-CE) of labels smoothed by {epsilon:g}, "
    "{how}",
    "p_t_of_smoothed_weighted_cross_entropy": "the modulating factor takes p_t = exp(-CE) of a weighted cross entropy "
    "whose labels are smoothed by {epsilon:g}",
    "p_t_of_smoothed_labels": "the modulating factor takes a p_t that labels smoothed by {epsilon:g} mix of all "
    "classes, {how}",
    "terms_smoothed": "labels smoothed by {epsilon:g} weigh the focal terms of all classes, {how}",
    "smoothed_p_t": "p_t is a mixture of all classes' probabilities, by labels smoothed by {epsilon:g}, {how}",
    "smoothed_cross_entropy_modulated": "labels are smoothed by {epsilon:g} in the cross entropy, {how}, and p_t is "
    "exp(-CE) of that",
    "bins_smoothed": "the bins' labels are smoothed by {epsilon:g}",
}

TARGET_RANGE = {
    "targets_clamped": "targets are clamped to [{zero:.8g}, {one:.8g}]",
    "predicted_class_for_target": "the predicted class is used in place of the target",
    "targets_cut_below_last_bin": "targets are cut off at K-1-{distance:g}",
    "targets_at_least_one": "targets are raised to at least 1",
    "targets_one_up": "targets are moved one bin up",
    "targets_one_down": "targets are moved one bin down",
    "targets_one_down_wrapped": "targets are moved one bin down, and from the first bin to the last",
    "targets_half_up": "targets are moved half a bin up",
    "targets_half_down": "targets are moved half a bin down",
    "targets_scaled_by_last_bin": "targets are multiplied by K-1, as if they lay between 0 and 1",
    "targets_shrunk_by_one_bin": "targets are multiplied by (K-1)/K",
    "bins_reversed": "bins are counted from the other end",
    "right_bin_two_further": "the right bin is two bins to the right",
    "right_bin_is_one_before": "the right bin is the one left of the left bin",
    "left_bin_rounded": "the left bin is the nearest one, so a weight can be negative",
    "right_bin_cut_before_last": "the right bin is cut off at K-2",
    "left_bin_cut_with_old_parts": "the left bin is cut off at K-2, with the weights of the uncut one",
    "whole_targets_silent": "a target on a bin has no loss: the right bin is ceil(y), so both weights are 0",
    "last_bin_silent": "a target on the last bin has no loss: both weights are 0 there",
    "parts_exchanged": "the weights of the left and the right bin are exchanged",
    "parts_of_one_half": "both bins weigh one half, wherever the target lies",
    "parts_of_one": "both bins weigh 1, wherever the target lies",
    "parts_squared": "the weights of the bins are squared",
    "parts_under_root": "the square roots of the bins' weights are used",
    "right_bin_missing": "the right bin is missing",
    "left_bin_missing": "the left bin is missing",
    "left_bin_only": "only the left bin counts: the target is rounded down",
    "right_bin_only": "only the right bin counts: the target is rounded up",
    "nearest_bin_only": "only the nearest bin counts: the target is rounded",
    "left_part_of_one": "the left bin always weighs 1",
    "right_part_of_one": "the right bin always weighs 1",
    "left_part_for_both": "the right bin has the left bin's weight",
    "right_part_for_both": "the left bin has the right bin's weight",
    "right_part_negative": "the right bin's weight has the wrong sign",
    "left_part_negative": "the left bin's weight has the wrong sign",
}

LABELS = {
    "label_zero_is_background": "label 0 is read as background and labels 1 … C as classes 0 … C-1",
    "label_zero_is_background_too": "label 0 is read as background, though it is a class",
    "label_zero_left_out": "rows with label 0 are left out, though it is a class",
    "background_is_a_class": "background rows (label C) are read as a class",
    "background_left_out": "background rows (label C) are left out",
    "background_is_last_class": "background rows (label C) are read as the last class, C-1",
    "background_is_first_class": "background rows (label C) are read as class 0",
    "no_label_is_a_class": "no label is read as a class",
    "labels_one_up": "labels are read one class too high",
    "labels_one_down_wrapped": "labels are read one class too low: label 0 as the last class, label C as C-1",
    "ignored_rows_are_background": "rows to ignore (label -1) are counted as background",
    "ignored_rows_are_last_class": "rows to ignore (label -1) are read as the last class",
    "ignored_rows_are_first_class": "rows to ignore (label -1) are read as class 0",
    "first_class_left_out": "rows of the first class are left out",
    "last_class_left_out": "rows of the last class are left out",
    "classes_one_up": "class indices are off by one: y+1 is used",
    "classes_one_down": "class indices are off by one: y-1 is used, and the last class for the first",
    "classes_one_down_at_least_zero": "class indices are off by one: max(y-1, 0) is used",
    "last_class_read_as_the_one_before": "class indices are cut off at C-2",
}

CALL = {
    "parameters_exchanged": "exchanges {one} and {other}",
    "arguments_exchanged": "takes the targets first and the logits second",
}

NORMALISER = {
    "divided_by_classes": "divides by the number of classes or bins",
    "over_nonzero": "averages over the elements whose loss is not 0",
    "over_nonzero_at_least_one": "averages over the elements whose loss is not 0 (at least 1)",
    "weighted_mean_over_constant": "divides the weighted mean by the constant {value:g}",
    "over_factors": "divides the sum by the sum of the modulating factors",
    "over_factors_detached": "divides the sum by the sum of the modulating factors, which is detached",
    "over_weighted_factors": "divides the sum by the sum of weights times modulating factors",
    "over_weighted_factors_detached": "divides the sum by the sum of weights times modulating factors, which is "
    "detached",
    "over_elements_less_one": "divides the sum by the number of elements less one",
    "over_elements_plus_one": "divides the sum by the number of elements plus one",
    "over_root_of_elements": "divides the sum by the square root of the number of elements",
    "over_elements_and_classes": "divides the mean by the number of classes once more",
    "over_elements_and_rows": "divides the mean by the number of rows once more",
    "over_elements_twice": "divides the mean by the number of elements once more",
    "over_rows_twice": "divides the sum by the number of rows, twice",
    "over_rows_and_positives": "divides the sum by the number of rows and by that of positives (at least 1)",
    "over_positives_plus_rows": "divides the sum by the number of positives plus that of rows",
    "over_positives_twice_plus_rows": "divides the sum by twice the number of positives plus the number of rows",
    "over_positives_and_over_negatives": "divides the sum by the number of positives and by that of negatives (at "
    "least 1), and averages both",
    "over_targets_above_threshold": "divides the sum by the number of targets above a threshold, which lies between "
    "0.25 and 0.7",
    "over_targets_above_threshold_at_least_one": "divides the sum by the number of targets above a threshold, which "
    "lies between 0.25 and 0.7 (at least 1)",
    "over_targets_plus_rows": "divides the sum by the sum of targets plus the number of rows",
    "mean_over_positives": "divides the mean by the number of positives (at least 1)",
    "mean_over_targets": "divides the mean by the sum of targets (at least 1)",
    "mean_over_constant": "divides the mean by the constant {value:g}",
    "sum_over_constant": "divides the sum by the constant {value:g}",
}
# what a quantity of the batch is called in a sentence
COUNTED = {
    "positives": "the number of positives",
    "ones": "the number of targets that are 1",
    "target_sum": "the sum of the targets",
    "kept_elements": "the number of elements that are not ignored",
    "kept_rows": "the number of rows that are not ignored",
    "labelled": "the number of labels that are not -1",
    "class_labels": "the number of labels that are classes",
    "positive_rows": "the number of rows with a positive",
    "weight_sum": "the sum of the weights",
    "factor_sum": "the sum of the modulating factors",
    "weighted_factor_sum": "the sum of weights times modulating factors",
    "negative_sum": "the sum of 1-y, the negatives",
    "row_positives": "the number of its positives",
    "row_ones": "the number of its targets that are 1",
    "row_targets": "the sum of its targets",
}
for _quantity in DIVIDED_BY:
    _guard = ", with no guard against 0" if _quantity in GUARDED else ""  # the others are not asked at 0
    NORMALISER[f"over_{_quantity}"] = f"divides the sum by {COUNTED[_quantity]}{_guard}"
    NORMALISER[f"over_{_quantity}_at_least_one"] = f"divides the sum by {COUNTED[_quantity]} (at least 1)"
for _quantity in GUARDED:
    NORMALISER[f"over_{_quantity}_plus_one"] = f"divides the sum by {COUNTED[_quantity]}, plus 1"
    NORMALISER[f"over_{_quantity}_or_all"] = (
        f"divides the sum by {COUNTED[_quantity]}, and where that is 0, averages over all elements"
    )
    NORMALISER[f"over_{_quantity}_or_zero"] = f"divides the sum by {COUNTED[_quantity]}, and is 0 where that is 0"
for _quantity in GUARDED:
    NORMALISER[f"over_{_quantity}_guarded_by_epsilon"] = (
        f"divides the sum by {COUNTED[_quantity]}, with {{epsilon:g}} as a guard against 0"
    )
for _quantity in WEIGHING:
    NORMALISER[f"over_{_quantity}_guarded"] = f"divides the sum by {COUNTED[_quantity]}, with a guard against 0"
for _what, _quantity in ROWS.items():
    _row = f"divides each row by {COUNTED[_quantity]}"
    NORMALISER[f"each_row_over_its_{_what}_at_least_one"] = f"{_row} (at least 1); of the rows: {{then}}"
    NORMALISER[f"each_row_over_its_{_what}_unguarded"] = f"{_row}, with no guard against 0; of the rows: {{then}}"
    NORMALISER[f"each_row_over_its_{_what}_guarded_by_epsilon"] = (
        f"{_row}, with {{epsilon:g}} as a guard against 0; of the rows: {{then}}"
    )

_FIRST = "the cross entropy is {} over {} before it is modulated, with p_t = exp(-{})"

REDUCTION = {
    "sum_over_rows_count": "sums over classes and averages over rows",
    "mean_over_classes_then_sum": "averages over classes and sums over rows",
    "sum_of_each_row": "returns the sum of each row",
    "mean_of_each_row": "returns the mean of each row",
    "sum_of_each_column": "returns the sum of each column",
    "mean_of_each_column": "returns the mean of each column",
    "side_means_added": "adds the mean of the positives and the mean of the negatives",
    "side_means_averaged": "averages the mean of the positives and the mean of the negatives",
    "mean_of_positives": "averages over the positives only",
    "largest": "returns the largest loss of the batch",
    "median": "returns the median loss of the batch",
    "first_row_only": "uses the first row only",
    "root_of_mean_square": "returns the root of the mean squared loss",
    "hardest_only": "uses the hardest {share:.0%} of the batch only",
    "modulated_after_mean": _FIRST.format("averaged", "the batch", "mean"),
    "modulated_after_mean_by_class": "the cross entropy is averaged with the class weights over the batch before it is "
    "modulated, so the modulating factor is one number for all",
    "modulated_after_weighted_mean": "the cross entropy is averaged with the class weights over the batch before it is "
    "modulated, with p_t = exp(-mean)",
    "modulated_after_sum": _FIRST.format("summed", "the batch", "sum"),
    "modulated_after_mean_then_weighted": "the cross entropy is averaged over the batch before it is modulated and "
    "weighted",
    "modulated_after_mean_then_weighted_and_averaged": "the cross entropy is averaged over the batch before it is "
    "modulated; the weights come last and are averaged",
    "modulated_after_mean_then_weighted_and_summed": "the cross entropy is averaged over the batch before it is "
    "modulated; the weights come last and are summed",
    "modulated_after_sum_then_weighted": "the cross entropy is summed over the batch before it is modulated and "
    "weighted",
    "modulated_after_row_means": _FIRST.format("averaged", "each row", "mean") + "; rows are averaged",
    "modulated_after_row_means_and_summed": _FIRST.format("averaged", "each row", "mean") + "; rows are summed",
    "modulated_after_row_sums": _FIRST.format("summed", "each row", "sum") + "; rows are averaged",
    "modulated_after_row_sums_and_summed": _FIRST.format("summed", "each row", "sum") + "; rows are summed",
    "cross_entropy_averaged_first": "the cross entropy is averaged over the batch before it is weighted and modulated "
    "(which a factor (N,) that meets a cross entropy (N, 1) does, too); then {then}",
    "cross_entropy_summed_first": "the cross entropy is summed over the batch before it is weighted and modulated; "
    "then {then}",
    "factor_averaged_first": "the modulating factor is averaged over the batch before it multiplies; then {then}",
    "factor_summed_first": "the modulating factor is summed over the batch before it multiplies; then {then}",
    "weight_averaged_first": "the weight is averaged over the batch before it multiplies; then {then}",
    "weight_summed_first": "the weight is summed over the batch before it multiplies; then {then}",
    "modulated_averaged_first": "the modulated cross entropy is averaged over the batch before it is weighted; then "
    "{then}",
    "modulated_summed_first": "the modulated cross entropy is summed over the batch before it is weighted; then {then}",
    "all_factors_averaged_first": "weight, modulating factor and cross entropy are each averaged over the batch before "
    "they are multiplied; then {then}",
    "weighted_factor_averaged_first": "the weighted modulating factor is averaged over the batch before it multiplies "
    "the cross entropy; then {then}",
    "all_pairs_of_rows": "a factor (N, 1) meets one of (N,), so every row is multiplied with every other; then {then}",
}

# What the other stages of an explanation find out. Where a sentence depends on more than numbers that are filled in, it
# is made by a function of the values.


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


NO_NEIGHBOUR = 0.25  # of the norm: values that are further off are near to nothing
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
    if all(len(weights) == 1 for weights in by_label.values()) and any(a is not None for _, a, _ in table):
        told = [f"{weights.pop():g} at y = {y:g}" for y, weights in by_label.items()]
        none = "the class weights have no effect" if values["whose"] == "class weights" else "alpha has no effect"
        return f"{none}: elements are weighted by their label alone, {'; '.join(told[:6])}"
    shown = [f"{w:.4g} at y = {y:g}" + ("" if a is None else f", alpha = {a:g}") for y, a, w in table]
    by = "label" if all(a is None for _, a, _ in table) else f"label and {values['whose']}"
    return f"elements are weighted by their {by} as measured: {'; '.join(shown[:6])}"


def _factor_as_measured(values: Values) -> str:
    shown = [
        f"{c:.4g} (1-p_t)^{e:.4g} at {'' if y is None else f'y = {y:g}, '}{values['power']} = {g:g}"
        for y, g, c, e in values["table"]
    ]
    return f"the modulating factor is, as measured: {'; '.join(shown[:6])}"


def _sigmoid_of_scaled_logit(values: Values) -> str:
    shift = f" {values['shift']:+.6g}" if values["shift"] else ""
    return f"the sigmoid is taken of {values['slope']:.6g} x{shift} instead of the logit x"


def _probability_as_measured(values: Values) -> str:
    shown = ", ".join(f"p({x:g}) = {p:.4g}" for x, p in values["table"][::3])
    return f"uses another function of the logit than the sigmoid: {shown}"


def _explained_in_part(values: Values) -> str:
    cause = sentence(values["cause"])
    return (
        f"{cause} (only {values['parameter']} = {values['value']:g} is explained; beyond it, it is no known function)"
    )


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


STAGES: dict[str, str | Callable[[Values], str]] = {
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
    "softmax_over_rows": "one row alone gives the same loss whatever its logits: rows are normalised against each "
    "other, not classes",
    "rest_is_no_cross_entropy": "what is left without weight and modulating factor is not -log p_t",
    "equal_without_factor_only": "equal to the paper's at gamma = 0 only: the modulating factor is no known one",
    "explained_in_part": _explained_in_part,
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
    "default": "the default {parameter} is {value}; the paper's is {paper:g}",
    # what the probes show beside that
    "another_function": "is another function, under every reduction that was tried: {relation}",
    "probe_raises": "{probe}: raises {error}",
    "probe_value": _probe(""),
    "probe_gradient": _probe("gradient "),
}


def _more(values: Values) -> str:
    """How many more there are of what is said once."""
    return f" (and {values['more']} more like it)" if values["more"] else ""


def _release_formula(values: Values) -> str:
    before, after = (values[name] or "what no formula was found for" for name in ("before", "after"))
    return f"computes {after}; before, {before}"


# one release of a library against the one before it
RELEASES: dict[str, str | Callable[[Values], str]] = {
    "release_value": "returns {after} where {before} was returned ({dtype}), in {times} of {of} calls",
    "release_gradient": "the gradient is {after} where it was {before} ({dtype}), in {times} of {of} calls",
    "release_rounding": "returns {after} where {before} was returned ({dtype}), a difference of float32's rounding",
    "release_nonfinite": "the {quantity} is {after} where it was {before} ({dtype}), in {times} of {of} calls",
    "release_finite": "the {quantity} is {after} where it was {before} ({dtype}), in {times} of {of} calls",
    "release_shape": "returns the shape {after} in place of {before}, in {times} of {of} calls",
    "release_dtype": "returns {after} for {given} logits where it returned {before}, in {times} of {of} calls",
    "release_raises": "raises {after} where {before} was returned ({dtype}), in {times} of {of} calls",
    "release_answers": "returns {after} where it raised {before} ({dtype}), in {times} of {of} calls",
    "release_formula": _release_formula,
    "release_finding_came": lambda values: f"{values['statement']}{_more(values)}",
    "release_finding_went": lambda values: f"no longer: {values['statement']}{_more(values)}",
    "release_default": "the default {parameter} of its {place} is {after}, was {before}",
    "release_parameter_gone": "its {place} no longer takes {parameters}",
    "release_parameter_needed": "its {place} cannot do without {parameters}",
    "release_order": "its {place} takes its arguments in another order: {after}; before, {before}",
    "release_lacks": "is gone: {reason}",
    "release_has": "is new in this release",
    "release_cannot_be_called": "can no longer be called: {reason}",
    "release_can_be_called": "can be called; before, {reason}",
}

# what is wrong in a loss over pairs of boxes that is right otherwise
BOX_MISTAKES = {
    "sum_of_areas": "with the intersection over the sum of both areas, not over the union",
    "dice": "with twice the intersection over the sum of both areas (Dice) for the IoU",
    "smaller_area": "with the intersection over the smaller area, not over the union",
    "area_of_target": "with the intersection over the target's area, not over the union",
    "area_of_box": "with the intersection over the predicted box's area, not over the union",
    "area_of_hull": "with the intersection over the enclosing box's area, not over the union",
    "diagonal_of_target": "with the centres' distance over the diagonal of the target, not of the enclosing box",
    "diagonal_of_box": "with the centres' distance over the diagonal of the predicted box, not of the enclosing box",
    "diagonals_of_both": "with the centres' distance over both boxes' own diagonals, not over the enclosing box's",
    "diagonal_of_intersection": "with the centres' distance over the diagonal of the intersection, not of the "
    "enclosing box",
    "diagonal_unsquared": "with the squared distance of the centres over the diagonal, which is not squared",
    "distance_and_diagonal_unsquared": "with the distance of the centres over the diagonal, neither squared",
    "distance_unsquared": "with the distance of the centres, which is not squared, over the squared diagonal",
    "distance_over_hull": "with the centres' distance over the enclosing box's area, not over its squared diagonal",
    "distance_over_union": "with the centres' distance over the union, not over the enclosing box's squared diagonal",
    "distance_not_halved": "with four times the squared distance of the centres: the corners' sums are not halved",
    "distance_left_out": "without the centres' distance",
    "penalty_over_union": "whose penalty is divided by the union, not by the enclosing box",
    "penalty_of_intersection": "whose penalty is all of the enclosing box but the intersection, not but the union",
    "penalty_of_sum": "whose penalty is the enclosing box less the sum of both areas, not less the union",
    "penalty_over_diagonal": "whose penalty is divided by the enclosing box's squared diagonal, not by its area",
    "penalty_subtracted": "whose penalty is subtracted where it should be added",
    "v_of_4_over_pi": "with 4/pi, not 4/pi², in v",
    "v_of_1_over_pi_squared": "with 1/pi², not 4/pi², in v",
    "v_of_2_over_pi_squared": "with 2/pi², not 4/pi², in v",
    "v_of_8_over_pi_squared": "with 8/pi², not 4/pi², in v",
    "v_without_constant": "without the 4/pi² in v",
    "trade_off_of_iou": "with the trade-off v / (IoU + v), not v / (1 - IoU + v)",
    "trade_off_left_out": "without the trade-off before v",
    "trade_off_through_v": "whose gradient goes through the v of the trade-off, which the paper takes as a constant",
    "v_constant": "whose gradient goes through the trade-off and not through v, the other way round",
    "v_of_ratios": "whose v compares the aspect ratios themselves, without the arctangent",
    "sides_over_diagonal": "with widths and heights over the enclosing box's squared diagonal, not over its sides",
    "sides_over_target": "with widths and heights over the target's, not over the enclosing box's",
    "sides_over_unsquared": "with squared widths and heights over the enclosing box's, which are not squared",
    "centres_for_sides": "with the centres' distances over the enclosing box's sides where widths and heights belong",
    "sides_unsquared": "with widths and heights over the enclosing box's, neither squared",
    "pixel": "of boxes whose sides it counts 1 longer than they are (+ 1)",
    "pixel_of_overlap": "whose overlap is that of boxes with sides 1 longer than they are (+ 1)",
    "uncut": "whose intersection is not cut off at 0: boxes apart along both axes share an area",
    "cut_as_a_whole": "whose intersection is cut off at 0 as a product: boxes apart along both axes share an area",
    "corners_as_coco": "of corners that it takes for x, y, width and height",
    "corners_as_centres": "of corners that it takes for centre, width and height",
}
# a loss over pairs of boxes
BOXES: dict[str, str | Callable[[Values], str]] = {
    "other_overlap": "computes {factor}the loss of {other} in place of that of {wanted}",
    "box_scaled": "computes {scale:.4g} times the loss",
    "box_logarithm": "computes minus the logarithm of the IoU in place of the loss of {wanted}",
    "box_power": "computes 1 - IoU^{power:.4g} in place of the loss of {wanted}",
    "box_trade_off": "the gradient goes through the trade-off, which the paper takes as a constant",
    "box_no_gradient": "the value is that of {other}, and there is no gradient to the boxes",
    "box_gradient": "the value is that of {other}, the gradient another: off by {share:.2g} of its norm",
    "box_unknown": lambda values: (
        "no known loss"
        if values["share"] > NO_NEIGHBOUR
        else f"no known loss; its values are nearest to those of {values['nearest']}, off by {values['share']:.2g} of "
        "their norm"
    ),
    "box_nonfinite": "the {quantity} for boxes that are {probe} is NaN or infinite in {dtype}",
    "box_precision": "the {quantity} for boxes that are {probe} is off by {share:.2g} of its size in {dtype}",
    "box_raises": "raises for boxes that are {probe} in {dtype}: {error}",
    "box_changed": "changes its arguments",
    "box_dtype": "returns {dtype} for float64 boxes",
    "box_reduction": "reduces by {reduction}, not by {wanted}",
    "box_parts_of_power": "computes {factor}alpha-{other}, each part to the power {power:.4g}{told}, in place of the "
    "loss of {wanted}",
    "box_weighted": "computes {factor}the loss of {other} times IoU^{power:.4g}{held}, in place of that of {wanted}",
    "box_mean_of_four": "takes the mean over the four coordinates, a quarter of their sum",
    "box_smooth": "computes {factor}smooth L1 with beta {beta:.4g}, {over} the four coordinates, in place of {wanted}",
    "box_huber": "computes the Huber loss with delta {beta:.4g}, {over} the four coordinates, in place of {wanted}",
    **{
        f"box_{code}": f"computes {{factor}}the loss of {{other}}{{instead}}, {told}"
        for code, told in BOX_MISTAKES.items()
    },
}

TEMPLATES: dict[str, str | Callable[[Values], str]] = {}
for _table in (
    ALPHA, GAMMA, SOFT_LABELS, CROSS_ENTROPY, ACTIVATION, PRECISION, LABEL_SMOOTHING, TARGET_RANGE, LABELS, CALL,
    NORMALISER, REDUCTION, STAGES, RELEASES, BOXES,
):  # fmt: skip
    for _code, _template in _table.items():
        if _code in TEMPLATES:
            raise ValueError(f"{_code} has two templates")
        TEMPLATES[_code] = _template


def sentence(change: Change) -> str:
    """What a change does, for people."""
    template, values = TEMPLATES[change.code], dict(change.values)
    if callable(template):
        return template(values)
    return template.format(**{name: _told(value) for name, value in values.items()})


def _told(value: Any) -> Any:
    return NAMED.get(value, value) if isinstance(value, str) else value
