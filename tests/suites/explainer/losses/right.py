"""Right in many styles: none of them may be called different."""

import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)
from torch import nn

from tests.suites.explainer.losses import collection

EXAMPLES, example = collection()


@example("focal")
def plain(logits, targets, gamma=2.0, alpha=0.25):
    p = torch.sigmoid(logits)
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    return (alpha * targets + (1 - alpha) * (1 - targets)) * (1 - p_t) ** gamma * ce


@example("focal")
def in_log_space(logits, targets, gamma=2.0, alpha=0.25):
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    log_miss = torch.logaddexp(torch.log(targets) + log_q, torch.log(1 - targets) + log_p)
    ce = -(targets * log_p + (1 - targets) * log_q)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * torch.exp(gamma * log_miss) * ce).mean()


@example("focal")
def in_double(logits, targets, gamma=2.0, alpha=0.25):
    x, y = logits.double(), targets.double()
    p = 1 / (1 + torch.exp(-x))
    q = 1 / (1 + torch.exp(x))
    ce = y * F.softplus(-x) + (1 - y) * F.softplus(x)
    return ((alpha * y + (1 - alpha) * (1 - y)) * (q * y + p * (1 - y)) ** gamma * ce).sum().to(logits.dtype)


@example("focal")
def over_rows(logits, targets, gamma: float = 2, alpha: float = 0.25):
    return plain(logits, targets, gamma, alpha).sum(1).mean(0)


@example("focal")
def over_positives(logits, targets, gamma=2.0, alpha=0.25):
    return plain(logits, targets, gamma, alpha).sum() / (targets > 0).sum().clamp(min=1)


@example("focal")
def without_alpha(logits, targets, gamma=2.0):
    p_t = torch.sigmoid(logits) * targets + torch.sigmoid(-logits) * (1 - targets)
    return ((1 - p_t) ** gamma * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()


@example("focal")
def with_optional_alpha(inputs, targets, alpha: float = -1, gamma: float = 2, reduction: str = "none"):
    loss = plain(inputs, targets, gamma, 0.5) * 2 if alpha < 0 else plain(inputs, targets, gamma, alpha)
    return {"none": lambda: loss, "mean": loss.mean, "sum": loss.sum}[reduction]()


class Module(nn.Module):
    def __init__(self, alpha=0.25, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, pred, target):
        return plain(pred, target, self.gamma, self.alpha).sum() / max(1, len(pred))


example("focal")(Module)


@example("focal")
@torch.jit.script
def scripted(logits: torch.Tensor, targets: torch.Tensor, gamma: float = 2.0, alpha: float = 0.25) -> torch.Tensor:
    p = torch.sigmoid(logits)
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - p_t) ** gamma * ce).mean()


@example("focal", labels="index")
def from_labels(logits, labels, gamma=2.0, alpha=0.25):
    one_hot = torch.zeros(len(labels), logits.shape[1] + 1, dtype=logits.dtype)
    one_hot[torch.arange(len(labels)), labels.clamp(min=0)] = 1
    keep = (labels >= 0).to(logits)
    return (plain(logits, one_hot[:, :-1], gamma, alpha) * keep[:, None]).sum() / (labels >= 0).sum().clamp(min=1)


@example("focal", labels="index")
def from_kept_labels(logits, labels, gamma=2.0, alpha=0.25):
    logits, labels = logits[labels >= 0], labels[labels >= 0]
    classes = torch.arange(logits.shape[1])
    return plain(logits, (labels[:, None] == classes).to(logits), gamma, alpha).sum()


@example("quality_focal")
def quality(pred, target, beta=2.0):
    scale = (pred.sigmoid() - target).abs().pow(beta)
    return (F.binary_cross_entropy_with_logits(pred, target, reduction="none") * scale).sum(dim=1)


@example("varifocal")
def varifocal(pred, target, alpha=0.75, gamma=2.0):
    p = pred.sigmoid()
    weight = target * (target > 0).to(p) + alpha * (p - target).abs().pow(gamma) * (target <= 0).to(p)
    return (F.binary_cross_entropy_with_logits(pred, target, reduction="none") * weight).mean()


@example("softmax_focal")
def softmax_by_gather(logits, targets, gamma=2.0, alpha=None):
    log_p = F.log_softmax(logits, 1).gather(1, targets.unsqueeze(1)).squeeze(1)
    loss = -((1 - log_p.exp()) ** gamma) * log_p
    return (loss if alpha is None else alpha[targets] * loss).mean()


@example("softmax_focal")
def softmax_by_one_hot(logits, targets, gamma=2.0, alpha=None):
    p = F.softmax(logits.double(), dim=1)
    one_hot = F.one_hot(targets, logits.shape[1]).to(p)
    weight = 1.0 if alpha is None else alpha.double()
    return -(weight * one_hot * (1 - p) ** gamma * p.log()).sum(1).sum()


@example("softmax_focal")
def softmax_over_weights(logits, targets, gamma=2.0, alpha=None):
    ce = F.cross_entropy(logits, targets, reduction="none")
    weight = torch.ones_like(ce) if alpha is None else alpha[targets]
    return (weight * (1 - torch.exp(-ce)) ** gamma * ce).sum() / weight.sum()


@example("distribution_focal")
def bins_by_cross_entropy(pred, label):
    left = label.long().clamp(max=pred.shape[1] - 2)
    right = left + 1
    return (
        F.cross_entropy(pred, left, reduction="none") * (right - label)
        + F.cross_entropy(pred, right, reduction="none") * (label - left)
    ).mean()


@example("distribution_focal")
def bins_by_triangle(logits, targets, weight=None):
    distance = (targets[:, None] - torch.arange(logits.shape[1])).abs()
    loss = -((1 - distance).clamp(min=0) * logits.log_softmax(-1)).sum(-1)
    return loss.sum() if weight is None else (loss * weight).sum()


@example("distribution_focal")
def wrapping_a_bin_of_no_weight(pred, target):
    left = target.long()
    right = (left + 1) % pred.shape[1]
    wl = left + 1 - target
    return (
        F.cross_entropy(pred, left, reduction="none") * wl
        + F.cross_entropy(pred, right, reduction="none") * (target - left)
    ).sum()


@example("distribution_focal")
class BinsWithoutConstructor(torch.nn.Module):
    def forward(self, logits, targets, weight=None):
        left = targets.long().clamp(max=logits.shape[1] - 2)
        soft = torch.zeros_like(logits).scatter(1, left[:, None], (left + 1 - targets)[:, None])
        soft = soft.scatter(1, left[:, None] + 1, (targets - left)[:, None])
        loss = F.cross_entropy(logits, soft, reduction="none")
        return (loss if weight is None else loss * weight).sum()
