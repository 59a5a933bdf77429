"""Any adapter's loss where a framework expects one of its own, against sums worked with torch's cross entropy."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from focalbench_suite.suites.coco_map.bridge import AdapterLoss

LOGITS = torch.tensor([[0.3, -1.2, 2.0], [-0.5, 0.7, 0.1], [1.5, -2.0, 0.4], [0.0, 0.2, -0.3]])
LABELS = torch.tensor([2, 3, 0, 1])  # 3 is background
DENSE = one_hot(LABELS, 4)[:, :3].float()


def cross_entropy():
    return binary_cross_entropy_with_logits(LOGITS, DENSE, reduction="none")


def focal_factor(gamma, alpha):
    probability = LOGITS.sigmoid()
    p_t = torch.where(DENSE > 0, probability, 1 - probability)
    return torch.where(DENSE > 0, alpha, 1 - alpha) * (1 - p_t) ** gamma


def module(adapter, **parameters):
    return AdapterLoss("focal", adapter, {"gamma": 2.0, "alpha": 0.25} | parameters)


def test_a_loss_per_element_is_summed_over_the_number_of_positives():
    value = module("torchvision")(LOGITS, LABELS, weight=torch.ones(4), avg_factor=3.0)
    torch.testing.assert_close(value, (focal_factor(2.0, 0.25) * cross_entropy()).sum() / 3)


def test_anchors_of_weight_zero_do_not_count():
    value = module("torchvision")(LOGITS, LABELS, weight=torch.tensor([1.0, 0.0, 1.0, 1.0]), avg_factor=3.0)
    torch.testing.assert_close(value, (focal_factor(2.0, 0.25) * cross_entropy())[[0, 2, 3]].sum() / 3)


def test_the_first_articles_listing_keeps_its_mean_of_a_mean():
    value = module("articles.first")(LOGITS, LABELS, avg_factor=3.0)
    torch.testing.assert_close(value, (focal_factor(2.0, 0.25) * cross_entropy().mean()).mean())


def test_the_second_articles_sum_of_row_means_is_divided_as_the_host_divides():
    value = module("articles.second", gamma=1.5)(LOGITS, LABELS, avg_factor=3.0)
    torch.testing.assert_close(value, (focal_factor(1.5, 0.25) * cross_entropy()).mean(dim=1).sum() / 3)


def test_label_and_score_become_soft_targets():
    loss = AdapterLoss("quality_focal", "own", {"beta": 2.0})
    score = torch.tensor([0.6, 0.0, 0.9, 0.2])
    soft = DENSE * score[:, None]
    expected = (soft - LOGITS.sigmoid()).abs() ** 2 * binary_cross_entropy_with_logits(LOGITS, soft, reduction="none")
    torch.testing.assert_close(loss(LOGITS, (LABELS, score), avg_factor=2.0), expected.mean())  # its own reduction


def test_a_users_function_joins_by_its_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def focal(logits, targets, gamma, alpha):\n    return (logits - targets).abs() * gamma * alpha\n")
    loss = AdapterLoss("focal", "focal", {"gamma": 2.0, "alpha": 0.25}, reference=f"{file}:focal")
    torch.testing.assert_close(loss(LOGITS, LABELS, avg_factor=2.0), (LOGITS - DENSE).abs().sum() * 0.5 / 2)


RIGHT = """
import torch.nn.functional as F

def focal(logits, targets, gamma, alpha):
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return {}
"""
VALUES = "weight * missed**gamma * F.binary_cross_entropy_with_logits(logits, targets, reduction='none')"
EARLY = "(weight * missed**gamma * F.binary_cross_entropy_with_logits(logits, targets)).mean()"
DIVISIONS = {  # what is returned: how often it divides by rows and by classes
    VALUES: (0, 0),
    f"({VALUES}).sum(dim=1)": (0, 0),
    f"({VALUES}).sum()": (0, 0),
    f"({VALUES}).sum() / targets.sum()": (0, 0),
    f"({VALUES}).mean()": (1, 1),
    f"({VALUES}).sum(dim=1).mean()": (1, 0),
    EARLY: (2, 2),
}


@pytest.fixture
def mine(tmp_path):
    """Makes a module of a user's focal loss that returns what is given."""

    def made(returned, **options):
        file = tmp_path / f"mine{abs(hash(returned))}.py"
        file.write_text(RIGHT.format(returned))
        return AdapterLoss("focal", "focal", {"gamma": 2.0, "alpha": 0.25}, f"{file}:focal", **options)

    return made


@pytest.mark.parametrize("returned", DIVISIONS)
def test_what_a_loss_divides_by_is_seen(mine, returned):
    assert mine(returned).divisions() == DIVISIONS[returned]


@pytest.mark.parametrize("returned", [f"({VALUES}).mean()", f"({VALUES}).sum(dim=1).mean()"])
def test_a_mean_normalised_by_positives_is_the_papers_loss(mine, returned):
    loss, expected = mine(returned, normalise="positives"), (focal_factor(2.0, 0.25) * cross_entropy()).sum()
    torch.testing.assert_close(loss(LOGITS, LABELS, weight=torch.ones(4), avg_factor=3.0), expected / 3)
    torch.testing.assert_close(loss.elementwise(LOGITS[None], DENSE[None]).sum(), expected)  # Ultralytics divides it


@pytest.mark.parametrize("returned", [VALUES, EARLY, f"({VALUES}).sum()"])
def test_what_is_no_mean_of_all_anchors_is_not_normalised_otherwise(mine, returned):
    with pytest.raises(ValueError, match="for a mean over all anchors; focal is none"):
        mine(returned, normalise="positives")


def test_a_loss_that_an_adapter_lacks_is_said():
    with pytest.raises(LookupError, match="torchvision has no quality_focal"):
        AdapterLoss("quality_focal", "torchvision", {})
