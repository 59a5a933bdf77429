"""What changed from commit to commit: steps of times and of AP, and verdicts that are others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from focalbench_suite.results.schema import Table
from focalbench_suite.results.statistics import steps
from focalbench_suite.results.trend.points import PRECISION, SHORT, TIMES

SERIES = ["machine", "table", "what"]  # what one curve is of
SHARED = 0.5  # of a step, in logarithms, from which on the machine's own stream explains it
STEPS = Table(
    "steps",
    "trend",
    "Steps",
    ("machine", "what", "commit", "time", "before", "after", "change", "since_first", "reason"),
    ("what", "machine", "commit", "change", "since_first", "reason"),
)
CHANGED = Table(
    "verdicts",
    "trend",
    "Verdicts that changed",
    ("machine", "table", "what", "commit", "time", "before", "after"),
    ("what", "machine", "commit", "before", "after"),
)


@dataclass(frozen=True)
class Series:
    """One curve in the order of its runs, and the places at which it takes a new level."""

    machine: str
    table: str
    what: str
    rows: pd.DataFrame
    places: list[int]

    @property
    def levels(self) -> list[tuple[int, int, float]]:
        """The first run of each level, the one after its last, and the level."""
        bounds = [0, *self.places, len(self.rows)]
        values = self.rows["value"].to_numpy()
        return [(a, b, float(np.median(values[a:b]))) for a, b in pairwise(bounds)]


def every_series(points: pd.DataFrame) -> Iterator[Series]:
    """The curve of everything that has values, machine by machine."""
    measured = points[points["value"].notna()]
    for (machine, table, what), rows in measured.groupby(SERIES, sort=True):
        values = rows["value"].to_numpy()
        places = steps(np.log(values) if table == TIMES else values)
        yield Series(str(machine), str(table), str(what), rows.reset_index(drop=True), places)


def tables(points: pd.DataFrame) -> list[tuple[Table, pd.DataFrame]]:
    """What changed, as the page and the terminal show it."""
    return [(STEPS, steps_table(points)), (CHANGED, verdicts_table(points))]


def steps_table(points: pd.DataFrame) -> pd.DataFrame:
    """A row for every step of every curve, the newest first."""
    rows = [row for series in every_series(points) for row in _steps(series)]
    frame = pd.DataFrame(rows, columns=STEPS.columns)
    return frame.sort_values("time", ascending=False, kind="stable", ignore_index=True)


def _steps(series: Series) -> Iterator[dict[str, Any]]:
    levels = series.levels
    for before, after in pairwise(levels):
        row = series.rows.iloc[after[0]]
        yield {
            "machine": series.machine,
            "what": series.what,
            "commit": row["commit"][:SHORT],
            "time": row["time"].isoformat(timespec="seconds"),
            "before": before[2],
            "after": after[2],
            "change": _change(series.table, before[2], after[2]),
            "since_first": _change(series.table, levels[0][2], after[2]),
            "reason": _reason(series, before, after),
        }


def _change(table: str, before: float, after: float) -> str:
    """A time by what it is multiplied with, an AP by what is added."""
    return f"{after - before:+.4f}" if table == PRECISION else f"× {after / before:.3f}"


def _reason(series: Series, before: tuple[int, int, float], after: tuple[int, int, float]) -> str:
    """Says of a step of times whether the machine's own memory stream or pace took it, too."""
    for name in ("stream", "pace") if series.table == TIMES else ():
        seen = series.rows[name].to_numpy()
        was, now = (float(np.median(seen[level[0] : level[1]])) for level in (before, after))
        if np.log(now / was) / np.log(after[2] / before[2]) > SHARED:  # never where one was not measured
            return f"the machine: its {name} changed with it"
    return ""


def verdicts_table(points: pd.DataFrame) -> pd.DataFrame:
    """A row for every verdict that is not what it was in the last run that had one, the newest first."""
    judged = points[points["verdict"] != ""]
    rows = [row for key, group in judged.groupby(SERIES, sort=True) for row in _turns(key, group)]
    frame = pd.DataFrame(rows, columns=CHANGED.columns)
    return frame.sort_values("time", ascending=False, kind="stable", ignore_index=True)


def _turns(key: Any, group: pd.DataFrame) -> Iterator[dict[str, Any]]:
    told = group.to_dict("records")
    for before, after in pairwise(told):
        if before["verdict"] != after["verdict"]:
            named = dict(zip(SERIES, key, strict=True)) | {"commit": after["commit"][:SHORT]}
            when = after["time"].isoformat(timespec="seconds")
            yield named | {"time": when, "before": before["verdict"], "after": after["verdict"]}
