"""Losses as people publish them: what must be said of each, and that nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from focalbench_suite.suites.check import Options, check
from tests.suites.explainer.losses import published

SHARED = "easy_digits_lost"  # by nearly every sound loss


@dataclass(frozen=True)
class Said:
    """The loss it is held against, the verdict, the reduction, and the codes of all findings but the shared one."""

    loss: str
    verdict: str
    reduction: str
    codes: set[str] = field(default_factory=set)
    labels: str | None = None


RIGHT = {
    "need_weights": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "ScalarAlpha": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "weights_are_one_number"}),
    "fixed_quarter": Said("softmax_focal", "different", "mean", {"constant_weight", "nonfinite_at"}),
    "one_hot_inside": Said(
        "focal",
        "different",
        "mean",
        {"alpha_on_both", "label_refused", "nonfinite_at"},
        labels="index",
    ),
    "two_alphas": Said("focal", "different", "mean", {"alpha_on_positives_fixed_on_negatives", "nonfinite_at"}),
    "sample_weight": Said("focal", "fragile", "mean", {"nonfinite_from"}),
    "labels_first": Said("focal", "fragile", "mean", {"nonfinite_from"}),
    "Counted": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "list_only": Said("softmax_focal", "fragile", "mean", {"rounded_to_single", "nonfinite_from"}),
    "of_maps": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "one_hot_wanted": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "of_probabilities": Said("focal", "different", "none", {"sides_blended", "cut_off", "nonfinite_from"}),
    "bce_of_probabilities": Said("focal", "different", "mean", {"soft_labels_exponential", "nonfinite_from"}),
    "blended_logit": Said("focal", "different", "mean", {"soft_labels_in_logit"}),
    "penalty_reduced": Said(
        "focal", "different", "sum / targets that are 1 (at least 1)", {"penalty_reduced", "over_ones_at_least_one"}
    ),
    "star_fixed": Said("focal", "different", "sum", {"star"}),
    "smooth_binary": Said("focal", "different", "mean", {"labels_smoothed", "sides_blended", "nonfinite_at"}),
    "smooth_probability": Said("softmax_focal", "different", "mean", {"smoothed_p_t"}),
    "entropy_for_p": Said("softmax_focal", "different", "mean", {"cross_entropy_for_p_t", "nonfinite_at"}),
    "by_row_positives": Said(
        "focal",
        "different",
        "each row over its own positives guarded by 1e-09",
        {"soft_labels_read_as_hard", "single_inside", "nonfinite_at", "each_row_over_its_positives_guarded_by_epsilon"},
    ),
    "nll_two": Said(
        "focal",
        "different",
        "sum / sum of weights",
        {"soft_labels_read_as_hard", "alpha_exchanged", "nonfinite_at", "over_weight_sum"},
    ),
    "kinked": Said("focal", "fragile", "none", {"gradient_at_zero", "nonfinite_from"}),
    "overflow32": Said(
        "focal",
        "different",
        "sum / sum of targets",
        {"soft_labels_geometric", "no_positives_nonfinite", "nonfinite_at", "over_target_sum"},
    ),
    "over_ones": Said(
        "focal", "fragile", "sum / targets that are 1 (at least 1)", {"nonfinite_from", "over_ones_at_least_one"}
    ),
    "no_default_off": Said("focal", "different", "mean", {"alpha_exchanged", "default_refused", "nonfinite_at"}),
    "pair_qfl": Said("quality_focal", "fragile", "sum / rows", {"nonfinite_from", "sum_over_rows_count"}),
    "one_class_a_row": Said(
        "quality_focal", "fragile", "sum / rows", {"nonfinite_from", "several_positives_a_row", "sum_over_rows_count"}
    ),
    "with_mask": Said("varifocal", "fragile", "sum", {"nonfinite_from"}),
    "Cut": Said("distribution_focal", "different", "mean", {"argument_changed", "targets_cut_below_last_bin"}),
    "heated": Said("distribution_focal", "fragile", "mean", set()),
    "sides": Said("distribution_focal", "fragile", "mean", set()),
    "barely_cut": Said("distribution_focal", "different", "mean", {"targets_cut_below_last_bin"}),
    "kl": Said("distribution_focal", "different", "mean", {"less_target_entropy"}),
    "silent_end": Said("distribution_focal", "different", "mean", {"last_bin_silent"}),
    "mixed_weight": Said(
        "varifocal",
        "different",
        "sum / sum of targets (at least 1)",
        {"target_plus_blended_negatives", "nonfinite_from", "over_target_sum_at_least_one"},
    ),
    "weighted_mean": Said(
        "distribution_focal", "fragile", "sum / (4 sum of weights)", {"nonfinite_at", "weighted_mean_over_constant"}
    ),
    "raises_in_bfloat16": Said("focal", "fragile", "sum", {"nonfinite_from", "dtype_refused"}),
    "nan_in_half": Said("focal", "fragile", "sum", {"nonfinite_from"}),
    "ignored_rows_are_class_zero": Said(
        "focal", "different", "sum", {"ignored_rows_counted", "nonfinite_from"}, labels="index"
    ),
    "per_positive_without_any": Said(
        "focal", "fragile", "sum / positives", {"no_positives_nonfinite", "nonfinite_at", "over_positives"}
    ),
    "mean_over_no_row": Said(
        "focal",
        "fragile",
        "sum / elements not ignored",
        {"all_ignored_nonfinite", "nonfinite_from", "over_kept_elements"},
        labels="index",
    ),
    "refuses_empty": Said("focal", "fragile", "mean", {"no_rows_refused", "nonfinite_from"}),
    "summed_in_half": Said("focal", "fragile", "sum", {"half_inside", "nonfinite_from"}),
    "times_gamma_on_positives": Said(
        "focal", "different", "sum", {"sides_blended", "gamma_as_factor_on_positives", "nonfinite_at"}
    ),
    "mean_divided_again": Said("focal", "fragile", "mean / rows", {"nonfinite_from", "over_elements_and_rows"}),
    "ignores_its_logits": Said("focal", "different", "unknown", {"logits_ignored"}),
    "targets_clamped": Said("focal", "fragile", "mean", {"targets_clamped"}),
    "smoothed_on_both_sides": Said(
        "focal", "different", "mean", {"labels_smoothed", "weighted_powers_blended", "nonfinite_at"}
    ),
    "TwoWeights": Said("softmax_focal", "fragile", "sum / sum of weights", {"over_weight_sum", "nonfinite_at"}),
    "over_the_one_hot_matrix": Said("softmax_focal", "fragile", "mean", {"divided_by_classes", "nonfinite_at"}),
    "positives_or_nothing": Said(
        "focal", "fragile", "sum / positives, 0 without any", {"over_positives_or_zero", "nonfinite_at"}
    ),
    "of_a_column": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "CountsToLast": Said("distribution_focal", "fragile", "mean", {"last_bin_refused"}),
    "SidesToLast": Said("distribution_focal", "fragile", "mean", {"last_bin_refused"}),
    "index_alone": Said("focal", "fragile", "sum", {"label_refused", "nonfinite_at"}, labels="index"),
    "first_class_apart": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "number_weighs_classes"}),
    "OfTwoClasses": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "OfTwoByNumber": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "default_of_classes"}),
    "smoothed_and_weighed_alike": Said(
        "focal", "different", "mean", {"labels_smoothed", "alpha_on_both", "soft_labels_exponential"}
    ),
    "near_limit": Said(
        "focal",
        "different",
        "mean",
        {"every_element_scaled", "soft_labels_read_as_hard", "cut_off", "nonfinite_at"},
    ),
    "score_apart": Said("quality_focal", "fragile", "sum / rows", {"nonfinite_from", "sum_over_rows_count"}),
    "of_elements": Said("quality_focal", "fragile", "sum", {"nonfinite_from"}),
    "sign_and_score": Said("quality_focal", "fragile", "sum", {"nonfinite_from"}),
    "without_absolute": Said(
        "quality_focal", "different", "sum", {"soft_labels_distance_without_absolute", "nonfinite_from"}
    ),
    "floored_distance": Said("quality_focal", "fragile", "sum", {"epsilon_floors_factor"}),
    "CutBelowItsCount": Said("distribution_focal", "different", "mean", {"targets_cut_below_last_bin"}),
    "one_row_squeezed": Said("softmax_focal", "fragile", "mean", {"backward_refused_for_one_row"}),
    "epsilon_everywhere": Said("softmax_focal", "fragile", "mean", {"epsilon_added_to_p_t", "nonfinite_at"}),
    "labels_clipped": Said("focal", "different", "mean", {"targets_clamped", "cross_entropy_of_interpolated_p_t"}),
    "IgnoresTwoFiveFive": Said(
        "focal",
        "fragile",
        "sum / rows not ignored",
        {"label_refused", "all_ignored_nonfinite", "nonfinite_at", "over_kept_rows", "own_label_left_out"},
        labels="index",
    ),
    "signed_by_quality": Said(
        "quality_focal",
        "different",
        "none",
        {"fixed_weights", "alpha_side_by_rule", "cross_entropy_by_rule", "distance_without_absolute"},
    ),
    "OfClassAndQuality": Said("quality_focal", "fragile", "sum / rows", {"nonfinite_from", "sum_over_rows_count"}),
    "under_root": Said("varifocal", "different", "sum", {"whole_weight_under_root", "nonfinite_at"}),
    "with_positive_weight": Said(
        "focal", "different", "mean", {"sides_weighted_in_cross_entropy", "nonfinite_at", "default"}
    ),
    "floored_row": Said("softmax_focal", "fragile", "mean", {"cut_off", "nonfinite_from"}),
    "heat_map": Said(
        "focal",
        "different",
        "sum / targets that are 1 (at least 1)",
        {"heat_map", "nonfinite_at", "over_ones_at_least_one"},
    ),
    "of_class_one": Said("softmax_focal", "different", "unknown", {"unexplained"}),
    "poly_of_focal": Said("focal", "different", "none", {"poly_one", "nonfinite_at"}),
    "reduced_over_its_factors": Said(
        "softmax_focal",
        "different",
        "sum / sum of modulating factors",
        {"capped_at_half", "nonfinite_at", "over_factors"},
    ),
    "unknown_over_its_factors": Said(
        "softmax_focal", "different", "unknown", {"gamma_cancels_in_one_row", "no_weighted_sum"}
    ),
    "WeightsOfThree": Said(
        "softmax_focal",
        "fragile",
        "mean",
        {"divided_by_classes", "single_inside", "nonfinite_at", "weights_are_one_number"},
    ),
    "NamedAndCountedWithBackground": Said("focal", "fragile", "mean", {"label_refused", "nonfinite_from"}),
    "OfTwoLogits": Said("focal", "different", "mean", {"soft_labels_exponential", "nonfinite_from"}),
    "added_to_what_was_picked": Said("softmax_focal", "fragile", "mean", {"cut_off", "nonfinite_from"}),
    "ThreeByDefault": Said("softmax_focal", "fragile", "mean", {"default_of_classes", "nonfinite_from"}),
    "SidesByWord": Said("distribution_focal", "fragile", "none"),
    "AveragedByClass": Said(
        "softmax_focal",
        "different",
        "averaging the cross entropy with class weights before it is modulated",
        {"constant_weight", "modulated_after_mean_by_class", "nonfinite_at"},
    ),
    "clamped_in_its_factor": Said("focal", "fragile", "mean", {"factor_floored"}),
    "single_weights": Said("softmax_focal", "fragile", "mean", {"rounded_to_single", "nonfinite_from"}),
    "WithoutNumberUnlessWeighed": Said(
        "focal", "different", "mean", {"soft_labels_exponential", "nonfinite_from", "default_gives_no_loss"}
    ),
    "adds_the_channel": Said("focal", "different", "mean", {"soft_labels_exponential", "nonfinite_from"}),
    "second_of_two": Said("focal", "different", "mean", {"sides_blended", "digits_lost", "nonfinite_from"}),
    "scattered": Said("softmax_focal", "fragile", "mean", {"nonfinite_from"}),
    "quality_before_class": Said("quality_focal", "fragile", "sum", {"nonfinite_from"}),
    "quality_before_label": Said("quality_focal", "fragile", "sum / rows", {"nonfinite_from", "sum_over_rows_count"}),
    "labels_from_one": Said("focal", "fragile", "sum", {"nonfinite_from", "label_refused"}),
    "of_two_classes": Said(
        "softmax_focal", "different", "mean", {"first_class_modulated_only", "weights_as_measured", "nonfinite_at"}
    ),
    "nothing_by_default": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "own_label_in_the_mean"}),
    "of_images": Said("focal", "fragile", "sum", {"nonfinite_from"}),
    "inside_mask": Said("focal", "fragile", "mean", {"nonfinite_from"}),
    "refuses_double_weights": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "rounded_to_single"}),
    "ignored_in_the_mean": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "own_label_in_the_mean"}),
    "floored_far_away": Said(
        "focal",
        "different",
        "mean",
        {"cross_entropy_of_interpolated_p_t", "cut_off", "easy_loss_floored", "nonfinite_from"},
    ),
    "poly_inside": Said("softmax_focal", "different", "mean", {"poly_one", "alpha_inside_p_t", "nonfinite_at"}),
    "poly_weighed_in_part": Said(
        "softmax_focal", "different", "mean", {"poly_one", "poly_term_not_weighted", "nonfinite_at"}
    ),
    "smoothed_terms": Said(
        "softmax_focal",
        "different",
        "mean",
        {"terms_smoothed", "every_class_has_its_own_weight", "single_inside", "nonfinite_at"},
    ),
    "peaks_or_mean": Said(
        "focal", "different", "sum / targets that are 1, the mean without any", {"penalty_reduced", "over_ones_or_all"}
    ),
    "twice_the_positives": Said(
        "focal", "fragile", "sum / (2 positives + rows)", {"over_positives_twice_plus_rows", "nonfinite_at"}
    ),
    "asymmetric_detached": Said(
        "focal", "different", "sum", {"asymmetric_with_margin", "factor_detached", "cut_off", "default"}
    ),
    "counted_above_a_half": Said(
        "quality_focal",
        "fragile",
        "sum / targets above a threshold (at least 1)",
        {"over_targets_above_threshold_at_least_one", "nonfinite_from"},
    ),
    "SmoothsByAlpha": Said("focal", "different", "mean", {"alpha_smooths_labels", "soft_labels_exponential"}),
    "smooths_by_alpha_in_part": Said(
        "focal", "different", "mean", {"alpha_smooths_labels_in_cross_entropy", "nonfinite_at"}
    ),
    "FixedInside": Said("softmax_focal", "different", "mean", {"weights_in_p_t_as_measured", "nonfinite_at"}),
    "PolyOfThree": Said("focal", "different", "mean", {"poly_one", "nonfinite_at"}),
    "of_background_and_rest": Said(
        "softmax_focal", "different", "mean", {"weights_as_measured", "first_class_modulated_only", "cut_off"}
    ),
    "weighed_beside_maps": Said("quality_focal", "fragile", "sum", {"nonfinite_from", "digits_lost"}),
    "of_shares": Said("distribution_focal", "different", "mean", {"targets_scaled_by_last_bin"}),
    "peaks_on_both_sides": Said("focal", "different", "sum", {"heat_map_blended", "nonfinite_at"}),
    "of_volumes": Said("focal", "fragile", "mean", {"nonfinite_from"}),
    "ByCounts": Said("softmax_focal", "fragile", "mean", {"nonfinite_from", "single_inside"}),
    "of_both_columns": Said(
        "quality_focal",
        "different",
        "half of sum / positives plus sum / negatives",
        {"soft_labels_another", "over_positives_and_over_negatives", "nonfinite_from", "digits_lost"},
    ),
    "weighed_unless_all_are_zero": Said(
        "distribution_focal",
        "different",
        "sum / (4 sum of weights)",
        {"zero_weights_are_none", "weighted_mean_over_constant"},
    ),
    "logits_for_probabilities_in_a_mean": Said(
        "focal", "different", "mean", {"logits_for_probabilities", "cross_entropy_of_interpolated_p_t"}
    ),
    "adaptive_threshold": Said("focal", "different", "mean", {"adaptive_threshold", "nonfinite_at"}),
    "of_one_class": Said("softmax_focal", "different", "mean", {"gamma_of_one_class", "default"}),
    "reduced_the_wrong_way": Said("focal", "different", "mean", {"power_of_p_t_doubled_beyond_half"}, labels="hard"),
    "poly_of_a_power": Said("poly1", "different", "mean", {"epsilon_is_the_power", "nonfinite_at"}),
    "half_a_power_of_negatives": Said(
        "focal", "different", "mean", {"gamma_on_positives_fixed_on_negatives", "nonfinite_at"}, labels="hard"
    ),
    "of_signed_logit": Said("focal", "different", "mean", {"soft_labels_in_logit", "cross_entropy_in_logit"}),
    "alpha_kept_inside": Said("focal", "different", "mean", {"weights_as_measured", "nonfinite_at"}, labels="hard"),
    "balanced_by_counts": Said("focal", "different", "mean", {"positives_balanced_by_counts", "nonfinite_at"}),
    "probabilities_if_they_look_like_it": Said(
        "focal", "different", "mean", {"probabilities_by_range", "no_rows_refused", "cut_off", "nonfinite_at"}
    ),
    "overlap_of_batch": Said("focal", "different", "unknown", {"overlap_loss"}),
    "refuses_one_row": Said("softmax_focal", "fragile", "mean", {"shape_refused"}),
    "weight_without_gradient": Said("varifocal", "different", "sum", {"backward_refused"}),
    "power_detached": Said("softmax_focal", "different", "mean", {"power_times_miss_detached"}),
    "positives_modulated_beside_quality": Said(
        "varifocal",
        "different",
        "sum / rows",
        {
            "negatives_not_weighted",
            "positives_modulated_by_distance",
            "label_refused",
            "sum_over_rows_count",
            "nonfinite_at",
        },
    ),
    "RowsWithAKink": Said("focal", "fragile", "none", {"shape_refused", "gradient_at_zero", "nonfinite_at"}),
    "smoothed_by_three_hundredths": Said(
        "softmax_focal", "different", "mean", {"smoothed_cross_entropy_modulated", "factor_detached"}
    ),
    "NeedsItsWeights": Said("poly1", "fragile", "mean", {"default_gives_no_loss"}),
}
CALLED = {  # how some of them want to be called, in words that must be part of the line that says it
    "need_weights": ("y = class index (N,)", "alpha"),
    "sample_weight": ("w = ones (N, C)",),
    "labels_first": ("labels_first(labels = targets (N, C), logits = logits (N, C)",),
    "Counted": ("num_classes = C",),
    "list_only": ("a list: a tensor is refused",),
    "of_maps": ("logits (N, C, H, W)", "class index (N, H, W)"),
    "one_hot_wanted": ("one-hot targets (N, C)",),
    "of_probabilities": ("p = probabilities (N, C)",),
    "bce_of_probabilities": ("p = probabilities (N, C)",),
    "pair_qfl": ("the pair (class index, quality)",),
    "with_mask": ("mask = targets > 0",),
    "of_a_column": ("y = class index (N, 1)",),
    "TwoWeights": ("weight = alpha",),
    "SidesToLast": ("logits (N, 4, K)", "reg_max = K-1"),
    "sides": ("logits (N, 4, K)", "targets (N, 4)"),
    "ScalarAlpha": ("one number for all classes",),
    "first_class_apart": ("alpha = None, one number for all classes",),
    "score_apart": ("label = class index (N,)", "score = quality (N,)"),
    "of_elements": ("x = logits (N,)", "pair = the pair (1 for a positive, 0 for a negative, and quality) (N,)"),
    "OfClassAndQuality": ("targets = class index (N,)", "scores = quality (N,)"),
    "WeightsOfThree": ("y = class index (N, 1)", "alpha = 1, one number for all classes"),
    "NamedAndCountedWithBackground": ("loss_name = 'loss'", "num_classes = C+1"),
    "OfTwoLogits": ("x = logits 0 and x (N, 2)", "y = targets (N,)", "alpha = [1-alpha, alpha]"),
    "SidesByWord": ("x = logits (N, 4, K)", "distance = targets (N, 4)"),
    "WithoutNumberUnlessWeighed": ("weight = ones (N, C)",),
    "adds_the_channel": ("output = logits (N, 1)", "target = targets (N,)"),
    "second_of_two": ("predict = logits 0 and x (N, 2)", "target = targets (N,)"),
    "scattered": ("y_pred = logits (N, C, H, W)", "y_true = class index (N, 1, H, W)"),
    "quality_before_label": ("quality = quality (N,)", "label = class index (N,)"),
    "quality_before_class": (
        "target_scores = quality (N, H, W)",
        "target_labels = class index from 1, 0 for background (N, H, W)",
    ),
    "labels_from_one": ("label = class index from 1, 0 for background, (N,)",),
    "nothing_by_default": ("reduction = 'mean'", "ignored_index = -100"),
    "of_images": ("scores = logits (N, C) in a list", "targets = targets (N, C) in a list"),
    "inside_mask": ("mask = ones (N, C)",),
    "refuses_double_weights": ("alpha (float32: float64 is refused)",),
    "PolyOfThree": ("epsilon = 1.0",),
    "of_volumes": ("x = logits (N, C, D, H, W)", "y = targets (N, C, D, H, W)", "gama = gamma"),
    "ByCounts": ("samples_per_cls = a list of 100 for each class",),
    "of_both_columns": ("pred = probabilities of 0 and x (N, 2)",),
    "of_background_and_rest": ("y_pred = probabilities (N, C)", "delta = 0.7"),
    "weighed_beside_maps": ("prediction = probabilities (N, C, H, W)", "cls_weights = ones (N, C)"),
    "positives_modulated_beside_quality": ("target = class index (N,)", "quality_score = quality (N,)"),
    "weight_without_gradient": ("pred_score = probabilities (N, C)", "label = targets > 0"),
    "NeedsItsWeights": ("weight = ones (C,)",),
    "sign_and_score": ("targets = 1 where targets > 0, else 0 (N, C)", "scores = targets (N, C)"),
}
TOLD = {  # values that a finding must hold
    "star_fixed": {"shift": 1},
    "two_alphas": {"value": 0.75},
    "Cut": {"distance": 0.01},
    "barely_cut": {"distance": 1e-6},
    "smooth_binary": {"one": 0.9, "zero": 0.1},
    "penalty_reduced": {"power": 4},
    "fixed_quarter": {"value": 0.25},
    "targets_clamped": {"zero": 1e-6},
    "epsilon_everywhere": {"epsilon": 1e-4},
    "floored_distance": {"epsilon": 1e-5},
    "labels_clipped": {"zero": 1e-5},
    "with_positive_weight": {"ratio": 5},
    "floored_row": {"epsilon": 1e-7},
    "near_limit": {"factor": 5, "epsilon": 1e-4},
    "first_class_apart": {"weights": (0.75, 0.25, 0.25)},
    "CutBelowItsCount": {"distance": 0.01},
    "added_to_what_was_picked": {"epsilon": 1e-8},
    "ThreeByDefault": {"classes": 3},
    "ignored_in_the_mean": {"label": 255},
    "poly_inside": {"epsilon": 1},
    "asymmetric_detached": {"margin": 0.05},
    "of_one_class": {"which": 1},
    "half_a_power_of_negatives": {"value": 0.5},
    "overlap_of_batch": {"smooth": 1},
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_said_and_nothing_else(name):
    right = RIGHT[name]
    verdict = check(getattr(published, name), right.loss, Options(labels=right.labels))
    codes = {finding.change.code for finding in verdict.findings}
    assert (verdict.verdict, verdict.reduction) == (right.verdict, right.reduction), verdict.plain
    assert codes - {SHARED} == right.codes
    assert all(part in verdict.how for part in CALLED.get(name, ())), verdict.how
    values = {key: value for finding in verdict.findings for key, value in finding.change.values}
    for key, value in TOLD.get(name, {}).items():
        assert values[key] == pytest.approx(value, rel=1e-3)


def test_an_alpha_that_weighs_nothing_is_no_factor_of_the_formula():
    verdict = check(published.SmoothsByAlpha, "focal")
    assert verdict.formula == "mean of (1-exp(-BCE))^gamma · BCE, where y = (1-alpha) target + alpha/2"


def test_every_published_loss_is_asked():
    functions = {name for name, one in vars(published).items() if getattr(one, "__module__", "") == published.__name__}
    assert {name for name in functions if not name.startswith("_")} == set(RIGHT)
