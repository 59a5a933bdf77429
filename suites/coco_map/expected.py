"""How many seeds a comparison will probably take, and how long they take, from committed trainings of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from focalbench_suite.results.coco_map import BASELINE
from focalbench_suite.results.pairs import equivalence_margin
from focalbench_suite.results.statistics import values_within

OTHER = "own"  # what is compared with the library's own in every committed table


class Expected(NamedTuple):
    """`seeds` of a host's two variants show that they are equivalent if they are; None: more than can be foreseen.

    `spread` is the standard deviation between seeds of a pair's AP difference, `margin` the difference that matters,
    `training_s` what one training takes, `measured` where this comes from.
    """

    host: str
    spread: float
    margin: float
    seeds: int | None
    training_s: float
    measured: str


def expected(reference: Path, hosts: tuple[str, ...], schedule: str) -> Iterator[Expected]:
    """For each of the hosts what the tables below `reference` say of this schedule, in single precision."""
    for file in sorted(reference.glob("*/coco_map.csv")):
        frame = pd.read_csv(file)
        alike = frame[(frame["schedule"] == schedule) & (frame["dtype"] == "float32") & frame["host"].isin(hosts)]
        for (host, dataset), trained in alike.groupby(["host", "dataset"], sort=False):
            by_seed = trained.pivot(index="seed", columns="variant", values="ap")
            if {BASELINE, OTHER} <= set(by_seed) and len(both := by_seed[[OTHER, BASELINE]].dropna()) > 2:
                spread = float(np.std(both[OTHER] - both[BASELINE], ddof=1))
                margin = equivalence_margin(both[BASELINE].tolist())
                seconds = float(trained["wall_s"].median())
                place = f"{file.parent.name}: {dataset}"
                yield Expected(host, spread, margin, values_within(spread, margin), seconds, place)
