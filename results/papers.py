"""The tables that papers, READMEs and model zoos print (`papers.yaml`), as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

MEASURED = ("fps", "time_ms", "params_M", "flops_B", "statement")
FILE = Path(__file__).with_name("papers.yaml")


@dataclass(frozen=True)
class PrintedTable:
    """A printed table: where it stands, under which setting, its rows (AP in percent), how a row would be rerun.

    Each of `counterparts` has the `host` of the coco-map suite that trains what `row` (its setting) trained, and the
    `schedule` that the two would have to share.
    """

    id: str
    source: str
    place: str
    title: str
    loss: str
    setting: str
    url: str
    rows: tuple[dict[str, Any], ...]
    command: str = ""
    counterparts: tuple[dict[str, Any], ...] = ()

    def figures(self, row: dict[str, Any]) -> dict[str, Any]:
        """The columns of `row` that were measured."""
        return {key: value for key, value in row.items() if "AP" in key or key in MEASURED}

    def setting_of(self, row: dict[str, Any]) -> dict[str, Any]:
        """The columns of `row` that say what was run."""
        return {key: value for key, value in row.items() if key not in self.figures(row)}

    def command_for(self, row: dict[str, Any]) -> str:
        """What would have to be run for `row`."""
        return self.command.format(**row)


@cache
def printed_tables() -> dict[str, PrintedTable]:
    """Every printed table by its id, in the order of the file."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {entry["id"]: PrintedTable(**_frozen(entry)) for entry in entries}


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def row(table: str, **where: Any) -> dict[str, Any]:
    """The one row of a printed table that has these values; raises `LookupError` where there is not exactly one."""
    rows = [row for row in printed_tables()[table].rows if all(row.get(key) == value for key, value in where.items())]
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} rows of {table} have {where}")
    return rows[0]
