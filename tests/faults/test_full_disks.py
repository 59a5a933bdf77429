"""Runs whose disk is full at a seeded point: one line says so, and with room again they go on to the same cells.

A full disk is a limit of the size that a file may have: it meets the first file that grows beyond it, be it a record, a
table, a checkpoint, the workers' log or something that a library keeps for itself.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from focalbench_suite.results.store import Run

SHORT, LONG = 3, 39
FINE, USAGE, FAILED = 0, 2, 3
ROOT = Path(__file__).resolve().parents[2]
ASKED = {  # of each suite a few cells, the suites in turn
    "claims": ["--suite", "claims", "--loss", "cross_entropy", "--loss", "distribution_focal"],
    "coco-map": ["--suite", "coco-map", "--variant", "retinanet/own"],
    "agreement": ["--suite", "agreement", "--adapter", "own", "--loss", "focal", "--dtype", "float32"],
    "throughput": ["--suite", "throughput", "--adapter", "own", "--loss", "focal"],
}
SMALLEST, LARGEST = 10, 22  # of a file, as powers of two in bytes: from less than a record to more than the report


@pytest.mark.timeout(600)
def test_a_run_without_room_keeps_what_it_has_and_goes_on_when_there_is_some(seed, tmp_path):
    suite, dice = list(ASKED)[seed % len(ASKED)], random.Random(seed)
    most, out = int(2 ** dice.uniform(SMALLEST, LARGEST)), tmp_path / "run"
    ended = command(*ASKED[suite], "--profile", "smoke", "--device", "cpu", "--out", out, most=most)
    assert ended.returncode in (FINE, USAGE, FAILED), ended
    assert "Traceback" not in ended.stdout + ended.stderr, ended
    if ended.returncode != FINE:
        assert ended.stderr.strip(), ended
    if ended.returncode == USAGE:
        assert not Run(out).environment_file.is_file()  # there was no room for the run itself
    if not Run(out).environment_file.is_file():
        return
    before = Run(out).keys()

    assert command("--resume", out).returncode == FINE
    lines = Counter(record["key"] for record in Run(out).records())
    assert before <= set(lines)
    assert set(lines.values()) == {1}
    assert all(record["status"] == "ok" for record in Run(out).records() if record["key"] not in before)
    assert (out / "report.html").is_file()


def command(*arguments, most: int | None = None) -> subprocess.CompletedProcess[str]:
    """The command, which can write no file of more than `most` bytes."""

    def limited():
        if most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    # Python does not see that it wrote half a file of bytecode
    return subprocess.run(
        [sys.executable, str(ROOT / "run_all.py"), *map(str, arguments)],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
