"""Lets MMDetection be imported where mmcv-lite, mmcv without its compiled operators, is installed.

Wheels of the full mmcv are built against a few old releases of torch; mmcv-lite installs everywhere but misses the
extension module ``mmcv._ext``, without which ``mmdet.models`` cannot even be imported. `ensure_ops` puts a module in
its place, with what training and testing GFL and RetinaNet calls: non-maximum suppression is torchvision's, and the
sigmoid focal loss, which MMDetection takes from mmcv for class indices on CUDA, is MMDetection's own plain form of it.
Every other operator raises when it is called. Where the extension exists, nothing is changed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

EXTENSION = "mmcv._ext"


def ensure_ops() -> bool:
    """Make ``import mmdet.models`` work; call it before that import.

    Returns whether mmcv's compiled operators are the real ones. Raises `ModuleNotFoundError` where mmcv is missing.
    """
    if EXTENSION not in sys.modules and importlib.util.find_spec(EXTENSION) is None:
        sys.modules[EXTENSION] = _StandIn(EXTENSION)
    return not isinstance(sys.modules.get(EXTENSION), _StandIn)


class _StandIn(ModuleType):
    """A module that has every operator, and whose operators say why they do not work."""

    def __init__(self, name: str) -> None:
        super().__init__(name, __doc__)
        self.__spec__ = importlib.machinery.ModuleSpec(name, loader=None)  # find_spec refuses a module without one
        self.nms = _nms
        self.sigmoid_focal_loss_forward = _focal_forward
        self.sigmoid_focal_loss_backward = _focal_backward

    def __getattr__(self, operator: str) -> Any:
        if operator.startswith("__"):
            raise AttributeError(operator)

        def missing(*arguments: Any, **options: Any) -> None:
            raise NotImplementedError(
                f"mmcv.ops {operator!r} is compiled code: install the full mmcv in place of mmcv-lite"
            )

        return missing


def _nms(boxes: Any, scores: Any, iou_threshold: float, offset: int) -> Any:
    """Indices of the boxes (N, 4) xyxy that are kept, best first; with `offset` 1 a side is x2 - x1 + 1 pixels."""
    from torchvision.ops import nms

    return nms(boxes + boxes.new_tensor([0, 0, offset, offset]), scores, iou_threshold)


def _focal_forward(logits: Any, index: Any, weight: Any, output: Any, gamma: float, alpha: float) -> None:
    """Fill `output` (N, C) with the loss of logits (N, C) and class indices (N,), C being background."""
    output.copy_(_plain_focal(logits, index, weight, gamma, alpha))


def _focal_backward(logits: Any, index: Any, weight: Any, gradient: Any, gamma: float, alpha: float) -> None:
    """Fill `gradient` (N, C) with the loss's derivative."""
    import torch

    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        gradient.copy_(torch.autograd.grad(_plain_focal(leaf, index, weight, gamma, alpha).sum(), leaf)[0])


def _plain_focal(logits: Any, index: Any, weight: Any, gamma: float, alpha: float) -> Any:
    from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss
    from torch.nn.functional import one_hot

    dense = one_hot(index, logits.shape[1] + 1)[:, :-1]
    loss = py_sigmoid_focal_loss(logits, dense, gamma=gamma, alpha=alpha, reduction="none")
    return loss * weight if weight.numel() else loss
