"""RetinaNet's whole loss: the terms cls (focal loss) and bbox (L1 of the encoded boxes)."""

from __future__ import annotations

from focalbench_suite.adapters.canon.definition import Canonical

LOSS = Canonical("retinanet_head", "maps", "arXiv:1708.02002 section 4.1, torchvision RetinaNet.compute_loss", order=12)
