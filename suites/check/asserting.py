"""One line in a project's own tests: is this still that loss? The failure's message is the explanation."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from focalbench_suite.suites.check import accepting
from focalbench_suite.suites.check.binding import Options
from focalbench_suite.suites.check.checking import Verdict, check
from focalbench_suite.suites.check.show import render

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
    verdict = check(function, loss, Options(**options))
    if problems := objections(verdict, accept, strict):
        raise AssertionError("\n".join([*problems, "", as_text(verdict)]))
    return verdict


def objections(verdict: Verdict, accept: str | Path | None, strict: bool) -> list[str]:
    """One line for each reason to fail: a difference, a new one, or an accepted one that is gone."""
    worse = ("different", "fragile") if strict else ("different",)
    if accept is None:
        return [f"not the {verdict.loss} loss: {verdict.verdict}"] if verdict.verdict in worse else []
    held = accepting.apply(accepting.read(accept), verdict.loss, verdict.findings)
    new = [finding.plain for finding in held.new if finding.severity in worse]
    return [
        *(f"a new difference: {one['kind']}, {one['code']}: {one['statement']}" for one in new),
        *(f"accepted in {accept} but gone: {entry.code} ({entry.why}); take the entry out" for entry in held.stale),
    ]


def as_text(verdict: Verdict) -> str:
    """The answer without colours."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, color_system=None, highlight=False).print(render(verdict), crop=False)
    return out.getvalue().rstrip()
