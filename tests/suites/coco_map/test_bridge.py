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


def test_a_loss_that_an_adapter_lacks_is_said():
    with pytest.raises(LookupError, match="torchvision has no quality_focal"):
        AdapterLoss("quality_focal", "torchvision", {})
