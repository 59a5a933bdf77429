"""The command without a name: run the suites. And `list`: what there is to run."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from focalbench_suite import suites
from focalbench_suite.commands.compare import compare_sources, open_baseline, print_comparison
from focalbench_suite.commands.folder import create_run, finish, open_run
from focalbench_suite.commands.options import filled, selecting
from focalbench_suite.commands.selection import (
    by_reference,
    check_processes,
    make_selection,
    need_suites,
    plan,
    stored_selection,
)
from focalbench_suite.commands.status import FAILED, FINE, STOPPED
from focalbench_suite.commands.terminal import console, show_rows
from focalbench_suite.installation import CHECKOUT, need
from focalbench_suite.results.store import BeingWritten
from focalbench_suite.suites import EXECUTORS, SUITES, Selection
from focalbench_suite.suites.processes import rank


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@selecting
@click.option(
    "--out",
    metavar="DIR",
    callback=filled,
    help="Default: results/runs/<time>-<commit>; installed, focalbench-runs/<time>.",
)
@click.option("--resume", metavar="DIR", callback=filled, help="Do only the cells of this run that have no record yet.")
@click.option("--baseline", metavar="RUN", callback=filled, help="Compare with this run when done.")
@click.option("--executor", type=click.Choice(EXECUTORS), help="Train coco-map's cells as jobs, many at once.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a cell on standard output, nothing else.")
@click.pass_context
def main(context, names, out, resume, baseline, executor, as_json, **options):
    """Do implementations of dense-detection losses agree, how fast are they, what do they do to a detector?"""
    if context.invoked_subcommand:
        return
    need_suites(names)
    if resume:
        check_resumed(context)
    if baseline:
        open_baseline(baseline)  # a wrong name is said before hours of measuring
    run = open_run(resume) if resume else None
    named = options["adapter"]
    names, selection = stored_selection(run, named) if run else (names or tuple(SUITES), make_selection(**options))
    need_suites(names)
    check_processes(names, out or resume, executor)
    tasks = plan(names, selection)
    run = run or create_run(out, names, selection)
    from focalbench_suite.suites.running import run_suites

    try:
        with run.written_here() if rank() == 0 else contextlib.nullcontext():
            run_suites(run, tasks, executor, as_json)
    except BeingWritten as error:
        raise click.UsageError(str(error)) from None
    except KeyboardInterrupt:
        again = [f"--adapter {reference}" for reference in by_reference(selection)]
        go_on = " ".join([f"--resume {run.folder}", *again])
        click.echo(f"{Path(sys.argv[0]).name}: stopped; go on with {go_on}", err=True)
        context.exit(STOPPED)
    if rank() > 0:
        return
    finish(run, quiet=as_json)
    compared = print_comparison(compare_sources(baseline, str(run.folder)), quiet=as_json) if baseline else FINE
    failed = [record for record in run.records() if record["status"] in ("failed", "timeout")]
    refused = [one for one in run.records() if one["status"] == "unsupported" and one["cell"]["suite"] == "coco-map"]
    for record in [*refused, *failed] if not as_json else ():
        colour = "red" if record in failed else "yellow"
        console.print(f"[{colour}]{record['status']}[/] {escape(record['key'])}: {escape(record['reason'])}")
    context.exit(FAILED if failed else compared)


def check_resumed(context) -> None:
    """A run that goes on does what it was asked at first; raises `click.UsageError` where more is said."""
    heeded = {"resume", "baseline", "executor", "as_json", "adapter"}  # of adapters, see `confirm_code`
    said = click.core.ParameterSource.COMMANDLINE
    ignored = [
        one.opts[0]
        for one in context.command.params
        if one.name not in heeded and context.get_parameter_source(one.name) == said
    ]
    if ignored:
        raise click.UsageError(f"--resume goes on with what the run was asked: leave {', '.join(ignored)} out")


@click.command("list")
@selecting
@click.option("--cells", is_flag=True, help="Also every cell of the selection.")
def list_command(names, cells, **options):
    """Adapters (version, or why not available), suites, and how many cells a selection has."""
    need("list", "results", "workers")
    selection = make_selection(**options)
    table = Table("adapter", "version", "state", "losses", title="Adapters")
    for name, adapter in suites.adapters_of(selection).items():
        state = "; ".join(f"{device}: {adapter.absence(device) or 'ready'}" for device in selection.devices)
        table.add_row(
            name, adapter.version or "-", state, ", ".join(dict.fromkeys(loss.name for loss in adapter.losses))
        )
    console.print(table)
    table = Table("suite", "tasks", "cells", title=f"Suites, {selection.profile} profile")
    plans = {name: suites.plan(name, selection) for name in names or SUITES}
    for name, tasks in plans.items():
        table.add_row(name, str(len(tasks)), str(sum(len(task.cells) for task in tasks)))
    console.print(table)
    if plans.get("coco-map") and CHECKOUT:
        show_expected(selection, plans["coco-map"], CHECKOUT / "results" / "reference" / "coco_map")
    for cell in (cell for tasks in plans.values() for task in tasks for cell in task.cells if cells):
        click.echo(cell.key)


def show_expected(selection: Selection, plan: list[suites.Task], reference: Path) -> None:
    """How many seeds the comparisons will probably take, where committed trainings say it."""
    from focalbench_suite.suites.coco_map import schedule_of
    from focalbench_suite.suites.coco_map.expected import expected
    from focalbench_suite.suites.progress import clock

    hosts = tuple(dict.fromkeys(task.options["variant"].host for task in plan))
    rows = [
        (
            one.host,
            f"{one.spread:.4f}",
            f"{one.margin:.3f}",
            str(one.seeds or "more than 1,024"),
            clock(one.training_s),
            one.measured,
        )
        for one in expected(reference, hosts, schedule_of(selection).name)
    ]
    if rows:
        head = (
            "host",
            "AP spread of a pair",
            "margin",
            "seeds to call it equivalent",
            "a training took",
            "measured in",
        )
        show_rows("Seeds that own and library will probably take", head, rows)
