"""The tables that papers, READMEs and model zoos print (`papers.yaml`), and what made them (`origins.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

MEASURED = ("fps", "time_ms", "params_M", "flops_B", "statement")
PLAIN = ("library", "own")
FILE = Path(__file__).with_name("papers.yaml")
ORIGINS = Path(__file__).with_name("origins.yaml")
UNKNOWN = "not known"


@dataclass(frozen=True)
class PrintedTable:
    """A printed table: where it stands, under which setting, its rows (AP in percent), how a row would be rerun.

    `counterparts` are the variants of the coco-map suite that train what a row trained (see the file's head).
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

    def counterparts_of(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The coco-map variants that train what `row` trained: host, variants, schedule, what differs even so."""
        return [
            {
                "host": found["host"],
                "variants": (found["variant"].format(**row),) if "variant" in found else PLAIN,
                "schedule": found["schedule"],
                "but": found.get("but", ""),
            }
            for found in self.counterparts
            if all(row.get(column) == value for column, value in found.get("where", {}).items())
        ]

    def command_for(self, row: dict[str, Any]) -> str:
        """What would have to be run for `row`."""
        return self.command.format(**row)


@dataclass(frozen=True)
class Origin:
    """With which versions a source's numbers were made, where that stands, and what is otherwise in the loss today."""

    source: str
    made_with: str = UNKNOWN
    url: str = ""
    today: str = UNKNOWN


@cache
def origins() -> dict[str, Origin]:
    """The origin of every source of a printed table, in their order.

    >>> origins()["Detectron"].today, origins()["Focal Loss, arXiv:1708.02002"].made_with
    ('not known', 'not known')
    """
    entries = yaml.safe_load(ORIGINS.read_text(encoding="utf-8"))
    known = {source: entry for entry in entries for source in entry.pop("sources")}
    sources = dict.fromkeys(table.source for table in printed_tables().values())
    return {source: Origin(source, **known.get(source, {})) for source in sources}


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
