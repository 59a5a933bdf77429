"""Is my loss that loss? `check` explains one function; `render` shows the answer."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement.binding import Bound, CannotCall, bind
from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer import CannotAnswer, explain
from focalbench_suite.suites.explainer.examples import Finding
from focalbench_suite.suites.explainer.explain import KNOWN

__all__ = ["CannotCall", "bind", "check", "render"]

COLOURS = {"same": "green", "fragile": "yellow", "different": "red"}


def check(
    function: Callable[..., Any], loss: str, labels: str = "dense", reduction: str | None = None
) -> dict[str, Any]:
    """Is `function` the loss that it should be?

    `function` is called as ``function(logits, targets, ...)`` with the canonical parameters that it takes. `labels` is
    ``dense`` or, for `focal`, ``index``: integer class labels (N,) with C for background and -1 for ignore. `reduction`
    is the one that it must have; without it, the one it has is reported. Returns plain data: loss, verdict (same,
    fragile, different), reduction, formula and findings. Raises `CannotCall` with the reason where it cannot be asked.
    """
    if loss not in KNOWN:
        raise CannotCall(f"check knows {', '.join(KNOWN)}, not {loss}")
    if labels == "index" and loss != "focal":
        raise CannotCall(f"--labels index is for focal; {loss} takes its targets in one form")
    bound = Bound(function, loss, labels, reduction)
    reference = _reference(function)
    # what a user's function prints must not end up in the JSON
    with contextlib.redirect_stdout(sys.stderr), _one_thread():
        try:
            found = explain(
                Subject(loss, "check", bound, _code(reference, loss, labels, reduction)),
                accepts=bound.accepts,
                labels=labels,
                reduction=reduction,
                fresh=_fresh(reference, loss, labels, reduction),
                raw=bound.raw,
                off=_off(bound),
            )
        except CannotAnswer as error:
            raise CannotCall(f"no call of the function gives a loss: {error}") from None
    return {
        "loss": loss,
        "verdict": found.verdict,
        "reduction": found.reduction,
        "formula": found.formula,
        "findings": [finding.plain for finding in (*found.findings, *_defaults(bound))],
    }


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of calls on a few numbers each: on a busy machine, threads that wait for each other take ten times as
    long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _defaults(bound: Bound) -> Iterator[Finding]:
    """Defaults that are not the paper's: a note, since every call here names its parameters."""
    for parameter in CANONICAL[bound.loss].parameters:
        name, usual = parameter.name, (parameter.recommended, parameter.absent)  # off is everybody's right
        default = bound.default(name) if name in bound.accepts else None
        number = isinstance(default, (int, float)) and not isinstance(default, bool) and default >= 0
        if number and usual[0] is not None and default not in usual:
            yield Finding(
                "defaults",
                f"by default {name} is {default:g}, in the paper {usual[0]:g}",
                "note",
                "",
                f"{usual[0]:g}",
                f"{default:g}",
            )


def _reference(function: Any) -> str | None:
    """``FILE.py:NAME`` of a function that stands at the top of a file, relative to here where it can be."""
    function = getattr(function, "_torchdynamo_inline", function)  # what torch.jit.script was given
    name = getattr(function, "__qualname__", "")
    with contextlib.suppress(TypeError):
        file = inspect.getsourcefile(function)
        if file and name.isidentifier():
            path = Path(file)
            with contextlib.suppress(ValueError):
                path = path.relative_to(Path.cwd())
            return f"{path}:{name}"
    return None


def _code(reference: str | None, loss: str, labels: str, reduction: str | None) -> str:
    arguments = "".join(
        (f", labels={labels!r}" if labels != "dense" else "", f", reduction={reduction!r}" if reduction else "")
    )
    room = "from focalbench_suite.suites.agreement.check import"
    if reference is None:
        return f"{room} Bound\ncall = Bound(your_function, {loss!r}{arguments})"
    return f"{room} bind\ncall = bind({reference!r}, {loss!r}{arguments})"


def _fresh(reference: str | None, loss: str, labels: str, reduction: str | None) -> Callable[[], Bound] | None:
    """What loads the function anew, where its file can be loaded alone."""
    if reference is None:
        return None

    def load() -> Bound:
        return Bound(adapters.load_object(reference), loss, labels, reduction)

    try:
        load()
    except (LookupError, CannotCall):
        return None
    return load


def _off(bound: Bound) -> Any:
    """The alpha that the signature itself gives for "off": None or a negative number; `...` where it names none."""
    if "alpha" not in bound.accepts:
        return ...
    default = bound.default("alpha")
    if default is None or (isinstance(default, (int, float)) and not isinstance(default, bool) and default < 0):
        return default
    return ...


def render(verdict: dict[str, Any]) -> Group:
    """The answer for a terminal: verdict, formula, a block for each finding, and at last the examples.

    Print it with ``crop=False``: the examples' lines are as long as they are, so that they can be copied and pasted.
    """
    colour = COLOURS[verdict["verdict"]]
    head = Text.assemble(
        (verdict["verdict"], f"bold {colour}"), f"   {verdict['loss']}, reduction {verdict['reduction']}"
    )
    parts: list[Any] = [head]
    if verdict.get("formula"):
        parts.append(Text.assemble(("computes ", "dim"), verdict["formula"]))
    for number, finding in enumerate(verdict["findings"], 1):
        numbers = Text.assemble(
            ("expected ", "dim"),
            (finding["expected"] or "-", "green"),
            ("   got ", "dim"),
            (finding["got"] or "-", "red"),
        )
        parts += [
            Text.assemble("\n", (f"{number}. ", "dim"), (finding["kind"], f"bold {colour}")),
            Padding.indent(Text(finding["statement"]), 3),
            Padding.indent(numbers, 3),
        ]
    for number, finding in enumerate(verdict["findings"], 1):
        if finding["example"]:
            example = f"\n# {number}. {finding['kind']}\n{finding['example']}"
            parts.append(Text(example, style="dim", no_wrap=True, overflow="ignore"))
    return Group(*parts)
