"""A worker process: the processors and the allocator it gets, and the records that it makes of a task."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from focalbench_suite import suites
from focalbench_suite.suites import Cell, Record, Task, processes

# glibc gives memory back and faults it in again unless told otherwise, and one process then runs at half the speed of
# the next: the same op took 0.41 ms in one and 1.1 ms in the other. Read when a process starts.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
# Python puts the current folder first on the path of a worker; there, a user's random.py would hide the library's.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEAST_FREE_BYTES = 1 << 20  # below which what could not be written is the disk's fault
MOST_WORKERS = 4  # side by side: a worker with its libraries takes more than a gigabyte


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set these for the processes that are started meanwhile, and leave the caller's environment as it was."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_with_parent() -> None:
    """Let the kernel end this process when the one that started it ends, however that ends.

    Linux alone can do that; elsewhere a worker whose parent was killed ends with its task.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cores() -> int:
    """How many processors this process may use."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, mine // processes.on_this_machine())


def work(task: Task) -> list[Record]:
    """Run a task in this process, for a record of every one of its cells; raises `OSError` where the disk is full.

    That is no answer of the task's, so the run ends and goes on when there is room.
    """
    started = time.perf_counter()
    try:
        records = suites.load(task.suite).execute(task)
    except Exception as error:  # the boundary: whatever a measured library raises becomes this cell's record
        if full := _full(error, task.own_folder):
            raise OSError(full, os.strerror(full)) from None
        records = failed(task, f"{type(error).__name__}: {error}")
    return complete(task, records, time.perf_counter() - started)


def _full(error: BaseException, folder: Path) -> int:
    """The number of the error where the disk is full, else 0; torch only says that a checkpoint was not written."""
    met: BaseException | None = error
    while met is not None:
        if isinstance(met, OSError) and met.errno in NO_ROOM:
            return met.errno
        met = met.__cause__ or met.__context__
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return errno.ENOSPC if shutil.disk_usage(place).free < LEAST_FREE_BYTES else 0


def complete(task: Task, records: list[Record], elapsed: float) -> list[Record]:
    """The records, with one for every cell that the suite forgot and their share of the elapsed seconds."""
    missing = set(task.cells) - {record.cell for record in records}
    records = records + [Record(cell, "failed", "the suite left no record") for cell in sorted(missing, key=_key)]
    for record in records:
        record.seconds = record.seconds or round(elapsed / len(records), 4)
    return records


def failed(task: Task, reason: str, status: str = "failed") -> list[Record]:
    """A record of that status for every cell of the task."""
    return [Record(cell, status, reason) for cell in task.cells]


def _key(cell: Cell) -> str:
    return cell.key


def as_line(record: Record) -> dict[str, Any]:
    """The record as it is written to ``records.jsonl``: plain data with the cell's key."""
    return {"key": record.cell.key, **dataclasses.asdict(record)}
