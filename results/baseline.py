"""A committed baseline: a run's tables as CSV, beside the machine and the versions, without its records.

It is small enough for a repository, its changes are lines of a diff, and `results.compare` takes it for a run.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from focalbench_suite.results import reading, tables
from focalbench_suite.results.frames import Frames
from focalbench_suite.results.schema import TABLES
from focalbench_suite.results.store import Run

WORDS = {  # the columns that a comparison finds its rows by, and what it needs of them
    "agreement": ("loss", "adapter", "verdict"),
    "capability": ("loss", "adapter"),
    "findings": ("loss", "adapter", "kind", "statement"),
    "throughput": ("cell", "pass", "device_name"),
    "coco_map": ("host", "variant", "status"),
    "claims": ("source", "place", "claim", "verdict"),
    "cells": ("cell", "status"),
}
NEEDED = {"capability": ("supported",), "findings": ("expected", "got"), "cells": ("reason",)}
MOST_LAUNCHES = 10_000  # each stands for a process
NUMBERS = {"throughput": ("median_ms", "ci_low_ms", "ci_high_ms", "launches"), "coco_map": ("seed", "ap")}


class Baseline:
    """A folder of ``TABLE.csv``; raises `ValueError` with a sentence where it holds none."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.files = {name: file for name in TABLES if (file := self.folder / f"{name}.csv").is_file()}
        if not self.files:
            raise ValueError(f"{folder} is not a run: it has no records.jsonl, nor tables such as agreement.csv")

    def frames(self) -> Frames:
        """The tables that were committed, and no others; raises `ValueError` with a sentence where one is broken."""
        return {name: _read(name, file) for name, file in self.files.items()}

    def environment(self) -> dict[str, Any]:
        """What it was measured on; raises `ValueError` with a sentence where the file does not say it."""
        file = self.folder / "environment.json"
        try:
            return reading.read_environment(file.read_bytes()) if file.is_file() else {}
        except (OSError, ValueError) as error:
            raise ValueError(f"{file}: {' '.join(str(error).split())}") from None


def _read(name: str, file: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(file)
    except (ValueError, OSError, OverflowError) as error:
        raise ValueError(f"{file} is no table: {' '.join(str(error).split())}") from None
    words, numbers = WORDS.get(name, ()), NUMBERS.get(name, ())
    if missing := [column for column in (*words, *NEEDED.get(name, ()), *numbers) if column not in frame]:
        raise ValueError(f"{file} has no column {missing[0]}")
    for column in words:
        if not all(isinstance(value, str) for value in frame[column]):
            raise ValueError(f"{file} has no word in some rows of column {column}")
    for column in numbers if len(frame) else ():
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise ValueError(f"{file} has no number in some rows of column {column}")
    if name == "throughput" and not all(map(_is_timed, *(frame[column] for column in numbers))):
        raise ValueError(f"{file} has a time or a number of launches that cannot be")
    if name == "coco_map" and not (frame["ap"].isna() | frame["ap"].between(0, 1)).all():
        raise ValueError(f"{file} has an AP that cannot be")
    return frame


def _is_timed(median: float, low: float, high: float, launches: float) -> bool:
    """Whether these are a median and, of several launches, its limits."""
    limits = () if launches < 2 else (low, high)
    return 1 <= launches < MOST_LAUNCHES and all(0 < value < math.inf for value in (median, *limits)) and not low > high


def renew(run: Run, folder: Path) -> None:
    """Put the tables of the suites that `run` ran, and its environment, in the place of those in `folder`."""
    frames = tables.build(run)
    ran = {TABLES[name].suite for name, frame in frames.items() if len(frame)}
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        (folder / f"{name}.csv").unlink(missing_ok=True)
    for name in [name for name in TABLES if TABLES[name].suite in ran]:
        frames[name].to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    shutil.copyfile(run.environment_file, folder / run.environment_file.name)
