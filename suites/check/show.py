"""Stage four of a check: a verdict for people, as head line, formula, a block for each finding, and the examples."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from focalbench_suite.suites.check.checking import Verdict

LONGEST = 160  # letters of a number or a list of them: of more, the example prints the rest
COLOURS = {"same": "green", "fragile": "yellow", "different": "red"}


def render(verdict: Verdict) -> Group:
    """The answer for a terminal.

    Print it with ``crop=False``: the examples' lines are as long as they are, so that they can be copied and pasted.
    """
    from focalbench_suite.suites.criterion import CriterionVerdict  # which builds on this room

    if isinstance(verdict, CriterionVerdict):
        return verdict.rendered()
    colour = COLOURS[verdict.verdict]
    head = Text.assemble((verdict.verdict, f"bold {colour}"), f"   {verdict.head}")
    parts: list[Any] = [head]
    if verdict.formula:
        parts.append(Text.assemble(("computes ", "dim"), verdict.formula))
    parts.append(Text.assemble(("called as ", "dim"), verdict.how))
    findings = [finding.plain for finding in verdict.findings]
    for number, finding in enumerate(findings, 1):
        parts += [
            Text.assemble("\n", (f"{number}. ", "dim"), (finding["kind"], f"bold {colour}")),
            Padding.indent(Text(finding["statement"]), 3),
        ]
        if finding["expected"] or finding["got"]:
            numbers = Text.assemble(
                ("expected ", "dim"),
                (_short(finding["expected"]), "green"),
                ("   got ", "dim"),
                (_short(finding["got"]), "red"),
            )
            parts.append(Padding.indent(numbers, 3))
    for number, finding in enumerate(findings, 1):
        if finding["example"]:
            example = f"\n# {number}. {finding['kind']}\n{finding['example']}"
            parts.append(Text(example, style="dim", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def _short(number: str) -> str:
    if len(number) <= LONGEST or not number.startswith("["):
        return number or "-"
    return number[:LONGEST].rpartition(",")[0] + ", …]"


def table(verdicts: list[tuple[str, Verdict | str]]) -> Table:
    """One line for each function: what it is, the verdict and the first reason; or why it could not be asked."""
    shown = Table(box=None, pad_edge=False)
    for name in ("function", "verdict", "what it is", "first reason"):
        shown.add_column(name, overflow="fold")
    for reference, verdict in verdicts:
        if isinstance(verdict, str):
            shown.add_row(reference, Text("-", "dim"), "", Text(verdict))
            continue
        reasons = [finding.plain["statement"] for finding in verdict.findings if finding.severity != "note"]
        told = Text(verdict.verdict, COLOURS[verdict.verdict])
        shown.add_row(reference, told, Text(verdict.head), Text(reasons[0] if reasons else ""))
    return shown
