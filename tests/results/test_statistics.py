"""Statistics against hand-worked cases, published values and simulations with fixed seeds."""

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


def test_median_interval_covers_between_launch_spread():
    """95 % intervals of 12 launches that differ by more than their rounds do contain the true median about 95 times."""
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        centers = 10 + generator.normal(0, 1, 12)
        interval = statistics.median_interval([c + generator.normal(0, 0.1, 20) for c in centers], seed=seed)
        covered += interval.low <= 10 <= interval.high
    assert 180 <= covered <= 200


def test_launches_made_again_from_an_interval_scatter_as_the_launches_did():
    """The mean's error by the launches made of 200 intervals is that of the launches themselves."""
    generator = np.random.default_rng(3)
    errors = []
    for seed in range(200):
        launches = 10 * np.exp(generator.normal(0, 0.1, 6))
        again = statistics.launches_like(statistics.median_interval([[v] for v in launches], seed=seed), 6)
        assert np.exp(np.log(again).mean()) == pytest.approx(np.median(launches))
        errors.append(np.log(again).std(ddof=1) / 6**0.5)
    assert np.median(errors) == pytest.approx(1.2533 * 0.1 / 6**0.5, rel=0.25)  # of a median of normal values
    assert statistics.launches_like(Interval(4.0, 3.0, 5.0), 1) == (4.0,)


def test_flat_bootstrap_would_not_cover():
    """The reason for launches: pooled rounds of the same data give an interval that misses most of the time."""
    generator = np.random.default_rng(2)
    missed = 0
    for seed in range(100):
        rounds = np.concatenate([c + generator.normal(0, 0.1, 50) for c in 10 + generator.normal(0, 1, 3)])
        interval = statistics.median_interval([rounds], seed=seed)
        missed += not interval.low <= 10 <= interval.high
    assert missed > 30


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


def test_gate_waits_for_three_launches_and_ends_undecided():
    assert statistics.gate_verdict([(0.2, 0.2)] * 2, 0.05) == "unclear"
    edge = math.log(1.05) / 2
    assert statistics.gate_verdict([(edge, edge)] * 5, 0.05) == "unclear"
    assert statistics.gate_verdict([(edge, edge)] * 9, 0.05, last=True) == "undecided"
