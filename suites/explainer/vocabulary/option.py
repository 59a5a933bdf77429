"""The parts of which an explanation is made: changes, the options of a factor, and the points they are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Change:
    """One departure from the paper: the kind of finding it is, and a sentence that says what the function does."""

    kind: str
    statement: str


@dataclass(frozen=True)
class Points:
    """P calls of L elements each: tensors of shape (P, L), parameters (P, 1); `share` is each element's weight.

    `alpha` is None where the weighting is off. For index losses `x` holds the logits (P, C), `y` the class (P, 1) and
    `alpha` the class weights (P, C); for bin losses the bin rule sets `left` to both bins and `right` to y - y_l.
    """

    x: Tensor
    y: Tensor
    gamma: Tensor
    alpha: Tensor | None
    share: Tensor | None = None
    positives: Tensor | None = None  # the mean target of the call each row belongs to (P, 1)
    left: Tensor | None = None
    right: Tensor | None = None

    def take(self, rows: Tensor) -> Points:
        """The same for some of the calls."""
        pick = {
            name: value[rows]
            for name, value in vars(self).items()
            if isinstance(value, Tensor) and value.dim() and len(value) == len(self.x)
        }
        return replace(self, **pick)


@dataclass(frozen=True)
class Option:
    """One way to compute a factor of the loss: what it changes, its formula, the function of `Points`."""

    changes: tuple[Change, ...]
    formula: str
    apply: Callable[[Points], Tensor]

    @property
    def cost(self) -> int:
        return len(self.changes)


@dataclass(frozen=True)
class Context:
    """A change of what all factors see: labels smoothed, an activation applied twice, the arguments exchanged."""

    changes: tuple[Change, ...]
    where: str
    apply: Callable[[Points], Points]

    @property
    def cost(self) -> int:
        return len(self.changes)


@dataclass(frozen=True)
class Vocabulary:
    """Everything that is tried for one loss; the paper's own choice stands first in each list, at no cost."""

    weights: list[Option]
    modulations: list[Option]
    entropies: list[Option]
    contexts: list[Context] = field(default_factory=list)
    wholes: list[Option] = field(default_factory=list)  # modulation and entropy that do not come apart
    weighted: list[Option] = field(default_factory=list)  # nor does the weight


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
        factors = [part.formula for part in (self.weight, self.modulation, self.entropy) if part.formula]
        return " · ".join(factors) + (f", where {self.context.where}" if self.context.where else "")

    def factors(self, points: Points) -> tuple[Tensor, Tensor, Tensor, Points]:
        """Weight, modulation and entropy on the context's view of the points, which is returned too."""
        seen = self.context.apply(points)
        return self.weight.apply(seen), self.modulation.apply(seen), self.entropy.apply(seen), seen

    def terms(self, points: Points) -> Tensor:
        """The loss of each element (P, L), before any reduction."""
        weight, modulation, entropy, seen = self.factors(points)
        terms = weight * modulation * entropy
        return terms if seen.share is None else terms * seen.share
