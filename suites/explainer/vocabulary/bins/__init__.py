"""The vocabulary of the distribution focal loss: one row of logits is one element."""

from __future__ import annotations

from collections.abc import Iterable

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.bins.contexts import contexts, cuts_read_off
from focalbench_suite.suites.explainer.vocabulary.bins.factors import entropies, parts, row_weights, wholes
from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.parameters import distinct

__all__ = ["cuts_read_off", "vocabulary"]


def vocabulary(loss: Canonical, accepts: set[str], cuts: Iterable[float] = ()) -> Vocabulary:
    """All options of DFL; `cuts` are distances from the last bin at which targets seem to be cut off."""
    return Vocabulary(
        distinct(row_weights(loss, accepts)),
        distinct(parts(loss)),
        distinct(entropies(loss, accepts)),
        contexts(cuts),
        wholes(),
    )
