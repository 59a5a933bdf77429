"""`data`: what is wrong with a COCO folder, and what is in it."""

from __future__ import annotations

from pathlib import Path

import click

from focalbench_suite.commands.options import filled
from focalbench_suite.commands.terminal import show_rows
from focalbench_suite.installation import need


@click.command("data")
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
