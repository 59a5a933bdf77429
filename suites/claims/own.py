"""Our own losses of single predictions in float64, by probability, as the papers plot them. Torch is imported late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def logit(p: float) -> float:
    """The logit of a probability; ±inf at 0 and 1."""
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    return math.log(p) - math.log1p(-p)


def value(name: str, p: float, target: float = 1.0, **parameters: Any) -> float:
    """The loss `name` (a canonical name of a sigmoid loss) of one prediction with probability `p`."""
    return _call(name, [[logit(p)]], [[target]], **parameters)[0].item()


def of_logits(name: str, logits: Sequence[float], target: float, **parameters: Any) -> list[float]:
    """The loss `name` of each of these logits, all with one target."""
    return _call(name, [[x] for x in logits], [[target]] * len(logits), **parameters)[0].flatten().tolist()


def gradient(name: str, x: float, target: float = 1.0, **parameters: Any) -> float:
    """The derivative of the loss `name` of one prediction to its logit `x`."""
    loss, logits = _call(name, [[x]], [[target]], **parameters)
    loss.sum().backward()
    return logits.grad.item()


def of_distribution(name: str, probabilities: Sequence[float], target: float, **parameters: Any) -> float:
    """The loss `name` of one distribution over bins 0 … K-1 (all positive) and the target it should stand for."""
    return _call(name, [[math.log(p) for p in probabilities]], [target], **parameters)[0].item()


def gradient_of_distribution(
    name: str, probabilities: Sequence[float], target: float, **parameters: Any
) -> list[float]:
    """The derivative of the loss of one distribution to the logits of its bins."""
    loss, logits = _call(name, [[math.log(p) for p in probabilities]], [target], **parameters)
    loss.sum().backward()
    return logits.grad[0].tolist()


def expectation(probabilities: Sequence[float]) -> float:
    """The box side that our integral decoding gives for a distribution over bins."""
    import torch

    from focalbench_suite.adapters.own import integral

    return integral(torch.tensor([probabilities], dtype=torch.float64).log()).item()


def _call(name: str, logits: list, targets: list, **parameters: Any) -> tuple[Any, Any]:
    import torch

    from focalbench_suite.adapters import own as losses

    function = getattr(losses, f"{name}_loss")
    x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    return function(x, torch.tensor(targets, dtype=torch.float64), reduction="none", **parameters), x
