"""A user's function behind the canonical call: which parameters it takes, under which names, in which label form."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL

ALIASES = {  # canonical parameter -> names under which functions take it
    "gamma": ("gamma", "focal_gamma", "focusing", "focusing_parameter", "g", "power", "exponent", "γ"),
    "alpha": ("alpha", "focal_alpha", "balance", "a", "α", "class_weights", "class_weight"),
    "beta": ("beta", "gamma", "b", "β", "power", "exponent"),
    "weight": ("weight", "weights", "row_weight", "sample_weight", "loss_weight", "w"),
}
OTHER = (
    "eps",
    "epsilon",
    "reduction",
    "avg_factor",
    "label_smoothing",
    "smoothing",
    "ignore_index",
    "num_classes",
    "from_logits",
    "size_average",
    "normalize",
    "normalized",
    "reg_max",
    "threshold",
    "temperature",
    "dim",
    "scale",
    "background",
    "loss_weight",
    "pos_weight",
)


class CannotCall(Exception):
    """The function cannot be called as a loss; the message says why."""


class Bound:
    """``bound(logits, targets, **canonical parameters)`` with canonical targets; `raw` takes the function's own.

    `accepts` holds the canonical parameters that the function takes; others that are given are not passed on.
    """

    def __init__(self, function: Callable[..., Any], loss: str, labels: str = "dense", reduction: str | None = None):
        if not callable(function):
            raise CannotCall(f"{function!r} is not callable; name a function NAME(logits, targets, ...)")
        self.loss, self.labels = loss, labels
        self.function = function
        self._constructor: list[inspect.Parameter] = []
        self._parameters = _signature(function)
        if isinstance(function, type):
            forward = getattr(function, "forward", function.__call__)
            self._constructor, self._parameters = self._parameters, _signature(forward)[1:]
        self._places = self._bind()
        self.reductions = "reduction" in {p.name for p in [*self._parameters, *self._constructor]}
        self.reduction = reduction if self.reductions else None
        self.swapped = self._names_targets_first()

    @property
    def accepts(self) -> set[str]:
        return set(self._places)

    def drop(self, name: str) -> None:
        """Pass this parameter no longer: the function names it but does not take its canonical form."""
        self._places.pop(name)

    def default(self, name: str) -> Any:
        """The signature's default of a canonical parameter; `inspect.Parameter.empty` where it has none."""
        return self._places[name].default

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor, **parameters: Any) -> torch.Tensor:
        if self.labels == "index" and CANONICAL[self.loss].inputs == "dense":
            targets = adapters.canon.native_targets(targets, logits.shape[-1], "index")
        return self.raw(logits, targets, **parameters)

    def raw(self, logits: torch.Tensor, targets: torch.Tensor, **parameters: Any) -> torch.Tensor:
        """Targets in the function's own form; raises whatever the function raises."""
        given = {name: parameters[name] for name in self._places if name in parameters}
        try:
            return _tensor(self._called((targets, logits) if self.swapped else (logits, targets), given))
        except SystemExit as end:
            raise RuntimeError(f"it ends the process: SystemExit({end.code!r})") from None

    def _called(self, tensors: tuple[torch.Tensor, torch.Tensor], given: dict[str, Any]) -> Any:
        by_name = {p.name: t for p, t in zip(self._parameters, tensors, strict=False) if p.kind is p.KEYWORD_ONLY}
        tensors = () if by_name else tensors
        if isinstance(self.function, type):
            module = self.function(**self._arguments(given, self._constructor)[1], **self._reduction(self._constructor))
            return module(*tensors, **by_name, **self._arguments(given, self._parameters)[1])
        positional, named = self._arguments(given, self._parameters)
        return self.function(*tensors, *positional, **by_name, **named, **self._reduction(self._parameters))

    def _arguments(self, given: dict[str, Any], taken: list[inspect.Parameter]) -> tuple[list, dict]:
        by_name = {p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        anything = any(p.kind is p.VAR_KEYWORD for p in taken)
        named = {
            self._places[name].name: value
            for name, value in given.items()
            if self._places[name].name in by_name or (anything and self._places[name] not in taken)
        }
        only_positional = [p.name for p in taken if p.kind is p.POSITIONAL_ONLY]
        positional = [value for name, value in given.items() if self._places[name].name in only_positional]
        return positional, named

    def _reduction(self, taken: list[inspect.Parameter]) -> dict[str, str]:
        mine = any(p.name == "reduction" for p in taken)
        return {"reduction": self.reduction} if self.reduction is not None and mine else {}

    def _bind(self) -> dict[str, inspect.Parameter]:
        """Canonical parameter -> the function's parameter: equal names first, then known names, then position."""
        canonical = CANONICAL[self.loss].names
        free = [*self._constructor, *self._parameters[2:]]
        places: dict[str, inspect.Parameter] = {}
        for name in canonical:
            places |= {p.name: p for p in free if p.name == name}
        for name in canonical:
            known = ALIASES[name] + (("weight", "weights") if CANONICAL[self.loss].inputs == "index" else ())
            for alias in known if name not in places else ():
                match = [p for p in free if p.name == alias and p not in places.values()]
                if match:
                    places[name] = match[0]
                    break
        unknown = [p for p in free if p not in places.values() and _takes_number(p)]
        for name in canonical:
            if name not in places and unknown:
                places[name] = unknown.pop(0)
        if any(p.kind is p.VAR_KEYWORD for p in free) and not places:
            places = {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in canonical}
        return {name: places[name] for name in canonical if name in places}

    def _names_targets_first(self) -> bool:
        names = [p.name for p in self._parameters[:2]]
        return len(names) == 2 and names == ["targets", "logits"]


def bind(reference: str, loss: str, labels: str = "dense", reduction: str | None = None) -> Bound:
    """The function that ``FILE.py:NAME`` or ``package.module:NAME`` names, behind the canonical call."""
    return Bound(adapters.load_object(reference), loss, labels, reduction)


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters of a function, a module, a module class or a scripted function."""
    if isinstance(function, torch.jit.ScriptFunction):
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [
            inspect.Parameter(
                a.name, kind, default=a.default_value if a.has_default_value() else inspect.Parameter.empty
            )
            for a in function.schema.arguments
        ]
    try:
        return list(
            inspect.signature(
                function.forward if isinstance(function, torch.nn.Module) else function
            ).parameters.values()
        )
    except (TypeError, ValueError):
        raise CannotCall(f"{function!r} tells no signature; wrap it in a function NAME(logits, targets, ...)") from None


def _takes_number(parameter: inspect.Parameter) -> bool:
    """Whether a parameter of an unknown name may be meant for a number such as gamma."""
    if parameter.name in OTHER or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return False
    value = parameter.default
    return value is parameter.empty or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _tensor(out: Any) -> torch.Tensor:
    if isinstance(out, dict):
        out = next(iter(out.values()), None)
    if isinstance(out, (tuple, list)):
        out = out[0]
    if isinstance(out, (int, float)):
        return torch.tensor(float(out), dtype=torch.float64)
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"returned {type(out).__name__}, not a tensor")
    if not out.is_floating_point():
        raise TypeError(f"returned a tensor of {out.dtype}, not of floating point")
    return out
