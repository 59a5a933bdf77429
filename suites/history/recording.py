"""A history as a run: its rows become the records of a run folder, from which tables and report are made as of any."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import click

from focalbench_suite.results.store import Run
from focalbench_suite.suites import Cell, Record
from focalbench_suite.suites.history.walk import History, Told
from focalbench_suite.suites.progress import bars, in_words
from focalbench_suite.suites.worker import as_line

TOLD_EVERY_S = 60  # where there is no terminal for a bar


def record(run: Run, history: History) -> None:
    """Append a record for every row; one of a release that could not be asked says why, and has no verdict."""
    findings = history.findings()
    for row in history.rows():
        rows = {"history": [row]}
        if told := findings.get((row["version"], row["loss"], row["adapter"])):
            rows["history_findings"] = told
        cell = Cell("history", row["loss"], row["adapter"], workload=row["version"])
        status = "ok" if row["verdict"] else "absent"
        run.append(as_line(Record(cell, status, row["note"] if status == "absent" else "", rows)))


@contextlib.contextmanager
def progress(folder: Path, title: str) -> Iterator[Told]:
    """Tells how many releases were looked at: a bar on a terminal, a line a minute elsewhere."""
    last = time.monotonic()
    with bars(folder, hidden=False) as shown:
        task = shown.add_task(title, total=None, cell="", long=False)

        def told(release: str, done: int, of: int) -> None:
            nonlocal last
            shown.update(task, completed=done, total=of, cell=release)
            if shown.disable and time.monotonic() - last > TOLD_EVERY_S:
                last = time.monotonic()
                click.echo(in_words(shown.tasks[0]), err=True)

        yield told
