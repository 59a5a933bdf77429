"""An end-to-end head's whole loss: the terms of YOLOv8's of two branches, of which the second keeps one anchor a box.

The branches weigh 0.8 and 0.2, as they do in the first epoch.
"""

from __future__ import annotations

from focalbench_suite.adapters.canon.definition import Canonical
from focalbench_suite.adapters.canon.v8_detection import LOSS as V8_DETECTION

LOSS = Canonical(
    "end_to_end_detection",
    "branches",
    "arXiv:2405.14458 section 3.1, Ultralytics E2ELoss",
    parameters=V8_DETECTION.parameters,
    order=11,
)
