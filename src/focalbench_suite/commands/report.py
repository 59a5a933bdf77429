"""`report`, `baseline` and `trend`: tables, pages and committed tables of runs that are there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from focalbench_suite.commands.compare import compare_sources
from focalbench_suite.commands.folder import finish, open_run
from focalbench_suite.commands.options import filled
from focalbench_suite.commands.terminal import console, show_rows
from focalbench_suite.installation import CHECKOUT, need
from focalbench_suite.results.store import Run


@click.command("report")
@click.argument("folder", metavar="RUN")
@click.option("--paper", is_flag=True, help="Also the reproduction report, paper tables beside ours.")
def report_command(folder, paper):
    """Tables and report again, from the records."""
    need("report", "results")
    run = open_run(folder)
    finish(run, quiet=False)
    if paper:
        from focalbench_suite.results import paper as reproduction

        for path in reproduction.write(run):
            click.echo(path)


@click.command()
@click.argument("folder", metavar="RUN")
@click.argument("name")
def baseline(folder, name):
    """Commit a run's tables as results/reference/NAME, and say what changed against those that were there."""
    if CHECKOUT is None:
        raise click.UsageError("baseline writes into results/reference of a checkout; call run_all.py in one")
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", name):
        raise click.UsageError(f"{name!r} is no name below results/reference; give one such as smoke or coco_map/mine")
    need("baseline", "results")
    from focalbench_suite.results.baseline import renew

    run, place = open_run(folder), CHECKOUT / "results" / "reference" / name
    if run.unreadable():
        raise click.UsageError(f"{folder} has lines that are no records; a baseline is made of a whole run")
    if not run.environment():
        raise click.UsageError(f"{folder} does not say on what it was measured; a baseline is made of a whole run")
    if any(place.glob("*.csv")):
        click.echo(compare_sources(str(place), folder).markdown)
    renew(run, place)
    click.echo(f"{place} holds the tables of {folder}; `git diff --stat {place}` lists what changed")


@click.command("trend")
@click.argument("folder", metavar="FOLDER", callback=filled)
@click.argument("sources", metavar="[RUN] ...", nargs=-1)
def trend_command(folder, sources):
    """Runs of many commits in one folder as curves, with the steps in them; each RUN is kept there first.

    A RUN is a run, a baseline, or a file of pytest --benchmark-json or check --json.
    """
    need("trend", "results")
    from focalbench_suite.results import trend
    from focalbench_suite.suites.environment import project_commit

    place = Path(folder)
    try:
        for source in sources:
            if Run(source).records_file.is_file():
                open_run(source)  # which says how many of its lines are no records
        trend.keep(place, sources, project_commit())
        if not place.is_dir():
            raise click.UsageError(f"{folder} is no folder; `trend {folder} RUN` makes it of a run")
        points, objections = trend.read(place)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be read or written: {error.strerror}") from None
    if points.empty:
        raise click.UsageError(
            objections[0] if objections else f"{folder} holds no run; `trend {folder} RUN` keeps one"
        )
    for objection in objections:
        click.echo(f"{Path(sys.argv[0]).name}: {objection}", err=True)
    trend.write(points, place / "trend.html")
    for table, rows in trend.tables(points):
        if rows.empty:
            console.print(f"{table.title}: none")
        else:
            show_rows(table.title, table.printed, rows[[*table.printed]].itertuples(index=False))
    console.print(f"Curves: {place / 'trend.html'}")
