"""Statistics against hand-worked cases, published values and simulations with fixed seeds."""

import doctest
import math

import numpy as np
import pytest
from scipy import stats

from focalbench_suite.results import statistics
from focalbench_suite.results.statistics import Interval, Prior


def test_median_is_over_launches_not_over_pooled_rounds():
    # launch medians 1, 2, 10: their median is 2, though most rounds say 10
    interval = statistics.median_interval([[1.0], [2.0], [10.0] * 50])
    assert interval.center == 2.0


def launches_around_ten(count: int, generator: np.random.Generator, rounds: int = 8) -> list[np.ndarray]:
    """Launches of rounds whose true centre is 10: launches scatter by 5 %, rounds in one by 2 %."""
    centers = generator.normal(0, 0.05, count)
    return [10 * np.exp(center + generator.normal(0, 0.02, rounds)) for center in centers]


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_95_percent_interval_holds_the_truth_95_times_of_100_however_few_the_launches(count):
    generator = np.random.default_rng(count)
    intervals = [statistics.median_interval(launches_around_ten(count, generator)) for _ in range(1000)]
    assert 930 <= sum(interval.low <= 10 <= interval.high for interval in intervals) <= 970


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_interval_of_a_ratio_holds_the_truth_95_times_of_100(count):
    generator = np.random.default_rng(10 + count)
    covered = 0
    for _ in range(1000):
        drift = [np.exp(generator.normal(0, 0.5, 8)) for _ in range(count)]  # common to both of a round
        own = [10 * one for one in drift]
        theirs = [3 * a * b for a, b in zip(launches_around_ten(count, generator), drift, strict=True)]
        ratio = statistics.ratio_interval(theirs, own)
        covered += ratio.low <= 3 <= ratio.high
    assert 930 <= covered <= 970


def test_the_interval_over_launches_is_students():
    launches = [[1.0, 2.0, 9.0], [3.0], [2.5, 3.5], []]  # medians 2, 3, 3
    expected = np.exp(stats.ttest_1samp(np.log([2.0, 3.0, 3.0]), 0).confidence_interval(0.95))
    assert statistics.median_interval(launches)[1:] == pytest.approx(tuple(expected))


def test_one_launch_has_a_median_and_no_interval():
    center, *limits = statistics.median_interval([[1.0, 2.0, 4.0]])
    assert center == 2.0
    assert np.isnan(limits).all()
    center, *limits = statistics.ratio_interval([[2.0, 4.0]], [[1.0, 2.0]])
    assert center == pytest.approx(2.0)
    assert np.isnan(limits).all()
    assert statistics.kind_of_interval(1) == "none: one launch"
    assert statistics.kind_of_interval(2) == "Student's t, 2 launches"


def test_launches_made_again_from_an_interval_scatter_as_the_launches_did():
    """A spread that made an interval is found again in the launches that are made of it."""
    generator = np.random.default_rng(3)
    for count in (2, 3, 6):
        launches = 10 * np.exp(generator.normal(0, 0.1, count))
        interval = statistics.median_interval([[v] for v in launches])
        again = np.log(statistics.launches_like(interval, count))
        assert np.exp(again.mean()) == pytest.approx(np.median(launches))
        assert again.std(ddof=1) == pytest.approx(np.log(launches).std(ddof=1))
    assert statistics.launches_like(Interval(4.0, 3.0, 5.0), 1) == (4.0,)


def test_rounds_say_how_well_their_launch_is_known_and_not_the_next_one():
    """The reason for launches: the rounds of one, resampled, hold its own truth, and miss that of all launches."""
    generator = np.random.default_rng(2)
    own = others = 0
    for seed in range(400):
        center = 10 * np.exp(generator.normal(0, 0.05))
        interval = statistics.within_launch(center * np.exp(generator.normal(0, 0.02, 20)), seed=seed)
        own += interval.low <= center <= interval.high
        others += interval.low <= 10 <= interval.high
    assert own > 360
    assert others < 160


def test_ratio_is_of_pairs_and_ignores_common_drift():
    own = [np.linspace(1, 5, 30), np.linspace(3, 1, 30)]
    ratio = statistics.ratio_interval([1.5 * rounds for rounds in own], own)
    assert ratio == pytest.approx((1.5, 1.5, 1.5))


def test_interval_of_nothing_is_unknown():
    assert math.isnan(statistics.median_interval([]).center)
    assert statistics.UNKNOWN.relative_half_width == math.inf


def test_paired_difference_by_hand():
    # differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t(0.975, 2) = 4.302653
    interval = statistics.paired_difference([2, 4, 6], [1, 2, 3])
    assert interval.center == pytest.approx(2)
    assert interval.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_a_single_pair_decides_nothing():
    interval = statistics.paired_difference([0.4], [0.1])
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert statistics.equivalence(interval, 0.01) == "undecided"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.001, -0.004, 0.006), "equivalent"),
        (Interval(0.003, 0.001, 0.005), "equivalent"),  # not zero, but less than what matters
        (Interval(0.03, 0.01, 0.05), "different"),
        (Interval(0.005, -0.01, 0.02), "undecided"),
    ],
)
def test_equivalence(interval, verdict):
    assert statistics.equivalence(interval, margin=0.01) == verdict


def test_holm_gives_the_published_example():
    # R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert len(statistics.holm([])) == 0


def test_wilson_gives_the_published_example():
    # Newcombe 1998, table I: 15 of 148 by the score method without continuity correction: 0.0624 to 0.1605
    interval = statistics.wilson(15, 148)
    assert (interval.low, interval.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert interval.center == 15 / 148
    assert statistics.wilson(0, 0)[1:] == (0.0, 1.0)


def test_unpaired_difference_approaches_the_t_test_without_prior():
    new, old = [1.2, 1.3, 1.1, 1.25], [1.0, 1.1, 0.9]
    difference = statistics.unpaired_difference(new, old, Prior(1.0, 1e-9))
    expected = stats.ttest_ind(new, old, alternative="greater")
    assert difference.p_above(0.0) == pytest.approx(expected.pvalue, rel=1e-6)


def test_single_launches_are_judged_by_the_prior():
    # error = 0.05 * sqrt(1 + 1); t(0.975, 4) = 2.776445
    difference = statistics.unpaired_difference([0.2], [0.0], Prior(0.05, 4))
    assert difference.interval().high == pytest.approx(0.2 + 2.776445 * 0.05 * math.sqrt(2), rel=1e-6)


def blocks(ratio: float, generator: np.random.Generator, spikes: float = 0.2) -> tuple[list, list]:
    """Times of one paired launch: 8 blocks of 6 calls, each a little noisy, some interrupted for long."""

    def side(center: float) -> list[list[float]]:
        times = center * (1 + np.abs(generator.normal(0, 0.01, (8, 6))))
        return (times + (generator.random((8, 6)) < spikes) * generator.exponential(5, (8, 6))).tolist()

    return side(1.0), side(ratio)


def test_launch_ratio_shrugs_off_interruptions():
    generator = np.random.default_rng(3)
    found = [statistics.launch_log_ratio(*blocks(1.05, generator)) for _ in range(20)]
    assert np.exp(found) == pytest.approx(1.05, abs=0.01)


def decide(ratio: float, noise: float, generator: np.random.Generator, find: float = 0.05) -> str:
    launches, verdict = [], "unclear"
    while verdict == "unclear":
        launches.append(tuple(np.log(ratio) + generator.normal(0, noise, 2)))
        verdict = statistics.gate_verdict(launches, find, last=len(launches) == statistics.MOST_LAUNCHES)
    return verdict


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "same"), (1.05, "slower"), (1.1, "slower"), (1 / 1.05, "faster"), (2.0, "slower")]
)
def test_gate_on_a_machine_that_scatters_by_half_a_percent(ratio, verdict):
    generator = np.random.default_rng(4)
    verdicts = [decide(ratio, 0.005, generator) for _ in range(300)]
    assert verdicts.count(verdict) >= 297


def test_gate_rarely_raises_an_alarm_where_it_cannot_see():
    """With launches that scatter by 3 %, a thing against itself is undecided or the same, not slower."""
    generator = np.random.default_rng(5)
    verdicts = [decide(1.0, 0.03, generator) for _ in range(300)]
    assert verdicts.count("slower") + verdicts.count("faster") <= 12


def test_gate_needs_both_clocks():
    assert statistics.gate_verdict([(0.2, 0.0), (0.21, 0.001), (0.19, -0.001)], 0.05) == "same"
    assert statistics.gate_verdict([(0.2, 0.2), (0.21, 0.21), (0.19, 0.19)], 0.05) == "slower"


def test_what_one_clock_sees_faster_and_the_other_at_the_threshold_is_not_the_same():
    launches = [(-0.02 + scatter, -0.1 + scatter) for scatter in (-1e-4, 0.0, 1e-4, 2e-4)]
    assert statistics.gate_verdict(launches, 0.05) == "unclear"
    assert statistics.gate_verdict(launches, 0.05, last=True) == "undecided"


def test_gate_takes_the_error_of_a_median_for_what_it_is():
    # their median absolute deviation stands for a standard deviation of 0.02, so the median's error is 0.0125
    launches = [0.06 + 0.009 * step for step in (-2, -1, 1, 2)]
    assert statistics.gate_verdict([(ratio, ratio) for ratio in launches], 0.05) == "slower"


def test_a_difference_lies_above_its_own_center_as_often_as_not():
    difference = statistics.Difference(center=0.2, error=0.05, freedom=4)
    assert difference.p_above(0.2) == pytest.approx(0.5)
    assert difference.p_above(0.2 - 0.05 * 2.132) == pytest.approx(0.05, abs=1e-4)  # t tables: 2.132 at 4 degrees


def test_gate_waits_for_three_launches_and_ends_undecided():
    assert statistics.gate_verdict([(0.2, 0.2)] * 2, 0.05) == "unclear"
    edge = math.log(1.05) / 2
    assert statistics.gate_verdict([(edge, edge)] * 5, 0.05) == "unclear"
    assert statistics.gate_verdict([(edge, edge)] * 9, 0.05, last=True) == "undecided"


def test_a_p_value_is_students():
    a, b = np.array([0.31, 0.28, 0.35, 0.30, 0.33]), np.array([0.29, 0.27, 0.31, 0.30, 0.30])
    difference = statistics.Difference((a - b).mean(), stats.sem(a - b), 4)
    assert difference.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert difference.interval(1 - difference.p_value).low == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("center", "error", "p"), [(0.1, 0.0, 0.0), (0.0, 0.0, 1.0), (0.1, math.inf, 1.0)])
def test_a_p_value_where_the_error_is_none_or_unknown(center, error, p):
    assert statistics.Difference(center, error, 1.0).p_value == p


def test_a_comparison_is_looked_at_more_rarely_the_longer_it_goes_on():
    assert statistics.looks(5) == [5]
    assert statistics.looks(12) == [5, 8, 12]
    assert statistics.looks(100) == [5, 8, 12, 18, 27, 41, 62, 93, 100]


@pytest.mark.parametrize("truth", [0.0, 0.01])
def test_looking_again_and_again_misleads_no_more_often_than_once(truth):
    """What differs by nothing is not called different, nor what differs by the margin equivalent, in 19 of 20 runs."""
    random, wrong = np.random.default_rng(11), 0
    confidence = statistics.confidence_of_a_look(len(statistics.looks(40)), 0.05)
    for _ in range(1000):
        differences = random.normal(truth, 0.02, 40)
        for count in statistics.looks(40):
            seen = statistics.Difference(differences[:count].mean(), stats.sem(differences[:count]), count - 1)
            verdict = statistics.equivalence(seen.interval(confidence), margin=0.01)
            if verdict != "undecided":
                wrong += verdict == ("equivalent" if truth else "different")
                break
    assert wrong <= 50


def test_two_pairs_have_an_interval():
    # differences 1 and 3: mean 2, standard error 1, Student's t of one degree of freedom 12.706
    interval = statistics.paired_difference([1.0, 3.0], [0.0, 0.0])
    assert (interval.low, interval.high) == (pytest.approx(2 - 12.7062, abs=1e-4), pytest.approx(2 + 12.7062, abs=1e-4))


def test_the_examples_hold():
    found = doctest.testmod(statistics)
    assert (found.attempted > 0, found.failed) == (True, 0)


def test_launches_that_are_no_pairs_have_no_ratio():
    with pytest.raises(ValueError, match="shorter"):
        statistics.launch_log_ratio([[1.0], [1.0]], [[1.0]])
