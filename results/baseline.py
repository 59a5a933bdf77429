"""A committed baseline: a run's tables as CSV, beside the machine and the versions, without its records.

It is small enough for a repository, its changes are lines of a diff, and `results.compare` takes it for a run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from focalbench_suite.results import tables
from focalbench_suite.results.frames import Frames
from focalbench_suite.results.schema import TABLES
from focalbench_suite.results.store import Run


class Baseline:
    """A folder of ``TABLE.csv``; raises `ValueError` with a sentence where it holds none."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.files = {name: file for name in TABLES if (file := self.folder / f"{name}.csv").is_file()}
        if not self.files:
            raise ValueError(f"{folder} is not a run: it has no records.jsonl, nor tables such as agreement.csv")

    def frames(self) -> Frames:
        """The tables that were committed, and no others."""
        return {name: pd.read_csv(file) for name, file in self.files.items()}


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
