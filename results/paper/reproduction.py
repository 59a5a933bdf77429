"""What the reproduction report says, as plain data: claims by source, and our variants beside printed rows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import astuple, dataclass, replace
from typing import Any

from focalbench_suite.results.papers import PrintedTable, printed_tables
from focalbench_suite.results.statistics import paired_difference

VERDICTS = ("reproduced", "consistent", "reproduced_if", "not_reproduced", "reference_only")
TRAIN2017 = (117_266, 118_287)  # images with a box, and all of them
VAL2017 = (4_952, 5_000)
SPREAD = 0.3  # AP between repeated runs on COCO, by a maintainer (mmdetection #3496)


@dataclass(frozen=True)
class Ours:
    """One variant of a host that the run trained: AP in percent over its seeds, and how it was trained."""

    host: str
    variant: str
    dataset: str
    images_train: int
    images_val: int
    schedule: str
    backbone: str
    aps: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.aps) / len(self.aps)

    @property
    def half_width(self) -> float:
        """Half of Student's 95 % interval over the seeds; infinite for one seed."""
        return paired_difference(self.aps, [0.0] * len(self.aps)).high - self.mean

    def departures(self, schedule: str) -> list[str]:
        """What was not as in a paper that trained on all of COCO with this schedule."""
        return [
            text
            for differs, text in (
                (self.images_train not in TRAIN2017, f"{self.images_train:,} training images of {self.dataset}"),
                (self.images_val not in VAL2017, f"{self.images_val:,} to score"),
                (self.schedule != schedule, f"schedule {self.schedule}, the paper's is {schedule}"),
                (self.backbone in ("", "from scratch"), "from scratch"),
            )
            if differs
        ]


@dataclass(frozen=True)
class Beside:
    """One of our variants beside a printed row: `verdict` is reproduced, not_reproduced or reference_only."""

    ours: Ours
    printed: float
    verdict: str
    departures: tuple[str, ...]


@dataclass(frozen=True)
class Reproduction:
    """Everything the report says, as plain data; the two forms only lay it out."""

    environment: dict[str, Any]
    claims: dict[str, list[dict[str, Any]]]
    counts: dict[str, Counter]
    tables: tuple[PrintedTable, ...]
    beside: dict[tuple[str, int], list[Beside]]


def collect(records: list[dict[str, Any]], environment: dict[str, Any]) -> Reproduction:
    """The claims by source and every printed table with our variants beside its rows."""
    claims = _by_source(_rows(records, "claims"))
    counts = {source: Counter(row["verdict"] for row in rows) for source, rows in claims.items()}
    ours, tables = trained(records), tuple(printed_tables().values())
    beside = {
        (table.id, number): found
        for table in tables
        for number, row in enumerate(table.rows)
        if (found := [one for counterpart in table.counterparts_of(row) for one in _beside(row, counterpart, ours)])
    }
    return Reproduction(environment, claims, counts, tables, beside)


def _by_source(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The claims by source; sources of which nothing was computed come last."""
    claims: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        claims.setdefault(row["source"], []).append(row)
    references = [source for source, found in claims.items() if all(r["verdict"] == "reference_only" for r in found)]
    return dict(sorted(claims.items(), key=lambda item: item[0] in references))


def trained(records: list[dict[str, Any]]) -> list[Ours]:
    """Our variants that have an AP, their seeds together."""
    groups: dict[Ours, list[float]] = {}
    for row in _rows(records, "coco_map"):
        if row.get("ap") is not None and math.isfinite(row["ap"]):
            columns = ("host", "variant", "dataset", "images_train", "images_val", "schedule")
            ours = Ours(**{column: row[column] for column in columns}, backbone=row.get("backbone") or "", aps=())
            groups.setdefault(ours, []).append(100 * row["ap"])
    return [replace(ours, aps=tuple(groups[ours])) for ours in sorted(groups, key=astuple)]


def _beside(row: dict[str, Any], counterpart: dict[str, Any], ours: list[Ours]) -> list[Beside]:
    printed = row.get("AP", row.get("AP_minival", row.get("AP_val")))
    if printed is None:
        return []
    found = [one for one in ours if one.host == counterpart["host"] and one.variant in counterpart["variants"]]
    return [_judged(one, printed, counterpart) for one in found]


def _judged(ours: Ours, printed: float, counterpart: dict[str, Any]) -> Beside:
    departures = tuple(filter(None, (*ours.departures(counterpart["schedule"]), counterpart["but"])))
    close = "reproduced" if abs(ours.mean - printed) <= SPREAD else "not_reproduced"
    return Beside(ours, printed, "reference_only" if departures else close, departures)


def _rows(records: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    return [row for record in records for row in record.get("rows", {}).get(table, ())]
