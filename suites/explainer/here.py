"""Calls are answered by a function in this process: adapters' losses here, a user's function in its child process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import Unsupported
from focalbench_suite.suites.explainer.calls import Answer, Call, Mutation, Numbers

Function = Callable[..., Any]


class Here:
    """Answers calls by ``function(logits, targets, **canonical parameters)``.

    `own` is the same function with targets in its own label form; `fresh` makes the function as it is before its first
    call, where that can be had.
    """

    def __init__(
        self,
        function: Function,
        own: Function | None = None,
        fresh: Callable[[], Function] | None = None,
        device: str = "cpu",
    ) -> None:
        self.function, self.own, self.fresh, self.device = function, own or function, fresh, device

    def __call__(self, calls: Sequence[Call]) -> list[Answer]:
        return [self.answer(call) for call in calls]

    def answer(self, call: Call) -> Answer:
        """Call once and go back as often as is asked; whatever is raised becomes the answer's error."""
        function = self.fresh() if call.anew and self.fresh else self.own if call.own_targets else self.function
        arguments = _arguments(call, self.device)
        before = {name: tensor.detach().clone() for name, tensor in arguments.items() if torch.is_tensor(tensor)}
        modes, seed = _modes(), torch.random.get_rng_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = _told(function, arguments, call.backwards)
        told |= {"drew": not torch.equal(seed, torch.random.get_rng_state()), "switched": _modes() != modes}
        torch.set_grad_enabled(modes[0])
        torch.set_default_dtype(modes[1])
        return Answer(**told, mutations=tuple(_mutations(arguments, before)))


def _modes() -> tuple[bool, torch.dtype]:
    return torch.is_grad_enabled(), torch.get_default_dtype()


def _arguments(call: Call, device: str) -> dict[str, Any]:
    dtype = getattr(torch, call.dtype)
    logits = exact_tensor(call.logits).to(device, dtype).clone().requires_grad_(call.backwards > 0)
    targets = exact_tensor(call.targets).to(device)
    targets = targets.to(dtype).clone() if targets.is_floating_point() else targets.clone()
    parameters = {
        name: torch.tensor(value, dtype=dtype, device=device) if isinstance(value, (tuple, list)) else value
        for name, value in call.parameters.items()
    }
    return {"logits": logits, "targets": targets, **parameters}


def exact_tensor(numbers: Numbers) -> torch.Tensor:
    """Integers as int64 and all else as float64: 0.7 must not pass through float32."""
    return numbers if torch.is_tensor(numbers) else torch.as_tensor(numpy.asarray(numbers))


def _told(function: Function, arguments: dict[str, Any], backwards: int) -> dict[str, Any]:
    refusal = ""
    try:
        out, refusal = _called(function, **arguments)
        output = out.detach().cpu().double().numpy().copy()
    except Unsupported as refusal:
        return {"error": str(refusal), "unsupported": True}
    except Exception as error:  # a measured function may raise anything
        return {"error": sentence(error)}
    told: dict[str, Any] = {"output": output, "dtype": str(out.dtype).removeprefix("torch.")}
    if refusal:
        return told | {"backward_error": refusal}
    if backwards and out.requires_grad:
        told |= _backward(out, arguments["logits"], backwards)
    return told


def _called(
    function: Function, logits: torch.Tensor, targets: torch.Tensor, **parameters: Any
) -> tuple[torch.Tensor, str]:
    """What is returned, and why it has no gradient where torch refuses one before going back."""
    try:
        return function(logits, targets, **parameters), ""
    except RuntimeError as error:
        if "in-place operation" in str(error):
            return function(logits * 1.0, targets, **parameters), ""  # autograd forbids to write into a leaf
        if "is not differentiable with respect to argument" not in str(error):
            raise
        return function(logits.detach(), targets, **parameters), sentence(error)


def _backward(out: torch.Tensor, logits: torch.Tensor, times: int) -> dict[str, Any]:
    found = []
    try:
        for i in range(times):
            (slope,) = torch.autograd.grad(out.sum(), logits, retain_graph=i + 1 < times, allow_unused=True)
            found.append(torch.zeros_like(logits) if slope is None else slope)
    except Exception as error:  # so may its backward pass
        return {"backward_error": sentence(error)}
    return {"gradients": tuple(slope.detach().cpu().double().numpy() for slope in found)}


def sentence(error: BaseException) -> str:
    """An exception as one line; an exception that cannot say what it is has its type's name."""
    try:
        told = str(error).strip().partition("\n")[0]
    except Exception:  # a measured function's exception may raise when it is asked what it says
        told = "(it raises when it is shown)"
    return f"{type(error).__name__}: {told}"


def _mutations(now: dict[str, Any], before: dict[str, torch.Tensor]) -> list[Mutation]:
    changed = []
    for name, then in before.items():
        tensor = now[name].detach()
        if tensor.shape != then.shape:
            changed.append(Mutation(name, float("nan"), float("nan")))
            continue
        differs = ((tensor != then) & ~(torch.isnan(tensor) & torch.isnan(then))).flatten().nonzero()
        if len(differs):
            first = int(differs[0])
            changed.append(Mutation(name, then.flatten()[first].item(), tensor.flatten()[first].item()))
    return changed
