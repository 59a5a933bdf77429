"""Lets MMDetection be imported where mmcv-lite, mmcv without its compiled operators, is installed.

Wheels of the full mmcv are built against a few old releases of torch; mmcv-lite installs everywhere but misses the
extension module ``mmcv._ext``, without which ``mmdet.models`` cannot even be imported. `let_import` puts a module in
its place whose operators raise when they are called, as what is asked of a user's code that imports MMDetection must
not be answered by ours. `ensure_ops` gives it what training and testing GFL and RetinaNet call: non-maximum suppression
is torchvision's, and the sigmoid focal loss, which MMDetection takes from mmcv for class indices on CUDA, is
MMDetection's own plain form of it. Where the extension exists, nothing is changed.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

EXTENSION = "mmcv._ext"


def let_import() -> None:
    """Make ``import mmdet.models`` work where mmcv is there without its extension; imports nothing itself."""
    if not any(isinstance(finder, _LastResort) for finder in sys.meta_path):
        sys.meta_path.append(_LastResort())


def ensure_ops() -> bool:
    """Make ``import mmdet.models`` work, and with it training and testing; call it before that import.

    Returns whether mmcv's compiled operators are the real ones. Raises `ModuleNotFoundError` where mmcv is missing.
    """
    let_import()
    found = importlib.util.find_spec(EXTENSION)
    if found is None or not isinstance(found.loader, _LastResort):
        return True
    module: Any = importlib.import_module(EXTENSION)
    module.nms = _nms
    module.sigmoid_focal_loss_forward = _focal_forward
    module.sigmoid_focal_loss_backward = _focal_backward
    return False


class _LastResort(MetaPathFinder, Loader):
    """Finds the extension where nobody else does: it stands last."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == EXTENSION else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name, __doc__)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _StandIn(ModuleType):
    """A module that has every operator, each of which says why it does not work."""

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
