"""What is timed: one loss of one adapter as a closure from an input set to a scalar, and whether it is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from focalbench_suite.adapters import Loss, Unsupported
from focalbench_suite.adapters.canon import CANONICAL
from focalbench_suite.suites.throughput.workloads import InputSet

COMPILED, AUTOTUNED = "+compile", "+max-autotune"
MODES = {COMPILED: "default", AUTOTUNED: "max-autotune-no-cudagraphs"}  # of torch.compile, by what ends a label
TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 3e-2, "float16": 5e-3}  # of the largest value


@dataclass
class TimedLoss:
    """One loss of one adapter with its parameters; `value` maps native inputs to a scalar with a graph."""

    label: str
    loss: Loss
    parameters: dict[str, Any]
    reduction: str | None
    function: Callable[..., Any]

    @property
    def eager(self) -> TimedLoss:
        """The same without torch.compile."""
        return replace(self, function=self.loss.call)

    def native(self, inputs: InputSet) -> InputSet:
        """The inputs in the form that the library takes; raises `Unsupported` where they do not fit it."""
        if CANONICAL[self.loss.name].inputs == "detector":
            return inputs
        logits, targets = inputs.arguments
        targets = self.loss.native(targets, logits.shape[1])
        parts = targets if isinstance(targets, tuple) else (targets,)
        return InputSet((logits, targets), (logits,), parts)

    def value(self, inputs: InputSet) -> torch.Tensor:
        """The scalar that a training step would differentiate; what the library does not reduce is summed."""
        keywords = {} if self.reduction is None else {"reduction": self.reduction}
        return total(self.function(*inputs.arguments, **inputs.keywords, **self.parameters, **keywords))

    def elementwise(self, inputs: InputSet) -> torch.Tensor:
        """The loss per element; raises `Unsupported` where the library only reduces, as every detector loss does."""
        if inputs.keywords:
            raise Unsupported("a detector loss gives its terms")
        return self.loss.elementwise(*inputs.arguments, **self.parameters)


def total(value: Any) -> torch.Tensor:
    """A loss as a scalar: terms and elements are summed."""
    if isinstance(value, dict):
        terms: Any = sum(total(term) for term in value.values())
        return terms
    return value if value.dim() == 0 else value.sum()


def timed_loss(loss: Loss, label: str, probe: InputSet) -> TimedLoss:
    """The loss with the first parameters that it can express on `probe`; raises `Unsupported` where none is.

    Timed at its sum or its mean where it offers one, else at the one reduction it has.
    """
    word: str | None = next((word for word in ("sum", "mean") if word in loss.reductions), None)
    if word is None and loss.reductions:
        word = loss.reduction
    refusals = []
    for parameters in CANONICAL[loss.name].timed:
        found = TimedLoss(label, loss, parameters, word, loss.call)
        try:
            found.value(found.native(probe))
        except Unsupported as refusal:
            refusals.append(str(refusal))
            continue
        for suffix, mode in MODES.items():
            if label.endswith(suffix):
                found.function = torch.compile(loss.call, dynamic=False, mode=mode)
        return found
    raise Unsupported("; ".join(dict.fromkeys(refusals)))


def checked(found: TimedLoss, own: TimedLoss | None, sets: list[InputSet]) -> str:
    """Whether what is timed computes our function: agrees | agrees_up_to_scale | differs | unchecked.

    Ours runs on the same inputs in float64 with the same parameters. Values are compared per element where the library
    can give them, else as reduced, over several input sets.
    """
    if own is None:
        return "unchecked"
    ours = TimedLoss(own.label, own.loss, found.parameters, own.reduction, own.function)
    dtype = str(sets[0].leaves[0].dtype).removeprefix("torch.")
    try:
        theirs = found.elementwise(found.native(sets[0]))
        truth = ours.elementwise(ours.native(in_double(sets[0])))
        if theirs.numel() != truth.numel():
            raise Unsupported("per row or per side, not per element")
    except Unsupported:
        ours.reduction = found.reduction if found.reduction in ("sum", "mean") else own.reduction
        theirs = torch.stack([found.value(found.native(inputs)).detach() for inputs in sets])
        truth = torch.stack([ours.value(ours.native(in_double(inputs))).detach() for inputs in sets])
    return closeness(theirs.detach().flatten(), truth.detach().flatten(), TOLERANCE[dtype])


def closeness(theirs: torch.Tensor, truth: torch.Tensor, tolerance: float) -> str:
    """agrees | agrees_up_to_scale | differs, by the largest difference as a share of the largest true value."""
    theirs, truth = theirs.double().cpu(), truth.double().cpu()
    if not theirs.isfinite().all():
        return "differs"
    limit = tolerance * truth.abs().max()
    if (theirs - truth).abs().max() <= limit:
        return "agrees"
    scale = (theirs @ truth) / (truth @ truth)
    return "agrees_up_to_scale" if (theirs - scale * truth).abs().max() < limit * scale else "differs"


def in_double(inputs: InputSet) -> InputSet:
    """The same input set in float64 on the CPU, without a graph."""
    arguments, leaves, targets = (_double(part) for part in (inputs.arguments, inputs.leaves, inputs.targets))
    return InputSet(arguments, leaves, targets, inputs.keywords)


def _double(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.double() if value.is_floating_point() else value
    return type(value)(_double(part) for part in value)


def head(inputs: InputSet, rows: int) -> InputSet:
    """The first rows of dense inputs; the whole of a detector's."""
    if inputs.keywords:
        return inputs
    logits, targets = (part[:rows] for part in inputs.arguments)
    return InputSet((logits, targets), (logits,), (targets,))
