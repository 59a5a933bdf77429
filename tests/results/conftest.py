"""The made-up run as fixtures."""

from __future__ import annotations

from typing import Any

import pytest

from focalbench_suite.results import report, tables
from focalbench_suite.results.store import Run
from tests.results.made_up import ENVIRONMENT, UNSAID, agreement, capability, claim, every_record, finding, record


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


@pytest.fixture(scope="session")
def everything() -> list[dict[str, Any]]:
    """Records of every suite and status; Ultralytics' reduction and one article's focal loss differ."""
    return every_record()


@pytest.fixture(scope="session")
def write_run():
    """A function that makes a run folder of given records; what a record leaves unsaid is of no account."""

    def write(folder, records: list[dict[str, Any]]) -> Run:
        stored = Run.create(folder, ENVIRONMENT)
        for line in records:
            stored.append(UNSAID | line)
        return stored

    return write


@pytest.fixture(scope="session")
def run(tmp_path_factory, everything, write_run) -> Run:
    """The records in a run folder, with tables and report written."""
    stored = write_run(tmp_path_factory.mktemp("report") / "run", everything)
    report.write(stored, tables.write(stored))
    return stored
