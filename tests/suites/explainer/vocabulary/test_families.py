"""Families of losses that people publish, written by hand, are found by the vocabulary's codes."""

import inspect

import numpy
import pytest
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.explainer import questions
from focalbench_suite.suites.explainer.search import Tolerance, search
from focalbench_suite.suites.explainer.vocabulary import bins, sigmoid, softmax
from tests.suites.explainer.losses import families


def vocabulary(loss, accepts, points, observed):
    if loss.inputs == "dense":
        return sigmoid.vocabulary(loss, accepts, sigmoid.smoothing_grid())
    if loss.inputs == "index":
        return softmax.vocabulary(loss, accepts)
    return bins.vocabulary(loss, accepts, bins.cuts_read_off(points, observed))


@pytest.mark.parametrize(
    ("name", "codes", "function"), families.EXAMPLES, ids=[one[-1].__name__ for one in families.EXAMPLES]
)
def test_a_published_family_is_named(name, codes, function):
    loss = CANONICAL[name]
    accepts = set(inspect.signature(function).parameters) & set(loss.names)
    asked = questions.Questions(name)
    points = questions.points(name, asked.elements(asked.settings(accepts)))
    observed = function(points.x, points.y, **{name: points.parameters[name] for name in accepts})[:, 0].numpy()
    kept = numpy.isfinite(observed)
    points = points.take(torch.as_tensor(numpy.flatnonzero(kept)))
    found = search(points, observed[kept], vocabulary(loss, accepts, points, observed[kept]), Tolerance(), most=2)
    assert found
    told = [{change.code for change in one.changes} for one in found]
    values = {value for change in found[0].changes for _, value in change.values}
    assert told[0] == codes or told[0] == codes - values, found
