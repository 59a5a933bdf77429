"""Runs what a run has no record of yet: every record is kept as it comes, and the user told how far it is."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import click

from focalbench_suite.results.store import Run
from focalbench_suite.suites import Record, Task, remaining
from focalbench_suite.suites.coco_map import warnings_before
from focalbench_suite.suites.coco_map.data import faults_in, locate
from focalbench_suite.suites.coco_map.until import further
from focalbench_suite.suites.execution import TRAININGS, UNFINISHED, run_tasks
from focalbench_suite.suites.processes import count, rank
from focalbench_suite.suites.progress import bars, in_words
from focalbench_suite.suites.worker import as_line

TOLD_EVERY_S = 60  # where there is no terminal for a bar
FAULTS_TOLD = 20  # of a COCO folder; all of them are in a file
FAILED = 3  # the exit status


def run_suites(run: Run, tasks: list[Task], executor: str | None, as_json: bool) -> None:
    """Run what has no record yet, and append every record as it comes; add seeds until it is decided, if asked."""
    selection, trained = tasks[0].selection, any(task.suite == TRAININGS for task in tasks)
    left = remaining(tasks, run.keys())
    if rank() == 0 and any(task.suite == TRAININGS for task in left):
        if selection.coco:
            tell_faults(run, selection.coco, selection.categories)
        for line in warnings_before(left):
            click.echo(line, err=True)
    run_tasks_of(run, left, executor, as_json)
    if selection.until and trained:
        for more in further(selection, run.records):
            run_tasks_of(run, remaining(more, run.keys()), executor, as_json)


def run_tasks_of(run: Run, tasks: list[Task], executor: str | None, as_json: bool) -> None:
    """Run these tasks, with progress, and append every record as it comes."""
    totals = Counter(task.suite for task in tasks)
    quiet, told = as_json or rank() > 0, time.monotonic()
    with bars(run.folder / UNFINISHED, hidden=quiet) as progress:
        rows = {name: progress.add_task(name, total=n, cell="", long=name == TRAININGS) for name, n in totals.items()}
        for task, records in run_tasks(tasks, run.folder, executor):
            if rank() == 0:
                append(run, records, as_json)
            if count() > 1 and any(record.status in ("failed", "timeout") for record in records):
                sys.exit(FAILED)  # the others wait for this one; torchrun ends them, and --resume starts all anew
            progress.update(rows[task.suite], advance=1, cell=f"{task.cells[0].loss} {task.cells[0].adapter}")
            row = next(row for row in progress.tasks if row.id == rows[task.suite])
            if progress.disable and not quiet and (row.finished or time.monotonic() - told > TOLD_EVERY_S):
                told = time.monotonic()
                click.echo(in_words(row), err=True)


def append(run: Run, records: list[Record], as_json: bool) -> None:
    """Write the records, and say them where they are asked for as JSON."""
    for line in map(as_line, records):
        run.append(line)
        if as_json:
            click.echo(json.dumps({k: line[k] for k in ("key", "status", "reason", "seconds", "rows")}))


def tell_faults(run: Run, folder: str, categories: tuple[str, ...] = ()) -> None:
    """What is wrong with a COCO folder, fault by fault; all of it goes to a file where it is much."""
    faults = faults_in(locate(Path(folder)), categories)
    if not faults:
        return
    file = run.folder / "faults.txt"
    file.write_text("".join(f"{fault}\n" for fault in faults))
    left_out = [fault for fault in faults if fault.fatal]
    for fault in left_out[:FAULTS_TOLD]:
        click.echo(f"{folder}: {fault}", err=True)
    if left_out:
        click.echo(f"{folder}: {len(left_out)} faults, without which training goes on", err=True)
    for kind, times in Counter(fault.kind for fault in faults if not fault.fatal).items():
        first = next(fault for fault in faults if fault.kind == kind)
        click.echo(f"{folder}: {kind}, {times} times: {first.detail}", err=True)
    click.echo(f"{folder}: all of them by their ids: {file}", err=True)
