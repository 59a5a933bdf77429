"""The vocabulary of the softmax focal loss: one row of logits is one element."""

from __future__ import annotations

from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.paper import Paper
from focalbench_suite.suites.explainer.vocabulary.parameters import distinct
from focalbench_suite.suites.explainer.vocabulary.softmax.contexts import contexts
from focalbench_suite.suites.explainer.vocabulary.softmax.entropies import entropies
from focalbench_suite.suites.explainer.vocabulary.softmax.modulations import modulations
from focalbench_suite.suites.explainer.vocabulary.softmax.weights import weights
from focalbench_suite.suites.explainer.vocabulary.softmax.wholes import complete, wholes


def vocabulary(paper: Paper, accepts: set[str]) -> Vocabulary:
    """All options of a loss over rows of logits, for a function that takes the parameters `accepts`."""
    return Vocabulary(
        distinct(weights(paper, accepts)),
        distinct(modulations(paper, accepts)),
        distinct(entropies(paper, accepts)),
        contexts(),
        distinct(wholes(paper, accepts)),
        complete=distinct(complete(paper, accepts)),
    )
