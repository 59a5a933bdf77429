"""What is shown on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

console = Console(highlight=False)


def show_rows(title: str, head: tuple[str, ...], rows) -> None:
    """A table on the terminal."""
    table = Table(*(Column(name, overflow="fold") for name in head), title=title)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
