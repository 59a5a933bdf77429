"""`history` and `upgrade`: which release of a library changed which loss, and would an upgrade?"""

from __future__ import annotations

import json

import click

from focalbench_suite.commands.folder import create_run, finish
from focalbench_suite.commands.options import LOSSES, filled, listed
from focalbench_suite.commands.status import FAILED, FINE, REGRESSION
from focalbench_suite.commands.terminal import console
from focalbench_suite.installation import need
from focalbench_suite.suites import Selection


@click.command("history")
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


@click.command("upgrade")
@click.argument("target", metavar="[LIB[==NEW]]", required=False)
@click.option("--from", "old", metavar="OLD", callback=filled, help="Default: the installed release.")
@click.option(
    "--diff", type=click.File(errors="replace"), help="Upgrades are read from this diff; - is standard input."
)
@click.option("--loss", multiple=True, type=LOSSES, metavar="LOSS")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def upgrade_command(context, target, old, diff, loss, as_json):
    """Would an upgrade of a library change a loss? Exit 1 if one computes another value, is fragile or raises.

    NEW is a release, or a folder that holds the package, as `pip install --target` makes it; without it the newest
    release is meant.
    """
    if bool(target) == bool(diff) or (diff and old):
        raise click.UsageError(
            "upgrade takes LIB==NEW, such as kornia==0.9.0, or --diff FILE, which says both releases"
        )
    need("upgrade", "history")
    from focalbench_suite.suites.history import upgrade
    from focalbench_suite.suites.history.show import show_upgrade

    statuses, found = [FINE], []
    for library, before, after in read_upgrades(diff.read()) if diff else [named_upgrade(target, old)]:
        try:
            one = upgrade(library, after, before, losses_of(library, loss))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        found.append(one.plain)
        statuses.append(REGRESSION if not one.safe else FINE if one.known else FAILED)
        if not as_json:
            console.print(show_upgrade(one), crop=False)
    if as_json:
        click.echo(json.dumps(found[0] if target else found, indent=2))
    elif not found:
        click.echo("no library with a loss that is measured here has another version in this diff")
    context.exit(REGRESSION if REGRESSION in statuses else max(statuses))


def named_upgrade(target: str, old: str | None):
    """The library that is named, the release before and the one after; raises `click.UsageError`."""
    name, separator, new = target.partition("==")
    if not name or bool(separator) != bool(new):
        raise click.UsageError(f"{target!r} names no release; write LIB==NEW, such as kornia==0.9.0")
    library = open_library(name)
    return library, old, new or str((library.finished or library.known)[-1])


def read_upgrades(diff: str):
    """The same of each library with a loss that a diff gives another version."""
    from focalbench_suite.suites.history import find_library
    from focalbench_suite.suites.history.diff import upgraded

    for package, old, new in upgraded(diff):
        try:
            find_library(package)
        except ValueError:  # any other package of the project
            continue
        yield open_library(package), old, new


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
