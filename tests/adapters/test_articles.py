"""The two articles' listings against cases worked by hand, their mistakes included."""

from math import log

import pytest
import torch

from focalbench_suite.adapters import Unsupported, find

X = torch.tensor([[log(3.0), 0.0]], dtype=torch.float64)  # probabilities 3/4 and 1/2
Y = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
CROSS_ENTROPY = log(4 / 3), log(2)
FACTORS = 0.25 * 0.25**2, 0.75 * 0.5**2  # alpha_t (1 - p_t)^2
BINS = torch.tensor([[log(2.0), 0.0, 0.0]], dtype=torch.float64)  # probabilities 1/2, 1/4, 1/4


def listing(name: str, variant: str):
    return find(name, variant)


def test_the_first_multiplies_each_factor_with_the_mean_cross_entropy():
    loss = listing("focal", "articles.first")
    mean = sum(CROSS_ENTROPY) / 2
    expected = [factor * mean for factor in FACTORS]
    assert loss.elementwise(X, Y, gamma=2, alpha=0.25)[0].tolist() == pytest.approx(expected, rel=1e-14)
    assert loss.reduced(X, Y, gamma=2, alpha=0.25).item() == pytest.approx(sum(expected) / 2, rel=1e-14)


def test_the_first_depends_on_what_else_is_in_the_batch():
    loss = listing("focal", "articles.first")
    alone = loss.elementwise(X[:, :1], Y[:, :1], gamma=2, alpha=0.25)[0, 0]
    together = loss.elementwise(X, Y, gamma=2, alpha=0.25)[0, 0]
    assert (together / alone).item() == pytest.approx(sum(CROSS_ENTROPY) / 2 / CROSS_ENTROPY[0])


def test_the_second_is_the_mean_over_classes_summed_over_rows():
    loss = listing("focal", "articles.second")
    elements = 0.25 * 0.25**1.5 * CROSS_ENTROPY[0], 0.75 * 0.5**1.5 * CROSS_ENTROPY[1]
    value = loss.reduced(X.repeat(3, 1), Y.repeat(3, 1), gamma=1.5, alpha=0.25)
    assert value.item() == pytest.approx(3 * sum(elements) / 2, rel=1e-14)


@pytest.mark.parametrize("alpha", [None, 0, -1])
def test_the_second_weights_only_with_an_alpha_above_0(alpha):
    elements = 0.25**1.5 * CROSS_ENTROPY[0], 0.5**1.5 * CROSS_ENTROPY[1]
    value = listing("focal", "articles.second").reduced(X, Y, gamma=1.5, alpha=alpha)
    assert value.item() == pytest.approx(sum(elements) / 2, rel=1e-14)


def test_the_seconds_distribution_loss_weights_both_bins_by_distance():
    loss = listing("distribution_focal", "articles.second")
    value = loss.elementwise(BINS, torch.tensor([0.25], dtype=torch.float64), weight=None)
    assert value.tolist() == pytest.approx([0.75 * log(2) + 0.25 * log(4)], rel=1e-14)


def test_the_seconds_distribution_loss_keeps_the_dimension_of_its_mean_over_four_sides():
    sides = torch.tensor([[0.0, 0.25, 1.0, 1.5]], dtype=torch.float64)
    value = listing("distribution_focal", "articles.second").reduced(BINS.repeat(4, 1), sides, weight=None)
    assert value.shape == (1, 1)
    expected = (log(2) + 0.75 * log(2) + 0.25 * log(4) + log(4) + log(4)) / 4
    assert value.item() == pytest.approx(expected, rel=1e-14)


def test_the_seconds_distribution_loss_has_no_bin_right_of_the_last():
    loss = listing("distribution_focal", "articles.second")
    with pytest.raises(IndexError, match="out of bounds"):
        loss.elementwise(BINS, torch.tensor([2.0], dtype=torch.float64), weight=None)


def test_what_the_listings_do_not_offer_is_unsupported():
    with pytest.raises(Unsupported, match="always weights by alpha"):
        listing("focal", "articles.first").reduced(X, Y, gamma=2, alpha=None)
    with pytest.raises(Unsupported, match="no weight"):
        listing("distribution_focal", "articles.second").reduced(BINS, Y[:, 0], weight=Y[:, 0])
