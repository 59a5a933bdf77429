"""What a function does besides its value: to its arguments, to the next call, to the shapes and dtypes it is given."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer import grid
from focalbench_suite.suites.explainer.examples import Finding, value_example
from focalbench_suite.suites.explainer.grid import Call
from focalbench_suite.suites.explainer.observe import Seen, exact_tensor, see, tensors

Loss = Callable[..., Any]


def findings(
    subject: Subject, setting: dict[str, Any], dtype: torch.dtype, fresh: Callable[[], Loss] | None
) -> Iterator[Finding]:
    """Everything this stage finds; `fresh` gives the function as it is before its first call, where that can be had."""
    calls = grid.batches(subject.loss, [setting], soft=False)
    yield from _mutation(subject, [*calls, *_extreme(subject.loss, setting)], dtype)
    yield from _state(subject, calls, dtype, fresh)
    yield from _backward_again(subject, calls[0], dtype)
    yield from _dtypes(subject, calls[0])
    yield from _shapes(subject, setting, dtype)


def _arguments(call: Call, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, dict]:
    targets = exact_tensor(call.targets)
    targets = targets.to(dtype) if targets.is_floating_point() else targets
    return torch.tensor(call.logits, dtype=dtype), targets, tensors(call.parameters, dtype)


def _try(function: Callable[[], Any]) -> Any:
    """The result, or None where the function raises: that it raises is told by the stage that asks for the value."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    except Exception:  # a user's function may raise anything
        return None


def _extreme(loss: str, setting: dict[str, Any]) -> list[Call]:
    """Saturated logits and targets at the edges: what a clamp in place would change."""
    inputs = CANONICAL[loss].inputs
    if inputs == "dense":
        return [Call([[60.0, -60.0, 0.5]], [[1.0, 0.0, 0.3]], setting)]
    mine = {"weight": (2.0,)} if "weight" in setting else setting
    return [Call([[60.0, -60.0, *[0.5] * (2 if inputs == "index" else 4)]], [0 if inputs == "index" else 5.0], mine)]


def _mutation(subject: Subject, calls: list[Call], dtype: torch.dtype) -> Iterator[Finding]:
    """Each argument that any of the calls changes, told once."""
    told = set()
    for call in calls:
        logits, targets, parameters = _arguments(call, dtype)
        given = {"logits": logits, "targets": targets} | {k: v for k, v in parameters.items() if torch.is_tensor(v)}
        before = {name: tensor.clone() for name, tensor in given.items()}
        _try(lambda logits=logits, targets=targets, parameters=parameters: subject.call(logits, targets, **parameters))
        for name, tensor in given.items():
            same = tensor.shape == before[name].shape and torch.equal(tensor, before[name])
            if same or name in told:
                continue
            told.add(name)
            first = int((tensor != before[name]).flatten().nonzero()[0]) if tensor.shape == before[name].shape else 0
            example = value_example(
                subject.code, subject.loss, call, _name(dtype), raw_print=f"{name}.tolist()", detached=True
            )
            yield Finding(
                "mutation",
                f"changes its argument {name} in place",
                "different",
                example,
                repr(before[name].flatten()[first].item()),
                repr(tensor.flatten()[first].item()),
            )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _state(
    subject: Subject, calls: list[Call], dtype: torch.dtype, fresh: Callable[[], Loss] | None
) -> Iterator[Finding]:
    """A call again after itself and after others; and the same calls on a function that has seen nothing else."""
    torch.manual_seed(0)
    modes = torch.is_grad_enabled(), torch.get_default_dtype()
    seed = torch.random.get_rng_state()
    first = _see(subject.call, calls[0], dtype)
    again = _see(subject.call, calls[0], dtype)
    others = [_see(subject.call, call, dtype) for call in calls[1:]]
    last = _see(subject.call, calls[0], dtype)
    random = not torch.equal(seed, torch.random.get_rng_state())
    after = torch.is_grad_enabled(), torch.get_default_dtype()
    for told, seen in (("a second call with the same input", again), ("the same call after others", last)):
        if not _equal(first, seen):
            why = " (it draws random numbers)" if random else ""
            yield _memory(subject, calls[0], f"{told} returns something else{why}", first, seen, dtype, random)
            return
    if after != modes:
        torch.set_grad_enabled(modes[0])
        torch.set_default_dtype(modes[1])
        yield Finding("state", "changes torch's gradient mode or default dtype for everyone", "different", subject.code)
        return
    for call, seen in zip(calls[1:], others, strict=True) if fresh else ():
        alone = _see(fresh(), call, dtype)
        if not _equal(alone, seen):
            yield _memory(
                subject, call, "what an earlier call left behind changes the result", alone, seen, dtype, False
            )
            return


def _see(call: Loss, one: Call, dtype: torch.dtype) -> Seen:
    return see(call, one.logits, one.targets, one.parameters, dtype)


def _equal(one: Seen, other: Seen) -> bool:
    if one.ok != other.ok:
        return False
    if not one.ok or one.output.shape != other.output.shape:
        return one.ok == other.ok and one.output is other.output
    pairs = [(one.output, other.output)]
    if one.gradient is not None and other.gradient is not None:
        pairs.append((one.gradient, other.gradient))
    return all(numpy.allclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True) for a, b in pairs)


def _memory(
    subject: Subject, call: Call, statement: str, one: Seen, other: Seen, dtype: torch.dtype, random: bool
) -> Finding:
    example = value_example(subject.code, subject.loss, call, _name(dtype), again=True)
    if other.error:
        statement += f": {other.error}"
    return Finding("state", statement, "different", example, _shown(one), _shown(other))


def _shown(seen: Seen) -> str:
    return seen.error or repr(seen.value)


def _backward_again(subject: Subject, call: Call, dtype: torch.dtype) -> Iterator[Finding]:
    """Going back twice through one graph must give the same gradient twice."""
    logits, targets, parameters = _arguments(call, dtype)
    logits.requires_grad_()

    def twice() -> tuple[torch.Tensor, torch.Tensor]:
        out = subject.call(logits * 1.0, targets, **parameters).sum()
        one = torch.autograd.grad(out, logits, retain_graph=True)[0]
        return one, torch.autograd.grad(out, logits, retain_graph=True)[0]

    answer = _try(twice)
    if answer is None:
        return  # a backward pass that fails is told where the gradient is compared
    one, other = answer
    if not torch.allclose(one, other, rtol=1e-6, atol=1e-12, equal_nan=True):
        at = int((one - other).abs().argmax())
        yield Finding(
            "gradient",
            "a second backward pass through the same graph gives another gradient",
            "different",
            value_example(subject.code, subject.loss, call, _name(dtype), gradient=True),
            repr(one.flatten()[at].item()),
            repr(other.flatten()[at].item()),
        )


def _dtypes(subject: Subject, call: Call) -> Iterator[Finding]:
    wide, narrow = _see(subject.call, call, torch.float64), _see(subject.call, call, torch.float32)
    if not wide.ok and narrow.ok:
        yield Finding(
            "dtype",
            f"raises for float64: {wide.error}",
            "fragile",
            value_example(subject.code, subject.loss, call),
            "",
            wide.error,
        )
    if not narrow.ok and wide.ok:
        yield Finding(
            "dtype",
            f"raises for float32: {narrow.error}",
            "fragile",
            value_example(subject.code, subject.loss, call, "float32"),
            "",
            narrow.error,
        )
    for given, seen, less in (
        ("float64", wide, ("float32", "float16", "bfloat16")),
        ("float32", narrow, ("float16", "bfloat16")),
    ):
        if seen.ok and seen.dtype in less:
            yield Finding(
                "dtype",
                f"returns {seen.dtype} for {given} logits",
                "fragile",
                value_example(subject.code, subject.loss, call, given, raw_print="out.dtype"),
                given,
                seen.dtype,
            )


def _shapes(subject: Subject, setting: dict[str, Any], dtype: torch.dtype) -> Iterator[Finding]:
    """Shapes that raise, though others do not."""
    fine = {
        "N ≠ C": "different",
        "one row": "fragile",
        "one class": "fragile",
        "a square batch": "different",
        "an empty batch": "note",
    }
    raised = {}
    for told, call in _shaped(subject.loss, setting):
        seen = _see(subject.call, call, dtype)
        if not seen.ok and "Unsupported" not in seen.error:
            raised[told] = (call, seen)
    if "N ≠ C" in raised and len(raised) >= 4:
        return  # it raises whatever the shape
    for told, (call, seen) in raised.items():
        yield Finding(
            "shape",
            f"raises for {told}: {seen.error}",
            fine[told],
            value_example(subject.code, subject.loss, call, _name(dtype)),
            "",
            seen.error,
        )


def _shaped(loss: str, setting: dict[str, Any]) -> Iterator[tuple[str, Call]]:
    inputs = CANONICAL[loss].inputs
    columns = 4 if inputs == "index" else 6

    def call(rows: int, classes: int) -> Call:
        logits = [[round(0.3 * i - 0.2 * j, 2) for j in range(classes)] for i in range(rows)]
        if inputs == "dense":
            return Call(logits, [[float((i + j) % 3 == 0) for j in range(classes)] for i in range(rows)], setting)
        targets = [i % classes for i in range(rows)] if inputs == "index" else [0.5 + i for i in range(rows)]
        mine = {"weight": tuple(1.0 for _ in range(rows))} if "weight" in setting else setting
        return Call(logits, targets, mine)

    yield "N ≠ C", call(3, columns)
    yield "a square batch", call(columns, columns) if inputs != "bins" else call(5, 6)
    yield "one row", call(1, columns)
    if inputs == "dense":
        yield "one class", call(3, 1)
