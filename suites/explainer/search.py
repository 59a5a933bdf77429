"""The simplest combination of options that reproduces every observed value."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy
import torch

from focalbench_suite.suites.explainer.vocabulary.option import (
    Change,
    Context,
    Option,
    Points,
    Semantics,
    Tensor,
    Vocabulary,
)

SCREENED = 20  # calls on which all combinations are tried; what survives is held against every call
ENOUGH = 12  # fits that are kept where the elements cannot tell several apart
ONE = Option((), "", lambda s: torch.ones_like(s.y, dtype=s.x.dtype))
# which lists of the vocabulary are multiplied; "" stands for a factor that is part of another
COMBINED = (
    ("weights", "modulations", "entropies"),
    ("weights", "", "wholes"),
    ("joint", "", "entropies"),
    ("", "modulations", "weighted"),
    ("", "", "complete"),
)


@dataclass(frozen=True)
class Tolerance:
    """When two numbers are the same: relative to the model's number, plus an absolute part for tiny ones."""

    relative: float = 2e-6
    absolute: float = 1e-13

    def same(self, observed: numpy.ndarray, model: numpy.ndarray) -> numpy.ndarray:
        with numpy.errstate(all="ignore"):
            close = numpy.abs(observed - model) <= self.relative * numpy.abs(model) + self.absolute
        close &= numpy.isfinite(model)
        return close | (numpy.isnan(observed) & numpy.isnan(model)) | (observed == model)


class Search:
    """All combinations over one vocabulary, on one set of calls; factors are computed once, when first needed.

    `shares` are the weights that a reduction may give to the elements of a call, by name ("" is the plain sum).
    """

    def __init__(
        self,
        points: Points,
        observed: numpy.ndarray,
        vocabulary: Vocabulary,
        tolerance: Tolerance,
        shares: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.points, self.observed, self.vocabulary, self.tolerance = points, observed, vocabulary, tolerance
        self.shares = dict(shares or {"": torch.ones_like(points.y, dtype=torch.float64)})
        screen = numpy.sort(numpy.random.default_rng(0).permutation(len(observed))[:SCREENED])
        self.rows = torch.as_tensor(screen)
        self.few, self.screened = points.take(self.rows), observed[screen]
        self.tables: dict[tuple, tuple[list[Option], numpy.ndarray]] = {}

    def fits(
        self, cost: int, share: str = "", simpler: Iterable[set[Change]] = (), most: int = ENOUGH
    ) -> list[Semantics]:
        """Combinations of exactly `cost` changes that reproduce every call and contain none of the `simpler` ones."""
        points = replace(self.points, share=self.shares[share]) if share else self.points
        new = (s for s in self._matching(cost, share) if not any(known <= set(s.changes) for known in simpler))
        found = (s for s in new if reproduces(s, points, self.observed, self.tolerance))
        return list(itertools.islice(found, most))

    def _matching(self, cost: int, share: str) -> Iterator[Semantics]:
        few = replace(self.few, share=self.shares[share][self.rows]) if share else self.few
        for number, context in enumerate(self.vocabulary.contexts):
            if context.cost > cost:
                continue
            with torch.no_grad():
                seen = context.apply(few)
            defined = torch.isfinite(seen.x).all(-1).numpy()
            if defined.sum() >= 3:
                weights = None if seen.share is None else seen.share.numpy()
                yield from self._in_context(number, context, seen, weights, defined, cost - context.cost)

    def _in_context(
        self,
        number: int,
        context: Context,
        seen: Points,
        share: numpy.ndarray | None,
        defined: numpy.ndarray,
        cost: int,
    ) -> Iterator[Semantics]:
        for i, j in itertools.product(range(cost + 1), repeat=2):
            k = cost - i - j
            if k < 0:
                continue
            for names in COMBINED:
                costs = (i, j, k)
                if all(name or not spent for name, spent in zip(names, costs, strict=True)):
                    groups = list(zip(names, costs, strict=True))
                    yield from self._among(groups, number, context, seen, share, defined)

    def _among(
        self,
        groups: list,
        number: int,
        context: Context,
        seen: Points,
        share: numpy.ndarray | None,
        defined: numpy.ndarray,
    ) -> Iterator[Semantics]:
        options, tables = zip(*(self._table(group, cost, number, seen) for group, cost in groups), strict=True)
        # what is only defined for logits between 0 and 1 must not be undone by another activation
        partial = not defined.all()
        if all(options):
            for a, b, c in _products(tables, share, self.screened, defined, self.tolerance):
                chosen = options[0][a], options[1][b], options[2][c]
                if not (partial and any(change.kind == "activation" for o in chosen for change in o.changes)):
                    yield Semantics(context, *chosen)

    def _table(self, group: str, cost: int, number: int, seen: Points) -> tuple[list[Option], numpy.ndarray]:
        key = (group, cost, number)
        if key not in self.tables:
            known = getattr(self.vocabulary, group) if group else [ONE]
            chosen = [option for option in known if option.cost == cost]
            with torch.no_grad():
                values = [option.apply(seen).numpy() for option in chosen]
            self.tables[key] = chosen, numpy.stack(values) if values else numpy.empty(0)
        return self.tables[key]


def search(
    points: Points, observed: numpy.ndarray, vocabulary: Vocabulary, tolerance: Tolerance, most: int = 3, least: int = 0
) -> list[Semantics]:
    """Every combination of the least number of changes (`least` to `most`) that reproduces `observed` (P,)."""
    among = Search(points, observed, vocabulary, tolerance)
    return next((found for cost in range(least, most + 1) if (found := among.fits(cost))), [])


def reproduces(semantics: Semantics, points: Points, observed: numpy.ndarray, tolerance: Tolerance) -> bool:
    """Whether the model gives the observed value of every call (where its context is defined)."""
    with torch.no_grad():
        model = semantics.terms(points).sum(-1).numpy()
        # a logit that is taken for a probability must lie between 0 and 1
        defined = torch.isfinite(semantics.context.apply(points).x).all(-1).numpy()
    return bool(defined.sum() >= 3 and tolerance.same(observed, model)[defined].all())


def _products(
    tables: tuple[numpy.ndarray, ...],
    share: numpy.ndarray | None,
    observed: numpy.ndarray,
    defined: numpy.ndarray,
    tolerance: Tolerance,
) -> Iterator[tuple[int, int, int]]:
    """Index triples whose product, summed over the elements of a call, is what was observed."""
    weights, modulations, entropies = tables
    probe = numpy.flatnonzero(defined)[:3]  # three calls sift almost everything
    with numpy.errstate(all="ignore"):
        for a, weight in enumerate(weights):
            weighted = weight if share is None else weight * share
            both = modulations * weighted
            hit: numpy.ndarray = numpy.ones((len(both), len(entropies)), bool)
            for call in probe:
                model = (both[:, None, call] * entropies[None, :, call]).sum(-1)
                hit &= tolerance.same(observed[call], model)
            for b, c in zip(*numpy.nonzero(hit), strict=True):
                model = (both[b] * entropies[c]).sum(-1)
                if tolerance.same(observed, model)[defined].all():
                    yield a, int(b), int(c)
