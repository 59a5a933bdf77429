"""What the softmax focal loss is made of: a row of logits (P, C) is one element, its class y is (P, 1)."""

from __future__ import annotations

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Points, Tensor


def log_p(s: Points) -> Tensor:
    """log p_t, (P, 1)."""
    return s.x.log_softmax(-1).gather(-1, s.y)


def hit(s: Points) -> Tensor:
    return log_p(s).exp()


def miss(s: Points) -> Tensor:
    p = s.x.softmax(-1)
    return (p * others(s)).sum(-1, keepdim=True)  # without the cancellation of 1 - p_t


def others(s: Points) -> Tensor:
    return 1 - one_hot(s)


def one_hot(s: Points) -> Tensor:
    return torch.zeros_like(s.x).scatter(-1, s.y, 1.0)


def weight_of(s: Points) -> Tensor:
    return torch.ones_like(s.x[..., :1]) if s.alpha is None else s.alpha.gather(-1, s.y)


def smoothed(s: Points, e: float, how: str) -> Tensor:
    """Cross entropy of smoothed labels, (P, 1)."""
    classes = s.x.shape[-1]
    spread = {
        "uniform": lambda h: (1 - e) * h + e / classes,
        "others": lambda h: (1 - e) * h + e * (1 - h) / (classes - 1),
        "target": lambda h: (1 - e) * h,
        "binary": lambda h: (1 - e) * h + e / 2,
        "added": lambda h: (1 - e) * h + e,
        "wide": lambda h: (1 - e) * h + e / (classes - 1),
        "own": lambda h: ((1 - e) * h + e / classes) * (1.0 if s.alpha is None else s.alpha / weight_of(s)),
    }[how](one_hot(s))
    return -(spread * s.x.log_softmax(-1)).sum(-1, keepdim=True)
