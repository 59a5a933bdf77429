"""`check` and `scan`: is my loss that loss, and which losses are in that repository?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from focalbench_suite import adapters
from focalbench_suite.commands.options import argument, stating
from focalbench_suite.commands.status import FINE, REGRESSION
from focalbench_suite.commands.terminal import console

EXPLAINED = [
    name
    for name, loss in adapters.CANONICAL.items()
    if loss.factors or loss.inputs == "boxes" or name in adapters.CRITERIA
]


@click.command()
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


@click.command()
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
