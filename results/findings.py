"""What makes a finding the one that it is, and the address that follows from it.

A finding is the same on another machine, on another day and among other findings, though what it measures comes out a
little otherwise there. So its address is made of what it says and not of how much, and of no running number.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

SIZES = frozenset((  # the values of a finding that say how much, where first, or in whose words
    "error", "detail", "relation", "logit", "logits", "targets", "points", "of", "zero_from", "places", "elements",
    "value", "other", "shape", "turned", "epsilon", "distance", "paper", "factor",
))  # fmt: skip
DIGITS = 8  # of the hash at an address's end: among ten thousand findings, one chance in ninety that two share one
NO_WORD = re.compile(r"[^\w.]+")


def identity(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """Equal for the same finding of two runs, whatever sizes they measured.

    >>> told = {"loss": "focal", "adapter": "a", "kind": "precision", "code": "digits_lost"}
    >>> one, other = ({**told, "values": {"target": 0.0, "error": error}} for error in (0.1, 0.2))
    >>> identity(one) == identity(other), identity(one) == identity(told | {"values": {"target": 1.0}})
    (True, False)
    """
    values = finding["values"]
    values = json.loads(values) if isinstance(values, str) else values
    said = {name: value for name, value in values.items() if name not in SIZES}
    device = finding.get("device") or "cpu"
    named = (str(finding[name]) for name in ("adapter", "loss", "kind", "code"))
    return (*named, str(device), json.dumps(said, sort_keys=True))


def address(finding: Mapping[str, Any]) -> str:
    """The name under which a finding is linked and asked for: words for people, then what tells it from the others.

    >>> told = {"loss": "focal", "adapter": "kornia", "kind": "alpha", "code": "alpha_on_both", "values": {}}
    >>> address(told)
    'kornia-focal-alpha-b904da73'
    """
    said = identity(finding)
    words = "-".join(NO_WORD.sub("-", part).strip("-") for part in said[:3])
    return f"{words}-{hashlib.sha256(repr(said).encode()).hexdigest()[:DIGITS]}"
