"""Claims about printed tables: a figure of a row, a gain between two rows, one experiment that is printed twice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from focalbench_suite.results.papers import printed_tables, row
from focalbench_suite.suites.claims.claim import Claim, Shown

SPREAD = 0.3  # AP between repeated runs on COCO, a maintainer's statement (mmdetection #3496)


def ap(table: str, column: str = "AP", **where: Any) -> float:
    """One printed figure."""
    return row(table, **where)[column]


def best(table: str, column: str) -> Any:
    """The setting `column` of the row with the highest AP."""
    return max(printed_tables()[table].rows, key=lambda row: row["AP"])[column]


def column(table: str, name: str) -> list[Any]:
    """One column of a printed table."""
    return [row[name] for row in printed_tables()[table].rows]


def gain(place: str, claim: str, printed: str, value: float, loss: str = "focal", **more: Any) -> Claim:
    """A difference that the text prints, of two rows of its tables (rounded to their one decimal)."""
    return Claim(place, claim, printed, lambda read: round(value, 6), loss, **more)


def same(place: str, claim: str, first: dict[str, Any], second: dict[str, Any], loss: str = "focal") -> Claim:
    """One experiment that is printed in two places has the same figures in both."""
    shared = tuple(key for key in first if "AP" in key and key in second)
    return Claim(place, claim, "one experiment", lambda read: alike(first, second, shared), loss)


def alike(first: dict[str, Any], second: dict[str, Any], columns: tuple[str, ...]) -> Shown:
    """Whether two printed rows have the same figures in these columns."""
    holds = bool(columns) and all(first[column] == second[column] for column in columns)
    return Shown(holds, ", ".join(f"{column} {first[column]} and {second[column]}" for column in columns))


def rising(values: list[float]) -> Shown:
    """Whether a column goes up throughout, or at least not down."""
    return Shown(all(later >= earlier for earlier, later in pairwise(values)), ", ".join(map(str, values)))
