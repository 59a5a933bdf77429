"""The losses as the papers write them, per element: the specification that every faster form is held to.

Each function takes logits and targets of the shapes of `adapters.own.losses` and gives the loss per element (per row
for the softmax losses), in float64 whatever comes in. Probabilities stay in log-space: log σ(x) keeps its digits where
σ(x) is 0 or 1 to machine precision, so that no 1 - p cancels and every gradient is finite, for every gamma >= 0.
Gradients flow to the logits; targets and weights are constants.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-y log p - (1 - y) log(1 - p), with p = σ(x)."""
    x, y = logits.double(), targets.double()
    return -y * logsigmoid(x) - (1 - y) * logsigmoid(-x)


def balanced_cross_entropy(logits: Tensor, targets: Tensor, alpha: float | None) -> Tensor:
    """α_t CE, with α_t = α y + (1 - α)(1 - y)  (arXiv:1708.02002 eq. 3)."""
    return _alpha_t(targets, alpha) * binary_cross_entropy(logits, targets)


def focal(logits: Tensor, targets: Tensor, gamma: float, alpha: float | None) -> Tensor:
    """α_t (1 - p_t)^γ CE, with p_t = p y + (1 - p)(1 - y)  (arXiv:1708.02002 eq. 5)."""
    x, y = logits.double(), targets.double()
    log_miss = torch.logaddexp(logsigmoid(x) + torch.log1p(-y), logsigmoid(-x) + y.log())  # log(1 - p_t)
    return (gamma * log_miss).exp() * balanced_cross_entropy(x, y, alpha)


def quality_focal(logits: Tensor, targets: Tensor, beta: float) -> Tensor:
    """|y - p|^β CE  (arXiv:2006.04388 eq. 2)."""
    x, y = logits.double(), targets.double()
    above, below = y.log() + logsigmoid(-x), torch.log1p(-y) + logsigmoid(x)  # y - p = y (1 - p) - (1 - y) p
    return _power_of_gap(above, below, beta) * binary_cross_entropy(x, y)


def varifocal(logits: Tensor, targets: Tensor, gamma: float, alpha: float | None) -> Tensor:
    """y CE where y > 0, else α p^γ CE  (arXiv:2008.13367 eq. 2)."""
    x, y = logits.double(), targets.double()
    negative = (1.0 if alpha is None else alpha) * (gamma * logsigmoid(x)).exp()
    return torch.where(y > 0, y, negative) * binary_cross_entropy(x, y)


def softmax_focal(logits: Tensor, targets: Tensor, gamma: float, alpha: Tensor | None) -> Tensor:
    """-α_c (1 - p_c)^γ log p_c of the target class c, with p the softmax of each row."""
    odds = _log_odds(logits.double(), targets)
    loss = (gamma * logsigmoid(-odds)).exp() * -logsigmoid(odds)
    return loss if alpha is None else alpha.double()[targets] * loss


def distribution_focal(logits: Tensor, targets: Tensor, weight: Tensor | None) -> Tensor:
    """-(y_r - y) log p_l - (y - y_l) log p_r, with y_l <= y <= y_r neighbouring bins  (arXiv:2006.04388 eq. 6)."""
    left, right_share = _bins(logits, targets)
    x = logits.double()
    loss = (right_share - 1) * logsigmoid(_log_odds(x, left)) - right_share * logsigmoid(_log_odds(x, left + 1))
    return loss if weight is None else weight.double() * loss


def generalized_focal(logits: Tensor, targets: Tensor, beta: float) -> Tensor:
    """|y - (y_l p_l + y_r p_r)|^β ((y_r - y)(-log p_l) + (y - y_l)(-log p_r))  (arXiv:2006.04388 eq. 7).

    p is the softmax over K bins. β = 0 gives DFL; two bins with logits (0, x) give QFL, and FL where y is 0 or 1.
    """
    left, right_share = _bins(logits, targets)
    x = logits.double()
    log_p = x.log_softmax(dim=-1)
    log_left, log_right = _pick(log_p, left), _pick(log_p, left + 1)
    log_rest = _log_sum_without(log_p, left, left + 1)
    # y - y_l p_l - y_r p_r, each side a sum of what cannot be negative: nothing cancels where both bins are one sided
    above = torch.logaddexp(right_share.log() + torch.logaddexp(log_left, log_rest), left.double().log() + log_rest)
    below = torch.log1p(-right_share) + log_right
    return _power_of_gap(above, below, beta) * distribution_focal(x, targets, None)


def integral(logits: Tensor) -> Tensor:
    """Σ_i i softmax(x)_i over the last dimension: the box side that a distribution over bins stands for."""
    bins = torch.arange(logits.shape[-1], dtype=torch.float64, device=logits.device)
    return (logits.double().softmax(dim=-1) * bins).sum(dim=-1)


def _alpha_t(targets: Tensor, alpha: float | None) -> Tensor | float:
    y = targets.double()
    return 1.0 if alpha is None else alpha * y + (1 - alpha) * (1 - y)


def _power_of_gap(log_a: Tensor, log_b: Tensor, beta: float) -> Tensor:
    """|a - b|^β of two numbers given by their logarithms; where a = b the gradient is taken as 0."""
    if beta == 0:
        return torch.ones_like(log_a)
    equal = log_a == log_b
    difference = torch.where(equal, -1.0, -(log_a - log_b).abs())  # -inf where one of them is 0
    log_gap = torch.maximum(log_a, log_b) + (-torch.expm1(difference)).log()
    return torch.where(equal, 0.0, (beta * log_gap).exp())


def _bins(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The left of the two bins around each target, and the share of the right one (1 for a target on the last bin)."""
    left = targets.detach().floor().long().clamp(0, logits.shape[-1] - 2)
    return left, targets.double() - left


def _log_odds(logits: Tensor, index: Tensor) -> Tensor:
    """log(p / (1 - p)) of the softmax probability of one class a row: σ of it is p, without cancellation."""
    return _pick(logits, index) - _log_sum_without(logits, index)


def _pick(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(-1, index.unsqueeze(-1)).squeeze(-1)


def _log_sum_without(logits: Tensor, *indices: Tensor) -> Tensor:
    """log Σ exp over all classes of a row but the given ones; -inf where none is left."""
    return logits.scatter(-1, torch.stack(indices, dim=-1), -torch.inf).logsumexp(dim=-1)
