"""What positives and negatives may be weighted with: alpha's sides and conventions, and the targets themselves."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.expression import names, put
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import options_of, symbol
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import RULES, SIGMOID, blend, choose

# code: what a positive and a negative are weighted with, where alpha and 1 - alpha are meant
SIDES: dict[str, tuple[str, str]] = {
    "alpha_exchanged": ("1 - alpha", "alpha"),
    "alpha_on_positives_only": ("alpha", "1"),
    "one_minus_alpha_on_negatives_only": ("1", "1 - alpha"),
    "alpha_on_both": ("alpha", "alpha"),
    "alpha_times_complement_on_negatives": ("alpha", "alpha*(1 - alpha)"),
    "one_minus_alpha_on_both": ("1 - alpha", "1 - alpha"),
    "alpha_on_negatives_only": ("1", "alpha"),
    "one_minus_alpha_on_positives_only": ("1 - alpha", "1"),
    "weights_squared": ("alpha**2", "(1 - alpha)**2"),
    "weights_under_root": ("sqrt(alpha)", "sqrt(1 - alpha)"),
    "weights_doubled": ("2*alpha", "2*(1 - alpha)"),
    "alpha_ratio_on_positives": ("alpha/(1 - alpha)", "1"),
    "alpha_ratio_on_negatives": ("1", "(1 - alpha)/alpha"),
    "one_plus_alpha_on_positives": ("1 + alpha", "1"),
    "negatives_weigh_nothing": ("alpha", "0"),
    "positives_weigh_nothing": ("0", "1 - alpha"),
}
# weights that people fix for one side while the other has alpha
FIXED_SIDES = (0.25, 0.5, 0.75, 2)
FOCAL = (0.25, 0.75)  # focal loss's own, which people put into losses that have no alpha, as YOLOv5's QFocalLoss does
# (of a positive, of a negative): weights of a function that should have none, or takes no alpha
FIXED = (
    (0.75, 0.25), (0.5, 0.5), (0.25, 1), (0.75, 1), (1, 0.25), (1, 0.75), (0.25, 0.25), (0.75, 0.75),
    (1, 0.5), (2, 1), (0, 1),
)  # fmt: skip
# code: weights computed from f, the mean target of the batch
BALANCED: dict[str, tuple[str, str]] = {
    "balanced_by_mean_target": ("1 - positives", "positives"),
    "balanced_by_mean_target_exchanged": ("positives", "1 - positives"),
    "positives_balanced_by_ratio": ("(1 - positives)/positives", "1"),
    "balanced_by_frequency": ("1/positives", "1/(1 - positives)"),
    "balanced_by_ratio_and_its_rest": ("(1 - positives)/positives", "2 - (1 - positives)/positives"),
}
BY_COUNTS = "where(y == 1, zeros/ones, 1)"  # which says nothing of the mean target where labels are soft
# (kind, code): the weight, where the paper's is the target of a positive and alpha of a negative
TARGET_OR_ALPHA: dict[tuple[str, str], str] = {
    ("soft_labels", "positives_not_weighted_by_target"): "where(y > 0, 1, alpha)",
    ("alpha", "alpha_on_both"): "where(y > 0, alpha*y, alpha)",
    ("alpha", "alpha_on_positives_only"): "where(y > 0, alpha*y, 1)",
    ("alpha", "alpha_on_positives_complement_on_negatives"): "where(y > 0, alpha*y, 1 - alpha)",
    ("alpha", "alpha_for_target_complement_on_negatives"): "where(y > 0, alpha, 1 - alpha)",
    ("alpha", "alpha_for_target_on_positives_only"): "where(y > 0, alpha, 1)",
    ("alpha", "one_minus_alpha_on_positives_too"): "where(y > 0, (1 - alpha)*y, alpha)",
    ("soft_labels", "positives_weighted_by_target_squared"): "where(y > 0, y**2, alpha)",
    ("soft_labels", "positives_weighted_by_target_to_gamma"): "where(y > 0, y**gamma, alpha)",
    ("alpha", "negatives_weigh_nothing"): "where(y > 0, y, 0)",
    ("alpha", "alpha_for_every_element"): "alpha",
    ("alpha", "negatives_not_weighted"): "where(y > 0, y, 1)",
    ("alpha", "no_weights"): "1",
    ("alpha", "focal_weights"): "alpha*y + (1 - alpha)*(1 - y)",
}


def weights(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's weight first, and everything that may stand in its place."""
    balance = loss.of_role("balance")
    if balance is not None and balance.name in names(loss.made_of.weight):
        return options_of(loss.made_of.weight, SIGMOID, loss, accepts) + _of_target_or_alpha(loss, accepts)
    if balance is None or balance.name not in accepts:
        # A weight of 1 and 0 is the target itself where that is a quality, else a choice of the positives.
        fixed = FIXED if balance is not None else (FOCAL, *FIXED)
        others = [*_by_target(), *_fixed(fixed)] if loss.soft else [*_fixed(fixed), *_by_target()]
        return [*_without_alpha(loss), *others, *_balanced()]
    own = options_of(loss.made_of.weight, SIGMOID, loss, accepts)
    # Where labels are smoothed every one is above 0, and a rule says no more than that both sides weigh the same.
    return [*own, *_sides(), *_ruled(("alpha", "1 - alpha")), *_balanced(), *_by_target()]


def _without_alpha(loss: Canonical) -> list[Option]:
    """A loss without alpha, or a function that does not take it: then the paper's weight is as good as none."""
    balance = loss.of_role("balance")
    plain = option("1", SIGMOID)
    if balance is None:
        return [plain]
    recommended = f"{balance.recommended:g}", f"{1 - balance.recommended:g}"
    weighted = option(blend(*recommended), SIGMOID)
    return [*((plain, weighted) if balance.optional else (weighted, plain)), *_ruled(recommended)]


def _sides() -> list[Option]:
    found = [option("1", SIGMOID, change("alpha", "alpha_ignored", parameter="alpha"))]
    for code, pair in SIDES.items():
        told = change("alpha", code)
        found += [option(blend(*pair), SIGMOID, told), *_ruled(pair, told)]
    for value in (0.25, 0.5, 0.75):
        told = change("alpha", "alpha_fixed", parameter="alpha", value=value)
        found.append(option(blend(f"{value:g}", f"{1 - value:g}"), SIGMOID, told))
    for value in FIXED_SIDES:
        for code, pair in {
            "alpha_on_positives_fixed_on_negatives": ("alpha", f"{value:g}"),
            "fixed_on_positives_alpha_on_negatives": (f"{value:g}", "alpha"),
            "fixed_on_positives_complement_on_negatives": (f"{value:g}", "1 - alpha"),
            "complement_on_positives_fixed_on_negatives": ("1 - alpha", f"{value:g}"),
        }.items():
            found.append(option(blend(*pair), SIGMOID, change("alpha", code, value=value)))
    return found


def _ruled(pair: tuple[str, str], *changes: Change) -> list[Option]:
    """The same weights where a rule says which side a soft label is on."""
    if pair[0] == pair[1]:
        return []  # both sides weigh the same, whatever the rule
    return [
        option(choose(rule, *pair), SIGMOID, *changes, change("soft_labels", "alpha_side_by_rule", rule=rule))
        for rule in RULES
    ]


def _fixed(weights: tuple[tuple[float, float], ...]) -> list[Option]:
    found = []
    for one, zero in weights:
        pair, told = (f"{one:g}", f"{zero:g}"), change("alpha", "fixed_weights", positive=one, negative=zero)
        found += [option(blend(*pair), SIGMOID, told), *_ruled(pair, told)]
    return found


def _balanced() -> list[Option]:
    """Weights computed from the batch; a side that no element is on divides by 0, and weighs nothing."""
    found = []
    for code, (positive, negative) in BALANCED.items():
        sides = choose("y > 0", positive, "0"), choose("y < 1", negative, "0")
        found.append(option(blend(*sides), SIGMOID, change("alpha", code), shown=blend(positive, negative)))
    return [*found, option(BY_COUNTS, SIGMOID, change("alpha", "positives_balanced_by_counts"))]


def _by_target() -> list[Option]:
    """Weights made of the target itself, that leave hard labels alone or take the negatives out."""
    return [option("y", SIGMOID, change("soft_labels", "weighted_by_target"))]


def _of_target_or_alpha(loss: Canonical, accepts: set[str]) -> list[Option]:
    absent = {p.name: symbol(p, accepts) for p in loss.parameters}
    found = [option(put(text, **absent), SIGMOID, change(*told)) for told, text in TARGET_OR_ALPHA.items()]
    for rule in RULES:
        if rule != "y > 0":
            told = change("soft_labels", "positives_by_rule", rule=rule)
            found.append(option(put(choose(rule, "y", "alpha"), **absent), SIGMOID, told))
    return found
