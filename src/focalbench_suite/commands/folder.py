"""Run folders: made, found again, and finished with tables and a report."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from focalbench_suite import suites
from focalbench_suite.commands.terminal import console
from focalbench_suite.installation import CHECKOUT
from focalbench_suite.results.store import Run
from focalbench_suite.suites import Selection
from focalbench_suite.suites.processes import rank


def create_run(out: str | None, names: tuple[str, ...], selection: Selection) -> Run:
    """A new run folder that remembers what it was asked for."""
    from focalbench_suite.suites.environment import capture

    folder = Path(out or default_folder())
    asked = {"suites": names, "selection": vars(selection)}
    try:
        if folder.is_file():
            raise click.UsageError(f"--out {out} is a file; name a folder")
        if Run(folder).keys():
            raise click.UsageError(
                f"--out {out} already holds a run; go on with it by --resume, or name another folder"
            )
        if rank() > 0:
            return Run(folder)
        return Run.create(folder, capture(suites.adapters_of(selection), sys.argv) | asked)
    except OSError as error:
        raise click.UsageError(f"--out {folder} cannot be written: {error.strerror}; name another folder") from None


def default_folder() -> Path:
    """Where a run goes that was given no folder: into the checkout, or beside the work of who installed the command."""
    from focalbench_suite.suites.environment import git

    now = time.strftime("%Y%m%d-%H%M%S")
    if CHECKOUT is None:
        return Path("focalbench-runs") / now
    return CHECKOUT / "results" / "runs" / f"{now}-{git('rev-parse', '--short', 'HEAD')}"


def open_run(folder: str) -> Run:
    """An existing run; raises `click.UsageError` where there is none."""
    try:
        run = Run.open(folder)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if lines := run.unreadable():
        click.echo(
            f"{run.records_file}: {len(lines)} lines are no records and left out, the first {lines[0]}", err=True
        )
    return run


def finish(run: Run, quiet: bool) -> None:
    """Tables, report and the screenful at the end, all from the records."""
    from focalbench_suite.results import report, tables

    run.refuse_pipes()
    frames = tables.write(run)
    report.write(run, frames)
    if not quiet:
        console.print(report.summary(run, frames))
        console.print(f"\nRun: {run.folder}   Report: {run.folder / 'report.html'}")
