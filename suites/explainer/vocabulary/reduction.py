"""How the losses of the elements become what is returned: shapes, normalisers, and reductions that come too early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from focalbench_suite.suites.explainer.vocabulary.expression import Expression, Namespace
from focalbench_suite.suites.explainer.vocabulary.option import Change, Tensor, change


@dataclass(frozen=True)
class Batch:
    """The factors of every element (N, C) (or row (N,)) of one call, and its targets in the same shape."""

    weight: Tensor
    modulation: Tensor
    entropy: Tensor
    targets: Tensor
    kept: Tensor  # 0 where the element is ignored
    gamma: float = 0.0
    classes: int = 1
    labels: Tensor | None = None  # class labels (N,), where the function takes them
    class_weights: Tensor | None = None  # each row's own (N,), where the loss has them
    parameters: Mapping[str, Tensor | None] = field(default_factory=dict)
    cache: dict = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def label(self) -> Tensor:
        """The class labels, NaN where the function takes none: no normaliser that counts them then fits."""
        return torch.full((len(self.targets),), torch.nan) if self.labels is None else self.labels.double()

    @property
    def class_weight(self) -> Tensor:
        """The class weight of every row, NaN where there is none: no mean that it weighs then fits."""
        return torch.full_like(self.entropy, torch.nan) if self.class_weights is None else self.class_weights


BATCH = Namespace(
    "batch",
    fields={
        "weight": "weight",
        "modulation": "modulating factor",
        "entropy": "cross entropy",
        "targets": "y",
        "kept": "kept",
        "gamma": "gamma",
        "classes": "C",
        "label": "label",
        "class_weight": "alpha[y]",
    },
    quantities={
        "terms": ("loss", "weight*modulation*entropy*kept"),
        "N": ("N", "rows(terms)"),
        "count_all": ("elements", "size(terms)"),
        "is_positive": ("y > 0", "(targets > 0) & (kept > 0)"),
        "positives": ("positives", "count(is_positive)"),
        "ones": ("targets that are 1", "count((targets == 1) & (kept > 0))"),
        "target_sum": ("sum of targets", "sum(targets*kept)"),
        "negative_sum": ("sum of 1-y", "sum((1 - targets)*kept)"),
        "kept_elements": ("elements not ignored", "sum(kept)"),
        "kept_rows": ("rows not ignored", "count(any_rows(kept > 0))"),
        "positive_rows": ("rows with a positive", "count(any_rows(targets > 0))"),
        "labelled": ("labels that are not -1", "count(label >= 0) + 0*sum(label)"),
        "class_labels": ("labels of a class", "count((label >= 0) & (label < classes)) + 0*sum(label)"),
        "weight_sum": ("sum of weights", "sum(weight*kept)"),
        "factor_sum": ("sum of modulating factors", "sum(modulation*kept)"),
        "weighted_factor_sum": ("sum of weights times modulating factors", "sum(weight*modulation*kept)"),
        "nonzero": ("elements with a loss", "count(terms != 0)"),
        "row_positives": ("positives", "sum_rows(is_positive)"),
        "row_ones": ("targets that are 1", "sum_rows((targets == 1) & (kept > 0))"),
        "row_targets": ("sum of targets", "sum_rows(targets*kept)"),
        "positive_mean": ("mean of positives", "sum(terms*is_positive)/max(positives, 1)"),
        "negative_mean": ("mean of negatives", "sum(terms*(targets <= 0))/max(count(targets <= 0), 1)"),
        "modulated_row_mean": (
            "row mean, then modulation",
            "(1 - exp(-mean_rows(entropy*weight)))**gamma*mean_rows(entropy*weight)",
        ),
        "modulated_row_sum": (
            "row sum, then modulation",
            "(1 - exp(-sum_rows(entropy*weight)))**gamma*sum_rows(entropy*weight)",
        ),
    },
    element=lambda batch: batch.entropy,
)


@dataclass(frozen=True)
class Reduction:
    """What is returned for a batch, as an expression.

    `name` is what people read in place of it. `early` ones reduce before modulating or weighting, which makes another
    function of the batch.
    """

    name: str
    text: str
    change: Change | None = None
    early: bool = False

    @cached_property
    def expression(self) -> Expression:
        return Expression(self.text, BATCH)

    @property
    def detached(self) -> bool:
        """Whether the divisor is left out of the gradient."""
        return self.change is not None and self.change.code in DETACHED

    @property
    def weighs_classes(self) -> bool:
        """Whether class weights are in it, and not in the elements."""
        return "class_weight" in self.text

    def apply(self, batch: Batch) -> Tensor:
        return self.expression.value(batch)


DETACHED = ("over_factors_detached", "over_weighted_factors_detached")
PLAIN = [Reduction("none", "terms"), Reduction("mean", "mean(terms)"), Reduction("sum", "sum(terms)")]
# code: (name, expression); shapes of the result, and means over something else than all elements
SHAPES: dict[str, tuple[str, str]] = {
    "sum_over_rows_count": ("sum / rows", "sum(terms)/N"),
    "mean_over_classes_then_sum": ("mean over dim 1, then sum", "sum(terms)/classes"),
    "sum_of_each_row": ("sum over each row", "sum_rows(terms)"),
    "mean_of_each_row": ("mean over each row", "mean_rows(terms)"),
    "sum_of_each_column": ("sum over each column", "sum_columns(terms)"),
    "mean_of_each_column": ("mean over each column", "mean_columns(terms)"),
    "side_means_added": ("mean of positives plus mean of negatives", "positive_mean + negative_mean"),
    "side_means_averaged": (
        "half of mean of positives plus mean of negatives",
        "(positive_mean + negative_mean)/2",
    ),
    "mean_of_positives": ("mean over the positives only", "positive_mean"),
    "largest": ("maximum", "largest(terms)"),
    "median": ("median", "median(terms)"),
    "first_row_only": ("first row only", "sum(first_row(terms))"),
    "root_of_mean_square": ("square root of the mean of squares", "sqrt(mean(terms**2))"),
}
HARDEST = (0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.75, 0.8, 0.9)  # shares of the batch that people keep
EPSILONS = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
# quantities of the batch that people divide by, guarded against 0 in every way
GUARDED = ("positives", "ones", "target_sum")
WEIGHING = ("weight_sum", "factor_sum", "weighted_factor_sum")  # where they are 0 so is the loss, whatever the guard
FLOORED = ("kept_elements", "labelled", "class_labels", "positive_rows", "weight_sum", "negative_sum")
# where no row of background is answered, rows and positives are as many, and rows are what is meant
DIVIDED_BY = ("kept_rows", *GUARDED, *FLOORED)
# code: (name, divisor); the others
DIVISORS: dict[str, tuple[str, str]] = {
    "over_nonzero": ("mean over the elements that are not 0", "nonzero"),
    "over_nonzero_at_least_one": ("sum / max(elements that are not 0, 1)", "max(nonzero, 1)"),
    "over_factors": ("sum / sum of modulating factors", "factor_sum"),
    "over_factors_detached": ("sum / detached sum of modulating factors", "detach(factor_sum)"),
    "over_weighted_factors": ("sum / sum of weight and modulating factor", "weighted_factor_sum"),
    "over_weighted_factors_detached": (
        "sum / detached sum of weight and modulating factor",
        "detach(weighted_factor_sum)",
    ),
    "over_elements_less_one": ("sum / (elements - 1)", "count_all - 1"),
    "over_elements_plus_one": ("sum / (elements + 1)", "count_all + 1"),
    "over_root_of_elements": ("sum / square root of the elements", "sqrt(count_all)"),
    "over_elements_and_classes": ("mean / classes", "count_all*classes"),
    "over_elements_and_rows": ("mean / rows", "count_all*N"),
    "over_elements_twice": ("mean / elements", "count_all**2"),
    "over_rows_twice": ("sum / rows^2", "N**2"),
    "over_rows_and_positives": ("sum / (rows max(positives, 1))", "N*max(positives, 1)"),
    "over_positives_plus_rows": ("sum / (positives + rows)", "positives + N"),
    "over_positives_twice_plus_rows": ("sum / (2 positives + rows)", "2*positives + N"),
    "over_positives_and_over_negatives": (
        "half of sum / positives plus sum / negatives",
        "2/(1/max(positives, 1) + 1/max(count(targets <= 0), 1))",
    ),
    "over_targets_plus_rows": ("sum / (sum of targets + rows)", "target_sum + N"),
    "mean_over_positives": ("mean / max(positives, 1)", "count_all*max(positives, 1)"),
    "mean_over_targets": ("mean / max(sum of targets, 1)", "count_all*max(target_sum, 1)"),
}
CONSTANTS = (4, 2, 100, 0.1, 0.5)  # what means and sums are divided by besides
ROWS = {"positives": "row_positives", "ones": "row_ones", "targets": "row_targets"}


def _modulated(entropy: str) -> str:
    """The modulating factor computed from the reduced cross entropy, p_t = exp(-mean)."""
    return f"(1 - exp(-{entropy}))**gamma*{entropy}"


# code: (name, expression); the cross entropy is reduced first and modulated then
EARLY: dict[str, tuple[str, str]] = {
    "modulated_after_mean": ("averaging the cross entropy before it is modulated", _modulated("mean(entropy*weight)")),
    "modulated_after_weighted_mean": (
        "averaging the cross entropy with weights before it is modulated",
        _modulated("(sum(entropy*weight)/sum(weight))"),
    ),
    "modulated_after_mean_by_class": (
        "averaging the cross entropy with class weights before it is modulated",
        f"mean({_modulated('(sum(entropy*class_weight)/sum(class_weight))')}*weight)",
    ),
    "modulated_after_sum": ("summing the cross entropy before it is modulated", _modulated("sum(entropy*weight)")),
    "modulated_after_mean_then_weighted": (
        "averaging the cross entropy before it is modulated and weighted",
        f"{_modulated('mean(entropy)')}*weight",
    ),
    "modulated_after_mean_then_weighted_and_averaged": (
        "averaging the cross entropy before it is modulated, and the weights after",
        f"mean({_modulated('mean(entropy)')}*weight)",
    ),
    "modulated_after_mean_then_weighted_and_summed": (
        "averaging the cross entropy before it is modulated, and summing the weights after",
        f"sum({_modulated('mean(entropy)')}*weight)",
    ),
    "modulated_after_sum_then_weighted": (
        "summing the cross entropy before it is modulated, and averaging the weights after",
        f"mean({_modulated('sum(entropy)')}*weight)",
    ),
    "modulated_after_row_means": (
        "averaging the cross entropy of each row before it is modulated, then averaging over rows",
        "mean(modulated_row_mean)",
    ),
    "modulated_after_row_sums": (
        "summing the cross entropy of each row before it is modulated, then averaging over rows",
        "mean(modulated_row_sum)",
    ),
    "modulated_after_row_sums_and_summed": (
        "summing the cross entropy of each row before it is modulated, then summing over rows",
        "sum(modulated_row_sum)",
    ),
    "modulated_after_row_means_and_summed": (
        "averaging the cross entropy of each row before it is modulated, then summing over rows",
        "sum(modulated_row_mean)",
    ),
}
# what is averaged or summed before it is multiplied with the rest: the code, what people read, and what then becomes of
# the product
APART: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "weight*modulation*mean(entropy)": (
        "cross_entropy_averaged_first",
        "averaging the cross entropy",
        ("mean", "sum", "none"),
    ),
    "weight*modulation*sum(entropy)": ("cross_entropy_summed_first", "summing the cross entropy", ("sum", "none")),
    "weight*mean(modulation)*entropy": (
        "factor_averaged_first",
        "averaging the modulating factor",
        ("mean", "sum", "none"),
    ),
    "weight*sum(modulation)*entropy": ("factor_summed_first", "summing the modulating factor", ("sum", "none")),
    "mean(weight)*modulation*entropy": ("weight_averaged_first", "averaging the weight", ("mean", "sum", "none")),
    "sum(weight)*modulation*entropy": ("weight_summed_first", "summing the weight", ("sum", "none")),
    "weight*mean(modulation*entropy)": ("modulated_averaged_first", "averaging the modulated cross entropy", ("none",)),
    "weight*sum(modulation*entropy)": ("modulated_summed_first", "summing the modulated cross entropy", ("none",)),
    "mean(weight*modulation)*entropy": (
        "weighted_factor_averaged_first",
        "averaging the weighted modulating factor",
        ("none",),
    ),
    "mean(weight)*mean(modulation)*mean(entropy)": (
        "all_factors_averaged_first",
        "averaging each of the factors",
        ("none",),
    ),
}
# rows (N,) that meet a column (N, 1), so that every pair of rows is multiplied; and what then becomes of the pairs
PAIRS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "pairs(weight, modulation*entropy)": (
        "all_pairs_of_rows",
        "multiplying every row's weight with every other row's modulated cross entropy",
        ("mean", "sum", "none", "sum / rows"),
    ),
    "pairs(weight*modulation, entropy)": (
        "all_pairs_of_rows",
        "multiplying every row's weighted modulating factor with every other row's cross entropy",
        ("mean", "sum", "none", "sum / rows"),
    ),
    "pairs(modulation, weight*entropy)": (
        "all_pairs_of_rows",
        "multiplying every row's modulating factor with every other row's weighted cross entropy",
        ("mean", "sum", "none", "sum / rows"),
    ),
    "pairs(modulation*entropy, weight)": (
        "all_pairs_of_rows",
        "multiplying every row's modulated cross entropy with every other row's weight",
        ("none",),
    ),
}
THEN = {"mean": "mean({})", "sum": "sum({})", "none": "{}", "sum / rows": "sum({})/N"}


def _divided() -> Iterator[Reduction]:
    """The sum over a normaliser, in order of how usual it is."""

    def over(code: str, name: str, divisor: str, **values: float) -> Reduction:
        return Reduction(name, f"sum(terms)/{divisor}", change("normaliser", code, **values))

    for quantity in DIVIDED_BY:
        told = BATCH.quantities[quantity][0]
        plain = over(f"over_{quantity}", f"sum / {told}", quantity)
        floored = over(f"over_{quantity}_at_least_one", f"sum / {told} (at least 1)", f"max({quantity}, 1)")
        yield from (floored, plain) if quantity in GUARDED else (plain, floored)
    for quantity in GUARDED:
        told = BATCH.quantities[quantity][0]
        yield over(f"over_{quantity}_plus_one", f"sum / ({told} + 1)", f"({quantity} + 1)")
    for quantity in GUARDED:
        told = BATCH.quantities[quantity][0]
        for e in EPSILONS:  # added, or the least: a sum that is not 0 does not tell which
            name = f"sum / ({told}, guarded by {e:g})"
            yield over(f"over_{quantity}_guarded_by_epsilon", name, f"({quantity} + {e!r})", epsilon=e)
    for quantity in GUARDED:
        told = BATCH.quantities[quantity][0]
        text = f"sum(terms)*({quantity} > 0)/({quantity} + ({quantity} <= 0))"
        yield Reduction(f"sum / {told}, 0 without any", text, change("normaliser", f"over_{quantity}_or_zero"))
    for quantity in GUARDED:
        told = BATCH.quantities[quantity][0]
        text = f"sum(terms)*({quantity} > 0)/({quantity} + ({quantity} <= 0)) + mean(terms)*({quantity} <= 0)"
        yield Reduction(f"sum / {told}, the mean without any", text, change("normaliser", f"over_{quantity}_or_all"))
    above = "count((targets > 0.5) & (kept > 0))"
    for code, guard, divisor in (("_at_least_one", " (at least 1)", f"max({above}, 1)"), ("", "", f"({above})")):
        yield over(f"over_targets_above_threshold{code}", f"sum / targets above a threshold{guard}", divisor)
    for code, (name, divisor) in DIVISORS.items():
        yield over(code, name, f"({divisor})")
    for quantity in WEIGHING:  # where a guard cannot be seen, none is claimed
        told = BATCH.quantities[quantity][0]
        yield over(f"over_{quantity}_guarded", f"sum / ({told}, guarded)", f"({quantity} + 1e-12)")
    for constant in CONSTANTS:
        for code, name, divisor in (
            ("mean_over_constant", "mean / {:g}", "({:g}*count_all)"),
            ("weighted_mean_over_constant", "sum / ({:g} sum of weights)", "({:g}*weight_sum)"),
            ("sum_over_constant", "sum / {:g}", "{:g}"),
        ):
            yield over(code, name.format(constant), divisor.format(constant), value=constant)


def _by_row() -> Iterator[Reduction]:
    """Each row over its own positives; then what becomes of the rows."""
    for what, quantity in ROWS.items():
        told = BATCH.quantities[quantity][0]
        guards: dict[str, tuple[str, str, dict[str, float]]] = {
            "at_least_one": ("(at least 1)", f"max({quantity}, 1)", {}),
            "unguarded": ("", quantity, {}),
        }
        guards |= {
            f"guarded_by_epsilon {e:g}": (f"guarded by {e:g}", f"({quantity} + {e!r})", {"epsilon": e})
            for e in EPSILONS
        }
        for guard, (guarded, divisor, values) in guards.items():
            for then, wrap in {"none": "{}", "mean": "mean({})", "sum": "sum({})"}.items():
                name = " ".join(filter(None, ("each row over its own", told, guarded))) + (
                    "" if then == "none" else f", {then}"
                )
                code = f"each_row_over_its_{what}_{guard.partition(' ')[0]}"
                text = wrap.format(f"(sum_rows(terms)/{divisor})")
                yield Reduction(name, text, change("normaliser", code, then=then, **values))


def _early() -> Iterator[Reduction]:
    for code, (name, text) in EARLY.items():
        yield Reduction(name, text, change("reduction", code), early=True)
    for text, (code, first, endings) in (APART | PAIRS).items():
        for then in endings:
            name = f"{first} alone" if then == "none" else f"{then}, after {first}"
            yield Reduction(name, THEN[then].format(text), change("reduction", code, then=then), early=True)


def _all() -> Iterator[Reduction]:
    yield from PLAIN
    for code, (name, text) in SHAPES.items():
        yield Reduction(name, text, change("reduction", code))
    yield from _divided()
    yield from _by_row()
    for share in HARDEST:
        told = change("reduction", "hardest_only", share=share)
        yield Reduction(f"mean of the hardest {share:.0%}", f"mean(hardest(terms, {share}))", told, early=True)
        yield Reduction(f"sum of the hardest {share:.0%}", f"sum(hardest(terms, {share}))", told, early=True)
    yield from _early()


REDUCTIONS = list(_all())
