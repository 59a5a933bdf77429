"""Wrong losses that were once misread: unexplained, or explained by something that they do not do."""

import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)

from tests.suites.explainer.losses import collection

EXAMPLES, example = collection()


def focal(x, y, gamma, positive, negative):
    p = x.sigmoid()
    ce = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return (positive * y + negative * (1 - y)) * (p * (1 - y) + (1 - p) * y) ** gamma * ce


def one_hot(labels, logits):
    return F.one_hot(labels.clamp(min=0), logits.shape[1] + 1).to(logits)


@example("focal", "precision", "soft_labels")
def clipped_from_the_start(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid().clamp(0.01, 0.99)
    pt = p * targets + (1 - p) * (1 - targets)
    return (-(alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * pt.log()).mean()


@example("focal", "cross_entropy", "soft_labels")
def minus_forgotten(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * torch.log(pt + 1e-12)).sum()


@example("focal", "alpha")
def alpha_times_probability(logits, targets, gamma=2.0, alpha=0.25):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    return ((1 - alpha * (p * targets + (1 - p) * (1 - targets))) ** gamma * ce).mean()


@example("focal", "gamma", "label_smoothing")
def smoothed_with_gamma_as_factor(logits, targets, gamma=2.0, alpha=0.25):
    y = 0.95 * targets + 0.025
    return (gamma * focal(logits, y, 1.0, alpha, 1 - alpha)).sum()


@example("focal", "label_smoothing")
def smoothed_over_classes(logits, targets, gamma=2.0, alpha=0.25):
    return focal(logits, 0.9 * targets + 0.1 / logits.shape[-1], gamma, alpha, 1 - alpha).sum()


@example("focal", "background_index", "alpha", labels="index")  # both at once look like negated logits
def background_first_alpha_exchanged(logits, labels, gamma=2.0, alpha=0.25):
    loss = focal(logits, one_hot(labels, logits)[:, 1:], gamma, 1 - alpha, alpha)
    return loss[labels >= 0].sum()


@example("focal", "ignore_label", labels="index")
def ignored_rows_as_first_class(logits, labels, gamma=2.0, alpha=0.25):
    loss = focal(logits, one_hot(labels, logits)[:, :-1], gamma, alpha, 1 - alpha)
    return loss.sum() / (labels >= 0).sum()


@example("focal", "activation", "cross_entropy", labels="index")
def softmax_of_foreground(logits, labels, gamma=2.0, alpha=0.25):
    keep = (labels >= 0) & (labels < logits.shape[1])
    log_p = logits[keep].log_softmax(1).gather(1, labels[keep][:, None])
    return -(alpha * (1 - log_p.exp()) ** gamma * log_p).sum()


@example("softmax_focal", "label_smoothing")
def weighted_and_smoothed(logits, target, gamma=2.0, alpha=None):
    ce = F.cross_entropy(logits, target, weight=alpha, reduction="none", label_smoothing=0.1)
    return ((1 - logits.softmax(1).gather(1, target[:, None])[:, 0]) ** gamma * ce).sum()


@example("softmax_focal", "label_smoothing")
def weighted_and_smoothed_twice(logits, target, gamma=2.0, alpha=None):
    ce = F.cross_entropy(logits, target, weight=alpha, reduction="none", label_smoothing=0.1)
    return ((1 - torch.exp(-ce)) ** gamma * ce).sum()


@example("softmax_focal", "activation")
def sigmoids_over_their_sum(logits, target, gamma=2.0, alpha=None):
    p = logits.sigmoid()
    pt = (p / p.sum(1, keepdim=True)).gather(1, target[:, None])[:, 0]
    return -((1.0 if alpha is None else alpha[target]) * (1 - pt) ** gamma * pt.log()).sum()


def bins(pred, label, weight, weigh):
    left = label.long().clamp(max=pred.shape[1] - 2)
    weights = weigh(left + 1 - label, label - left)
    loss = [F.cross_entropy(pred, left + i, reduction="none") * weights[i] for i in (0, 1)]
    return sum(loss) if weight is None else sum(loss) * weight


@example("distribution_focal", "target_range")
def bin_weights_exchanged(pred, label, weight=None):
    return bins(pred, label, weight, lambda left, right: (right, left))


@example("distribution_focal", "normaliser")
def mean_of_both_bins(pred, label, weight=None):
    return bins(pred, label, weight, lambda left, right: (left / 2, right / 2))


@example("distribution_focal", "target_range", "activation")
def sigmoid_and_bin_weights_exchanged(pred, label, weight=None):
    return bins(pred.sigmoid(), label, weight, lambda left, right: (right, left))


@example("quality_focal", "alpha")
def quality_focal_with_alpha(logits, targets, beta=2.0):
    """The weights of focal loss in a loss that has none, as YOLOv5 publishes it."""
    weight = 0.25 * targets + 0.75 * (1 - targets)
    miss = (targets - logits.sigmoid()).abs() ** beta
    return (weight * miss * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()


@example("varifocal", "alpha", "gamma")
def varifocal_with_focal_weights(logits, targets, gamma=2.0, alpha=0.75):
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    miss = (targets - logits.sigmoid()).abs() ** gamma
    return (weight * miss * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()
