"""What a loss did to a detector: AP differences paired by seed, drift step by step, equality of conditions.

Pure functions of the coco-map records. AP is taken again from the records' matches for every resampling of the images,
by COCO's rule (101 points of the interpolated precision, mean over categories and the ten IoU thresholds).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from focalbench_suite.results import statistics

MARGIN = 0.01  # AP in [0, 1]: one point, twice what seeds alone do to a published RetinaNet
SEED_SHARE = 0.5  # of the spread between the seeds, where that is more: the trainings are too short for one point
FEWEST_SEEDS = 5  # with 2, 3, 4 the interval, which cannot leave the seeds' own range, covers 50, 75, 88 % and not 95
LEVEL = 0.05  # of the pairs of a run together
RESAMPLES = 200  # of the val images
THRESHOLDS = 10
RECALLS = np.linspace(0, 1, 101)
FIRST_STEPS = 100  # of a training that are kept whole and compared one by one
BASELINE = "library"
HALF = ("bfloat16", "float16")
TRAINED = ["host", "variant", "dataset", "schedule", "device", "dtype"]  # what one variant's seeds have in common
BACKGROUND = "background"  # the class of a false alarm, and what a missed box was taken for

Record = dict[str, Any]


def compare_table(records: Iterable[Record]) -> pd.DataFrame:
    """Every variant of a host against the library's own: mean AP difference a - b, its interval, the verdict.

    One row a pair that shares data set, schedule, device, dtype and seeds; and one for each variant in half precision
    against itself in float32, with the dtype beside its name. A training that diverged counts as AP 0.
    Fewer than `FEWEST_SEEDS` seeds decide nothing. The more pairs a run compares, the more of them differ by chance, so
    `p_value` is corrected by Holm's method for all pairs of the run that have seeds enough, and `different` follows it;
    the intervals are each pair's own.
    """
    rows = []
    for (host, dataset, schedule, device), by_dtype in _by_dtype(records).items():
        trainings = [record for by_seed in by_dtype.values() for record in by_seed.values()]
        resampled = Resampled(trainings)
        for (a, dtype_a), (b, dtype_b) in _compared(by_dtype):
            one, other = by_dtype[a, dtype_a], by_dtype[b, dtype_b]
            if seeds := sorted(one.keys() & other.keys()):
                margin = equivalence_margin([other[seed]["data"]["run"]["ap"] or 0.0 for seed in seeds])
                difference = resampled.difference([one[seed] for seed in seeds], [other[seed] for seed in seeds])
                mixed = dtype_a != dtype_b
                rows.append(
                    {
                        "host": host,
                        "variant_a": f"{a} in {dtype_a}" if mixed else a,
                        "variant_b": f"{b} in {dtype_b}" if mixed else b,
                        "seeds": len(seeds),
                        "mean_difference": difference.center,
                        "ci_low": difference.low,
                        "ci_high": difference.high,
                        "verdict": _verdict(difference, margin, len(seeds)),
                        "p_value": statistics.p_value(difference, len(seeds)),
                        "margin": margin,
                        "mean_ap_a": _mean_ap(one, seeds),
                        "mean_ap_b": _mean_ap(other, seeds),
                        "same_conditions": all(_same_conditions(one[seed], other[seed]) for seed in seeds),
                        "dataset": dataset,
                        "schedule": schedule,
                        "device": device,
                        "dtype": dtype_a,
                    }
                )
    _correct([row for row in rows if row["seeds"] >= FEWEST_SEEDS])
    return pd.DataFrame(rows)


def pair_name(row: dict[str, Any]) -> str:
    """A row of the comparison in words: the two variants, and what else tells it from another row of the host.

    >>> pair_name({"variant_a": "own", "variant_b": "library", "dtype": "float64"})
    'own − library (float64)'
    """
    mixed = row["variant_a"].endswith(f" in {row['dtype']}")
    return f"{row['variant_a']} − {row['variant_b']}" + ("" if mixed else f" ({row['dtype']})")


def _correct(tested: list[dict[str, Any]]) -> None:
    """Correct the p-values for their number; what differs no longer is undecided."""
    for row, corrected in zip(tested, statistics.holm([row["p_value"] for row in tested]), strict=True):
        row["p_value"] = float(corrected)
        if row["verdict"] == "different" and corrected >= LEVEL:
            row["verdict"] = "undecided"


def _verdict(difference: statistics.Interval, margin: float, seeds: int) -> str:
    return statistics.equivalence(difference, margin) if seeds >= FEWEST_SEEDS else "undecided"


def equivalence_margin(precisions: list[float]) -> float:
    """The AP difference that matters: one point, or half of the standard deviation between the seeds of one variant.

    A difference that changing the seed would swamp is none that the schedule could show.
    """
    spread = float(np.std(precisions, ddof=1)) if len(precisions) > 1 else 0.0
    return max(MARGIN, SEED_SHARE * spread)


class Resampled:
    """The trainings that share a val set: AP of each on the same draws of its images, taken once."""

    def __init__(self, records: Iterable[Record]) -> None:
        images = max((record["data"]["matches"]["images"] for record in records), default=0)
        self.weights = image_weights(images, RESAMPLES)
        self._taken: dict[int, np.ndarray] = {}

    def difference(self, a: list[Record], b: list[Record]) -> statistics.Interval:
        """AP of `a` minus AP of `b`, trainings paired by seed, with an interval over seeds and val images."""
        first, second = (np.array([self._ap(record) for record in side]) for side in (a, b))
        return statistics.seeds_and_images(first - second)

    def _ap(self, record: Record) -> np.ndarray:
        if id(record) not in self._taken:
            self._taken[id(record)] = resampled_ap(record["data"]["matches"], self.weights)
        return self._taken[id(record)]


def image_weights(images: int, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each image counts: row 0 all once, then `resamples` bootstrap draws; (resamples + 1, images)."""
    if images == 0:  # nothing was detected by anyone
        return np.ones((1, 0), dtype=int)
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    return np.vstack([np.ones((1, images), dtype=int), drawn])


def resampled_ap(matches: dict[str, Any], weights: np.ndarray) -> np.ndarray:
    """COCO's AP for each row of image weights (R, images); 0 where nothing was detected.

    `matches` is what `suites.coco_map.evaluation.matches` left in a record.
    """
    if not matches["categories"]:
        return np.zeros(len(weights))
    per_category = np.stack([_category_ap(category, weights) for category in matches["categories"]])
    counted = ~np.isnan(per_category)
    return np.where(counted, per_category, 0).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)


def _category_ap(category: dict[str, Any], weights: np.ndarray) -> np.ndarray:
    """Mean over the IoU thresholds; not a number where the drawn images hold no box of the category.

    Precision rises at a hit alone, so the envelope need be known there and nowhere else: of a hundred detections of an
    image few are hits.
    """
    positives = np.zeros(len(weights))
    for image, count in category["positives"]:
        positives += count * weights[:, image]
    image = np.asarray(category["image"], dtype=int)
    if len(image) == 0:
        return np.where(positives > 0, 0.0, np.nan)
    bits = 1 << np.arange(THRESHOLDS)
    hits = (np.asarray(category["hits"])[:, None] & bits) > 0
    ignored = (np.asarray(category["ignored"])[:, None] & bits) > 0
    places = np.flatnonzero(hits.any(axis=1))
    found, counts_as_hit = _running_counts(image, places, weights), (hits & ~ignored)[places]
    total, left_out = np.zeros(len(weights)), np.array([-1])
    for threshold in range(THRESHOLDS):
        before = left_out
        left_out = np.flatnonzero(ignored[:, threshold])
        if not np.array_equal(left_out, before):
            not_counted = _running(weights[:, image[left_out]])
        mine = np.flatnonzero(counts_as_hit[:, threshold])
        right = _running(weights[:, image[places[mine]]])[:, 1:]
        counted = found[:, mine] - not_counted[:, np.searchsorted(left_out, places[mine], side="right")]
        total += _interpolated(right, counted, positives)
    return np.where(positives > 0, total / THRESHOLDS, np.nan)


def _running_counts(image: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How many detections there are up to each of these places, for each row of weights: (R, places)."""
    slot = np.asarray(np.searchsorted(places, np.arange(len(image))))  # the first place that a detection is not after
    kept = slot < len(places)
    by_image = np.zeros((weights.shape[1], len(places)))
    np.add.at(by_image, (image[kept], slot[kept]), 1)
    return weights @ by_image.cumsum(axis=1)


def _running(counts: np.ndarray) -> np.ndarray:
    """Their sums up to each place, from none at all: (R, places + 1)."""
    return np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))


def _interpolated(right: np.ndarray, found: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The mean of the 101 interpolated precisions, of running counts (R, hits)."""
    precision = right / np.maximum(found, np.spacing(1.0))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    points = np.diff(_reached(right / np.maximum(positives, 1)[:, None]), axis=1, prepend=0)
    return (points * envelope).sum(axis=1) / len(RECALLS)


def _reached(recall: np.ndarray) -> np.ndarray:
    """How many of the recall points lie at or below each recall."""
    last = len(RECALLS) - 1
    count: np.ndarray = (recall * last).astype(int)  # rounded either way
    count += RECALLS[np.minimum(count, last)] <= recall
    return count + ((count <= last) & (RECALLS[np.minimum(count, last)] <= recall))


def drift_table(records: Iterable[Record]) -> pd.DataFrame:
    """Each variant against the library's own over the first steps: how far the losses drift apart, term by term."""
    rows = []
    for (host, dataset, schedule, device, dtype), by_variant in _groups(records).items():
        for a, b in _pairs(by_variant):
            for seed in sorted(by_variant[a].keys() & by_variant[b].keys()):
                one, other = by_variant[a][seed], by_variant[b][seed]
                if _same_conditions(one, other):
                    rows += [
                        {"host": host, "variant_a": a, "variant_b": b, "dataset": dataset, "schedule": schedule}
                        | {"device": device, "seed": seed, "dtype": dtype}
                        | row
                        for row in _drift(one["data"]["curve"], other["data"]["curve"])
                    ]
    return pd.DataFrame(rows)


def _drift(one: list[dict[str, float]], other: list[dict[str, float]]) -> Iterator[dict[str, Any]]:
    steps = [(a, b) for a, b in zip(one, other, strict=False) if a["step"] == b["step"] <= FIRST_STEPS]
    shared = [name for name in steps[0][0] if name in steps[0][1]] if steps else []
    terms = [name for name in shared if name not in ("step", "lr", "seconds")]
    for term in terms:
        gaps = [abs(a[term] - b[term]) / max(abs(b[term]), 1e-12) for a, b in steps if None not in (a[term], b[term])]
        if not gaps:  # it was never finite in both
            continue
        first = next((number + 1 for number, gap in enumerate(gaps) if gap > 1e-9), None)
        yield {
            "term": term,
            "steps": len(gaps),
            "first_step": gaps[0],
            "median": float(np.median(gaps)),
            "last_step": gaps[-1],
            "largest": max(gaps),
            "first_beyond_1e-9": first,
        }


def conditions_table(records: Iterable[Record]) -> pd.DataFrame:
    """The hashes of every training, and whether they are those of the library's own at the same seed."""
    rows = []
    for by_variant in _groups(records).values():
        for trainings in by_variant.values():
            for seed, record in trainings.items():
                run, baseline = record["data"]["run"], by_variant.get(BASELINE, {}).get(seed)
                names = ("host", "variant", "dataset", "schedule", "seed", "device", "dtype")
                told = {name: run[name] for name in names} | {name: _hash(record, name) for name in CONDITIONS}
                rows.append(told | {"same_as_library": _same(record, baseline)})
    return pd.DataFrame(rows)


def classes_table(records: Iterable[Record]) -> pd.DataFrame:
    """Each class of each variant: AP, also by size, its boxes and what was found of them; means over the seeds."""
    frame = _of_every_training(records, "classes")
    if frame.empty:
        return frame
    groups = frame.drop(columns="seed").groupby([*TRAINED, "category"], sort=False)
    return groups.mean(numeric_only=True).join(groups.size().rename("seeds")).reset_index().astype({"boxes": int})


def confusion_table(records: Iterable[Record]) -> pd.DataFrame:
    """How often a box of a class was found as one of another, summed over the seeds, and as a share of that class.

    The class ``background`` is a false alarm's, which has no share; found as ``background`` was a box that was missed.
    """
    frame = _of_every_training(records, "confusion")
    if frame.empty:
        return frame
    seeds = frame.groupby(TRAINED, sort=False)["seed"].nunique().rename("seeds")
    counts = frame.groupby([*TRAINED, "category", "detected_as"], sort=False)["count"].sum().reset_index()
    share = counts["count"] / counts.groupby([*TRAINED, "category"])["count"].transform("sum")
    return counts.join(seeds, on=TRAINED).assign(share=share.where(counts["category"] != BACKGROUND))


def _of_every_training(records: Iterable[Record], part: str) -> pd.DataFrame:
    """The rows of that name of every training's record, with what was trained; an older run's records have none."""
    rows = [
        row | {name: record["data"]["run"][name] for name in (*TRAINED, "seed")}
        for by_variant in _groups(records).values()
        for trainings in by_variant.values()
        for record in trainings.values()
        for row in record["data"].get(part, ())
    ]
    return pd.DataFrame(rows)


CONDITIONS = ("initial_weights", "data_order", "augmented_inputs", "optimizer")


def _hash(record: Record, name: str) -> str:
    """One of a training's conditions; empty where an older run did not keep it."""
    return record["data"]["run"].get(name, "")


def _same(record: Record, baseline: Record | None) -> str:
    if baseline is None:
        return ""
    return " ".join(name for name in CONDITIONS if _hash(record, name) and _hash(record, name) == _hash(baseline, name))


def _same_conditions(one: Record, other: Record) -> bool:
    """Same in all but the loss; of a training that ended early only the initial weights can be compared."""
    whole = one["data"]["run"]["iterations"] == other["data"]["run"]["iterations"]
    return all(_hash(one, name) == _hash(other, name) for name in (CONDITIONS if whole else CONDITIONS[:1]))


def _groups(records: Iterable[Record]) -> dict[tuple, dict[str, dict[int, Record]]]:
    """Trainings by (host, data set, schedule, device, dtype), then variant, then seed."""
    groups: dict[tuple, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        run = record["data"].get("run") if record["cell"]["suite"] == "coco-map" else None
        if run:
            group = tuple(run[name] for name in ("host", "dataset", "schedule", "device", "dtype"))
            groups[group][run["variant"]][run["seed"]] = record
    return groups


def _by_dtype(records: Iterable[Record]) -> dict[tuple, dict[tuple[str, str], dict[int, Record]]]:
    """Trainings by (host, data set, schedule, device), then (variant, dtype), then seed."""
    found: dict[tuple, dict[tuple[str, str], dict[int, Record]]] = defaultdict(dict)
    for (*group, dtype), by_variant in _groups(records).items():
        found[tuple(group)] |= {(variant, dtype): by_seed for variant, by_seed in by_variant.items()}
    return found


def _compared(by_dtype: dict[tuple[str, str], Any]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """The pairs of each dtype, and each variant of half precision with itself in float32."""
    for dtype in dict.fromkeys(dtype for _, dtype in by_dtype):
        for a, b in _pairs({variant: None for variant, other in by_dtype if other == dtype}):
            yield (a, dtype), (b, dtype)
    for variant, dtype in by_dtype:
        if dtype in HALF and (variant, "float32") in by_dtype:
            yield (variant, dtype), (variant, "float32")


def _pairs(by_variant: dict[str, Any]) -> list[tuple[str, str]]:
    """Each variant with the library's own; all pairs where that is missing."""
    if BASELINE in by_variant:
        return [(name, BASELINE) for name in by_variant if name != BASELINE]
    return list(combinations(by_variant, 2))


def _mean_ap(trainings: dict[Any, Record], seeds: list[Any]) -> float:
    return float(np.mean([trainings[seed]["data"]["run"]["ap"] or 0.0 for seed in seeds]))
