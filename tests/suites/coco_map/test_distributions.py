"""Box distributions as bins, against scipy's normal distribution and a delta worked by hand."""

import numpy
import pytest
import torch
from scipy.special import logit
from scipy.stats import norm

from focalbench_suite.suites.coco_map.distributions import bins

N = 16
MEANS = torch.tensor([0.25, 3.0, 7.5, 15.9], dtype=torch.float64)  # of the four sides


def probabilities(distribution, *parameters):
    stacked = torch.stack(parameters, dim=1).reshape(1, -1, 1, 1)
    return bins(distribution, stacked, N).reshape(4, N + 1).softmax(dim=1)


def test_a_delta_lies_in_the_two_bins_around_it_and_its_mean_is_where_it_lies():
    shares = probabilities("dirac", torch.from_numpy(logit(MEANS.numpy() / N)))
    assert shares[0, :2].tolist() == pytest.approx([0.75, 0.25])
    assert shares[2, 7:9].tolist() == pytest.approx([0.5, 0.5])
    assert (shares @ torch.arange(N + 1.0, dtype=torch.float64)).tolist() == pytest.approx(MEANS.tolist())


def test_a_gaussian_is_the_normal_density_at_the_bins():
    deviations = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    shares = probabilities("gaussian", torch.from_numpy(logit(MEANS.numpy() / N)), (deviations / (N / 4)).log())
    density = norm.pdf(numpy.arange(N + 1)[None], MEANS.numpy()[:, None], deviations.numpy()[:, None])
    numpy.testing.assert_allclose(shares.numpy(), density / density.sum(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize(("distribution", "count"), [("dirac", 1), ("gaussian", 2)])
def test_the_mean_learns_from_everywhere(distribution, count):
    parameters = torch.linspace(-4, 4, 4 * count).reshape(1, -1, 1, 1).requires_grad_()
    places = torch.arange(N + 1.0)
    (bins(distribution, parameters, N).reshape(4, N + 1).softmax(dim=1) @ places).sum().backward()
    assert (parameters.grad.reshape(4, count)[:, 0] > 0).all()
