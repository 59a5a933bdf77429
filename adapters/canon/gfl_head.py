"""GFL's whole loss: the terms cls (quality focal loss), bbox (GIoU) and dfl (distribution focal loss), weighted."""

from __future__ import annotations

from focalbench_suite.adapters.canon.definition import Canonical, Parameter

LOSS = Canonical(
    "gfl_head",
    "detector",
    "arXiv:2006.04388 eq. 8, MMDetection GFLHead",
    parameters=(
        Parameter(
            "weights",
            "terms",
            recommended={"cls": 1.0, "bbox": 2.0, "dfl": 0.25},
            off={"cls": 1.0, "bbox": 1.0, "dfl": 1.0},
            varied=({"cls": 2.0, "bbox": 1.0, "dfl": 0.5},),
        ),
    ),
    order=10,
)
