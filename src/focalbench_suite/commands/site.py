"""`site` and `finding`: committed findings as pages to link to and as bug reports."""

from __future__ import annotations

from pathlib import Path

import click

from focalbench_suite.commands.options import filled
from focalbench_suite.installation import CHECKOUT, need


@click.command("site")
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


@click.command("finding")
@click.argument("name", metavar="[ID|LIBRARY]", required=False)
def finding_command(name):
    """A committed finding as a bug report in Markdown, ready to post.

    Without ID, every ID with what it says, of one LIBRARY or of all.
    """
    contents = open_committed("finding")
    from focalbench_suite.results.site import bug_report

    if listed := contents.of(name):
        for entry in listed:
            click.echo(f"{entry.address}  {entry.statement}{', which the newest has no more' if entry.is_gone else ''}")
        return
    try:
        click.echo(bug_report(contents.find(name), contents.environment))
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
