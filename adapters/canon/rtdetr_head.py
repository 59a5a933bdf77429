"""RT-DETR's loss of one decoder layer: the terms cls (varifocal loss), bbox (L1) and giou of the matched boxes."""

from __future__ import annotations

from focalbench_suite.adapters.canon.definition import Canonical

LOSS = Canonical("rtdetr_head", "maps", "arXiv:2304.08069, Ultralytics RTDETRDetectionLoss", order=14)
