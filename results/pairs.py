"""Is one loss's detector better than another's? AP differences of trainings paired by seed.

Pure functions of the coco-map records, each of which holds its AP on the val images and on resamplings of them.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from focalbench_suite.results import statistics
from focalbench_suite.results.coco_map import Record, groups, pairs_of, same_conditions
from focalbench_suite.results.statistics import Difference

MARGIN = 0.01  # AP in [0, 1]: one point, twice what seeds alone do to a published RetinaNet
SEED_SHARE = 0.5  # of the spread between the seeds, where that is more: the trainings are too short for one point
FEWEST_SEEDS = statistics.FIRST_LOOK  # fewer hardly know their own spread
LEVEL = 0.05  # of the pairs of a run together
HALF = ("bfloat16", "float16")


@dataclass(frozen=True)
class Trained:
    """One variant in one dtype."""

    variant: str
    dtype: str


@dataclass(frozen=True)
class Pair:
    """Two variants of a host, over the seeds that both were trained with.

    `difference` is AP of `a` minus AP of `b`. `looks` is how often the comparison is looked at before it ends, 1 where
    the number of seeds was said before. `p_value` is corrected for that, and for the other pairs of the run.
    """

    host: str
    dataset: str
    schedule: str
    device: str
    a: Trained
    b: Trained
    seeds: int
    difference: Difference
    margin: float
    looks: int
    mean_a: float
    mean_b: float
    same_conditions: bool
    p_value: float

    @property
    def confidence(self) -> float:
        """That of the interval."""
        return statistics.confidence_of_a_look(self.looks, LEVEL)

    @property
    def verdict(self) -> str:
        """equivalent | different | undecided."""
        if self.seeds < FEWEST_SEEDS or self.found_nothing:
            return "undecided"
        verdict = statistics.equivalence(self.difference.interval(self.confidence), self.margin)
        return "undecided" if verdict == "different" and self.p_value >= LEVEL else verdict

    @property
    def found_nothing(self) -> bool:
        """Whether neither detects anything, which is no sign that they are alike."""
        return self.mean_a == self.mean_b == 0

    @property
    def is_hopeless(self) -> bool:
        """Whether no number of seeds would decide it: what the choice of val images leaves open is too much."""
        if self.found_nothing:
            return True
        error = self.difference.least_error
        limit = Difference(self.difference.center, error, float("inf")).interval(self.confidence)
        return error > 0 and statistics.equivalence(limit, self.margin) == "undecided"

    @property
    def row(self) -> dict[str, Any]:
        """The pair as a row of the table; where the dtypes differ they stand beside the variants' names."""
        mixed = self.a.dtype != self.b.dtype
        interval = self.difference.interval(self.confidence)
        return {
            "host": self.host,
            "variant_a": f"{self.a.variant} in {self.a.dtype}" if mixed else self.a.variant,
            "variant_b": f"{self.b.variant} in {self.b.dtype}" if mixed else self.b.variant,
            "seeds": self.seeds,
            "mean_difference": interval.center,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "verdict": self.verdict,
            "p_value": self.p_value,
            "margin": self.margin,
            "mean_ap_a": self.mean_a,
            "mean_ap_b": self.mean_b,
            "same_conditions": self.same_conditions,
            "dataset": self.dataset,
            "schedule": self.schedule,
            "device": self.device,
            "dtype": self.a.dtype,
            "dtype_b": self.b.dtype,
            "confidence": self.confidence,
            "more_seeds_help": self.verdict == "undecided" and not self.is_hopeless,
        }


def compare_table(records: Iterable[Record]) -> pd.DataFrame:
    """Every variant of a host against the library's own: mean AP difference a - b, its interval, the verdict.

    One row a pair that shares data set, schedule, device, dtype and seeds; and one for each variant in half precision
    against itself in float32, with the dtype beside its name. A training that diverged counts as AP 0.
    Fewer than `FEWEST_SEEDS` seeds decide nothing. The more pairs a run compares, the more of them differ by chance, so
    `p_value` is corrected by Holm's method for all pairs of the run that have seeds enough, and `different` follows it;
    the intervals are each pair's own.
    """
    return pd.DataFrame([pair.row for pair in compared(records)])


def compared(records: Iterable[Record]) -> list[Pair]:
    """Every pair of the records, with p-values corrected for their number."""
    pairs = [
        _pair(place, by_trained, a, b)
        for place, by_trained in _by_dtype(records).items()
        for a, b in _to_compare(by_trained)
        if by_trained[a].keys() & by_trained[b].keys()
    ]
    tested = [place for place, pair in enumerate(pairs) if pair.seeds >= FEWEST_SEEDS]
    for place, corrected in zip(tested, statistics.holm([pairs[place].p_value for place in tested]), strict=True):
        pairs[place] = dataclasses.replace(pairs[place], p_value=float(corrected))
    return pairs


def _pair(place: tuple[str, ...], by_trained: dict[Trained, dict[int, Record]], a: Trained, b: Trained) -> Pair:
    seeds = sorted(by_trained[a].keys() & by_trained[b].keys())
    one, other = ([by_trained[side][seed] for seed in seeds] for side in (a, b))
    looks = max(record["data"].get("looks", 1) for record in (*one, *other))
    difference = ap_difference(one, other)
    host, dataset, schedule, device = place
    return Pair(
        host,
        dataset,
        schedule,
        device,
        a,
        b,
        seeds=len(seeds),
        difference=difference,
        margin=equivalence_margin([_ap(record) for record in other]),
        looks=looks,
        mean_a=float(np.mean([_ap(record) for record in one])),
        mean_b=float(np.mean([_ap(record) for record in other])),
        same_conditions=all(map(same_conditions, one, other)),
        p_value=min(1.0, looks * difference.p_value),
    )


def ap_difference(one: list[Record], other: list[Record]) -> Difference:
    """AP of `one` minus AP of `other`, trainings paired by seed, with its error over seeds and val images.

    Records of earlier versions do not say what AP is on other images: then nothing is known of the error.
    """
    drawn = [[record["data"].get("resampled_ap", []) for record in side] for side in (one, other)]
    draws = {len(ap) for side in drawn for ap in side}
    if len(draws) > 1 or draws == {0}:
        center = float(np.mean([_ap(a) - _ap(b) for a, b in zip(one, other, strict=True)]))
        return Difference(center, float("inf"), 1.0)
    images = max(record["data"]["run"].get("images_val", 0) for record in (*one, *other))
    return statistics.seeds_and_images(np.subtract(*map(np.array, drawn)), images)


def _ap(record: Record) -> float:
    return record["data"]["run"]["ap"] or 0.0


def equivalence_margin(precisions: list[float]) -> float:
    """The AP difference that matters: one point, or half of the standard deviation between the seeds of one variant.

    A difference that changing the seed would swamp is none that the schedule could show.
    """
    spread = float(np.std(precisions, ddof=1)) if len(precisions) > 1 else 0.0
    return max(MARGIN, SEED_SHARE * spread)


def pair_name(row: dict[str, Any]) -> str:
    """A row of the comparison in words: the two variants, and what else tells it from another row of the host.

    >>> pair_name({"variant_a": "own", "variant_b": "library", "dtype": "float64", "dtype_b": "float64"})
    'own − library (float64)'
    """
    told = "" if row["dtype"] != row["dtype_b"] else f" ({row['dtype']})"
    return f"{row['variant_a']} − {row['variant_b']}{told}"


def _by_dtype(records: Iterable[Record]) -> dict[tuple[str, ...], dict[Trained, dict[int, Record]]]:
    """Trainings by (host, data set, schedule, device), then variant and dtype, then seed."""
    found: dict[tuple[str, ...], dict[Trained, dict[int, Record]]] = defaultdict(dict)
    for (*place, dtype), by_variant in groups(records).items():
        found[tuple(place)] |= {Trained(variant, dtype): by_seed for variant, by_seed in by_variant.items()}
    return found


def _to_compare(by_trained: dict[Trained, Any]) -> Iterator[tuple[Trained, Trained]]:
    """The pairs of each dtype, and each variant of half precision with itself in float32."""
    for dtype in dict.fromkeys(one.dtype for one in by_trained):
        for a, b in pairs_of([one.variant for one in by_trained if one.dtype == dtype]):
            yield Trained(a, dtype), Trained(b, dtype)
    for one in by_trained:
        single = Trained(one.variant, "float32")
        if one.dtype in HALF and single in by_trained:
            yield one, single
