"""FCOS's whole loss: the terms cls (focal loss), bbox (GIoU) and ctrness (cross entropy of the centre-ness)."""

from __future__ import annotations

from focalbench_suite.adapters.canon.definition import Canonical

LOSS = Canonical("fcos_head", "maps", "arXiv:2006.09214 section 3, torchvision FCOS.compute_loss", order=13)
