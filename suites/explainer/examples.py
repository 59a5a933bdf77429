"""Findings with an example that can be pasted: the smallest call that shows them, and both numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites import oracle
from focalbench_suite.suites.explainer import words
from focalbench_suite.suites.explainer.calls import Call
from focalbench_suite.suites.explainer.vocabulary.option import Change

SEVERITIES = ("note", "fragile", "different")


@dataclass(frozen=True)
class Finding:
    """One difference. `severity` is what it makes of the verdict: a note leaves it alone."""

    change: Change
    severity: str
    example: str = ""
    expected: str = ""
    got: str = ""

    @property
    def kind(self) -> str:
        """The kind of the change."""
        return self.change.kind

    @property
    def plain(self) -> dict[str, Any]:
        """The columns of `findings.csv`, the code and the values of which the sentence is made, and the severity."""
        return {
            "kind": self.change.kind,
            "code": self.change.code,
            "values": {name: _as_data(value) for name, value in self.change.values},
            "severity": self.severity,
            "statement": words.sentence(self.change),
            "example": self.example,
            "expected": self.expected,
            "got": self.got,
        }


def _as_data(value: Any) -> Any:
    """A value of a change as something that JSON can hold: a change that is a part of another one by its code."""
    return value.code if isinstance(value, Change) else value


def pasted(
    code: str,
    loss: str,
    call: Call,
    expected: str | None = "value.high.sum()",
    got: str = "out.sum().item()",
    *,
    strided: bool = False,
    before: bool = False,
) -> str:
    """Python that makes the call and prints two numbers; `code` binds the function to ``call``.

    `expected` may use ``value`` and ``gradient``, the exact ones, and is not printed where it is None; `got` may use
    ``out``, ``again`` (a second call) and ``logits.grad``. With `before`, `expected` is printed as it is before the
    call, and no gradient is asked for.
    """
    arguments = "".join(f", {name}={_argument(value, call.dtype)}" for name, value in call.parameters.items())
    integers = CANONICAL[loss].inputs == "index" or call.own_targets
    view = "torch.stack(({0}, {0}), dim=-1)[..., 0]"
    given = ", ".join(view.format(name) if strided else name for name in ("logits", "targets"))
    made = f"call{'.raw' if call.own_targets else ''}({given}{arguments})"
    told = [] if expected is None else [f'print("expected", {expected})']
    if expected is not None and not before:
        papers = complete(loss, call.parameters)
        exact = "".join(f", {name}={_argument(value, call.dtype)}" for name, value in papers.items())
        told.insert(0, f"value, gradient = oracle.exact({loss!r}, logits, targets{exact})")
    lines = [
        "import torch",
        *(["from focalbench_suite.suites import oracle"] if expected is not None and not before else []),
        code,
        _tensor("logits", call.logits, f"torch.{call.dtype}", leaf=not before),
        _tensor("targets", call.targets, "torch.int64" if integers else f"torch.{call.dtype}"),
        *told,  # before the call can change its targets, or raise
        f"out = {made}",
        *([f"again = {made}"] if "again" in got else []),
        *(["out.sum().backward()"] if "logits.grad" in got else []),
        f'print("got", {got})',
    ]
    return "\n".join(lines)


def _tensor(name: str, numbers: Any, dtype: str, leaf: bool = False) -> str:
    requires = ", requires_grad=True" if leaf else ""
    plain = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    if numpy.size(numbers) == 0:
        return f"{name} = torch.zeros({numpy.shape(numbers)!r}, dtype={dtype}{requires})"
    return f"{name} = torch.tensor({plain!r}, dtype={dtype}{requires})"


def whole(loss: str, call: Call) -> tuple[str | None, str]:
    """What is expected and what is got where all numbers of a small call are shown."""
    if call.own_targets:
        return None, "out"
    single = len(call.logits) == 1 and (len(call.logits[0]) == 1 or CANONICAL[loss].inputs != "dense")
    return "value.high.tolist()" + ("" if single else ', "mean", value.high.mean()'), "out.tolist()"


SLOPES = ("gradient.high.tolist()", "logits.grad.tolist()")
TWICE = (None, "out.sum().item(), again.sum().item()")


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
