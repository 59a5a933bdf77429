"""Differences that are known and accepted, kept in ``known.yaml``; strict both ways.

A finding that no entry covers is new; an entry that covers no finding is stale, and a test fails.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("known.yaml")
Place = tuple[str, str, str]  # kind, adapter, loss


@dataclass(frozen=True)
class KnownDifference:
    """One accepted difference: a kind of finding, why it is accepted, where that can be read, and who has it."""

    kind: str
    reason: str
    source: str
    places: frozenset[Place]


@functools.lru_cache
def entries() -> tuple[KnownDifference, ...]:
    """Every entry of the file."""
    return tuple(
        KnownDifference(
            one["kind"],
            " ".join(one["reason"].split()),
            one["source"],
            frozenset((one["kind"], adapter, loss) for adapter, losses in one["where"].items() for loss in losses),
        )
        for one in yaml.safe_load(FILE.read_text())
    )


def reason(kind: str, adapter: str, loss: str) -> str:
    """Why a finding is accepted; empty where it is new."""
    return next((entry.reason for entry in entries() if (kind, adapter, loss) in entry.places), "")


def stale(findings: Iterable[Mapping[str, str]], asked: Iterable[tuple[str, str]]) -> list[Place]:
    """Entries about the sources that were asked, (adapter, loss) each, that no finding bears out any more."""
    found = {(finding["kind"], finding["adapter"], finding["loss"]) for finding in findings}
    asked = set(asked)
    return sorted(p for entry in entries() for p in entry.places if p[1:] in asked and p not in found)
