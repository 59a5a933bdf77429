"""An upgrade and a history for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from focalbench_suite.suites.history.changes import Difference
from focalbench_suite.suites.history.upgrade import Loss, Upgrade
from focalbench_suite.suites.history.walk import History

SHOWN = 8  # changes of one loss; all of them are in the JSON


def show_upgrade(upgrade: Upgrade) -> RenderableType:
    """The verdict in a line, then every loss that changes, each change with both numbers, and one example to paste."""
    head = f"{upgrade.library} {upgrade.old} to {upgrade.new}"
    if upgrade.reason:
        return Text(f"undecided   {upgrade.reason}", style="yellow")
    changed = [loss for loss in upgrade.losses if loss.differences]
    unsafe = [loss for loss in upgrade.losses if not loss.safe]
    told = f"{len(unsafe)} of {len(upgrade.losses)} losses are not what they were" if unsafe else "every loss stays"
    verdict = Text("unsafe" if unsafe else "safe" if upgrade.known else "undecided", style="red" if unsafe else "green")
    unknown = [Text(f"{loss.name} {loss.label}: not known, {loss.reason}") for loss in upgrade.losses if loss.reason]
    return Group(Text.assemble(verdict, f"   {head}: {told}"), *map(_loss, changed), *unknown)


def _loss(loss: Loss) -> RenderableType:
    lines: list[RenderableType] = [Text(f"\n{loss.name} {loss.label}: {loss.before} before, {loss.after} after")]
    for number, one in enumerate(loss.differences[:SHOWN], 1):
        lines.append(Padding(Text.assemble(f"{number}. {one.kind}: ", (one.statement, _style(one))), (0, 0, 0, 2)))
    if more := len(loss.differences) - SHOWN:
        lines.append(Text(f"  and {more} more, which --json lists") if more > 0 else Text(""))
    if example := next((one.example for one in loss.differences if one.example), ""):
        lines.append(Padding(Syntax(example, "python", background_color="default", word_wrap=True), (1, 0, 0, 2)))
    return Group(*lines)


def _style(one: Difference) -> str:
    return "" if one.unsafe else "dim"


def show_history(history: History) -> RenderableType:
    """The releases that changed a loss, and those of which nothing is known."""
    table = Table("release", "day", "loss", "verdict", "what changed", title=f"{history.library.package}")
    for row in history.rows():
        if row["change"] or not row["verdict"]:
            label = f"{row['loss']} {row['adapter']}"
            told = row["change"] or row["note"]
            table.add_row(*map(escape, (row["version"], row["released"], label, row["verdict"] or "none", told)))
    return Group(table, Text(f"{len(history.seen)} of {len(history.releases)} releases were looked at"))
