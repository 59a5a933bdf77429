"""One line in a project's own tests: is this still that loss? The failure's message is the explanation."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from focalbench_suite.suites.check import accepting
from focalbench_suite.suites.check.calling import Options
from focalbench_suite.suites.check.checking import Verdict, check
from focalbench_suite.suites.check.show import render
from focalbench_suite.suites.explainer.examples import Finding

WIDTH = 100  # of the message


def assert_loss(
    function: Callable[..., Any] | str,
    loss: str,
    *,
    accept: str | Path | None = None,
    strict: bool = False,
    **options: Any,
) -> Verdict:
    """Raise `AssertionError` unless `function` is the loss; see `focalbench_suite.assert_loss`."""
    __tracebackhide__ = True  # pytest shows the line of the project's test, not this one
    if "given" in options:
        options["given"] = tuple(dict(options["given"]).items())
    accepted = None if accept is None else accepting.read_accepted(accept)  # a faulty file is told before any check
    verdict = check(function, loss, Options(**options))
    if problems := objections(verdict, accepted, strict):
        raise AssertionError("\n".join([*problems, "", as_text(verdict)]))
    return verdict


def objections(verdict: Verdict, accepted: accepting.AcceptedFile | None, strict: bool) -> list[str]:
    """Why to fail: a difference; a new one, with the entry that would accept it; an accepted one that is gone."""
    worse = ("different", "fragile") if strict else ("different",)
    if accepted is None:
        return [f"not the {verdict.loss} loss: {verdict.verdict}"] if verdict.verdict in worse else []
    held, file = accepting.apply(accepted.entries, verdict.loss, verdict.findings), accepted.file
    return [
        *(_as_new(finding, verdict.loss, file) for finding in held.new if finding.severity in worse),
        *(f"accepted in {file} but gone: {entry.code} ({entry.why}); take the entry out" for entry in held.stale),
    ]


def _as_new(finding: Finding, loss: str, accept: str | Path) -> str:
    statement = finding.plain["statement"]
    entry = accepting.proposed(finding, loss)
    return f"a new difference: {finding.kind}: {statement}; to accept it, add to {accept}:\n{entry}"


def as_text(verdict: Verdict) -> str:
    """The answer without colours."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, color_system=None, highlight=False).print(render(verdict), crop=False)
    return out.getvalue().rstrip()
