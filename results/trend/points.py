"""What a run says at one commit: a row for every time, every AP and every verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from focalbench_suite.results.compare import KEYS, UNANSWERED, WORSE, frames_of, keyed
from focalbench_suite.results.timings import Benchmarks, Source, open_source, timings

WORDS = ("time", "commit", "machine", "table", "what", "panel", "line", "verdict")
NUMBERS = ("value", "stream", "pace")
COLUMNS = (*WORDS, *NUMBERS)
TIMES, PRECISION, ANSWERS = "throughput", "coco_map", "check"  # values of `table`; the others are tables of verdicts
VERDICTS = {"cells": "status"} | {table: column for table, (column, _) in WORSE.items()}
SHORT = 9  # letters of a commit, as they are shown
CELL_PARTS = 6  # suite, loss, adapter, device, dtype, workload


@dataclass(frozen=True)
class Origin:
    """When, at which commit of the project whose loss it is, and on which machine something was measured.

    An answer of `check` names no machine: it is of the code alone.
    """

    time: str
    commit: str
    machine: str = ""


def points(path: str | Path, commit: str = "") -> pd.DataFrame:
    """The rows of a run, a baseline, a file of pytest-benchmark or one that `check --json` wrote.

    What does not say when and at which commit it was measured is of now and of `commit`. Raises `ValueError` with a
    sentence where it is none of these.
    """
    here = Origin(datetime.now(UTC).isoformat(timespec="seconds"), commit)
    rows = list(_answers(path, here)) if Path(path).is_file() and not _has_benchmarks(path) else None
    if rows is None:
        source = open_source(path)
        origin = _origin(source, here)
        rows = [*_times(source, origin), *_verdicts(source, origin)]
    if not rows:
        raise ValueError(f"{path} holds nothing that a trend could show: no time, no AP and no verdict")
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype(dict.fromkeys(WORDS, "str") | dict.fromkeys(NUMBERS, "float64"))


def _has_benchmarks(path: str | Path) -> bool:
    try:
        return "benchmarks" in json.loads(Path(path).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _answers(path: str | Path, here: Origin) -> Iterator[dict[str, Any]]:
    """The verdict on every loss of an answer of ``check --json``, with the kinds of what was found."""
    try:
        told = json.loads(Path(path).read_bytes())
        for one in told if isinstance(told, list) else [told]:
            if "error" not in one:
                kinds = dict.fromkeys(finding["kind"] for finding in one["findings"])
                verdict = f"{one['verdict']}: {', '.join(kinds)}" if kinds else one["verdict"]
                what = f"{one['reference']} as {one['loss']}"
                yield _point(here, ANSWERS, what, panel="", line="", verdict=verdict)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path} is neither a run nor a file of pytest --benchmark-json or check --json") from None


def _origin(source: Source, here: Origin) -> Origin:
    if isinstance(source, Benchmarks):
        return Origin(source.time or here.time, source.commit or here.commit, source.machine)
    told = source.environment()
    commit = told.get("project") or told.get("commit") or here.commit
    return Origin(told.get("time") or here.time, commit, told.get("gpu") or told.get("cpu") or "unknown")


def _times(source: Source, origin: Origin) -> Iterator[dict[str, Any]]:
    for key, timing in timings(source).items():
        panel, line = _place(key)
        measured = replace(origin, machine=timing.machine or origin.machine)
        stream = float(np.median(timing.stream)) if timing.stream else None
        pace = float(np.exp(np.log(list(timing.pace.values())).mean())) if timing.pace else None
        value = float(np.median(timing.launches))
        yield _point(measured, TIMES, key, panel, line, value=value, stream=stream, pace=pace)


def _place(key: str) -> tuple[str, str]:
    """The panel and the line of a timed cell and pass; every other benchmark is a line of one panel.

    >>> _place("throughput/focal/own/cpu/float32/yolo forward")
    ('focal, yolo, float32, cpu, forward', 'own')
    """
    cell, _, name = key.rpartition(" ")
    parts = cell.split("/")
    if len(parts) < CELL_PARTS or parts[0] != TIMES:
        return "benchmarks", key
    device, dtype, workload = parts[-3:]
    return ", ".join((parts[1], workload, dtype, device, name)), "/".join(parts[2:-3])


def _verdicts(source: Source, origin: Origin) -> Iterator[dict[str, Any]]:
    frames = frames_of(source, (*VERDICTS, PRECISION))
    for table in [table for table in VERDICTS if table in frames]:
        names = KEYS.get(table, ["cell"])
        for key, row in keyed(frames[table], names).items():
            if row[VERDICTS[table]] not in UNANSWERED:
                yield _point(origin, table, key, panel="", line="", verdict=str(row[VERDICTS[table]]))
    if PRECISION in frames:
        trained = frames[PRECISION].dropna(subset=["ap"])
        for key, rows in trained.groupby([name for name in KEYS[PRECISION] if name in trained], dropna=False):
            panel = ", ".join(str(part) for part in (key[0], *key[3:]) if str(part) not in ("", "nan"))
            what = " / ".join(map(str, key))
            yield _point(origin, PRECISION, what, panel, f"{key[1]} ({key[2]})", value=float(rows["ap"].mean()))


def _point(origin: Origin, table: str, what: str, panel: str, line: str, **said: Any) -> dict[str, Any]:
    named = {"time": origin.time, "commit": origin.commit, "machine": origin.machine, "table": table, "what": what}
    return named | {"panel": panel, "line": line, "value": None, "stream": None, "pace": None, "verdict": ""} | said
