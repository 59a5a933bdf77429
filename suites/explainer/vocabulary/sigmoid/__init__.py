"""The vocabulary of the sigmoid losses: focal, quality focal, varifocal and their cross entropies.

The functions are only right where float64 is comfortable (|logit| up to about 10).
"""

from __future__ import annotations

from collections.abc import Iterable

from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.paper import Paper
from focalbench_suite.suites.explainer.vocabulary.parameters import distinct
from focalbench_suite.suites.explainer.vocabulary.sigmoid.contexts import contexts
from focalbench_suite.suites.explainer.vocabulary.sigmoid.entropies import entropies
from focalbench_suite.suites.explainer.vocabulary.sigmoid.modulations import modulations
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import EPSILONS
from focalbench_suite.suites.explainer.vocabulary.sigmoid.weights import weights
from focalbench_suite.suites.explainer.vocabulary.sigmoid.wholes import joint, weighted, wholes


def vocabulary(
    paper: Paper,
    accepts: set[str],
    smoothing: Iterable[tuple[float, float]] = (),
    epsilons: Iterable[float] = EPSILONS,
) -> Vocabulary:
    """All options of a loss for a function that takes the parameters `accepts`.

    `smoothing` are the label pairs to try (what 1 becomes, what 0 becomes).
    """
    return Vocabulary(
        distinct(weights(paper, accepts)),
        distinct(modulations(paper, accepts)),
        distinct(entropies(paper, accepts, epsilons)),
        contexts(paper, accepts, smoothing),
        distinct(wholes(paper, accepts)),
        distinct(joint(paper, accepts)),
        distinct(weighted(paper, accepts)),
    )
