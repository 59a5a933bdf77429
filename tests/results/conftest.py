"""A small run in the exact form of ``suites.execution.as_line``: every suite, every status, made by formula."""

from __future__ import annotations

import math
from typing import Any

import pytest

from results.store import Run

ENVIRONMENT = {
    "time": "2026-11-22T12:00:00+00:00",
    "command": "run_all.py --profile quick",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "changed": False,
    "python": "3.11.7",
    "platform": "Linux-6.1-x86_64",
    "cpu": "Example CPU @ 2.50GHz",
    "cores": 2,
    "threads": 2,
    "memory_bytes": 8 << 30,
    "gpu": None,
    "cuda": None,
    "packages": {"torch": "2.13.0", "torchvision": "0.28.0"},
    "adapters": {"own": "local", "torchvision": "0.28.0", "ultralytics": "8.4.190", "articles": "listing"},
    "suites": ["agreement", "throughput", "coco-map", "claims"],
    "selection": {"profile": "quick", "seed": 0},
}
VERSIONS = ENVIRONMENT["adapters"]


def record(
    suite: str,
    loss: str,
    adapter: str,
    workload: str = "",
    dtype: str = "float32",
    status: str = "ok",
    reason: str = "",
    rows: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One line of ``records.jsonl``."""
    cell = {"suite": suite, "loss": loss, "adapter": adapter, "device": "cpu", "dtype": dtype, "workload": workload}
    return {
        "key": "/".join(cell.values()),
        "cell": cell,
        "status": status,
        "reason": reason,
        "rows": rows or {},
        "data": data or {},
        "seconds": 0.5,
    }


def agreement(adapter: str, probe: str, verdict: str, relation: str = "", loss: str = "focal") -> dict[str, Any]:
    """One row of the agreement table."""
    right = verdict == "agrees"
    return {
        "loss": loss,
        "adapter": adapter,
        "library": adapter,
        "version": VERSIONS[adapter.partition(".")[0]],
        "device": "cpu",
        "dtype": "float32",
        "quantity": "value",
        "probe": probe,
        "points": 640,
        "max_ulp": 2.0 if right else 3.5e6,
        "max_abs_error": 2.4e-8 if right else 0.31,
        "max_rel_error": 1.3e-7 if right else 0.87,
        "verdict": verdict,
        "relation": relation,
    }


def finding(adapter: str, kind: str, statement: str, expected: str, got: str) -> dict[str, Any]:
    """One row of the findings table."""
    example = f"from adapters import load\nprint(load({adapter!r}))  # a | b"
    return {
        "loss": "focal",
        "adapter": adapter,
        "kind": kind,
        "statement": statement,
        "example": example,
        "expected": expected,
        "got": got,
    }


@pytest.fixture(scope="session")
def records() -> list[dict[str, Any]]:
    """Records of a run in which Ultralytics' reduction and one article's focal loss differ."""
    agreement_rows = {
        "own": [agreement("own", "grid", "agrees"), agreement("own", "extreme", "agrees")],
        "torchvision": [agreement("torchvision", "grid", "agrees"), agreement("torchvision", "extreme", "agrees")],
        "ultralytics": [agreement("ultralytics", "grid", "differs", "mean over dimension 1, then a sum")],
        "articles.first": [agreement("articles.first", "grid", "differs", "cross entropy reduced before modulation")],
    }
    findings = {
        "torchvision": [
            finding("torchvision", "precision", "Loses easy negatives: exactly 0 below logit -16.", "1.1e-21", "0.0")
        ],
        "ultralytics": [
            finding("ultralytics", "reduction", "Takes the mean over classes, then sums rows | sides.", "0.25", "2.0")
        ],
        "articles.first": [
            finding(
                "articles.first", "reduction", "Averages the cross entropy before modulating it.", "0.0211", "0.1406"
            )
        ],
    }
    lines = [
        record(
            "agreement",
            "focal",
            adapter,
            rows={"agreement": rows, "findings": findings.get(adapter, [])}
            | ({"capability": [capability(adapter)]} if adapter == "own" else {}),
        )
        for adapter, rows in agreement_rows.items()
    ]
    lines.append(record("agreement", "focal", "fvcore", status="absent", reason="fvcore is not installed"))
    lines.append(record("agreement", "varifocal", "kornia", status="unsupported", reason="kornia has no varifocal"))
    lines.append(record("agreement", "focal", "broken", status="failed", reason="ValueError: <no> & nonsense"))
    lines.append(record("claims", "focal", "own", rows={"claims": [claim()]}))
    return lines


def capability(adapter: str) -> dict[str, Any]:
    """One row of the capability table."""
    return {"loss": "focal", "adapter": adapter, "capability": "vmap", "supported": True, "detail": ""}


def claim() -> dict[str, Any]:
    """One row of the claims table."""
    return {
        "source": "arXiv:1708.02002",
        "place": "section 3.2",
        "claim": "with gamma = 2 an example with p_t = 0.9 has 100 times lower loss than cross entropy",
        "printed": 100.0,
        "recomputed": 1 / (1 - 0.9) ** 2,
        "verdict": "reproduced",
        "note": f"-log(0.9) = {-math.log(0.9):.4f}",
    }


@pytest.fixture(scope="session")
def write_run():
    """A function that makes a run folder of given records."""

    def write(folder, records: list[dict[str, Any]]) -> Run:
        stored = Run.create(folder, ENVIRONMENT)
        for line in records:
            stored.append(line)
        return stored

    return write


@pytest.fixture
def run(tmp_path, records, write_run) -> Run:
    """The records in a run folder."""
    return write_run(tmp_path / "run", records)
