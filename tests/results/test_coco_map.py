"""Paired differences, drift and conditions, from records made by hand."""

import numpy as np
import pytest
from scipy import stats

from focalbench_suite.results.coco_map import classes_table, conditions_table, confusion_table, drift_table
from focalbench_suite.results.pairs import compare_table, equivalence_margin
from focalbench_suite.results.statistics import seeds_and_images

IMAGES = 20


def resampled(right):
    """One box an image, found without a false alarm in the first `right` of 20 images: AP is right / 20."""
    found = np.arange(IMAGES) < right
    draws = np.random.default_rng(0).integers(IMAGES, size=(200, IMAGES))
    return [right / IMAGES, *found[draws].mean(axis=1).tolist()]


def record(variant, seed, right, losses=(2.0, 1.0), weights="w", order="d", inputs="a", dtype="float32"):
    run = {
        "host": "gfl",
        "variant": variant,
        "dataset": "shapes",
        "schedule": "quick",
        "device": "cpu",
        "seed": seed,
        "dtype": dtype,
        "images_val": IMAGES,
        "iterations": len(losses),
        "ap": right / IMAGES,
        "initial_weights": weights,
        "data_order": order,
        "augmented_inputs": inputs,
    }
    curve = [
        {"step": step + 1, "loss": loss, "cls": loss, "lr": 0.1, "grad_norm": 1.0, "seconds": 0.1}
        for step, loss in enumerate(losses)
    ]
    cell = {"suite": "coco-map", "dtype": dtype}
    return {"cell": cell, "rows": {}, "data": {"run": run, "curve": curve, "resampled_ap": resampled(right)}}


def compare(pairs):
    records = [record(variant, seed, n) for seed, pair in enumerate(pairs) for variant, n in pair.items()]
    (row,) = compare_table(records).to_dict("records")
    return row


def test_trainings_that_end_alike_are_equivalent():
    row = compare([{"library": n, "own": n} for n in (10, 12, 9, 11, 10)])
    assert (row["variant_a"], row["variant_b"], row["seeds"]) == ("own", "library", 5)
    assert row["mean_difference"] == row["ci_low"] == row["ci_high"] == 0.0
    assert row["verdict"] == "equivalent"


def test_a_loss_that_finds_half_as_much_on_every_seed_is_different():
    row = compare([{"library": 16, "own": n} for n in (8, 7, 8, 9, 8)])
    assert row["mean_difference"] == pytest.approx(-0.4, abs=0.02)
    assert row["ci_high"] < -0.1
    assert row["verdict"] == "different"


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_few_seeds_decide_nothing_however_far_apart_they_are(seeds):
    row = compare([{"library": 16, "own": n} for n in (8, 7, 8, 9)[:seeds]])
    assert row["ci_high"] < 0
    assert row["verdict"] == "undecided"


def test_which_images_are_scored_widens_the_interval_where_all_seeds_end_alike():
    row = compare([{"library": 16, "own": 8} for _ in range(5)])
    assert row["mean_difference"] == pytest.approx(-0.4, abs=0.02)
    # one image in 20 is worth 0.05 AP; a binomial share of 8 images in 20 has a standard deviation of 0.11
    assert 0.2 < row["ci_high"] - row["ci_low"] < 0.7


def test_a_training_that_diverged_counts_as_nothing_found():
    records = [record(variant, seed, n) for seed in range(5) for variant, n in (("library", 10), ("own", 10))]
    diverged = record("own", 4, 0)
    diverged["data"]["run"]["ap"] = None
    (row,) = compare_table([*records[:-1], diverged]).to_dict("records")
    assert row["seeds"] == 5
    assert row["mean_ap_a"] == pytest.approx(0.4)
    assert row["mean_ap_b"] == pytest.approx(0.5)
    assert row["mean_difference"] == pytest.approx(-0.1, abs=0.01)


@pytest.mark.parametrize("other", [{"weights": "x"}, {"order": "x"}, {"inputs": "x"}])
def test_each_condition_that_differs_is_told(other):
    assert compare_table([record("library", 0, 9), record("own", 0, 9)])["same_conditions"].tolist() == [True]
    assert compare_table([record("library", 0, 9), record("own", 0, 9, **other)])["same_conditions"].tolist() == [False]


def test_a_training_that_ended_early_has_the_conditions_of_one_that_began_alike():
    early = {"losses": (2.0,), "order": "of one step", "inputs": "of one step"}
    for weights, alike in (("w", True), ("others", False)):
        records = [record("library", 0, 9), record("own", 0, 9, weights=weights, **early)]
        assert compare_table(records)["same_conditions"].tolist() == [alike]


def test_differences_of_either_sign_are_undecided():
    row = compare([{"library": 10, "own": n} for n in (12, 8, 11, 9, 10)])
    assert row["ci_low"] < 0 < row["ci_high"]
    assert row["verdict"] == "undecided"


def test_the_margin_is_one_point_or_half_of_what_the_seeds_differ():
    assert equivalence_margin([0.30, 0.30, 0.30]) == 0.01
    assert equivalence_margin([0.20, 0.30, 0.40]) == pytest.approx(0.05)  # standard deviation 0.1
    assert equivalence_margin([0.3]) == 0.01


def test_two_that_find_nothing_are_not_said_to_be_alike():
    row = compare([{"library": 0, "own": 0}] * 5)
    assert (row["mean_difference"], row["verdict"], row["more_seeds_help"]) == (0.0, "undecided", False)


def test_one_seed_decides_nothing():
    row = compare([{"library": 16, "own": 4}])
    assert row["verdict"] == "undecided"
    assert np.isinf(row["ci_low"])


def test_seeds_that_only_one_side_has_are_left_out():
    records = [record("library", 0, 10), record("own", 0, 10), record("own", 1, 3)]
    assert compare_table(records)["seeds"].tolist() == [1]


def test_without_images_the_interval_is_students():
    differences = np.random.default_rng(0).normal(0.3, 1.0, (6, 1))
    interval = seeds_and_images(differences, 20).interval()
    expected = stats.ttest_1samp(differences[:, 0], 0).confidence_interval(0.95)
    assert tuple(interval[1:]) == pytest.approx(tuple(expected))


def test_the_error_has_a_part_of_the_seeds_and_one_of_the_images_worked_by_hand():
    """Seeds 0 and 2: 2 over 2 seeds. On three draws both move by -1, 0 and 1: 1, and nothing that one seed does alone.

    The error is the root of 2, and Satterthwaite's degrees of freedom (1 + 1)^2 / (1 / 1 + 1 / 10).
    """
    found = seeds_and_images(np.array([[0.0, -1.0, 0.0, 1.0], [2.0, 1.0, 2.0, 3.0]]), images=11)
    assert (found.center, found.error, found.least_error) == pytest.approx((1.0, 2**0.5, 1.0))
    assert found.freedom == pytest.approx(4 / 1.1)


def test_what_one_seed_does_on_some_images_is_not_counted_twice():
    """Two seeds that move against each other on every draw: their mean does not move, nor is it owed to the images."""
    found = seeds_and_images(np.array([[0.0, -1.0, 0.0, 1.0], [2.0, 3.0, 2.0, 1.0]]), images=11)
    assert (found.error, found.least_error) == pytest.approx((1.0, 0.0))


@pytest.mark.parametrize("seeds", [2, 5, 20])
@pytest.mark.parametrize("of_images", [0.0, 0.5])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(seeds, of_images):
    """On 40 images: an effect of the seed, one that all seeds have on an image, and one of a seed on an image."""
    random = np.random.default_rng(seeds)
    draws = random.multinomial(40, np.full(40, 1 / 40), size=100) / 40
    covered = 0
    for _ in range(1000):
        alone = random.normal(0, 1, (seeds, 1)) + random.normal(0, 40**0.5, (seeds, 40))
        effects = 0.2 + alone + of_images * random.normal(0, 40**0.5, 40)
        taken = np.hstack([effects.mean(axis=1, keepdims=True), effects @ draws.T])
        _, low, high = seeds_and_images(taken, 40).interval()
        covered += low <= 0.2 <= high
    assert 900 <= covered <= 975


def test_drift_is_relative_step_by_step_and_names_where_it_first_shows():
    records = [record("library", 0, 5, (2.0, 1.0, 4.0)), record("own", 0, 5, (2.0, 1.0 + 1e-6, 4.0 + 8e-6))]
    rows = {row["term"]: row for row in drift_table(records).to_dict("records")}
    assert rows["loss"]["steps"] == 3
    assert rows["loss"]["first_step"] == 0
    assert rows["loss"]["largest"] == rows["loss"]["last_step"] == pytest.approx(2e-6)
    assert rows["loss"]["first_beyond_1e-9"] == 2
    assert rows["grad_norm"]["largest"] == 0


def test_a_loss_that_was_never_finite_has_no_drift():
    records = [record("library", 0, 5, (None, None)), record("own", 0, 5, (2.0, 1.0))]
    assert {row["term"] for row in drift_table(records).to_dict("records")} == {"grad_norm"}


def test_trainings_from_other_weights_have_no_drift_and_are_said_to_differ():
    records = [record("library", 0, 5), record("own", 0, 5, weights="other")]
    assert drift_table(records).empty
    assert compare_table(records)["same_conditions"].tolist() == [False]
    rows = conditions_table(records)
    assert rows["same_as_library"].tolist() == [
        "initial_weights data_order augmented_inputs",
        "data_order augmented_inputs",
    ]


def test_dtypes_are_compared_apart():
    records = [record(v, 0, n, dtype=d) for v, n, d in (("library", 9, "float32"), ("own", 3, "float64"))]
    assert compare_table(records).empty


def test_half_precision_is_compared_with_the_same_loss_in_single():
    aps = {("library", "float32"): 18, ("library", "bfloat16"): 1, ("own", "float32"): 9, ("own", "bfloat16"): 9}
    records = [record(v, seed, n, dtype=d) for seed in range(5) for (v, d), n in aps.items()]
    rows = {
        (row["variant_a"], row["variant_b"], row["dtype"]): row for row in compare_table(records).to_dict("records")
    }
    assert set(rows) == {
        ("own", "library", "float32"),
        ("own", "library", "bfloat16"),
        ("library in bfloat16", "library in float32", "bfloat16"),
        ("own in bfloat16", "own in float32", "bfloat16"),
    }
    lost = rows["library in bfloat16", "library in float32", "bfloat16"]
    assert (lost["mean_ap_a"], lost["mean_ap_b"], lost["verdict"]) == (1 / IMAGES, 18 / IMAGES, "different")
    assert rows["own in bfloat16", "own in float32", "bfloat16"]["verdict"] == "equivalent"


def test_nothing_in_nothing_out():
    assert compare_table([]).empty
    assert drift_table([]).empty
    assert conditions_table([]).empty


def told(seed, matched, ap_large):
    """A training of one class, of whose ten boxes `matched` were found, with one false alarm."""
    one = record("own", seed, 10)
    row = {"category": "cat", "boxes": 10, "matched": matched, "false_alarms": 1, "ap": matched / 10}
    one["data"]["classes"] = [row | {"ap_large": ap_large}]
    taken = [("background", "cat", 1), ("cat", "background", 10 - matched), ("cat", "cat", matched)]
    one["data"]["confusion"] = [dict(zip(("category", "detected_as", "count"), row, strict=True)) for row in taken]
    return one


def test_a_class_has_the_means_over_the_seeds_of_those_that_have_a_value():
    (row,) = classes_table([told(0, 4, None), told(1, 8, 0.5)]).to_dict("records")
    assert (row["host"], row["variant"], row["category"], row["seeds"], row["boxes"]) == ("gfl", "own", "cat", 2, 10)
    assert row["ap"] == pytest.approx(0.6)
    assert (row["matched"], row["false_alarms"], row["ap_large"]) == (6, 1, 0.5)


def test_confusions_are_summed_over_the_seeds_and_told_as_shares_of_the_true_class():
    rows = confusion_table([told(0, 4, None), told(1, 8, None)]).set_index(["category", "detected_as"])
    assert rows["count"].to_dict() == {("background", "cat"): 2, ("cat", "background"): 8, ("cat", "cat"): 12}
    assert rows["share"].dropna().to_dict() == {("cat", "background"): 0.4, ("cat", "cat"): 0.6}
    assert set(rows["seeds"]) == {2}


def test_records_of_an_older_run_have_no_classes():
    assert classes_table([record("own", 0, 10)]).empty
    assert confusion_table([record("own", 0, 10)]).empty


def family(others):
    """Five seeds of the library's own and of one variant that is a little worse, and of `others` equal variants."""
    scores = {"library": (12, 12, 12, 12, 12), "worse": (6, 7, 6, 8, 7)} | {
        f"equal {n}": (12, 10, 14, 11, 13) for n in range(others)
    }
    return [record(variant, seed, right) for variant, found in scores.items() for seed, right in enumerate(found)]


def test_the_more_variants_a_run_compares_the_less_one_of_them_says():
    """Holm's method: the smallest of m p-values is multiplied by m, whatever the interval of that pair alone says."""
    alone, among = (compare_table(family(others)).set_index("variant_a").loc["worse"] for others in (0, 9))
    assert (alone["ci_low"], alone["ci_high"]) == (among["ci_low"], among["ci_high"])
    assert alone["ci_high"] < 0
    assert alone["p_value"] < 0.05 < among["p_value"]
    assert among["p_value"] == pytest.approx(10 * alone["p_value"])
    assert (alone["verdict"], among["verdict"]) == ("different", "undecided")


def test_variants_with_too_few_seeds_are_no_tests_to_correct_for():
    few = [record(f"few {n}", seed, 12) for n in range(9) for seed in range(2)]
    (row,) = [row for row in compare_table([*family(0), *few]).to_dict("records") if row["variant_a"] == "worse"]
    assert row["verdict"] == "different"


def looked_at(looks, aps=(12, 13, 11, 12, 12)):
    records = family(0) + [record("close", seed, right) for seed, right in enumerate(aps)]
    for one in records:
        one["data"]["looks"] = looks
    return compare_table(records).set_index("variant_a")


def test_where_seeds_are_added_until_it_is_decided_each_look_has_a_share_of_the_error():
    once, six = looked_at(1), looked_at(6)
    assert (once["confidence"] == 0.95).all()
    assert six["confidence"].tolist() == pytest.approx([1 - 0.05 / 6] * 2)
    assert six["p_value"]["worse"] == pytest.approx(6 * once["p_value"]["worse"])
    assert (six["ci_low"] < once["ci_low"]).all()


def test_more_seeds_help_where_it_is_they_that_leave_it_open():
    """Twenty images of one box each leave so much open that no number of seeds makes it one point of AP."""
    assert not looked_at(1, aps=(14, 14, 14, 14, 14))["more_seeds_help"]["close"]
    assert not looked_at(1)["more_seeds_help"]["worse"]  # which is decided
