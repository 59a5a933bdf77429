"""The losses as the papers write them, per element: the specification that every faster form is tested against.

Each function takes logits and targets with the shapes that `losses` describes, and gives the loss per element, or per
row for losses over rows, in float64 whatever the dtype of the inputs. 1 - p is computed as σ(-x) and log p as a
log-sigmoid, so that nothing cancels and every gradient is finite, for every gamma >= 0.
Gradients flow to the logits; targets and weights are constants.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .loss_call import LossCall


def evaluate(call: LossCall) -> Tensor:
    """The loss per element or row of a call.

    Raises `ValueError` for a loss that is not in `FORMULAS`.
    """
    if call.loss not in FORMULAS:
        raise ValueError(f"there is no loss {call.loss!r}; there are {', '.join(FORMULAS)}")
    return FORMULAS[call.loss](call)


def dense_targets(call: LossCall) -> Tensor:
    """The targets of a sigmoid loss in the logits' shape; a class index outside 0 … C-1 gives a row of zeros."""
    if call.labels is None:
        return call.targets
    hit = call.labels.unsqueeze(-1) == torch.arange(call.logits.shape[-1], device=call.logits.device)
    return hit.double() if call.targets is None else hit * call.targets.double().unsqueeze(-1)


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
    miss = y * (-x).sigmoid() + (1 - y) * x.sigmoid()  # 1 - p_t
    return _power(miss, gamma) * balanced_cross_entropy(x, y, alpha)


def quality_focal(logits: Tensor, targets: Tensor, beta: float) -> Tensor:
    """|y - p|^β CE  (arXiv:2006.04388 eq. 2)."""
    x, y = logits.double(), targets.double()
    gap = y * (-x).sigmoid() - (1 - y) * x.sigmoid()  # y - p
    return _power(gap.abs(), beta) * binary_cross_entropy(x, y)


def varifocal(logits: Tensor, targets: Tensor, gamma: float, alpha: float | None) -> Tensor:
    """y CE where y > 0, else α p^γ CE  (arXiv:2008.13367 eq. 2)."""
    x, y = logits.double(), targets.double()
    negative = (1.0 if alpha is None else alpha) * _power(x.sigmoid(), gamma)
    return torch.where(y > 0, y, negative) * binary_cross_entropy(x, y)


def softmax_focal(logits: Tensor, targets: Tensor, gamma: float, alpha: Tensor | None) -> Tensor:
    """-α_c (1 - p_c)^γ log p_c of the target class c, with p the softmax of each row."""
    odds = _log_odds(logits.double(), targets)
    loss = _power((-odds).sigmoid(), gamma) * -logsigmoid(odds)
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
    p = x.softmax(dim=-1)
    p_left, p_right = _pick(p, left), _pick(p, left + 1)
    p_rest = p.scatter(-1, torch.stack((left, left + 1), dim=-1), 0.0).sum(dim=-1)
    # y - y_l p_l - y_r p_r, written as a sum of terms that are all small where it is small
    gap = left * p_rest + right_share * (p_left + p_rest) - (1 - right_share) * p_right
    return _power(gap.abs(), beta) * distribution_focal(x, targets, None)


def integral(logits: Tensor) -> Tensor:
    """Σ_i i softmax(x)_i over the last dimension: the box side that a distribution over bins stands for."""
    bins = torch.arange(logits.shape[-1], dtype=torch.float64, device=logits.device)
    return (logits.double().softmax(dim=-1) * bins).sum(dim=-1)


def _alpha_t(targets: Tensor, alpha: float | None) -> Tensor | float:
    y = targets.double()
    return 1.0 if alpha is None else alpha * y + (1 - alpha) * (1 - y)


def _power(base: Tensor, exponent: float) -> Tensor:
    """base^exponent of base >= 0.

    Where the base is 0 its gradient is taken as 0: torch's would be infinite or NaN for exponents below 1, while the
    product base^exponent CE has the limit 0 there.
    """
    zero = base == 0
    return torch.where(zero, float(exponent == 0), torch.where(zero, 1.0, base) ** exponent)


def _bins(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The left of the two bins around each target, and the share of the right one (1 for a target on the last bin)."""
    left = targets.detach().floor().long().clamp(0, logits.shape[-1] - 2)
    return left, targets.double() - left


def _log_odds(logits: Tensor, index: Tensor) -> Tensor:
    """log(p / (1 - p)) of the softmax probability p of one class a row, so that p is σ of it and 1 - p is σ of -it."""
    others = logits.scatter(-1, index.unsqueeze(-1), -torch.inf).logsumexp(dim=-1)
    return _pick(logits, index) - others


def _pick(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(-1, index.unsqueeze(-1)).squeeze(-1)


# The formula of each loss, by its name in a `LossCall`. A loss that has no kernels needs an entry here alone.
FORMULAS: dict[str, Callable[[LossCall], Tensor]] = {
    "focal": lambda call: focal(call.logits, dense_targets(call), call.power, call.alpha),
    "quality_focal": lambda call: quality_focal(call.logits, dense_targets(call), call.power),
    "varifocal": lambda call: varifocal(call.logits, dense_targets(call), call.power, call.alpha),
    "softmax_focal": lambda call: softmax_focal(call.logits, call.targets, call.power, call.weights),
    "distribution_focal": lambda call: distribution_focal(call.logits, call.targets, call.weights),
    "generalized_focal": lambda call: generalized_focal(call.logits, call.targets, call.power),
}
