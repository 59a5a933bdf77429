"""The vocabulary of the distribution focal loss: one row of logits is one element."""

from __future__ import annotations

from collections.abc import Iterable

from focalbench_suite.suites.explainer.vocabulary.bins.contexts import contexts
from focalbench_suite.suites.explainer.vocabulary.bins.factors import entropies, parts, row_weights, wholes
from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.paper import Paper
from focalbench_suite.suites.explainer.vocabulary.parameters import distinct


def vocabulary(paper: Paper, accepts: set[str], cuts: Iterable[float] = ()) -> Vocabulary:
    """All options of DFL; `cuts` are distances from the last bin at which targets seem to be cut off."""
    return Vocabulary(
        distinct(row_weights(paper, accepts)),
        distinct(parts(paper)),
        distinct(entropies(paper, accepts)),
        contexts(cuts),
        wholes(),
    )
