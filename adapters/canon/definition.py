"""What a canonical loss is made of: the form of its inputs, its parameters, its formula and its factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Inputs = Literal["dense", "index", "bins", "boxes", "detector", "branches", "maps"]


class Unsupported(Exception):
    """The library cannot express what was asked; the message says why."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a loss, and every value of it that the project asks for.

    `recommended` is the paper's choice (None where it leaves the parameter off) and `off` the value that turns it off.
    `varied` are the other values that probes and explanations ask for; without one, a loss that ignores its parameter
    could not be told from one that heeds it, so an empty tuple is an error. `scanned` are the values, beside the
    recommended one, under which lost digits and non-finite numbers are looked for. `role` says what it does: the
    ``power`` of a modulating factor, the ``balance`` of positives and negatives, one of the ``class_weights``, the
    ``row_weights``, a ``coefficient``, or the weights of a detector's ``terms``. `optional` says that the papers use
    the loss without it, too: a function that does not take it is the loss with it off, not with the recommended value.
    """

    name: str
    role: Literal["power", "balance", "class_weights", "row_weights", "coefficient", "terms"]
    recommended: Any
    off: Any
    varied: tuple[Any, ...]
    scanned: tuple[Any, ...] = ()
    optional: bool = False

    def __post_init__(self) -> None:
        if not self.varied:
            raise ValueError(f"{self.name}: name values to vary, or no probe could see whether a loss heeds it")

    @property
    def absent(self) -> Any:
        """What a function that does not take this parameter should compute with."""
        return self.off if self.optional else self.recommended

    @property
    def is_number(self) -> bool:
        """Whether it is one number for the whole call, not one for each class, row or term."""
        return self.role in ("power", "balance", "coefficient")

    @property
    def asked(self) -> Any:
        """The value that an explanation asks for first: the recommended one, unless that says nothing."""
        return self.varied[0] if self.recommended is None else self.recommended


@dataclass(frozen=True)
class Factors:
    """The loss of one element as a product, in the explainer's expressions: weight x modulation x entropy."""

    weight: str
    modulation: str
    entropy: str


@dataclass(frozen=True)
class Canonical:
    """A loss as the papers define it.

    `inputs` is ``dense`` (logits (N, C), targets (N, C)), ``index`` (logits (N, C), targets (N,) class index),
    ``bins`` (logits (M, K), targets (M,) in [0, K-1]), ``boxes`` (corners (N, 4), targets (N, 4)), ``detector`` (head
    outputs and ground truth), ``branches`` (the outputs of a head's two branches and ground truth) or ``maps`` (as
    ``detector``, of a head that `check` does not ask about). `source` names paper and equation. `exact` is the formula
    with mpmath, at the digits that are set: of one element, ``(x, y, **parameters)`` gives the value and its slope; of
    one row or pair, ``(z, y, **parameters)`` the value and its slopes. A loss without `exact` has no formula of its own
    (a detector's), one without `factors` cannot be explained.
    `soft` says that positives carry a quality in (0, 1] where detectors are trained with it. `order` is its place in
    lists.
    """

    name: str
    inputs: Inputs
    source: str
    parameters: tuple[Parameter, ...] = ()
    exact: Callable[..., tuple[Any, Any]] | None = None
    factors: Factors | None = None
    soft: bool = False
    order: int = 100

    @property
    def of_logits(self) -> bool:
        """Whether its inputs are logits, which probes, scans and workloads can be derived for."""
        return self.inputs in ("dense", "index", "bins")

    @property
    def made_of(self) -> Factors:
        """Its factors; raises `ValueError` for a loss that has none and so cannot be explained."""
        if self.factors is None:
            raise ValueError(f"{self.name} has no factors")
        return self.factors

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        """Its parameter of that name; raises `KeyError`."""
        return {parameter.name: parameter for parameter in self.parameters}[name]

    def of_role(self, role: str) -> Parameter | None:
        """Its parameter of a role, of which it has at most one."""
        return next((parameter for parameter in self.parameters if parameter.role == role), None)

    @property
    def absent(self) -> dict[str, Any]:
        """Every parameter as a function that does not take it should use it."""
        return {parameter.name: parameter.absent for parameter in self.parameters}

    @property
    def recommended(self) -> dict[str, Any]:
        """Every parameter at the paper's choice."""
        return {parameter.name: parameter.recommended for parameter in self.parameters}

    @property
    def explained(self) -> list[dict[str, Any]]:
        """The settings under which a function is explained, the usual one first.

        Each parameter is varied alone, and then with the others, so that what stands for one cannot pass for another.
        """
        usual = {parameter.name: parameter.asked for parameter in self.parameters}
        alone = [usual | {p.name: value} for p in self.parameters for value in p.varied]
        together = [dict(zip(usual, values, strict=True)) for values in zip(*(p.varied for p in self.parameters))]  # noqa: B905, as far as each goes
        return _distinct([usual, *alone, *together])

    @property
    def scanned(self) -> list[dict[str, Any]]:
        """The settings under which a loss is scanned over the whole range of logits, the recommended one first."""
        return [self.recommended, *(self.recommended | {p.name: v} for p in self.parameters for v in p.scanned)]

    @property
    def timed(self) -> list[dict[str, Any]]:
        """What is timed, in order of preference: a library that cannot express the first is timed with the next."""
        off = [self.recommended | {p.name: p.off} for p in self.parameters if p.role == "balance"]
        varied = [self.recommended | {p.name: value} for p in self.parameters for value in p.varied]
        return _distinct([self.recommended, *off, *varied])


def _distinct(settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [setting for i, setting in enumerate(settings) if setting not in settings[:i]]


def native_targets(targets: Any, classes: int, labels: str) -> Any:
    """Dense canonical targets (N, C) in the form that a library takes.

    ``index`` needs rows that are one-hot or empty (empty is background, index C); ``label_score`` needs at most one
    non-zero value a row. Raises `Unsupported` where the targets do not fit.
    """
    if labels == "dense":
        return targets
    if targets.dim() != 2:
        raise Unsupported(f"{labels} targets are made of rows (N, C), not of shape {tuple(targets.shape)}")
    if (targets != 0).sum(dim=1).gt(1).any():
        raise Unsupported(f"{labels} targets hold one class a row")
    if (targets < 0).any():
        raise Unsupported(f"{labels} targets cannot be negative")
    score, label = targets.max(dim=1)
    label = label.masked_fill(score == 0, classes)
    if labels == "label_score":
        return label, score
    if ((score != 0) & (score != 1)).any():
        raise Unsupported("index targets cannot carry a soft label")
    return label
