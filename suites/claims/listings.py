"""The articles' listings, run as users run them: through the adapter that repeats their behaviour."""

from __future__ import annotations

from typing import Any

from focalbench_suite.suites.claims import own


def listing(name: str, variant: str) -> Any:
    """The adapter loss `name` of the article `variant` (first or second)."""
    from focalbench_suite import adapters

    return adapters.find(name, f"articles.{variant}")


def batch(rows: int, classes: int = 4, positives: int = 1) -> tuple[Any, Any]:
    """Logits (rows, classes) spread over -3 … 3 in float64 and hard targets, the first `positives` of them 1."""
    import torch

    logits = torch.linspace(-3, 3, rows * classes, dtype=torch.float64).reshape(rows, classes)
    targets = torch.zeros_like(logits)
    targets.view(-1)[:positives] = 1
    return logits, targets


def four_sides(boxes: int = 5, bins: int = 8) -> tuple[Any, Any]:
    """Logits (4 boxes, bins) and box sides (boxes, 4) between the bins, in float64."""
    import torch

    logits = torch.linspace(-2, 2, 4 * boxes * bins, dtype=torch.float64).sin().reshape(4 * boxes, bins)
    return logits, torch.linspace(0.1, bins - 1.5, 4 * boxes, dtype=torch.float64).reshape(boxes, 4)


def of_one_logit(variant: str, p: float, y: float, *, gamma: float = 0.0, alpha: float = 0.5) -> float:
    """An article's focal loss of a single prediction; gamma 0 and alpha 0.5 leave half of its cross entropy."""
    import torch

    x = torch.tensor([[own.logit(p)]], dtype=torch.float64)
    return listing("focal", variant).reduced(x, x * 0 + y, gamma=gamma, alpha=alpha).item()


def modulating_factor(variant: str, p: float, y: float) -> float:
    """What gamma 1 puts on the cross entropy of an article's focal loss, 1 - p_t."""
    return of_one_logit(variant, p, y, gamma=1.0) / of_one_logit(variant, p, y)


def alpha_factor(variant: str, alpha: float, y: float) -> float:
    """What alpha puts on the cross entropy of an article's focal loss, alpha_t."""
    return 0.5 * of_one_logit(variant, 0.3, y, alpha=alpha) / of_one_logit(variant, 0.3, y)
