"""What the terminal shows when a run ends: the answers on one screen."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from focalbench_suite.results import answers
from focalbench_suite.results.frames import Frames, rows
from focalbench_suite.results.report import words
from focalbench_suite.results.standings import standings

LINES = 4  # for each answer at most


def summary(frames: Frames, records: list[dict[str, Any]]) -> RenderableType:
    """At most about thirty lines."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="ellipsis")
    for title, lines in (
        ("Same function?", _same(frames)),
        ("Fastest here", _fastest(frames)),
        ("Surprises", _surprises(frames)),
        ("mAP", _differences(frames)),
        ("Claims", _claims(frames)),
    ):
        for place, line in enumerate(lines):
            grid.add_row("" if place else title, Text(line, no_wrap=place > 0, overflow="ellipsis"))
    return Group(grid, Text(words.outcome(records)))


def _same(frames: Frames) -> list[str]:
    found = standings(frames)
    if not found:
        return []
    members = next(iter(found.values()))
    differ = [one for one in reversed(members) if one.standing in ("different", "reduces")]
    lines = [f"{one.adapter}: {' '.join(one.reason.split())}" for one in differ]
    return [words.beside_reference(members), *_first(lines)]


def _fastest(frames: Frames) -> list[str]:
    return _first([f"{race.loss}: {words.race(race)}" for race in answers.races(frames)])


def _surprises(frames: Frames) -> list[str]:
    return _first([words.surprise(one) for one in answers.surprises(frames)])


def _differences(frames: Frames) -> list[str]:
    compared = answers.map_differences(frames)
    if compared:
        return [words.differences(compared), *_first([words.difference(row) for row in compared])]
    runs = rows(frames["coco_map"])
    return _first([f"{row['host']} {row['variant']}: AP {words.plain(row['ap'])}" for row in runs])


def _claims(frames: Frames) -> list[str]:
    count = frames["claims"]["verdict"].value_counts()
    return [", ".join(f"{number} {verdict}" for verdict, number in sorted(count.items()))] if len(count) else []


def _first(lines: list[str]) -> list[str]:
    left = len(lines) - LINES
    return lines[:LINES] + ([f"and {left} more"] if left > 0 else [])
