"""report.md: the answers and the short tables, for a pull request or an issue."""

from __future__ import annotations

from typing import Any

from focalbench_suite.results import answers, printing
from focalbench_suite.results.frames import Frames
from focalbench_suite.results.report import words
from focalbench_suite.results.schema import TABLES
from focalbench_suite.results.standings import standings

ROWS = 60  # of a longer table only so many


def text(frames: Frames, records: list[dict[str, Any]], environment: dict[str, Any]) -> str:
    """The report in Markdown."""
    when = environment.get("time", "")
    said = [
        "# focalbench",
        " · ".join(filter(None, (when, words.machine(environment), words.outcome(records)))),
        "## Which are the same function?",
        *_same(frames),
        "## What is fastest on this machine?",
        *_fastest(frames),
        "## The worst surprises",
        *_surprises(frames),
        "## Which mAP differences are real?",
        *_differences(frames),
        "## Tables",
    ]
    parts = [*map(printing.without_html, said), *(_table(frames, name) for name in TABLES)]
    return "\n\n".join(parts) + "\n"


def _same(frames: Frames) -> list[str]:
    found = standings(frames)
    if not found:
        return ["No agreement cell was run."]
    parts = [words.beside_reference(next(iter(found.values())))]
    for loss, members in found.items():
        lines = [f"- **{one.adapter}**: {_cell(one.reason)}" for one in members if one.standing != "same"]
        same = [one.adapter for one in members if one.standing == "same"]
        parts.append(f"### {loss}\n\n" + "\n".join([f"- the paper's function: {', '.join(same) or 'none'}", *lines]))
    return parts


def _fastest(frames: Frames) -> list[str]:
    found = answers.races(frames)
    return [f"- {race.loss}: {words.race(race)} ({words.setting(race)})" for race in found] or [
        "No throughput cell was run."
    ]


def _surprises(frames: Frames) -> list[str]:
    lines = [f"{place}. {words.surprise(one)}" for place, one in enumerate(answers.surprises(frames), 1)]
    return ["\n".join(lines)] if lines else ["None was found."]


def _differences(frames: Frames) -> list[str]:
    compared = answers.map_differences(frames)
    if not compared:
        return ["None was compared."]
    lines = [f"- {row['verdict']}: {words.difference(row)}" for row in compared]
    return [words.differences(compared), "\n".join(lines)]


def _table(frames: Frames, name: str) -> str:
    table, frame = TABLES[name], frames[name]
    left = f"\n\n{len(frame) - ROWS} more rows in `tables/{name}.csv`." if len(frame) > ROWS else ""
    return printing.markdown(table, frame.head(ROWS), table.printed).rstrip() + left


def _cell(statement: str) -> str:
    return " ".join(statement.split())
