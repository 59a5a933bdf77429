"""The vocabulary of the softmax focal loss: one row of logits is one element."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.parameters import distinct
from focalbench_suite.suites.explainer.vocabulary.softmax.contexts import contexts
from focalbench_suite.suites.explainer.vocabulary.softmax.entropies import entropies
from focalbench_suite.suites.explainer.vocabulary.softmax.modulations import modulations
from focalbench_suite.suites.explainer.vocabulary.softmax.weights import weights
from focalbench_suite.suites.explainer.vocabulary.softmax.wholes import complete, wholes


def vocabulary(loss: Canonical, accepts: set[str]) -> Vocabulary:
    """All options of a loss over rows of logits, for a function that takes the parameters `accepts`."""
    return Vocabulary(
        distinct(weights(loss, accepts)),
        distinct(modulations(loss, accepts)),
        distinct(entropies(loss, accepts)),
        contexts(),
        distinct(wholes(loss, accepts)),
        complete=distinct(complete(loss, accepts)),
    )
