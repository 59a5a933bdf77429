"""Wrong losses written after the vocabulary was made, in the styles found in the wild, to see what it misses."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)

from tests.suites.explainer.losses import collection

EXAMPLES, example = collection()


@example("focal", "alpha", "soft_labels")
class WithPositiveWeight(nn.Module):
    def __init__(self, gamma=2.0, alpha=0.25):
        super().__init__()
        self.gamma = gamma
        self.register_buffer("pos_weight", torch.tensor(3.0))

    def forward(self, logits, targets):
        bce = F.binary_cross_entropy_with_logits(
            logits, targets, pos_weight=self.pos_weight.to(logits), reduction="none"
        )
        p = logits.sigmoid()
        pt = torch.where(targets == 1, p, 1 - p)
        return (bce * (1 - pt).pow(self.gamma)).mean()


@example("focal", "soft_labels")
def where_equals_one(preds, labels, gamma=2, alpha=0.25):
    probs = preds.sigmoid()
    pt = torch.where(labels == 1, probs, 1 - probs)
    at = torch.where(labels == 1, torch.full_like(pt, alpha), torch.full_like(pt, 1 - alpha))
    nll = F.binary_cross_entropy_with_logits(preds, labels, reduction="none")
    return torch.sum(at * torch.pow(1 - pt, gamma) * nll)


@example("focal", "gamma")
def annealed(input, target, gamma=2.0, alpha=0.25):
    p = torch.sigmoid(input)
    pt = p * target + (1 - p) * (1 - target)
    at = alpha * target + (1 - alpha) * (1 - target)
    bce = F.binary_cross_entropy_with_logits(input, target, reduction="none")
    return torch.mean(at * (1 - pt) ** (gamma + 1 - pt) * bce)


@example("focal", "gamma", "soft_labels")
def clipped_gamma(x, t, gamma=2.0, alpha=0.25):
    g = min(max(gamma, 0.5), 3)
    q = torch.where(t > 0.5, 1 - x.sigmoid(), x.sigmoid())
    a = torch.where(t > 0.5, alpha, 1 - alpha)
    return (a * q**g * F.binary_cross_entropy_with_logits(x, t, reduction="none")).sum() / x.shape[0]


@example("focal", "activation", "soft_labels")
def softmax_for_sigmoid(logits, targets, gamma=2.0, alpha=0.25):
    p = torch.softmax(logits, dim=-1).clamp(1e-7, 1 - 1e-7)
    loss = targets * alpha * (1 - p) ** gamma * -p.log() + (1 - targets) * (1 - alpha) * p**gamma * -(1 - p).log()
    return loss.sum(1).mean()


@example("focal", "activation")
def bce_of_probabilities(logits, targets, gamma=2.0, alpha=0.25):
    prob = logits.sigmoid()
    bce = F.binary_cross_entropy_with_logits(prob, targets, reduction="none")
    pt = prob * targets + (1 - prob) * (1 - targets)
    return (alpha * targets + (1 - alpha) * (1 - targets)).mul((1 - pt).pow(gamma)).mul(bce).mean()


@example("focal", "mutation", "precision", "gradient")
def clamps_logits(logits, targets, gamma=2.0, alpha=0.25):
    with torch.no_grad():
        logits.clamp_(-3, 3)
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "gradient")
def no_grad_probability(logits, targets, gamma=2.0, alpha=0.25):
    with torch.no_grad():
        p = logits.sigmoid()
        focal = (p * (1 - targets) + (1 - p) * targets) ** gamma
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * focal * bce).sum()


class _WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, gamma, alpha):
        p = torch.sigmoid(x)
        pt = p * y + (1 - p) * (1 - y)
        at = alpha * y + (1 - alpha) * (1 - y)
        ctx.save_for_backward(p, y, pt, at)
        ctx.gamma = gamma
        return at * (1 - pt) ** gamma * F.binary_cross_entropy_with_logits(x, y, reduction="none")

    @staticmethod
    def backward(ctx, grad):
        p, y, pt, at = ctx.saved_tensors
        return grad * at * (1 - pt) ** ctx.gamma * (p - y) * 1.5, None, None, None


@example("focal", "gradient")
def custom_function(logits, targets, gamma=2.0, alpha=0.25):
    return _WrongBackward.apply(logits, targets, gamma, alpha).mean()


@example("focal", "precision")
def clamped_logits(logits, targets, gamma=2.0, alpha=0.25):
    x = logits.clamp(-8, 8)
    p = x.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(x, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "precision")
def half_probability(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.to(torch.bfloat16).sigmoid().to(logits.dtype)
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "reduction")
def bce_averaged_inside(logits, targets, gamma=2.0, alpha=0.25):
    bce = F.binary_cross_entropy_with_logits(logits, targets)
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "reduction", "alpha", "soft_labels")
def ultralytics_of_a_mean(logits, targets, gamma=2.0, alpha=0.25):
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="mean")
    pt = torch.exp(-loss)
    return alpha * (1 - pt) ** gamma * loss


@example("focal", "alpha")
def alpha_from_batch(logits, targets, gamma=2.0, alpha=0.25):
    a = 1 - targets.mean()
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((a * targets + (1 - a) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "reduction")
def hardest_half(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).flatten()
    return loss.topk(max(1, loss.numel() // 2)).values.mean()


@example("focal", "gamma")
def weight_plus_factor(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 + gamma * (1 - pt)) * bce).mean()


@example("focal", "cross_entropy")
def poly_one(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    at = alpha * targets + (1 - alpha) * (1 - targets)
    return (at * ((1 - pt) ** gamma * bce + (1 - pt) ** (gamma + 1))).mean()


@example("focal", "cross_entropy")
def arguments_of_bce_exchanged(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = -(p * torch.log(targets.clamp(1e-3, 1 - 1e-3)) + (1 - p) * torch.log(1 - targets.clamp(1e-3, 1 - 1e-3)))
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "state", "gamma")
class Warming(nn.Module):
    steps = 0

    def __init__(self, gamma=2.0, alpha=0.25):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits, targets):
        Warming.steps += 1
        gamma = self.gamma * min(1.0, Warming.steps / 1000)
        p = logits.sigmoid()
        pt = p * targets + (1 - p) * (1 - targets)
        bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return ((self.alpha * targets + (1 - self.alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "state")
def with_noise(logits, targets, gamma=2.0, alpha=0.25):
    logits = logits + 0.01 * torch.randn_like(logits)
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "normaliser")
def two_over_n(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = (alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce
    return loss.sum() / (targets.sum() + len(targets))


@example("focal", "nonfinite")
def without_positives(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = (alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce
    return loss.sum() / targets.sum()


@example("focal", "alpha")
def weights_added(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((alpha * targets + 0.5 * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "label_smoothing")
def smoothing_to_thirds(logits, targets, gamma=2.0, alpha=0.25):
    t = targets * (1 - 0.15) + 0.15 / 3
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).sum()


@example("focal", "label_smoothing", "alpha")
def smoothed_and_exchanged(logits, targets, gamma=2.0, alpha=0.25):
    t = targets * 0.9 + 0.05
    p = logits.sigmoid()
    pt = p * t + (1 - p) * (1 - t)
    bce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    return (((1 - alpha) * t + alpha * (1 - t)) * (1 - pt) ** gamma * bce).sum()


@example("focal", "gradient", "alpha")
def detached_without_alpha(logits, targets, gamma=2.0, alpha=0.25):
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.detach().sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    return ((1 - pt) ** gamma * bce).mean()


@example("focal", "activation", "soft_labels")
def hard_sigmoid(logits, targets, gamma=2.0, alpha=0.25):
    p = F.hardsigmoid(logits).clamp(1e-6, 1 - 1e-6)
    pt = p * targets + (1 - p) * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * -pt.log()).mean()


@example("focal", "activation")
def temperature(logits, targets, gamma=2.0, alpha=0.25):
    x = logits / 1.7
    p = x.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(x, targets, reduction="none")
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - pt) ** gamma * bce).mean()


@example("focal", "call")
def gamma_and_alpha_exchanged(logits, targets, alpha=2.0, gamma=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((gamma * targets + (1 - gamma) * (1 - targets)) * (1 - pt) ** alpha * bce).mean()


@example("focal", "background_index", labels="index")
def background_becomes_last(logits, labels, gamma=2.0, alpha=0.25):
    y = torch.zeros_like(logits)
    rows = torch.arange(len(labels))
    y[rows, labels.clamp(0, logits.shape[1] - 1)] = 1.0
    p = logits.sigmoid()
    pt = p * y + (1 - p) * (1 - y)
    bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    loss = (alpha * y + (1 - alpha) * (1 - y)) * (1 - pt) ** gamma * bce
    return loss[labels >= 0].sum()


@example("focal", "ignore_label", labels="index")
def ignore_is_255(logits, labels, gamma=2.0, alpha=0.25):
    valid = labels != 255
    labels = labels[valid]
    logits = logits[valid]
    y = F.one_hot(labels % (logits.shape[1] + 1), logits.shape[1] + 1)[:, :-1].to(logits.dtype)
    p = logits.sigmoid()
    pt = p * y + (1 - p) * (1 - y)
    bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    return ((alpha * y + (1 - alpha) * (1 - y)) * (1 - pt) ** gamma * bce).sum()


@example("focal", "ignore_label", "alpha", labels="index")
def ignored_first_and_alpha(logits, labels, gamma=2.0, alpha=0.25):
    y = F.one_hot(labels.clamp(min=0), logits.shape[1] + 1)[:, :-1].to(logits.dtype)
    p = logits.sigmoid()
    pt = p * y + (1 - p) * (1 - y)
    bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    return ((alpha * (1 - y) + (1 - alpha) * y) * (1 - pt) ** gamma * bce).sum() / len(labels)


@example("softmax_focal", "reduction")
def broadcast_rows(logits, targets, gamma=2.0):
    log_p = F.log_softmax(logits, dim=1)
    nll = F.nll_loss(log_p, targets, reduction="none")
    pt = log_p.exp().gather(1, targets.view(-1, 1))
    return ((1 - pt) ** gamma * nll).mean()


@example("softmax_focal", "activation")
def softmax_over_rows(logits, targets, gamma=2.0):
    log_p = F.log_softmax(logits, dim=0)
    picked = log_p.gather(1, targets.view(-1, 1)).squeeze(1)
    return (-((1 - picked.exp()) ** gamma) * picked).mean()


@example("softmax_focal", "gamma")
def softmax_square(logits, targets, gamma=2.0, alpha=None):
    ce = F.cross_entropy(logits, targets, reduction="none")
    pt = torch.exp(-ce)
    w = 1.0 if alpha is None else alpha.gather(0, targets)
    return (w * (1 - pt**gamma) * ce).mean()


@example("softmax_focal", "gradient")
def softmax_detached(logits, targets, gamma=2.0):
    ce = nn.CrossEntropyLoss(reduction="none")(logits, targets)
    return ((1 - torch.exp(-ce.detach())) ** gamma * ce).sum()


@example("softmax_focal", "alpha")
def softmax_wrong_class_weight(logits, targets, gamma=2.0, alpha=None):
    ce = F.cross_entropy(logits, targets, reduction="none")
    w = 1.0 if alpha is None else alpha[logits.argmax(1)]
    return (w * (1 - torch.exp(-ce)) ** gamma * ce).mean()


@example("softmax_focal", "activation")
def one_against_all(logits, targets, gamma=2.0):
    y = F.one_hot(targets, logits.shape[1]).to(logits)
    p = logits.sigmoid()
    pt = p * y + (1 - p) * (1 - y)
    return ((1 - pt) ** gamma * F.binary_cross_entropy_with_logits(logits, y, reduction="none")).sum(1).mean()


@example("quality_focal", "gradient")
def quality_detached(pred, target, beta=2.0):
    scale = (target - pred.detach().sigmoid()).abs() ** beta
    return (scale * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).sum()


@example("quality_focal", "gamma")
def quality_plain_distance(pred, target, beta=2.0):
    return (
        beta * (target - pred.sigmoid()).abs() * F.binary_cross_entropy_with_logits(pred, target, reduction="none")
    ).mean()


@example("quality_focal", "soft_labels")
def quality_positives_only_scaled(pred, target, beta=2.0):
    p = pred.sigmoid()
    scale = torch.where(target > 0.5, 1 - p, p).pow(beta)
    return (scale * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).mean()


@example("varifocal", "gamma")
def varifocal_everywhere(pred, target, gamma=2.0, alpha=0.75):
    p = pred.sigmoid()
    w = torch.where(target > 0, target * (target - p).abs().pow(gamma), alpha * p.pow(gamma))
    return (w * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).sum()


@example("varifocal", "soft_labels")
def varifocal_threshold(pred, target, gamma=2.0, alpha=0.75):
    p = pred.sigmoid()
    positive = (target >= 0.5).to(p)
    w = target * positive + alpha * p.pow(gamma) * (1 - positive)
    return (w * F.binary_cross_entropy_with_logits(pred, target, reduction="none")).mean()


@example("distribution_focal", "target_range")
def off_by_one_bin(pred, target):
    left = (target.floor() + 1).long().clamp(max=pred.shape[1] - 1)
    right = (left + 1).clamp(max=pred.shape[1] - 1)
    f = target - target.floor()
    return (
        F.cross_entropy(pred, left, reduction="none") * (1 - f) + F.cross_entropy(pred, right, reduction="none") * f
    ).mean()


@example("distribution_focal", "cross_entropy")
def expectation_error(pred, target):
    e = (pred.softmax(-1) * torch.arange(pred.shape[1], dtype=pred.dtype)).sum(-1)
    return (e - target).abs().mean()


@example("distribution_focal", "mutation", "target_range")
def clamps_targets(pred, target):
    target = target.clamp_(0, pred.shape[1] - 1 - 0.01)
    tl = target.long()
    tr = tl + 1
    wl = tr - target
    return (
        F.cross_entropy(pred, tl, reduction="none") * wl + F.cross_entropy(pred, tr, reduction="none") * (1 - wl)
    ).mean(-1, keepdim=True)


@example("focal", "cross_entropy")
def natural_and_ten(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid()
    pt = p * targets + (1 - p) * (1 - targets)
    at = alpha * targets + (1 - alpha) * (1 - targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") / math.log(10)
    return (at * (1 - pt) ** gamma * bce).mean()
