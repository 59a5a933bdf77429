"""Do the numbers printed in papers and articles come out?

One source of claims is one file of `suites.claims.sources`, found by being there; one claim is one entry of its list
(`suites.claims.claim`). Whatever can be computed is computed, from this project's own losses, from the installed
libraries or from the printed tables themselves; the verdict is never typed in. A number that would take a training
run is listed with the command for it.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import cache

from focalbench_suite import adapters
from focalbench_suite.suites import Cell, Record, Selection, Task
from focalbench_suite.suites.claims import sources
from focalbench_suite.suites.claims.claim import Source, judge
from focalbench_suite.suites.claims.figures import figures
from focalbench_suite.suites.claims.installed import NotInstalled

__all__ = ["every_source", "execute", "plan"]

TIMEOUT_S = 180.0


@cache
def every_source() -> tuple[Source, ...]:
    """The sources of claims by name, those that only list references last; several files may speak of one source."""
    claims: dict[tuple[str, str], tuple] = {}
    for module in sorted(pkgutil.iter_modules(sources.__path__), key=lambda module: module.name):
        for source in importlib.import_module(f"{sources.__name__}.{module.name}").SOURCES:
            key = (source.name, source.adapter)
            claims[key] = claims.get(key, ()) + source.claims
    found = [Source(name, adapter, claims[name, adapter]) for name, adapter in sorted(claims)]
    return tuple(sorted(found, key=lambda source: all(claim.recompute is None for claim in source.claims)))


def plan(selection: Selection) -> list[Task]:
    """One task for each source and loss; the claims of one loss of one source are judged together."""
    cells = [cell for source in every_source() for cell in _cells(source, selection.profile)]
    return [Task((cell,), selection, TIMEOUT_S) for cell in cells if selection.wants(cell.loss, cell.adapter)]


def execute(task: Task) -> list[Record]:
    """Judge every claim of the task's cell; a claim that raises fails the record and the others keep their rows."""
    return [_record(cell, task.selection.profile) for cell in task.cells]


def _cells(source: Source, profile: str) -> list[Cell]:
    losses = dict.fromkeys(claim.loss for claim in source.claims if claim.runs_in(profile))
    return [Cell("claims", loss, source.adapter, dtype="float64", workload=source.name) for loss in losses]


def _record(cell: Cell, profile: str) -> Record:
    absence = _absence(cell.adapter)
    if absence:
        return Record(cell, "absent", absence)
    source = next(found for found in every_source() if (found.name, found.adapter) == (cell.workload, cell.adapter))
    rows, failures = [], []
    for claim in source.claims:
        if claim.loss == cell.loss and claim.runs_in(profile):
            try:
                rows.append(judge(claim, source.name))
            except NotInstalled as absence:
                rows.append(judge(replace(claim, recompute=None, note=str(absence)), source.name))
            except Exception as error:  # the boundary: one claim that cannot be computed is named, the others stand
                failures.append(f"{claim.place}, {claim.claim}: {type(error).__name__}: {error}")
    drawn = {"figures": figures(source.name, cell.loss)}
    return Record(cell, "failed" if failures else "ok", "; ".join(failures), {"claims": rows}, drawn)


def _absence(adapter: str) -> str | None:
    found = adapters.discover().get(adapter)
    return found.absence() if found else None
