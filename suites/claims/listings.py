"""The articles' listings, run as users run them: through the adapter that repeats their behaviour."""

from __future__ import annotations

from typing import Any


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
