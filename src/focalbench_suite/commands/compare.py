"""`compare` and `calibrate`: what changed, and what this machine can see."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from focalbench_suite.commands.options import LOSSES
from focalbench_suite.commands.status import REGRESSION
from focalbench_suite.commands.terminal import console
from focalbench_suite.installation import need


@click.command("compare")
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option(
    "--rerun", metavar="COMMIT", help="Time this commit, or a folder with an older library, beside the present."
)
@click.option("--adapter", multiple=True, default=("own",), show_default=True, help="With --rerun.")
@click.option("--loss", multiple=True, type=LOSSES, metavar="LOSS", help="With --rerun.")
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


def open_baseline(path: str) -> None:
    """Raises `click.UsageError` where there is nothing to compare with."""
    from focalbench_suite.results.timings import open_source

    try:
        open_source(path)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command()
@click.pass_context
def calibrate(context):
    """This machine's noise: the smallest slowdown it can see, and at what error rates."""
    need("calibrate", "throughput")
    from focalbench_suite.suites.throughput import calibrate as calibration

    console.print(calibration.calibrate())
