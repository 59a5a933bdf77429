"""How is a function called, once its form is known? Stage one of a check, its second half: canonical calls translated.

What is asked later is canonical: logits (N, C), targets in the form of the loss, parameters by their canonical names.
`Bound` turns such a call into the function's own.
"""

from __future__ import annotations

import inspect
import itertools
import math
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.adapters.canon import native_targets
from focalbench_suite.suites.check.form import (
    APART,
    BY_ROW,
    CLASS_SIZE,
    REDUCTION,
    SIDES,
    TARGETS_SHOWN,
    TEXT,
    UNUSED,
    Form,
    Labels,
    laid_out,
    need_shown,
    one_side,
    shown,
)
from focalbench_suite.suites.check.signature import Inputs, Roles, parameters_of

IGNORED = -1  # the label of a row that does not count, where a function has none of its own
SCALE = 0.25  # a class weight of one number, to see what it weighs
REFUSED = {"list": "a list: a tensor", "single": "float32: float64"}  # what class weights are given as, and are not


@dataclass(frozen=True)
class Options:
    """What the user states because it cannot be found out; None where it is to be found out.

    `given` are arguments by name. `classes` and `bins` are the counts that the function is made for. `dtype` is the one
    to explain in, where that is not float64, and `device` where the tensors are.
    """

    labels: Labels | None = None
    inputs: Inputs | None = None
    classes: int | None = None
    bins: int | None = None
    reduction: str | None = None
    given: tuple[tuple[str, Any], ...] = ()
    dtype: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Binding:
    """What the next stages must know of the function: plain data, so that it can be sent from the child process.

    `accepts` are the canonical parameters that can be varied, `defaults` the function's own for them, `off` those of
    its values that turn a parameter off. `how` says in one line how it is called; `scales` are parameters that it takes
    as one number where the loss has one for each class, `class_shares` what `SCALE` then weighs the classes with.
    `classes` and `bins` are the counts to ask with, `ignored` the class label that it names for rows to leave out.
    `supplied` are parameters that are None by default and had to be given.
    """

    accepts: frozenset[str]
    labels: Labels
    how: str
    defaults: dict[str, Any]
    off: dict[str, Any]
    scales: tuple[str, ...] = ()
    classes: int | None = None
    bins: int | None = None
    class_shares: tuple[float, ...] = ()
    ignored: int | None = None
    supplied: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Bound:
    """``bound(logits, targets, **canonical parameters)`` with canonical targets; `raw` takes targets in its own form.

    `roles` are what its parameters are for; `classes` are as many as it is made for, None where any number will do.
    """

    function: Callable[..., Any]
    loss: str
    options: Options
    roles: Roles
    classes: int | None = None
    form: Form = field(default_factory=Form)

    @property
    def bins(self) -> int | None:
        """The number of bins that the function is made for; None where any will do."""
        own = self.roles.own_bins
        return self.options.bins or (own and own + self.form.counts_to_last)

    @property
    def ignored(self) -> int | None:
        """The class label of rows that do not count, where the function names one."""
        return UNUSED if "ignored" in self.roles.needed.values() else self.roles.ignored

    @property
    def accepts(self) -> frozenset[str]:
        """The canonical parameters that the function takes as the loss has them."""
        return frozenset(self.roles.canonical) - set(self.scales)

    @property
    def scales(self) -> tuple[str, ...]:
        """Class weights that the function takes as one number."""
        if self.form.class_weights != "number":
            return ()
        return tuple(p.name for p in CANONICAL[self.loss].parameters if p.role == "class_weights")

    @property
    def binding(self) -> Binding:
        """The description for the next stages."""
        defaults = {name: p.default for name, p in self.roles.canonical.items() if _plain(p.default)}
        off = {name: value for name, value in defaults.items() if name in self.accepts and _is_off(value)}
        by_row = CANONICAL[self.loss].inputs == "dense" and not self.form.labels.startswith("sign_score")
        labels = self.form.labels.removesuffix("_mask") if by_row else "dense"
        labels = "hard" if labels == "boolean" else labels
        return Binding(
            self.accepts, self.options.labels or labels, self.how, defaults, off, self.scales, self.classes, self.bins,
            self._class_shares(), self.ignored, self._supplied(),
        )  # fmt: skip

    def __call__(self, logits: torch.Tensor, targets: Any, **parameters: Any) -> torch.Tensor:
        """Canonical logits and targets; raises whatever the function raises."""
        labels = self.form.labels.removesuffix("_mask")
        if CANONICAL[self.loss].inputs == "dense" and labels == "sign_score":
            targets = (targets > 0).long(), targets
        elif CANONICAL[self.loss].inputs == "dense" and labels in ("index", "label_score"):
            targets = native_targets(targets, logits.shape[-1], labels)
        return self.raw(logits, targets, **parameters)

    def raw(self, logits: torch.Tensor, targets: Any, **parameters: Any) -> torch.Tensor:
        """Targets in its own form, class labels among them, 0 … C-1; raises whatever the function raises."""
        if self.form.background_first and torch.is_tensor(targets):
            targets = _after_background(targets, logits.shape[-1])
        elif self.form.background_first:
            label, quality = targets
            targets = _after_background(label, logits.shape[-1]), quality
        if self.ignored is not None and torch.is_tensor(targets) and not targets.is_floating_point():
            targets = targets.masked_fill(targets == IGNORED, self.ignored)
        try:
            out = _tensor(self._called(self.form, logits, targets, parameters)) / self.form.unit
            return one_side(out, len(logits), self.form) if self.form.layout in SIDES else out
        except SystemExit as end:
            raise RuntimeError(f"it ends the process: SystemExit({end.code!r})") from None

    def losses_by_class(self, dtype: torch.dtype, labels: Iterable[int], **parameters: Any) -> list[float]:
        """The loss of a row of equal logits for each of some classes; nothing where it raises."""
        row = torch.zeros(1, self.classes or 3, dtype=dtype, device=self.options.device)
        try:
            return [float(self(row, torch.tensor([label], device=row.device), **parameters).sum()) for label in labels]
        except Exception:  # a user's function may raise anything, which the explanation will say
            return []

    def _class_shares(self) -> tuple[float, ...]:
        """What a class weight of one number weighs each class with: a scale weighs all of them alike."""
        if not self.scales:
            return ()
        given = (self.roles.canonical[self.scales[0]].name, SCALE)
        weighted = replace(self, options=replace(self.options, given=(*self.options.given, given)))
        labels = range(self.classes or 3)
        of_scale, of_unit = (one.losses_by_class(torch.float64, labels) for one in (weighted, self))
        if not (of_scale and of_unit):
            return ()
        both = zip(of_scale, of_unit, strict=True)
        return tuple(mine / unit * self.form.unit if unit else math.nan for mine, unit in both)

    def _supplied(self) -> tuple[str, ...]:
        """The parameters without which it gives no loss, though their default is None."""
        made, called = parameters_of(self.function)
        silent = {p.name for p in (*made, *called) if p.default is None}
        return tuple(name for name in self.roles.needed if name in silent) if self.form.supplied else ()

    def named(self, role: str) -> str:
        """The canonical name of the loss's parameter of this role; empty where it has none."""
        found = CANONICAL[self.loss].of_role(role)
        return "" if found is None else found.name

    def _called(self, form: Form, logits: torch.Tensor, targets: Any, parameters: dict[str, Any]) -> Any:
        classes = logits.shape[-1]
        given = self._parameters(form, parameters, logits) | dict(self.options.given)
        x, y = laid_out(form, CANONICAL[self.loss].inputs, logits, targets)
        given |= {name: self._needed(form, meant, x, y, classes) for name, meant in self.roles.needed.items()}
        if "quality" in self.roles.needed.values():
            y = y[0]  # the pair is given as two arguments
        if "label" in self.roles.needed.values():
            y = y[1]
        if "quality_of_elements" in self.roles.needed.values():
            y = (y > 0).to(x.dtype)  # the third of the tensors holds what the targets would
        made = {name: value for name, value in given.items() if name in self.roles.constructor}
        called = {name: value for name, value in given.items() if name not in made}
        if self.roles.reduction and self.options.reduction is not None:
            (made if "reduction" in self.roles.constructor else called)["reduction"] = self.options.reduction
        function = self.function(**made) if isinstance(self.function, type) else self.function
        return _by_kind(function, self.roles.call, (y, x) if form.swapped else (x, y), called)

    def _parameters(self, form: Form, parameters: dict[str, Any], logits: torch.Tensor) -> dict[str, Any]:
        """The canonical parameters under the function's names, class weights as it takes them for these logits."""
        weights = CANONICAL[self.loss].of_role("class_weights")
        found = {}
        for name, place in self.roles.canonical.items():
            value = parameters.get(name)
            if weights is not None and name == weights.name:
                if form.class_weights == "number" and place.default is None:
                    continue  # 1 is no weight in one function and leaves a class out in another; nothing given is none
                if value is None and (place.default is place.empty or form.class_weights == "number"):
                    value = torch.ones(logits.shape[-1], dtype=logits.dtype, device=logits.device)
                if value is None and name not in parameters:
                    continue
                value = form.unit if form.class_weights == "number" else _weights_as(form.class_weights, value)
            elif name not in parameters and place.default is not place.empty:
                continue
            elif name not in parameters:
                value = CANONICAL[self.loss][name].asked
            if name == self.named("balance") and form.class_weights == "pair" and value is not None:
                value = torch.tensor([1 - value, value], dtype=logits.dtype, device=logits.device)
            found[place.name] = value
        return found

    def _needed(self, form: Form, meant: str, x: torch.Tensor, y: Any, classes: int) -> Any:
        """What a parameter without a default is given."""
        if meant == "bins":
            return classes - form.counts_to_last
        if meant == "classes":
            return 2 if form.layout == "two_columns" else classes + form.counts_background
        if meant == "class_sizes":
            return torch.full((classes,), CLASS_SIZE) if form.sizes_of_tensor else [CLASS_SIZE] * classes
        if meant == "text":
            return TEXT
        if meant == "reduction":
            return self.options.reduction or REDUCTION
        if meant == "ignored":
            return UNUSED
        if meant == "normaliser":
            return 1.0
        if meant == "settings":
            return None
        if meant == "cross_entropy":
            return torch.nn.BCEWithLogitsLoss()
        if meant in ("label", "quality"):
            return y[meant == "quality"]
        if meant == "quality_of_elements":
            return y
        if meant == "positives" and not form.mask_of_ones:
            return (y > 0).to(x.dtype)
        x = x[0] if isinstance(x, list) else x
        axes = {"rows": x.shape[:1], "channels": x.shape[:2], "classes": x.shape[1:2]}
        return torch.ones(axes.get(form.element_weight, x.shape), dtype=x.dtype, device=x.device)

    @property
    def how(self) -> str:
        """How it is called, in one line: which argument got what."""
        logits, target = (p.name for p in (self.roles.data[::-1] if self.form.swapped else self.roles.data))
        inputs = CANONICAL[self.loss].inputs
        shapes = shown(self.form, inputs)
        of_two = "of " if self.form.layout == "two_columns" and self.form.inputs != "logits" else ""
        first = f"{logits} = {self.form.inputs} {of_two}{shapes[0]}"
        dense = inputs == "dense" and self.form.labels in ("dense", "boolean")
        by_row = not dense and self.form.labels not in ("one_hot", "two_hot") and self.form.layout in BY_ROW
        told = BY_ROW[self.form.layout] if by_row else shapes[1]
        form = f"{self.form.labels}_after_background" if self.form.background_first else self.form.labels
        meant = (APART if "quality" in self.roles.needed.values() else TARGETS_SHOWN)[form]
        if "label" in self.roles.needed.values():
            meant = "quality"
        if "quality_of_elements" in self.roles.needed.values():
            meant = "1 where targets > 0, else 0"
        second = f"{target} = {meant} {told}"
        parts = [second, first] if self.form.swapped else [first, second]
        parts += [
            p.name if p.name == name else f"{p.name} = {name}"
            for name, p in self.roles.canonical.items()
            if name in self.accepts
        ]
        if self.form.class_weights in REFUSED:
            parts[-1] += f" ({REFUSED[self.form.class_weights]} is refused)"
        if self.form.class_weights == "pair":
            parts = [f"{part} = [1-alpha, alpha]" if part == self.named("balance") else part for part in parts]
        parts += [f"{name} = {need_shown(meant, self.form)}" for name, meant in self.roles.needed.items()]
        parts += [f"{name} = {value!r}" for name, value in self.options.given]
        places = [self.roles.canonical[name] for name in self.scales]
        undone = "" if self.form.unit == 1 else f", and the loss divided by {self.form.unit:g}"
        taken = f"one number for all classes{undone}"
        if places and places[0].default is None and not self._class_shares():
            taken = "since nothing else that was tried is taken"
        given = (None if p.default is None else f"{self.form.unit:g}" for p in places)
        parts += [f"{p.name} = {one}, {taken}" for p, one in zip(places, given, strict=True)]
        return f"{function_name(self.function)}({', '.join(parts)})"


def function_name(function: Any) -> str:
    name = getattr(function, "name", None) if isinstance(function, torch.jit.ScriptFunction) else None
    return str(name or getattr(function, "__name__", type(function).__name__))


def place_of(error: BaseException) -> str:
    """Where a function raised, in its own code: the file, the line and what stands there."""
    frames = traceback.extract_tb(error.__traceback__)
    calls = [i for i, frame in enumerate(frames) if frame.name == _by_kind.__name__ and frame.filename == __file__]
    own = [frame for frame in frames[calls[-1] + 1 :] if "site-packages" not in frame.filename] if calls else []
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno}: {own[-1].line})" if own and own[-1].line else ""


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, str, list, tuple)) or value is ...


def _is_off(value: Any) -> bool:
    """None, or a negative number: what signatures give for "off"."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0)


def _weights_as(form: str, value: Any) -> Any:
    if value is None:
        return None
    tensor = value if torch.is_tensor(value) else torch.as_tensor(value)
    if form == "single":
        return tensor.float()
    return tensor.tolist() if form == "list" else tensor


def _after_background(label: torch.Tensor, classes: int) -> torch.Tensor:
    """Labels 0 … C-1, C for background, as 1 … C, 0 for background; what is ignored stays as it is."""
    return torch.where(label < 0, label, (label + 1) % (classes + 1))


def _by_kind(
    function: Any, parameters: tuple[inspect.Parameter, ...], data: tuple[Any, Any], named: dict[str, Any]
) -> Any:
    """The call itself: keyword-only data by name, positional-only parameters by place."""
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if any(p.kind is p.KEYWORD_ONLY for p in plain[:2]):
        return function(**{p.name: value for p, value in zip(plain[:2], data, strict=True)}, **named)
    positional = [named.pop(p.name) for p in plain[2:] if p.kind is p.POSITIONAL_ONLY and p.name in named]
    return function(*data, *positional, **named)


def usual(loss: str, logits: torch.Tensor) -> dict[str, Any]:
    """The usual parameters, class weights for as many classes and row weights for as many rows as the logits have."""
    found: dict[str, Any] = {}
    for parameter in CANONICAL[loss].parameters:
        count = {"class_weights": logits.shape[-1], "row_weights": len(logits)}.get(parameter.role)
        value = parameter.asked
        if count is not None:
            several = tuple(itertools.islice(itertools.cycle(value), count))
            value = torch.tensor(several, dtype=logits.dtype, device=logits.device)
        found[parameter.name] = value
    return found


def _tensor(out: Any) -> torch.Tensor:
    """The loss among what was returned: the first of several."""
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
