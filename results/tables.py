"""The tables of a run, each a view of the records, written in four forms.

CSV and Parquet keep every digit and are for programs. Markdown and LaTeX are for readers: a value and its interval are
one number there, rounded to what the interval supports. A table always exists with its header, even without a row.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from focalbench_suite.results import numbers, printing
from focalbench_suite.results.schema import TABLES, Table
from focalbench_suite.results.store import Run

FORMS = ("csv", "parquet", "md", "tex")


def build(run: Run, names: Iterable[str] = tuple(TABLES)) -> dict[str, pd.DataFrame]:
    """Tables of `TABLES` by name, every one unless some are named, from the run's records alone."""
    records = list(run.records())
    return {name: _frame(TABLES[name], _rows(TABLES[name], records)) for name in names}


def write(run: Run) -> dict[str, pd.DataFrame]:
    """Write ``tables/NAME.{csv,parquet,md,tex}`` of the run and return the tables."""
    frames = build(run)
    run.tables.mkdir(exist_ok=True)
    for name, frame in frames.items():
        stem = run.tables / name
        frame.to_csv(stem.with_suffix(".csv"), index=False, lineterminator="\n")
        frame.to_parquet(stem.with_suffix(".parquet"), index=False)
        stem.with_suffix(".md").write_text(printing.markdown(TABLES[name], frame))
        stem.with_suffix(".tex").write_text(printing.latex(TABLES[name], frame))
    return frames


def _rows(table: Table, records: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    if table.name == "cells":
        return [
            {"cell": record["key"], **record["cell"]} | {k: record[k] for k in ("status", "reason", "seconds")}
            for record in records
        ]
    if table.derive:
        module, _, function = table.derive.partition(":")
        derived = getattr(importlib.import_module(module), function)(records).to_dict("records")
        return [_with_cell(table, row) for row in derived]
    return [{**row, "cell": record["key"]} for record in records for row in record.get("rows", {}).get(table.name, ())]


def _with_cell(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row with the key of the one cell that it was derived from, where its columns name one."""
    parts = ("loss", "adapter", "device", "dtype", "workload")
    return row | {"cell": "/".join((table.suite, *(row[name] for name in parts)))} if row.keys() >= {*parts} else row


def _frame(table: Table, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The rows under the contract's columns, then whatever else they carry, then the cell that each came from."""
    rows = list(rows)
    carried = dict.fromkeys(name for row in rows for name in row if name not in table.columns)
    extra = [name for name in carried if name != "cell"] + [name for name in carried if name == "cell"]
    return pd.DataFrame(
        {name: _column([row.get(name) for row in rows]) for name in (*table.columns, *extra)},
    )


def _column(values: list[Any]) -> pd.Series:
    """One type a column, so that every form can hold it: what is mixed becomes text."""
    values = [None if value is pd.NA else json.dumps(value) if isinstance(value, (list, dict)) else value
              for value in values]  # fmt: skip
    present = [value for value in values if value is not None and value == value]
    if any(isinstance(value, str) for value in present) and not all(isinstance(value, str) for value in present):
        values = [value if value is None or isinstance(value, str) else repr(value) for value in values]
    series = pd.Series(values, dtype=object)
    if present and all(isinstance(value, bool) for value in present):
        return series.astype("boolean")
    if present and all(isinstance(value, int) for value in present):
        return series.astype("Int64")
    if present and all(numbers.is_number(value) for value in present):
        return series.astype("float64")
    return series.astype("str") if present and all(isinstance(v, str) for v in present) else series
