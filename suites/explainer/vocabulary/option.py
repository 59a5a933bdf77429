"""The parts of which an explanation is made: changes, the options of a factor, and the points they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from focalbench_suite.suites.explainer.vocabulary.expression import Expression, Namespace, put, show, show_factor

Tensor = torch.Tensor


@dataclass(frozen=True)
class Change:
    """One departure from the paper: the kind of finding it is, and a code for what the function does.

    A code is never shown: `words.sentence` makes the sentence from it and from `values`. Users write codes into their
    files of accepted differences, so a code keeps its meaning.
    """

    kind: str
    code: str
    values: tuple[tuple[str, Any], ...] = ()


def change(kind: str, code: str, **values: Any) -> Change:
    """A change with the numbers and names that its sentence is filled with."""
    return Change(kind, code, tuple(sorted(values.items())))


@dataclass(frozen=True)
class Points:
    """P calls of L elements each: `x` and `y` are (P, L), every parameter (P, 1); `share` is each element's weight.

    A parameter is None where the user has turned it off. For index losses `x` holds the logits (P, C), `y` the class
    (P, 1), and class weights are (P, C). For bin losses `x` holds the logits (P, K) and `y` the target (P, 1); the rule
    that reads targets sets `bins` to the left and the right bin (P, 2), `fraction` to what the right one gets (P, 1).
    """

    x: Tensor
    y: Tensor
    parameters: Mapping[str, Tensor | None]
    share: Tensor | None = None
    positives: Tensor | None = None  # the mean target of the call that each row belongs to (P, 1)
    together: bool = False  # whether all rows belong to one call
    bins: Tensor | None = None
    fraction: Tensor | None = None
    # quantities that were computed on these very points; `replace` starts with none
    cache: dict = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def mean_hit(self) -> Tensor:
        """The mean p_t of the call that each row belongs to, where every element stands alone."""
        hit = self.y * torch.sigmoid(self.x) + (1 - self.y) * torch.sigmoid(-self.x)
        return hit.mean() if self.together else hit.mean(-1, keepdim=True)

    @property
    def inside(self) -> Tensor:
        """Whether all logits of the call that each row belongs to lie between 0 and 1."""
        return self._of_call((self.x >= 0) & (self.x <= 1), torch.all)

    @property
    def ones(self) -> Tensor:
        """How many targets are 1 in the call that each row belongs to."""
        return self._of_call(self.y == 1, torch.sum)

    @property
    def zeros(self) -> Tensor:
        """How many targets are 0 in the call that each row belongs to."""
        return self._of_call(self.y == 0, torch.sum)

    def _of_call(self, elements: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
        """One value for each row, of all elements of the call that it belongs to (P, 1)."""
        if self.together:
            return reduce(elements).expand(len(elements), 1)
        return reduce(elements, -1, keepdim=True)

    def without(self, name: str) -> Points:
        """The same with a parameter turned off."""
        return replace(self, parameters={**self.parameters, name: None})

    def take(self, rows: Tensor) -> Points:
        """The same for some of the calls."""

        def taken(value: Any) -> Any:
            return value[rows] if isinstance(value, Tensor) and value.dim() and len(value) == len(self.x) else value

        fields = {name: taken(value) for name, value in vars(self).items() if name not in ("parameters", "cache")}
        return replace(self, **fields, parameters={name: taken(value) for name, value in self.parameters.items()})


@dataclass(frozen=True)
class Option:
    """One way to compute a factor of the loss: what it changes, its formula, the function of `Points`."""

    changes: tuple[Change, ...]
    formula: str
    apply: Callable[[Points], Tensor]
    parts: tuple[Callable[[Points], Tensor], Callable[[Points], Tensor]] | None = None  # whose product it is

    @property
    def cost(self) -> int:
        return len(self.changes)

    @property
    def parameters(self) -> frozenset[str]:
        """The loss's parameters that it names, where it is an expression."""
        return self.apply.parameters if isinstance(self.apply, Expression) else frozenset()


def option(text: str, namespace: Namespace, *changes: Change, shown: str = "") -> Option:
    """A factor written as an expression, from which its formula comes, too. A factor of 1 is not shown.

    `shown` is the expression that people read, where that which is computed has another shape.
    """
    formula = show_factor(put(shown or text), namespace)
    return Option(changes, "" if formula == "1" else formula, Expression(put(text), namespace))


def product(factor: str, entropy: str, namespace: Namespace, *changes: Change) -> Option:
    """Modulating factor and cross entropy in one, which only change together, and yet are two: one may be detached."""
    whole = option(f"({factor})*({entropy})", namespace, *changes)
    return replace(whole, parts=(Expression(put(factor), namespace), Expression(put(entropy), namespace)))


@dataclass(frozen=True)
class Context:
    """A change of what all factors see: labels smoothed, an activation applied twice, the arguments exchanged.

    `off` is a parameter that it turns off, so that no factor heeds it.
    """

    changes: tuple[Change, ...]
    where: str
    apply: Callable[[Points], Points]
    off: str = ""

    @property
    def cost(self) -> int:
        return len(self.changes)


@dataclass(frozen=True)
class View:
    """Points on which some fields or parameters are other expressions of the given ones.

    They are computed in order, each from the points before it. A new `share` multiplies an old one.
    """

    assignments: tuple[tuple[str, Expression], ...]

    def __call__(self, points: Points) -> Points:
        for name, expression in self.assignments:
            value = expression(points)
            if name == "share" and points.share is not None:
                value = value * points.share
            if name in points.parameters:
                points = replace(points, parameters={**points.parameters, name: value})
            else:
                changed: dict[str, Any] = {name: value}
                points = replace(points, **changed)
        return points


def context(
    namespace: Namespace, assignments: Mapping[str, str], *changes: Change, where: str | None = None
) -> Context:
    """A context written as expressions; `where` is what people read, where the expressions say too much."""
    given = tuple((name, Expression(text, namespace)) for name, text in assignments.items())
    told = ", ".join(
        f"{namespace.shown(name)} = {show(put(text, x='logit', y='target'), namespace)}"
        for name, text in assignments.items()
    )
    return Context(changes, told if where is None else where, View(given))


@dataclass(frozen=True)
class Vocabulary:
    """Everything that is tried for one loss; the paper's own choice stands first in each list, at no cost.

    The loss of an element is weight x modulation x entropy. Some losses do not come apart like this, and stand in the
    list of what they are: both or all three of these factors in one.
    """

    weights: list[Option]
    modulations: list[Option]
    entropies: list[Option]
    contexts: list[Context] = field(default_factory=list)
    wholes: list[Option] = field(default_factory=list)  # modulation and entropy
    joint: list[Option] = field(default_factory=list)  # weight and modulation
    weighted: list[Option] = field(default_factory=list)  # weight and entropy
    complete: list[Option] = field(default_factory=list)  # all three

    @property
    def paper(self) -> Semantics:
        """The paper's own loss."""
        return Semantics(self.contexts[0], self.weights[0], self.modulations[0], self.entropies[0])


@dataclass(frozen=True)
class Semantics:
    """One combination: the loss of an element is weight x modulation x entropy, in a context."""

    context: Context
    weight: Option
    modulation: Option
    entropy: Option

    @property
    def changes(self) -> tuple[Change, ...]:
        """The distinct changes: one that two factors share counts once."""
        parts = (self.context, self.weight, self.modulation, self.entropy)
        return tuple(dict.fromkeys(change for part in parts for change in part.changes))

    @property
    def formula(self) -> str:
        parts = (self.weight, self.modulation, self.entropy)
        factors = [part.formula for part in parts if part.formula and self.context.off not in part.parameters]
        return " · ".join(factors) + (f", where {self.context.where}" if self.context.where else "")

    def factors(self, points: Points) -> tuple[Tensor, Tensor, Tensor, Points]:
        """Weight, modulation and entropy on the context's view of the points, which is returned too."""
        seen = self.context.apply(points)
        modulation, entropy = self.entropy.parts or (self.modulation.apply, self.entropy.apply)
        return self.weight.apply(seen), modulation(seen), entropy(seen), seen

    def terms(self, points: Points) -> Tensor:
        """The loss of each element (P, L), before any reduction."""
        weight, modulation, entropy, seen = self.factors(points)
        terms = weight * modulation * entropy
        return terms if seen.share is None else terms * seen.share
