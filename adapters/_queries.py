"""Ground truth as the set criteria of detectors with queries take it."""

from __future__ import annotations

from typing import Any


def targets_of(boxes: Any, labels: Any, image_size: tuple[int, int], label: str = "labels") -> list[dict[str, Any]]:
    """An image each: centres and sizes (G, 4) as shares of the image, of corners in pixels, and the classes (G,)."""
    import torch

    height, width = image_size
    found = []
    for corners, classes in zip(boxes, labels, strict=True):
        low, high = corners[:, :2], corners[:, 2:]
        shares = torch.cat(((low + high) / 2, high - low), dim=1) / corners.new_tensor([width, height, width, height])
        found.append({"boxes": shares, label: classes})
    return found
