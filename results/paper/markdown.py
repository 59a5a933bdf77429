"""The reproduction report in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from focalbench_suite.results import printing
from focalbench_suite.results.paper.reproduction import SPREAD, VERDICTS
from focalbench_suite.results.papers import Origin, origins

if TYPE_CHECKING:
    from focalbench_suite.results.paper.reproduction import Beside, Reproduction
    from focalbench_suite.results.papers import PrintedTable


ORIGIN_COLUMNS = ("source", "made with", "the loss today", "read at")
LIBRARIES = ("torch", "torchvision", "mmdetection", "ultralytics")


def text(found: Reproduction) -> str:
    """The whole report."""
    parts = [
        "# Reproduction report",
        provenance(found.environment),
        "## Verdicts",
        _counts(found),
        "A printed number that can be computed was computed, in this project's losses, in the installed libraries or "
        "by running a listing. `consistent` says no more than that two printed figures fit; `reproduced_if` names the "
        "condition that was found to make a number come out. "
        "`reference_only` takes a training run; its command is in the table `claims`.",
        "## What does not come out, or only under a condition",
        _surprises(found),
        "## Every claim that was computed",
        *_claims(found),
        "## With what the printed numbers were made",
        "What neither a paper nor its code says is not known.",
        _table([origin_row(one) for one in origins().values()], ORIGIN_COLUMNS),
        "## Printed tables, and ours beside",
        f"AP in percent. Ours is called reproduced only where data, schedule and backbone are the paper's and the mean "
        f"over the seeds is within {SPREAD} AP, what repeated runs on COCO differ by.",
        *(_printed(table, found) for table in found.tables),
    ]
    return "\n\n".join(parts) + "\n"


def provenance(environment: dict[str, Any]) -> str:
    """One line: when, what was run, at which commit, on what, with which libraries."""
    found = {**(environment.get("packages") or {}), **(environment.get("adapters") or {})}
    versions = ", ".join(f"{name} {found[name]}" for name in LIBRARIES if found.get(name))
    commit = str(environment.get("commit") or "")[:12]
    parts = (environment.get("time"), environment.get("command"), commit, environment.get("cpu"), versions)
    return " · ".join(printing.without_html(str(part)) for part in parts if part)


def origin_row(one: Origin) -> dict[str, str]:
    """The line of the table of origins about one source."""
    return dict(zip(ORIGIN_COLUMNS, (one.source, one.made_with, one.today, place(one.url)), strict=True))


def ours(one: Beside) -> str:
    """Our AP as it stands beside a printed one."""
    seeds = len(one.ours.aps)
    value = f"{one.ours.mean:.1f}" if seeds < 2 else f"{one.ours.mean:.1f} ± {one.ours.half_width:.1f}"
    return f"{value} ({one.ours.host} {one.ours.variant}, {seeds} seed{'s' * (seeds > 1)})"


def remarks(beside: list[Beside]) -> list[str]:
    """The verdicts on our APs, and why one is no verdict; one that holds for all is said once."""
    said = [f"{one.verdict}: {'; '.join(one.departures)}" if one.departures else one.verdict for one in beside]
    return said if len(set(said)) > 1 else said[:1]


def place(url: str) -> str:
    """Where a table was read: an address as a link, anything else as it is."""
    return f"<{url}>" if url.startswith("https://") else url


def _counts(found: Reproduction) -> str:
    rows = [{"source": source, **{v: counts[v] for v in VERDICTS}} for source, counts in found.counts.items()]
    total = {"source": "all", **{v: sum(counts[v] for counts in found.counts.values()) for v in VERDICTS}}
    return _table([*rows, total], ("source", *VERDICTS)) if rows else "No claim was computed in this run."


def _surprises(found: Reproduction) -> str:
    rows = [
        row for rows in found.claims.values() for row in rows if row["verdict"] in ("not_reproduced", "reproduced_if")
    ]
    columns = ("source", "place", "claim", "printed", "recomputed", "verdict", "note")
    return _table(rows, columns) if rows else "Nothing."


def _claims(found: Reproduction) -> list[str]:
    columns = ("place", "claim", "printed", "recomputed", "verdict")
    parts = []
    for source, rows in found.claims.items():
        computed = [row for row in rows if row["verdict"] != "reference_only"]
        if computed:
            parts.append(f"### {printing.without_html(source)}\n\n{_table(computed, columns)}")
    return parts


def _printed(table: PrintedTable, found: Reproduction) -> str:
    rows = []
    for number, row in enumerate(table.rows):
        beside = found.beside.get((table.id, number), [])
        shown = {key: "" if value is None else value for key, value in row.items()}
        rows.append({**shown, "ours": "<br>".join(map(ours, beside)), "verdict": "<br>".join(remarks(beside))})
    columns = [*table.rows[0]] + (["ours", "verdict"] if any(row["ours"] for row in rows) else [])
    title = f"### {table.source}, {table.place}: {table.title}"
    return f"{title}\n\n{table.setting}. {place(table.url)}\n\n{_table(rows, columns)}"


def _table(rows: list[dict[str, Any]], columns: Iterable[str]) -> str:
    frame = pd.DataFrame([[_cell(row.get(column, "")) for column in columns] for row in rows], columns=list(columns))
    return frame.to_markdown(index=False, disable_numparse=True)


def _cell(value: Any) -> str:
    lines = map(printing.without_html, str(value).split("<br>"))  # the lines of a cell are ours
    return "<br>".join(lines).replace("|", "\\|").replace("\n", " ")
