"""Imports Ultralytics without what comes with it: a settings file in the home directory, a notice, network look-ups."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

QUIET = {
    "YOLO_CONFIG_DIR": str(Path(tempfile.gettempdir()) / "focalbench-ultralytics"),
    "YOLO_VERBOSE": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
}


def keep_quiet() -> None:
    """Set the environment of the first ``import ultralytics``; variables that are already set keep their values."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@lru_cache
def ensure_quiet() -> None:
    """Prepare the first ``import ultralytics`` of this process; call it before that import.

    Environment variables that are already set keep their values. `OMP_NUM_THREADS`, which the import would set to 1 for
    this process and its children, and torch's way of printing stay as they are.
    """
    import torch

    keep_quiet()
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    import ultralytics  # noqa: F401

    torch.set_printoptions(profile="default")
    if threads is None:
        del os.environ["OMP_NUM_THREADS"]


def outputs_of(feats: Any, reg_max: int) -> dict[str, Any]:
    """A head's maps (B, 4 reg_max + C, H, W), a level each, as Ultralytics gives a model's training outputs."""
    import torch

    flat = torch.cat([level.flatten(2) for level in feats], dim=2)
    return {"boxes": flat[:, : 4 * reg_max], "scores": flat[:, 4 * reg_max :], "feats": feats}


def batch_of(boxes: Any, labels: Any, height: float, width: float) -> dict[str, Any]:
    """Boxes (G, 4) xyxy in pixels and labels (G,), an image each, as Ultralytics gives a batch's ground truth."""
    import torch

    corners, index = torch.cat(boxes), torch.cat([label.new_full(label.shape, i) for i, label in enumerate(labels)])
    centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    xywh = torch.cat((centres, sizes), dim=1) / corners.new_tensor([width, height, width, height])
    return {"batch_idx": index.to(xywh.dtype), "cls": torch.cat(labels).to(xywh.dtype), "bboxes": xywh}


def small_model(classes: int, **head: Any) -> Any:
    """The smallest detection model that the library builds with a head on strides 8, 16 and 32, with its settings.

    `head` are the words of a model's file for its head: ``end2end`` and ``reg_max``.
    """
    ensure_quiet()
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    halving = [-1, 1, "Conv", [8, 3, 2]]
    layers = {"backbone": [halving] * 5, "head": [[[2, 3, 4], 1, "Detect", ["nc"]]]}
    model = DetectionModel({"nc": classes, **layers, **head}, nc=classes, verbose=False)
    model.args = get_cfg()
    return model
