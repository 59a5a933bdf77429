"""Lets MMDetection be imported where mmcv-lite, mmcv without its compiled operators, is installed.

Wheels of the full mmcv are built against a few old releases of torch; mmcv-lite installs everywhere but misses the
extension module ``mmcv._ext``, without which ``mmdet.models`` cannot even be imported. `ensure_ops` puts a module in
its place: every operator raises when it is called, except non-maximum suppression, which is torchvision's. Where the
extension exists, nothing is changed.
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
