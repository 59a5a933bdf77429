"""The binary cross entropy: BCE(x, y) = -y log p - (1 - y) log(1 - p), where p is the sigmoid of x."""

from __future__ import annotations

from focalbench_suite.adapters.canon.arithmetic import binary_cross_entropy
from focalbench_suite.adapters.canon.definition import Canonical, Factors

LOSS = Canonical(
    "cross_entropy",
    "dense",
    "arXiv:1708.02002 eq. 1",
    exact=binary_cross_entropy,
    factors=Factors(weight="1", modulation="1", entropy="bce"),
    order=1,
)
