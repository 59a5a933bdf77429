"""How a loss is reduced, and by what it is divided."""

from __future__ import annotations

from focalbench_suite.suites.explainer.vocabulary.reduction import DIVIDED_BY, GUARDED, ROWS, WEIGHING

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
