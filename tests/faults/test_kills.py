"""Runs that are killed at seeded points go on to the same cells: none is lost, none doubled, and no worker lives on.

How far a run is is seen by what it says, never by the time that has passed.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from focalbench_suite.results.store import Run
from tests.faults.tearing import tear_bytes

SHORT, LONG = 3, 52
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, str(ROOT / "run_all.py"), "--json"]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STOPPED, PATIENCE_S = 130, 60
ASKED = {  # of each suite a few cells; the suites take turns, so that every kind of worker is killed
    "claims": ["--suite", "claims", "--loss", "cross_entropy", "--loss", "distribution_focal"],
    "agreement": ["--suite", "agreement", "--adapter", "own", "--loss", "focal", "--dtype", "float32"],
    "throughput": ["--suite", "throughput", "--adapter", "own", "--loss", "focal"],
    "coco-map": ["--suite", "coco-map", "--variant", "retinanet/own"],
}


@pytest.fixture(scope="module")
def planned():
    """The cells of a suite's selection, by what `list --cells` says; each suite is asked once."""
    known: dict[str, set[str]] = {}

    def cells(suite: str) -> set[str]:
        if suite not in known:
            command = [sys.executable, str(ROOT / "run_all.py"), "list", "--profile", "smoke", "--cells", *ASKED[suite]]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            known[suite] = {line for line in told.splitlines() if line.startswith(f"{suite}/")}
        return known[suite]

    return cells


@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_to_the_same_cells(seed, planned, tmp_path):
    suite, dice = list(ASKED)[seed % len(ASKED)], random.Random(seed)
    cells, out, sent = planned(suite), tmp_path / "run", dice.choice(SIGNALS)
    first = start(*ASKED[suite], "--profile", "smoke", "--device", "cpu", "--out", out)
    after = dice.randrange(len(cells) + 1)
    wait_for(first, out, after)
    kill(first, sent)
    before = Run(out).keys()
    assert len(before) >= min(after, len(cells))
    if sent == signal.SIGKILL and dice.random() < 0.5:
        cut_the_last_line(out, dice)
        before = Run(out).keys()

    again = start("--resume", out)
    said = [json.loads(line)["key"] for line in again.communicate(timeout=500)[0].splitlines()]
    assert again.returncode == 0
    assert set(said) == cells - before  # what had its record was not run again
    lines = Counter(record["key"] for record in map(parsed, whole_lines(out)) if record)
    assert set(lines) == cells
    assert set(lines.values()) == {1}
    assert (out / "report.html").is_file()


def start(*arguments) -> subprocess.Popen:
    """The command, as a process whose records can be read as they come."""
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen, out: Path, records: int) -> None:
    """Wait until so many records are told; with none, until a worker has begun, which opens its log."""
    for _ in range(records):
        process.stdout.readline()
    while not records and not (out / "worker.log").exists() and process.poll() is None:
        pass


def kill(process: subprocess.Popen, sent: signal.Signals) -> None:
    """Send the signal; the process ends as it should, and its workers with it."""
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sent)
    _, error = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in error, error
    if process.returncode == STOPPED:
        assert "stopped; go on with --resume" in error.splitlines()[-1]
    else:  # unless it had just come to its end
        assert process.returncode in (-signal.SIGKILL, 0), error
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert alive == []


def cut_the_last_line(out: Path, dice: random.Random) -> None:
    """What a kill in the middle of a line leaves."""
    file = out / "records.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - dice.randrange(1, 200)] if content else tear_bytes(content, dice))


def whole_lines(out: Path) -> list[bytes]:
    return [line for line in (out / "records.jsonl").read_bytes().split(b"\n") if line.strip()]


def parsed(line: bytes) -> dict | None:
    """The record in a line, or nothing where it was cut."""
    try:
        return json.loads(line)
    except ValueError:
        return None
