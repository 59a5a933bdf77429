"""The statistics of times and of AP differences: pure functions of numbers; nothing else compares two of either.

Times are not normal, not independent within a process, and skewed to the right, so:

* The unit is the worker *launch*: rounds of one process share its heap layout and say little about the next process
  (Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013; Mytkowicz et al., "Producing wrong data
  without doing anything obviously wrong!", ASPLOS 2009). Launches are few, so their interval is Student's t: resampled,
  two of them gave "95 %" intervals that held the truth 63 times in a hundred. One launch gives no interval.
* Times are compared as ratios of the same round, on a log scale (Fleming and Wallace, "How not to lie with statistics",
  CACM 1986: a ratio's mean is geometric).
* Many cells are tested at once, so p-values are corrected (Holm, "A simple sequentially rejective multiple test
  procedure", Scand. J. Statist. 1979).
* A series of runs in order is divided into levels by the fewest steps that explain it (Killick, Fearnhead and Eckley,
  "Optimal detection of changepoints with a linear computational cost", JASA 2012), each at the price of a multiple of
  the logarithm of their number (Yao, "Estimating the number of change-points via Schwarz' criterion", Statist. Probab.
  Lett. 1988). A slow drift comes out as a staircase.
* "Same" is a claim that needs evidence of its own: an interval inside a stated margin (Schuirmann, "A comparison of the
  two one-sided tests procedure", J. Pharmacokin. Biopharm. 1987). Absence of evidence is `undecided`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

Launches = Sequence[Sequence[float]]  # one inner sequence of rounds a worker launch

RESAMPLES = 1000
BOOTSTRAP_REACH = float(stats.norm.ppf(0.975))  # standard errors between a median and its 95 % limit, by resampling


class Interval(NamedTuple):
    """An estimate with its confidence limits, all in the estimate's unit."""

    center: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width as a share of the estimate; infinite where that is not a positive number."""
        return (self.high - self.low) / 2 / self.center if self.center > 0 else float("inf")


UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


def launch_medians(launches: Launches) -> np.ndarray:
    """The median of each launch that has rounds."""
    return np.array([np.median(rounds) for rounds in launches if len(rounds)], dtype=float)


def median_interval(launches: Launches, confidence: float = 0.95) -> Interval:
    """The median over launches of each launch's median time, inside Student's t interval of their logarithms.

    The limits are NaN for a single launch, which says nothing of the next.
    """
    medians = launch_medians(launches)
    if not len(medians):
        return UNKNOWN
    center = float(np.median(medians))
    if len(medians) < 2:
        return UNKNOWN._replace(center=center)
    logs = np.log(medians)
    half = _student(confidence, len(logs)) * float(stats.sem(logs))
    low, high = (float(np.exp(logs.mean() + side)) for side in (-half, half))
    return Interval(center, min(low, center), max(high, center))


def _student(confidence: float, count: int) -> float:
    """How many standard errors of a mean of `count` values reach to a limit."""
    return float(stats.t.ppf((1 + confidence) / 2, count - 1))


def kind_of_interval(count: int) -> str:
    """What the limits of `median_interval` over so many launches are, or why there are none, as a table says it."""
    return f"Student's t, {count} launches" if count > 1 else "none: one launch"


def within_launch(rounds: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """The median of one launch's rounds with a bootstrap interval: how well this process is known, not the next one."""
    values = np.asarray(rounds, dtype=float)
    generator = np.random.default_rng(seed)
    medians = np.median(values[generator.integers(len(values), size=(RESAMPLES, len(values)))], axis=1)
    low, high = np.quantile(medians, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(np.median(values)), float(low), float(high))


def launches_like(
    interval: Interval, count: int, reach: float | None = None, confidence: float = 0.95
) -> tuple[float, ...]:
    """`count` positive values that lie around this median and scatter, on a log scale, as such an interval implies.

    They stand for launches of which only the median and its interval were kept. `reach` is how many standard errors lie
    between median and limit: Student's t where nothing else is said.
    """
    if count < 2:
        return (interval.center,) * count
    error = float(np.log(interval.high / interval.low)) / 2 / (reach or _student(confidence, count))
    scores = stats.norm.ppf((np.arange(count) + 0.5) / count)
    return tuple(float(v) for v in interval.center * np.exp(scores / scores.std(ddof=1) * error * count**0.5))


def ratio_interval(numerator: Launches, denominator: Launches, confidence: float = 0.95) -> Interval:
    """numerator / denominator from pairs of the same launch and round, with the interval of `median_interval`."""
    ratios = [np.divide(above, below) for above, below in zip(numerator, denominator, strict=True)]
    return median_interval([[np.exp(np.median(np.log(rounds)))] for rounds in ratios if len(rounds)], confidence)


def paired_difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of a - b over pairs (AP by seed), with Student's t interval; infinite limits for a single pair."""
    differences = np.subtract(a, b, dtype=float)
    mean = float(differences.mean()) if len(differences) else float("nan")
    if len(differences) < 2:
        return Interval(mean, -float("inf"), float("inf"))
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5
    half = _student(confidence, len(differences)) * error
    return Interval(mean, mean - half, mean + half)


def equivalence(difference: Interval, margin: float) -> str:
    """equivalent (the interval lies within ± margin) | different (it excludes 0) | undecided.

    An interval of confidence 1 - 2α inside the margin is the two one-sided tests procedure at level α. A difference
    that is both within the margin and not zero is equivalent: the margin says what matters.
    """
    if -margin < difference.low and difference.high < margin:
        return "equivalent"
    if difference.low > 0 or difference.high < 0:
        return "different"
    return "undecided"


class Prior(NamedTuple):
    """What is assumed of a spread before it is seen: a standard deviation worth so many degrees of freedom."""

    deviation: float
    freedom: float


BETWEEN_LAUNCHES = Prior(0.05, 4)  # log times of launches on an ordinary machine
BETWEEN_SEEDS = Prior(0.02, 4)  # AP of small detectors trained from scratch


class Difference(NamedTuple):
    """new - old of two groups of values, its standard error and the error's degrees of freedom.

    `least_error` is the part of the error that more values do not lessen.
    """

    center: float
    error: float
    freedom: float
    least_error: float = 0.0

    def interval(self, confidence: float = 0.95) -> Interval:
        """Student's t interval."""
        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * self.error
        return Interval(self.center, self.center - half, self.center + half)

    @property
    def p_value(self) -> float:
        """Two-sided, against the hypothesis that there is none: below 0.05 where the 95 % interval excludes 0."""
        if self.error == 0:
            return 1.0 if self.center == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.center) / self.error, self.freedom))

    def p_above(self, limit: float) -> float:
        """One-sided p-value against the hypothesis that the difference is `limit` or less."""
        return float(stats.t.sf((self.center - limit) / self.error, self.freedom))


def unpaired_difference(new: Sequence[float], old: Sequence[float], prior: Prior) -> Difference:
    """new - old of groups that were not interleaved, one value a launch, with a moderated t statistic.

    Two runs have one to five launches each, too few to know their spread by, so the pooled variance is shrunk towards a
    prior (Smyth, "Linear models and empirical Bayes methods", Stat. Appl. Genet. Mol. Biol. 2004). With a single launch
    the prior is all there is. Knows what differs between launches, not between days: a margin must hold the rest.
    """
    groups = [np.asarray(group, dtype=float) for group in (new, old)]
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    freedom = sum(len(group) - 1 for group in groups)
    variance = (prior.freedom * prior.deviation**2 + squares) / (prior.freedom + freedom)
    error = (variance * sum(1 / len(group) for group in groups)) ** 0.5
    return Difference(float(groups[0].mean() - groups[1].mean()), float(error), prior.freedom + freedom)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values corrected for their number by Holm's step-down procedure, in the given order."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """A proportion with Wilson's score interval (JASA 1927); (0, 1) where nothing was tried."""
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0)
    result = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(result.low), float(result.high))


FEWEST_LAUNCHES, MOST_LAUNCHES = 3, 12
RESOLUTION = 1 / 6  # of the threshold: a launch-to-launch error below this is luck, not precision


def launch_log_ratio(base: Launches, head: Launches) -> float:
    """log(head / base) of one paired launch, from times by block and call: the median over blocks of log(min / min).

    Noise only ever adds to a time, so the fastest call of a block is its cleanest (Chen and Revels, "Robust
    benchmarking in noisy environments", HPEC 2016), and neighbours in time share the machine's state. On a loaded
    two-core machine the result scattered by 0.2 %, that of the minimum over all blocks by 0.8 %.
    """
    pairs = [np.log(np.min(slow) / np.min(fast)) for fast, slow in zip(base, head, strict=True)]
    return float(np.median(pairs))


def gate_verdict(launches: Sequence[tuple[float, float]], find: float, last: bool = False) -> str:
    """slower | faster | same | unclear (launch again) | undecided (`last`, and still unclear).

    `launches` holds each launch's log(head / base) by the wall clock and by the process's CPU clock; `find` is the
    slowdown that must not escape (0.05). The threshold lies half-way between none and that one, so both errors are
    alike; a verdict of change needs *both* clocks beyond it, by twice the standard error of the median over launches
    and with three launches of four on that side, while one clock that is clearly within it is enough for "same".
    Launches are added while neither holds (a sequential test in the manner of Wald, 1947, with a cap).
    """
    if len(launches) < FEWEST_LAUNCHES:
        return "undecided" if last else "unclear"
    threshold = float(np.log1p(find)) / 2
    above = [_beyond([launch[clock] for launch in launches], threshold) for clock in (0, 1)]
    below = [_beyond([-launch[clock] for launch in launches], threshold) for clock in (0, 1)]
    if all(side > 0 for side in above):
        return "slower"
    if all(side > 0 for side in below):
        return "faster"
    if any(side < 0 for side in above) and any(side < 0 for side in below):
        return "same"
    return "undecided" if last else "unclear"


def _beyond(values: Sequence[float], threshold: float) -> int:
    """1 where values lie clearly beyond the threshold, -1 clearly short of it, 0 where neither is clear."""
    logs = np.asarray(values)
    center = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - center)))
    error = max(1.2533 * spread / len(logs) ** 0.5, threshold * RESOLUTION)  # of a median of normal values
    share = float(np.mean(logs > threshold))
    if center - 2 * error > threshold and share >= 0.75:
        return 1
    return -1 if center + 2 * error < threshold and share <= 0.25 else 0


def seeds_and_images(differences: np.ndarray, images: int) -> Difference:
    """The mean AP difference, and its error over seeds and val images.

    `differences` (seeds, 1 + R) holds for each seed's pair of trainings the difference on the val images as they are,
    then on R resamplings of those `images`, the same for all seeds. Seeds and images are both a sample of what could
    have been, so the variance of the mean has two parts (Searle, Casella and McCulloch, "Variance Components", 1992):
    that between the seeds, over their number, and that of the images, which more seeds do not lessen. What a seed does
    on some of the images alone is in the first part, and taken out of the second. Their degrees of freedom are
    Satterthwaite's ("An approximate distribution of estimates of variance components", Biometrics Bulletin 1946). One
    seed says nothing of the others: an infinite error.
    """
    differences = np.atleast_2d(np.asarray(differences, dtype=float))
    count, columns = differences.shape
    center = float(differences[:, 0].mean())
    if count < 2:
        return Difference(center, float("inf"), 1.0)
    of_seeds = float(differences[:, 0].var(ddof=1)) / count
    of_images = _of_images(differences[:, 1:]) if columns > 2 and images > 1 else 0.0
    parts = ((of_seeds, count - 1), (of_images, images - 1))
    weight = sum(variance**2 / freedom for variance, freedom in parts if variance)
    variance = of_seeds + of_images
    return Difference(center, variance**0.5, variance**2 / weight if weight else count - 1.0, of_images**0.5)


def _of_images(resampled: np.ndarray) -> float:
    """The variance between resamplings of images that all seeds share, from differences (seeds, R)."""
    of_mean = float(resampled.mean(axis=0).var(ddof=1))
    of_one = float(resampled.var(axis=1, ddof=1).mean())
    return max(0.0, of_mean - (of_one - of_mean) / (len(resampled) - 1))


FIRST_LOOK, LOOK_GROWTH = (
    5,
    1.5,
)  # values before a comparison is first looked at, and how many times more each next time


def looks(most: int) -> list[int]:
    """After how many values a comparison that goes on until it is decided is looked at, up to `most` of them.

    >>> looks(40)
    [5, 8, 12, 18, 27, 40]
    """
    found = [FIRST_LOOK]
    while found[-1] < most:
        found.append(min(most, math.ceil(found[-1] * LOOK_GROWTH)))
    return found


def confidence_of_a_look(count: int, level: float) -> float:
    """The confidence of the interval of each of so many looks, for them all to hold the truth with 1 - `level`.

    Whoever looks often and stops when it suits is misled more often than one look would (Armitage, McPherson and Rowe,
    "Repeated significance tests on accumulating data", JRSS A 1969), so each look has a share of the level: repeated
    confidence intervals (Jennison and Turnbull, "Interim analyses: the repeated confidence interval approach", JRSS B
    1989) by Bonferroni's inequality, which holds for Student's t of few values as well, and whenever one stops.
    """
    return 1 - level / count


MOST_FORESEEN = 1024


def values_within(spread: float, margin: float) -> int | None:
    """How many values of that standard deviation have a 95 % interval within ± `margin` of their mean, if not too many.

    >>> values_within(0.004, 0.01), values_within(0.02, 0.01), values_within(1.0, 0.01)
    (5, 18, None)
    """
    for count in range(FIRST_LOOK, MOST_FORESEEN + 1):
        if Difference(0.0, spread / count**0.5, count - 1).interval().high < margin:
            return count
    return None


LEAST_RUNS = 3  # of one level: of two runs, one may be an outlier
STEP_PRICE = 5.0  # times log n, in squared units of noise; see `steps`
NEIGHBOURS = 5  # runs of whose median a run may be `FARTHEST` units of noise away, before it is pulled in
FARTHEST = 3.0
LEAST_NOISE = 1e-3  # of logarithms: nobody's times are steadier than a tenth of a per cent


def steps(values: Sequence[float]) -> list[int]:
    """The places at which a series takes a new level, each that of the level's first value; of logarithms, for times.

    Noise is measured by the differences of neighbours, which steps hardly change. Simulated with noise alone, 0.5 % of
    series of 50 runs show a step (1.3 % where noise is Student's t of 3 degrees), of series of 20 runs 3 %. With noise
    of 2 %, a drift of 10 % over 50 runs shows in each of 200 series, a step of 10 % before the last three runs in 99 %.

    >>> steps([0.01, 0.0, 0.01, 0.0, 0.2, 0.21, 0.2, 0.21])
    [4]
    >>> steps([0.01, 0.0, 0.01, 0.9, 0.0, 0.01, 0.0])
    []
    """
    import ruptures

    if len(values) < 2 * LEAST_RUNS:
        return []
    series = np.asarray(values, dtype=float)
    noise = max(float(np.median(np.abs(np.diff(series)))) / (2**0.5 * stats.norm.ppf(0.75)), LEAST_NOISE)
    padded = np.pad(series, NEIGHBOURS // 2, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS), axis=1)
    scaled = np.clip(series, middle - FARTHEST * noise, middle + FARTHEST * noise) / noise
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_RUNS).fit(scaled[:, np.newaxis])
    *places, _ = search.predict(pen=STEP_PRICE * np.log(len(series)))
    return [int(place) for place in places]
