"""The tables of a run: one registry, each table a view of the records, written in four forms.

CSV and Parquet keep every digit and are for programs. Markdown and LaTeX are for readers: a value and its interval are
one number there, rounded to what the interval supports. A table always exists with its header, even without a row.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from results import numbers, printing
from results.store import Run

FORMS = ("csv", "parquet", "md", "tex")


@dataclass(frozen=True)
class Table:
    """One table: where its rows come from, the columns that others read (more may follow them), how it is printed.

    `derive` names a pure function of the records, ``module:function``, that gives the table as a DataFrame; without it
    the rows are those that the records carry under the table's name. `intervals` maps a column to its lower and upper
    bound. `printed` are the columns that go on paper.
    """

    name: str
    suite: str
    title: str
    columns: tuple[str, ...]
    printed: tuple[str, ...]
    derive: str | None = None
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLES = {
    table.name: table
    for table in (
        Table(
            "agreement",
            "agreement",
            "Agreement with the papers' formulas, by the 50-digit oracle",
            _words(
                "loss adapter library version device dtype quantity probe points max_ulp max_abs_error max_rel_error"
                " verdict relation"
            ),
            _words("loss adapter dtype quantity probe max_ulp max_rel_error verdict"),
        ),
        Table(
            "findings",
            "agreement",
            "Differences found, with their reason",
            _words("loss adapter kind statement example expected got"),
            _words("loss adapter kind statement"),
        ),
        Table(
            "capability",
            "agreement",
            "What each implementation supports, as measured",
            _words("loss adapter capability supported detail"),
            _words("loss adapter capability supported"),
        ),
        Table(
            "accuracy",
            "agreement",
            "Digits lost, by region of the logit",
            _words(
                "loss adapter library version device dtype target quantity logit_from logit_to points typical_ulp"
                " max_ulp max_rel_error zeros nonfinite"
            ),
            _words("loss adapter dtype target quantity logit_from logit_to typical_ulp max_ulp zeros nonfinite"),
        ),
        Table(
            "head_sum",
            "agreement",
            "A whole detection head at the prior, summed",
            _words("loss adapter library version device dtype rows classes how exact got rel_error"),
            _words("loss adapter dtype how exact got rel_error"),
        ),
        Table(
            "throughput",
            "throughput",
            "Time and memory",
            _words(
                "loss adapter library version device device_name dtype workload rows classes pass rounds median_ms"
                " ci_low_ms ci_high_ms elements_per_second bandwidth_fraction peak_memory_bytes ratio_to_own"
                " ratio_ci_low ratio_ci_high"
            ),
            _words("loss adapter device dtype workload pass median_ms ratio_to_own bandwidth_fraction"),
            derive="results.throughput:table",
            intervals={
                "median_ms": ("ci_low_ms", "ci_high_ms"),
                "ratio_to_own": ("ratio_ci_low", "ratio_ci_high"),
            },
        ),
        Table(
            "training_step",
            "throughput",
            "The loss's share of a training step",
            _words(
                "loss adapter device device_name dtype workload rows rounds step_ms without_loss_ms loss_share"
                " share_ci_low share_ci_high"
            ),
            _words("loss adapter device workload step_ms loss_share"),
            derive="results.throughput:step_table",
            intervals={"loss_share": ("share_ci_low", "share_ci_high")},
        ),
        Table(
            "coco_map",
            "coco-map",
            "Average precision, one row a training run",
            _words(
                "host variant adapter dataset images_train images_val schedule iterations seed device ap ap50 ap75"
                " ap_small ap_medium ap_large first_loss final_loss status wall_s"
            ),
            _words("host variant dataset schedule seed ap ap50 ap75 status"),
        ),
        Table(
            "coco_map_compare",
            "coco-map",
            "Differences in average precision, paired by seed",
            _words("host variant_a variant_b seeds mean_difference ci_low ci_high verdict"),
            _words("host variant_a variant_b seeds mean_difference verdict"),
            derive="results.coco_map:compare_table",
            intervals={"mean_difference": ("ci_low", "ci_high")},
        ),
        Table(
            "coco_map_drift",
            "coco-map",
            "How far the first training steps drift from the library's own, relative",
            _words(
                "host variant_a variant_b dataset schedule device seed dtype term steps first_step median last_step"
                " largest first_beyond_1e-9"
            ),
            _words("host variant_a variant_b dtype seed term steps first_step largest"),
            derive="results.coco_map:drift_table",
        ),
        Table(
            "coco_map_conditions",
            "coco-map",
            "What was equal between the trainings, as hashes",
            _words(
                "host variant dataset schedule seed device dtype initial_weights data_order augmented_inputs"
                " same_as_library"
            ),
            _words("host variant seed dtype initial_weights data_order augmented_inputs same_as_library"),
            derive="results.coco_map:conditions_table",
        ),
        Table(
            "coco_map_drift",
            "coco-map",
            "The first steps of two trainings, loss beside loss",
            _words(
                "host variant_a variant_b dataset schedule device seed dtype term steps first_step last_step largest"
            ),
            _words("host variant_a variant_b seed dtype term first_step last_step largest"),
            derive="results.coco_map:drift_table",
        ),
        Table(
            "coco_map_conditions",
            "coco-map",
            "What was equal between trainings, by hash",
            _words(
                "host variant dataset schedule seed device dtype initial_weights data_order augmented_inputs"
                " same_as_library"
            ),
            _words("host variant seed dtype initial_weights data_order augmented_inputs same_as_library"),
            derive="results.coco_map:conditions_table",
        ),
        Table(
            "claims",
            "claims",
            "Printed numbers, recomputed",
            _words("source place claim printed recomputed verdict note"),
            _words("source place claim printed recomputed verdict"),
        ),
        Table(
            "cells",
            "run",
            "Every cell and what became of it",
            _words("cell suite loss adapter device dtype workload status reason seconds"),
            _words("suite loss adapter device dtype workload status"),
        ),
    )
}


def build(run: Run) -> dict[str, pd.DataFrame]:
    """Every table of `TABLES` by name, from the run's records alone."""
    records = list(run.records())
    return {name: _frame(table, _rows(table, records)) for name, table in TABLES.items()}


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
