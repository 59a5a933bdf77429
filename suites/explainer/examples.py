"""Findings with an example that can be pasted: the smallest call that shows them, and both numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement import oracle
from focalbench_suite.suites.explainer.grid import Call

SEVERITIES = ("note", "fragile", "different")


@dataclass(frozen=True)
class Finding:
    """One difference. `severity` is what it makes of the verdict: a note leaves it alone."""

    kind: str
    statement: str
    severity: str
    example: str = ""
    expected: str = ""
    got: str = ""

    @property
    def plain(self) -> dict[str, str]:
        """The five columns of `findings.csv`."""
        return {name: getattr(self, name) for name in ("kind", "statement", "example", "expected", "got")}


def text(value: Any) -> str:
    """A number, or a short list of them, in full precision."""
    if isinstance(value, float):
        return repr(value)
    return str(value)


def value_example(
    code: str,
    loss: str,
    call: Call,
    dtype: str = "float64",
    *,
    gradient: bool = False,
    again: bool = False,
    raw_print: str = "",
    detached: bool = False,
    labels: bool = False,
) -> str:
    """Python that makes the call and prints the paper's number and the function's.

    `again` prints a first and a second call instead, `raw_print` an expression; `labels` passes targets as they are.
    """
    arguments = "".join(f", {name}={_argument(value, dtype)}" for name, value in call.parameters.items())
    kind = "" if CANONICAL[loss].inputs == "index" or labels else f", dtype=torch.{dtype}"
    leaf = "" if detached else ", requires_grad=True"
    made = f"call{'.raw' if labels else ''}(logits, targets{arguments})"
    lines = [
        "import torch",
        code,
        f"logits = torch.tensor({call.logits!r}, dtype=torch.{dtype}{leaf})",
        f"targets = torch.tensor({call.targets!r}{kind})",
        f"out = {made}",
    ]
    if again:
        return "\n".join([*lines, f'print("first", out.sum().item(), "then", {made}.sum().item())'])
    if detached:  # what is printed is an argument, before the call and after it
        lines.insert(-1, f'print("expected", {raw_print})')
    if raw_print or labels:
        return "\n".join([*lines, f'print("got", {raw_print or "out"})'])
    lines.insert(1, "from focalbench_suite.suites.agreement import oracle")
    single = len(call.logits) == 1 and (len(call.logits[0]) == 1 or CANONICAL[loss].inputs != "dense")
    mean = "" if single else ', "mean", value.high.mean()'
    told = "gradient.high.tolist()" if gradient else f"value.high.tolist(){mean}"
    papers = "".join(f", {name}={_argument(value, dtype)}" for name, value in complete(loss, call.parameters).items())
    lines.insert(-1, f"value, gradient = oracle.exact({loss!r}, logits, targets{papers})")
    lines.insert(-1, f'print("expected", {told})')  # before the call can change its targets, or raise
    lines += ["out.sum().backward()"] if gradient else []
    return "\n".join([*lines, f'print("got", {"logits.grad.tolist()" if gradient else "out.tolist()"})'])


def _argument(value: Any, dtype: str) -> str:
    return f"torch.tensor({list(value)!r}, dtype=torch.{dtype})" if isinstance(value, (tuple, list)) else repr(value)


def complete(loss: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the paper's in place of those that a function does not take."""
    return CANONICAL[loss].absent | parameters


def truth(loss: str, call: Call) -> tuple[Any, Any]:
    """The paper's value and gradient of a call, per element (or row)."""
    value, gradient = oracle.exact(loss, call.logits, call.targets, **complete(loss, call.parameters))
    return value.high, gradient.high


def simplest(calls: list[Call], differs: Callable[[int], bool]) -> int | None:
    """The index of the simplest call that differs: small round logits, the usual parameters."""
    settings = [str(call.parameters) for call in calls]
    order = sorted(range(len(calls)), key=lambda i: (*_complexity(calls[i]), settings.index(settings[i])))
    return next((i for i in order if differs(i)), None)


def _complexity(call: Call) -> tuple:
    numbers = torch.tensor(call.logits).flatten().tolist()
    target = torch.tensor(call.targets).double().flatten().tolist()
    return (
        len(numbers),
        sum(x != round(x) for x in numbers),
        sum(y != round(y) for y in target),
        sum(abs(x - 1) for x in numbers),
    )
