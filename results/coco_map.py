"""What a loss did to a detector: drift step by step, equality of conditions, AP and mistakes class by class.

Pure functions of the coco-map records; `pairs` compares their AP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

FIRST_STEPS = 100  # of a training that are kept whole and compared one by one
BASELINE = "library"
TRAINED = ["host", "variant", "dataset", "schedule", "device", "dtype"]  # what one variant's seeds have in common
BACKGROUND = "background"  # the class of a false alarm, and what a missed box was taken for

Record = dict[str, Any]


def drift_table(records: Iterable[Record]) -> pd.DataFrame:
    """Each variant against the library's own over the first steps: how far the losses drift apart, term by term."""
    rows = []
    for (host, dataset, schedule, device, dtype), by_variant in groups(records).items():
        for a, b in pairs_of(by_variant):
            for seed in sorted(by_variant[a].keys() & by_variant[b].keys()):
                one, other = by_variant[a][seed], by_variant[b][seed]
                if same_conditions(one, other):
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
    for by_variant in groups(records).values():
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
        for by_variant in groups(records).values()
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


def same_conditions(one: Record, other: Record) -> bool:
    """Same in all but the loss; of a training that ended early only the initial weights can be compared."""
    whole = one["data"]["run"]["iterations"] == other["data"]["run"]["iterations"]
    return all(_hash(one, name) == _hash(other, name) for name in (CONDITIONS if whole else CONDITIONS[:1]))


def groups(records: Iterable[Record]) -> dict[tuple, dict[str, dict[int, Record]]]:
    """Trainings by (host, data set, schedule, device, dtype), then variant, then seed."""
    found: dict[tuple, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        run = record["data"].get("run") if record["cell"]["suite"] == "coco-map" else None
        if run:
            group = tuple(run[name] for name in ("host", "dataset", "schedule", "device", "dtype"))
            found[group][run["variant"]][run["seed"]] = record
    return found


def pairs_of(variants: Iterable[str]) -> list[tuple[str, str]]:
    """Each variant with the library's own; all pairs where that is missing."""
    names = list(variants)
    if BASELINE in names:
        return [(name, BASELINE) for name in names if name != BASELINE]
    return list(combinations(names, 2))
