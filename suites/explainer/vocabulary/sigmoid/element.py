"""What the factors of the sigmoid losses are made of: p, p_t, the cross entropy, and how a soft label is read."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import softplus

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor

RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "y > 0.5": lambda y: (y > 0.5).to(y),
    "y >= 0.5": lambda y: (y >= 0.5).to(y),
    "y == 1": lambda y: (y == 1).to(y),
    "y > 0": lambda y: (y > 0).to(y),
}


def between(y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return y * positive + (1 - y) * negative


def one(*changes: Change) -> Option:
    return Option(changes, "", lambda s: torch.ones_like(s.x))


def alpha_of(s: Points) -> Tensor:
    return torch.full_like(s.x, 0.5) if s.alpha is None else s.alpha.expand_as(s.x)


def probabilities(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(x), torch.sigmoid(-x)


def miss_and_hit(s: Points) -> tuple[Tensor, Tensor]:
    p, q = probabilities(s.x)
    return between(s.y, q, p), between(s.y, p, q)


def distance(s: Points) -> tuple[Tensor, Tensor]:
    p, _ = probabilities(s.x)
    return (s.y - p).abs(), 1 - (s.y - p).abs()


def cross_entropy(s: Points) -> Tensor:
    return softplus(s.x, threshold=50) - s.x * s.y
