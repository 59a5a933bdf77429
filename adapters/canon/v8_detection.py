"""YOLOv8's whole loss: the terms box (CIoU), cls (cross entropy) and dfl (distribution focal loss) with their gains."""

from __future__ import annotations

from focalbench_suite.adapters.canon.definition import Canonical, Parameter

LOSS = Canonical(
    "v8_detection",
    "detector",
    "Ultralytics v8DetectionLoss",
    parameters=(
        Parameter(
            "gains",
            "terms",
            recommended={"box": 7.5, "cls": 0.5, "dfl": 1.5},
            off={"box": 1.0, "cls": 1.0, "dfl": 1.0},
            varied=({"box": 1.0, "cls": 2.0, "dfl": 0.5},),
        ),
    ),
    order=9,
)
