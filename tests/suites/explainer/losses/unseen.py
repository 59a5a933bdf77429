"""A second batch of wrong losses, written without a look at what the first taught the vocabulary."""

import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)
from torch import nn

from tests.suites.explainer.losses import collection

EXAMPLES, example = collection()


def pieces(x, t):
    p = x.sigmoid()
    return p, F.binary_cross_entropy_with_logits(x, t, reduction="none"), t * p + (1 - t) * (1 - p)


@example("focal", "call")
def exchanged_arguments(one, other, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(other, one)
    return ((alpha * one + (1 - alpha) * (1 - one)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "target_range")
def clamped_targets(logits, targets, gamma=2.0, alpha=0.25):
    t = targets.clamp(0.01, 0.99)
    _, ce, pt = pieces(logits, t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "gamma")
def no_gamma_argument(logits, targets):
    _, ce, pt = pieces(logits, targets)
    return ((0.25 * targets + 0.75 * (1 - targets)) * (1 - pt) ** 1.5 * ce).mean()


@example("focal", "alpha")
def no_alpha_argument(logits, targets, gamma=2.0):
    _, ce, pt = pieces(logits, targets)
    return ((0.4 * targets + 0.6 * (1 - targets)) * (1 - pt) ** gamma * ce).sum()


@example("focal", "gamma")
def truthy_gamma(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    gamma = gamma or 2.0
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).sum()


@example("focal", "gamma")
def exponent_on_everything(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    return (((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt)) ** gamma * ce).mean()


@example("focal", "cross_entropy")
def clipped_loss(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce.clamp(max=2.0)).mean()


@example("focal", "cross_entropy")
def dice_instead(logits, targets, gamma=2.0, alpha=0.25):
    p, _, pt = pieces(logits, targets)
    dice = 1 - 2 * p * targets / (p + targets + 1e-6)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * dice).mean()


@example("focal", "precision", "soft_labels")
def large_epsilon(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    loss = -alpha * targets * (1 - p) ** gamma * (p + 1e-3).log()
    loss = loss - (1 - alpha) * (1 - targets) * p**gamma * (1 - p + 1e-3).log()
    return loss.mean()


@example("focal", "precision", "gradient")
def rounded_probability(logits, targets, gamma=2.0, alpha=0.25):
    p = (logits.sigmoid() * 1000).round() / 1000
    _, ce, _ = pieces(logits, targets)
    pt = p * targets + (1 - p) * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "nonfinite")
def powers_as_exponentials(logits, targets, gamma=2.0, alpha=0.25):
    e = torch.exp(logits)
    p = e / (1 + e)
    pt = p * targets + (1 - p) * (1 - targets)
    ce = -(targets * torch.log(p) + (1 - targets) * torch.log(1 - p))
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).mean()


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad.clamp(-0.05, 0.05)


@example("focal", "gradient")
def gradient_clipped(logits, targets, gamma=2.0, alpha=0.25):
    x = _Clipped.apply(logits)
    _, ce, pt = pieces(x, targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).sum()


@example("focal", "gradient")
def through_numbers(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    return torch.tensor(((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).mean().item())


@example("focal", "gradient", "soft_labels")
def ce_detached(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, _ = pieces(logits, targets)
    pt = torch.exp(-ce)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce.detach()).mean()


@example("focal", "state")
class Smoothing(nn.Module):
    average = None

    def __init__(self, gamma=2.0, alpha=0.25):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits, targets):
        _, ce, pt = pieces(logits, targets)
        loss = ((self.alpha * targets + (1 - self.alpha) * (1 - targets)) * (1 - pt) ** self.gamma * ce).mean()
        old = Smoothing.average
        Smoothing.average = loss.detach() if old is None else 0.9 * old + 0.1 * loss.detach()
        return loss / (Smoothing.average + 1e-8) * 0.1


@example("focal", "mutation", "soft_labels")
def one_hot_in_place(logits, targets, gamma=2.0, alpha=0.25):
    targets[targets < 0.5] = 0
    targets[targets >= 0.5] = 1
    _, ce, pt = pieces(logits, targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "reduction")
def weighted_after_the_mean(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    at = alpha * targets + (1 - alpha) * (1 - targets)
    return at.mean() * ((1 - pt) ** gamma * ce).mean()


@example("focal", "reduction", reduction="sum")
def mean_per_row(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).mean(1).sum()


@example("focal", "normaliser", reduction="mean")
def by_weights(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits, targets)
    at = alpha * targets + (1 - alpha) * (1 - targets)
    return (at * (1 - pt) ** gamma * ce).sum() / at.sum()


@example("focal", "soft_labels")
def only_hard_in_factor(logits, targets, gamma=2.0, alpha=0.25):
    p, ce, _ = pieces(logits, targets)
    hard = (targets >= 0.5).to(targets)
    pt = p * hard + (1 - p) * (1 - hard)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "soft_labels", "gamma")
def integer_targets(logits, targets, gamma=2.0, alpha=0.25):
    t = targets.long().to(logits.dtype)
    _, ce, pt = pieces(logits, t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * pt**gamma * ce).mean()


@example("focal", "label_smoothing")
def smoothed_for_positives(logits, targets, gamma=2.0, alpha=0.25):
    t = targets * 0.9
    _, ce, pt = pieces(logits, t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "activation", "soft_labels")
def tanh_probability(logits, targets, gamma=2.0, alpha=0.25):
    p = (torch.tanh(logits) + 1) / 2
    pt = p * targets + (1 - p) * (1 - targets)
    return (-(alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * torch.log(pt)).mean()


@example("focal", "activation", "alpha")
def shifted_logits(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, pt = pieces(logits - 0.5, targets)
    return (alpha * (1 - pt) ** gamma * ce).mean()


@example("focal", "shape")
def one_row_squeezed(logits, targets, gamma=2.0, alpha=0.25):
    logits, targets = logits.squeeze(), targets.squeeze()
    n, c = logits.shape
    _, ce, pt = pieces(logits, targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * ce).sum() / (n * c)


@example("focal", "background_index", labels="index")
def background_first_column(logits, labels, gamma=2.0, alpha=0.25):
    keep = labels >= 0
    logits, labels = logits[keep], labels[keep]
    t = F.one_hot(labels, logits.shape[1] + 1)[:, 1:].to(logits)
    _, ce, pt = pieces(logits, t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * (1 - pt) ** gamma * ce).mean()


@example("focal", "background_index", labels="index")
def background_dropped(logits, labels, gamma=2.0, alpha=0.25):
    keep = (labels >= 0) & (labels < logits.shape[1])
    logits, labels = logits[keep], labels[keep]
    t = F.one_hot(labels, logits.shape[1]).to(logits)
    _, ce, pt = pieces(logits, t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * (1 - pt) ** gamma * ce).sum()


@example("focal", "ignore_label", labels="index")
def ignored_not_dropped(logits, labels, gamma=2.0, alpha=0.25):
    t = torch.zeros(len(labels), logits.shape[1] + 1, dtype=logits.dtype)
    t.scatter_(1, torch.where(labels == -1, 0, labels)[:, None], 1.0)
    t = t[:, :-1]
    _, ce, pt = pieces(logits, t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * (1 - pt) ** gamma * ce).sum()


@example("softmax_focal", "gamma")
def softmax_no_factor(logits, targets, gamma=2.0):
    return F.cross_entropy(logits, targets)


@example("softmax_focal", "alpha")
def softmax_weights_divided(logits, targets, gamma=2.0, alpha=None):
    w = torch.ones(logits.shape[1], dtype=logits.dtype) if alpha is None else alpha / alpha.sum()
    lp = logits.log_softmax(1)
    pt = lp.exp().gather(1, targets[:, None])[:, 0]
    return (w[targets] * (1 - pt) ** gamma * F.nll_loss(lp, targets, reduction="none")).sum()


@example("softmax_focal", "activation")
def softmax_forgotten(logits, targets, gamma=2.0):
    pt = logits.gather(1, targets[:, None])[:, 0]
    return (-((1 - pt) ** gamma) * torch.log(pt.clamp(min=1e-6))).sum()


@example("softmax_focal", "precision")
def softmax_with_epsilon(logits, targets, gamma=2.0):
    pt = logits.softmax(1).gather(1, targets[:, None])[:, 0]
    return (-((1 - pt) ** gamma) * torch.log(pt + 1e-5)).mean()


@example("softmax_focal", "reduction")
def softmax_modulated_mean(logits, targets, gamma=2.0):
    pt = logits.softmax(1).gather(1, targets[:, None])[:, 0]
    return ((1 - pt) ** gamma).mean() * F.cross_entropy(logits, targets)


@example("quality_focal", "soft_labels")
def quality_weighted(pred, target, beta=2.0):
    return (
        target
        * (target - pred.sigmoid()).abs() ** beta
        * F.binary_cross_entropy_with_logits(pred, target, reduction="none")
    ).sum()


@example("quality_focal", "gamma")
def quality_beta_fixed(pred, target, beta=2.0):
    return (
        (target - pred.sigmoid()).pow(2) * F.binary_cross_entropy_with_logits(pred, target, reduction="none")
    ).mean()


@example("quality_focal", "activation")
def quality_on_logits(pred, target, beta=2.0):
    return ((target - pred).abs() ** beta * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).mean()


@example("varifocal", "alpha")
def varifocal_complement(pred, target, gamma=2.0, alpha=0.75):
    w = torch.where(target > 0, target, (1 - alpha) * pred.sigmoid() ** gamma)
    return (w * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).sum()


@example("varifocal", "gamma")
def varifocal_without_power(pred, target, gamma=2.0, alpha=0.75):
    w = torch.where(target > 0, target, alpha * pred.sigmoid())
    return (w * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).mean()


@example("distribution_focal", "target_range")
def bins_scaled(pred, target):
    target = target / pred.shape[1] * (pred.shape[1] - 1)
    left = target.long()
    right = (left + 1).clamp(max=pred.shape[1] - 1)
    wr = target - left
    return (
        (1 - wr) * F.cross_entropy(pred, left, reduction="none") + wr * F.cross_entropy(pred, right, reduction="none")
    ).mean()


@example("distribution_focal", "activation")
def bins_by_sigmoid(pred, target):
    left = target.long()
    right = (left + 1).clamp(max=pred.shape[1] - 1)
    wr = target - left
    loss = -F.logsigmoid(pred)
    return ((1 - wr) * loss.gather(1, left[:, None])[:, 0] + wr * loss.gather(1, right[:, None])[:, 0]).sum()


@example("distribution_focal", "alpha", "target_range")
def bins_two_mistakes(pred, target, weight=None):
    left = target.long()
    right = (left + 1).clamp(max=pred.shape[1] - 1)
    wr = target - left
    return (
        wr * F.cross_entropy(pred, left, reduction="none") + (1 - wr) * F.cross_entropy(pred, right, reduction="none")
    ).mean()


@example("distribution_focal", "gradient")
def bins_detached(pred, target):
    left = target.long()
    right = (left + 1).clamp(max=pred.shape[1] - 1)
    wr = target - left
    lp = pred.log_softmax(1)
    at_left, at_right = lp.gather(1, left[:, None])[:, 0], lp.gather(1, right[:, None])[:, 0]
    return -((1 - wr) * at_left + wr * at_right.detach()).sum()


@example("focal", "background_index", labels="index")
def label_zero_ignored(logits, labels, gamma=2.0, alpha=0.25):
    y = F.one_hot(labels.clamp(min=0), logits.shape[1] + 1)[:, :-1].to(logits)
    bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    w = (1 - torch.exp(-bce)) ** gamma * (alpha * y + (1 - alpha) * (1 - y))
    return (w * bce)[labels > 0].sum()


@example("focal", "background_index", labels="index")
def label_zero_no_class(logits, labels, gamma=2.0, alpha=0.25):
    classes = logits.shape[1]
    y = torch.zeros_like(logits)
    for row, label in enumerate(labels.tolist()):
        if 0 < label < classes:
            y[row, label] = 1
    bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    w = (1 - torch.exp(-bce)) ** gamma * (alpha * y + (1 - alpha) * (1 - y))
    return (w * bce)[labels >= 0].sum()


@example("softmax_focal", "activation", "alpha")
def sigmoid_of_every_class(x, y, gamma=2.0, alpha=None):
    t = F.one_hot(y, x.shape[1]).to(x)
    bce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    f = (1 - torch.exp(-bce)) ** gamma * bce
    return (f if alpha is None else f * alpha).sum(1).mean()


@example("softmax_focal", "cross_entropy", "alpha")
def softmax_of_every_class(x, y, gamma=2.0, alpha=None):
    p = x.softmax(1).clamp(1e-7, 1 - 1e-7)
    t = F.one_hot(y, x.shape[1]).to(x)
    f = -(t * (1 - p) ** gamma * p.log() + (1 - t) * p**gamma * (1 - p).log())
    return (f if alpha is None else f * alpha).sum(1).mean()


@example("softmax_focal", "reduction")
def weighted_mean_first(input, target, gamma=2.0, alpha=None):
    ce = F.cross_entropy(input, target, weight=alpha)
    return (1 - torch.exp(-ce)) ** gamma * ce


@example("focal", "normaliser")
def over_all_factors(pred, target, gamma=2.0, alpha=0.25):
    p = pred.sigmoid()
    w = (p * (1 - target) + (1 - p) * target) ** gamma
    if alpha is not None:
        w = w * (alpha * target + (1 - alpha) * (1 - target))
    return (w * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).sum() / w.sum()


@example("softmax_focal", "ignore_label")
def first_class_left_out(x, y, gamma=2.0, alpha=None):
    ce = F.cross_entropy(x, y, reduction="none", ignore_index=0)
    f = (1 - torch.exp(-ce)) ** gamma * ce
    return (f if alpha is None else f * alpha[y]).sum()


@example("softmax_focal", "activation")
def softmax_sharpened(x, y, gamma=2.0, alpha=None):
    lp = (x / 0.5).log_softmax(1).gather(1, y[:, None])[:, 0]
    f = -((1 - lp.exp()) ** gamma) * lp
    return (f if alpha is None else f * alpha[y]).mean()


@example("distribution_focal", "cross_entropy")
def logarithm_of_the_blend(pred, target):
    left = target.long()
    right = (left + 1).clamp(max=pred.shape[1] - 1)
    p, wr = pred.softmax(1), (target - left)[:, None]
    return -((1 - wr) * p.gather(1, left[:, None]) + wr * p.gather(1, right[:, None])).log().mean()
