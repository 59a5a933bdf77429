"""The Python that shows a finding: pasted and run in the repository root, it prints the two numbers."""

from __future__ import annotations

from typing import Any

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement.subject import Subject


def code(
    subject: Subject,
    logits: Any,
    targets: Any,
    parameters: dict[str, Any],
    dtype: str,
    expected: str = "value.high.sum()",
    got: str = "out.sum().item()",
    *,
    strided: bool = False,
) -> str:
    """`expected` may use ``value`` and ``gradient``, exact; `got` may use ``out`` and ``logits.grad``."""
    shape, empty = _literal(logits)
    index = CANONICAL[subject.loss].inputs == "index"
    kind = "torch.int64" if index else f"torch.{dtype}"
    arguments = "".join(f", {name}={_argument(value, dtype)}" for name, value in parameters.items())
    view = "torch.stack(({0}, {0}), dim=-1)[..., 0]"
    given = (view.format("logits"), view.format("targets")) if strided else ("logits", "targets")
    lines = [
        "import torch",
        "from focalbench_suite.suites.agreement import oracle",
        subject.code,
        f"logits = torch.{'zeros' if empty else 'tensor'}({shape}, dtype=torch.{dtype}, requires_grad=True)",
        f"targets = torch.{'zeros' if _literal(targets)[1] else 'tensor'}({_literal(targets)[0]}, dtype={kind})",
        f"value, gradient = oracle.exact({subject.loss!r}, logits, targets{arguments})",
        f'print("expected", {expected})',
        f"out = call({given[0]}, {given[1]}{arguments})",
        *(["out.sum().backward()"] if "grad" in got else []),
        f'print("got", {got})',
    ]
    return "\n".join(lines)


def _literal(numbers: Any) -> tuple[str, bool]:
    """A nested list as it is written, or the shape of an array without elements."""
    if hasattr(numbers, "shape"):
        return (repr(tuple(numbers.shape)), True) if numbers.size == 0 else (repr(numbers.tolist()), False)
    return ("(0,)", True) if numbers == [] else (repr(numbers), False)


def _argument(value: Any, dtype: str) -> str:
    return f"torch.tensor({list(value)!r}, dtype=torch.{dtype})" if isinstance(value, (tuple, list)) else repr(value)
