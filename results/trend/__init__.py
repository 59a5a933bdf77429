"""One project through its commits: runs that are kept in one folder, their curves, and the steps in them.

A run is kept as one Parquet file of what a comparison would look at (`points`), so that a folder of hundreds is small
enough for a CI cache, and runs of several machines merge by being put into one folder. Each machine is told apart as
`compare` does it, and has curves of its own.
"""

from __future__ import annotations

from focalbench_suite.results.trend.changes import steps_table, tables, verdicts_table
from focalbench_suite.results.trend.kept import keep, read
from focalbench_suite.results.trend.page import write

__all__ = ["keep", "read", "steps_table", "tables", "verdicts_table", "write"]
