"""Forms of calls that public losses want: what is found out before anything is explained."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)

from focalbench_suite.suites.check.binding import bound
from focalbench_suite.suites.check.identify import Distance
from focalbench_suite.suites.explainer.explain import changes_needed
from focalbench_suite.suites.explainer.here import Here


def _missed(p, y):
    return y * (1 - p) + (1 - y) * p


def of_truth_values(logits, target, valid, gamma=2.0):
    p_t = torch.where(target, logits.sigmoid(), (-logits).sigmoid())
    return ((1 - p_t) ** gamma * -p_t.log() * valid).sum() / valid.sum()


def of_shared_bins(pred, target):
    batch, sides, bins = target.shape
    return F.kl_div(pred.view(batch * sides, bins).log_softmax(1), target.view(-1, bins), reduction="batchmean")


def of_boxes(pred_dist, target, reg_max):
    """pred_dist: [N, 4 * reg_max], target: [N, 4]"""
    rows, target = pred_dist.reshape(-1, reg_max), target.reshape(-1)
    left = target.long().clamp(max=reg_max - 2)
    by_bin = F.cross_entropy(rows, left, reduction="none"), F.cross_entropy(rows, left + 1, reduction="none")
    return (by_bin[0] * (left + 1 - target) + by_bin[1] * (target - left)).mean()


def of_documented_maps(inputs, targets, gamma=2.0):
    """inputs: (B, C, H, W) logits, targets: (B, H, W)"""
    entropy = F.cross_entropy(inputs, targets, reduction="none")
    return ((1 - (-entropy).exp()) ** gamma * entropy).mean()


def of_one_channel(pred, target, gamma=2.0):
    images, height, width = target.size()
    entropy = F.binary_cross_entropy_with_logits(pred.view(images, height, width), target, reduction="none")
    return ((1 - (-entropy).exp()) ** gamma * entropy).mean()


def of_scored_labels(pred, target, quality_score=None, beta=2.0):
    hot = F.one_hot(target, pred.shape[1]).to(pred)
    hot = hot if quality_score is None else hot * quality_score[:, None]
    return (
        (hot - pred.sigmoid()).abs() ** beta * F.binary_cross_entropy_with_logits(pred, hot, reduction="none")
    ).sum()


def of_sequences(inputs, targets, gamma=2.0, num_classes=None):
    hot = F.one_hot(targets, num_classes=num_classes).permute(0, 2, 1)
    missed = 1 - (inputs.softmax(1) * hot).sum(1)
    return (missed**gamma * F.cross_entropy(inputs, targets, reduction="none")).mean()


class OfCounts(torch.nn.Module):
    """Its weights are single, which torch takes beside double logits for one-hot targets alone."""

    def __init__(self, samples_per_class, beta=0.999, gamma=2.0):
        super().__init__()
        weights = torch.tensor([(1 - beta) / (1 - beta**count) for count in samples_per_class])
        self.gamma, self.weights = gamma, weights / weights.mean()

    def forward(self, logits, targets):
        entropy = F.cross_entropy(logits, targets, self.weights, reduction="none")
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()


def with_an_offset(output, target, offset=0.0, coeff=1.0):
    signed = (2 * target - 1) * output
    return (torch.sigmoid(-coeff * (signed - offset)) * F.softplus(-signed)).mean()


def clamped_in_part(pred, target, gamma=2.0):
    entropy = F.binary_cross_entropy(pred.clamp(1e-7, 1 - 1e-7), target, reduction="none")
    return (torch.where(target > 0.5, 1 - pred, pred).abs() ** gamma * entropy).mean()


def summed_over_classes(pred, target, gamma=2.0):
    """Of every row one number, which pulls no class alone: its labels are the classes all the same."""
    hot = F.one_hot(target, pred.shape[1]).to(pred)
    entropy = F.binary_cross_entropy_with_logits(pred, hot, reduction="none").sum(1)
    return ((1 - (1 - _missed(pred.sigmoid(), hot)).sum(1)) ** gamma * entropy).sum()


@pytest.mark.parametrize(
    ("function", "loss", "words"),
    [
        (of_truth_values, "focal", "target = targets as truth values (N, C), gamma, valid = ones (N, C)"),
        (of_shared_bins, "distribution_focal", "target = targets as what each bin gets of them (N, 4, K)"),
        (of_boxes, "distribution_focal", "pred_dist = logits (N, 4 K), target = targets (N, 4)"),
        (of_documented_maps, "softmax_focal", "inputs = logits (N, C, H, W), targets = class index (N, H, W)"),
        (of_one_channel, "focal", "pred = logits (N, 1, H, W), target = targets (N, H, W)"),
        (of_scored_labels, "quality_focal", "target = class index (N,), beta, quality_score = quality (N,)"),
        (of_sequences, "softmax_focal", "targets = class index (N, L), gamma, num_classes = C"),
        (OfCounts, "softmax_focal", "targets = class index (N,), gamma, samples_per_class"),
        (OfCounts, "focal", "gamma, samples_per_class"),
        (with_an_offset, "focal", "target = targets (N, C))"),
        (clamped_in_part, "focal", "pred = probabilities (N, C)"),
        (summed_over_classes, "focal", "target = class index (N,)"),
    ],
)
def test_the_form_of_a_call_is_found_out(function, loss, words):
    assert words in bound(function, loss).how


def test_the_bins_of_shared_targets_are_those_of_the_loss():
    logits, targets = torch.randn(2, 5, dtype=torch.float64), torch.tensor([1.25, 4.0], dtype=torch.float64)
    left = torch.tensor([[0, 0.75, 0.25, 0, 0], [0, 0, 0, 0, 1.0]], dtype=torch.float64)
    divergence = F.kl_div(logits.log_softmax(1), left, reduction="batchmean")
    assert bound(of_shared_bins, "distribution_focal")(logits, targets) == pytest.approx(float(divergence))


def focal_by_sides(logits, targets, alpha=0.25, gamma=2.0):
    p_t = torch.where(targets == 1, logits.sigmoid(), (-logits).sigmoid())
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (alpha * (1 - p_t) ** gamma * entropy).mean()


def test_the_sigmoids_of_every_class_are_near_no_softmax():
    ask = Here(bound(focal_by_sides, "softmax_focal"))
    assert changes_needed("softmax_focal", ask, {"gamma"}, "dense", None) == math.inf
    ask = Here(bound(focal_by_sides, "focal"))
    assert changes_needed("focal", ask, {"gamma", "alpha"}, "dense", None) == 1.5  # on hard labels alone


def test_a_loss_of_soft_labels_that_fits_hard_ones_alone_is_one_in_name_alone():
    fits = {"changes": 0.5, "taken": 1, "parameters": 1, "by_class": False}
    assert Distance("quality_focal", **fits).soft_in_name_alone
    assert not Distance("focal", **fits).soft_in_name_alone
    assert not Distance("quality_focal", **fits | {"changes": 1.0}).soft_in_name_alone
