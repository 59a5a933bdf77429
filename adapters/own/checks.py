"""What the arguments of a loss must be. Each check returns nothing, and raises where an argument is wrong.

A message names the argument, what was given and what is allowed. Numbers are checked everywhere. The values in a tensor
are read only where that is free: not on a GPU, which would have to be waited for, and not under torch.compile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

REDUCTIONS = ("none", "mean", "sum")


def not_negative(name: str, value: float) -> None:
    """Raises `ValueError` unless the number is finite and 0 or more."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value}; it must be a finite number, 0 or more")


def share(name: str, value: float | None) -> None:
    """Raises `ValueError` unless the number lies in [0, 1] or is None."""
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it must lie in [0, 1], or be None for no weighting")


def factor(name: str, value: float | None) -> None:
    """Raises `ValueError` unless the number is finite, 0 or more, or is None."""
    if value is not None:
        not_negative(name, value)


def class_weights(name: str, weights: Tensor | None, classes: int) -> None:
    """Raises `ValueError` unless there is one weight a class, each 0 or more."""
    if weights is None:
        return
    if weights.shape != (classes,):
        raise ValueError(f"{name} holds a weight a class, ({classes},); this one is {tuple(weights.shape)}")
    if readable(weights) and not bool((weights >= 0).all()):
        raise ValueError(f"{name} is {weights.tolist()}; a class weight must be 0 or more")


def logits(dtype: torch.dtype) -> None:
    """Raises `TypeError` unless the dtype is a floating-point one."""
    if not dtype.is_floating_point:
        raise TypeError(f"logits are floating point; these are {dtype}")


def rows(logits: Tensor, targets: Tensor, least: int) -> None:
    """Raises `ValueError` unless logits (..., K) have K >= least, and targets are (...), one a row."""
    if logits.dim() == 0 or logits.shape[-1] < least:
        raise ValueError(f"logits need at least {least} in the last dimension; these are {tuple(logits.shape)}")
    if targets.shape != logits.shape[:-1]:
        raise ValueError(f"targets hold one value a row, {tuple(logits.shape[:-1])}; these are {tuple(targets.shape)}")


def box_pairs(boxes: Tensor, targets: Tensor) -> None:
    """Raises `TypeError` unless the boxes are floating point, and `ValueError` unless both are (..., 4) alike."""
    if not boxes.dtype.is_floating_point:
        raise TypeError(f"boxes are floating point; these are {boxes.dtype}")
    if boxes.shape != targets.shape or boxes.shape[-1:] != (4,):
        raise ValueError(
            f"boxes and targets are pairs of corners (..., 4) of one shape; "
            f"these are {tuple(boxes.shape)} and {tuple(targets.shape)}"
        )


def reduction(name: str, avg_factor: float | Tensor | None) -> None:
    """Raises `ValueError` for an unknown reduction, or an `avg_factor` that is not one number, 0 or more.

    An `avg_factor` that is a tensor is checked for its shape alone.
    """
    if name not in REDUCTIONS:
        raise ValueError(f"unknown reduction {name!r}; choose from none, mean, sum")
    if avg_factor is None:
        return
    if name != "mean":
        raise ValueError(f"avg_factor replaces the divisor of the mean; reduction is {name!r}")
    divisor(avg_factor)


def divisor(avg_factor: float | Tensor) -> None:
    """Raises `ValueError` unless `avg_factor` is one finite number, 0 or more, or a tensor with one element."""
    if not isinstance(avg_factor, Tensor):
        not_negative("avg_factor", avg_factor)
    elif avg_factor.numel() != 1:
        raise ValueError(f"avg_factor is one number; this tensor has shape {tuple(avg_factor.shape)}")


def ground_truth(boxes: Sequence[Tensor], labels: Sequence[Tensor], classes: int) -> None:
    """Raises `ValueError` unless each image has boxes (G, 4) and labels (G,), class indices in 0 … classes - 1.

    The values of labels on a GPU are read, too: assignment waits for the GPU anyway.
    """
    if len(boxes) != len(labels):
        raise ValueError(f"boxes and labels hold one tensor an image; there are {len(boxes)} and {len(labels)}")
    for image, (box, label) in enumerate(zip(boxes, labels, strict=True)):
        if box.shape != (len(label), 4) or label.dim() != 1:
            raise ValueError(
                f"image {image} needs boxes (G, 4) and labels (G,); "
                f"these are {tuple(box.shape)} and {tuple(label.shape)}"
            )
    every = torch.cat(list(labels)) if labels else torch.zeros(0)
    wrong = every[(every < 0) | (every >= classes)]
    if len(wrong):
        raise ValueError(f"labels are class indices in 0 … {classes - 1}; one is {wrong[0].item()}")


def readable(values: Tensor) -> bool:
    """Whether the values can be read at once: an ordinary tensor (not a fake one) on a CPU, outside torch.compile."""
    return type(values) in (Tensor, nn.Parameter) and values.device.type == "cpu" and not torch.compiler.is_compiling()
