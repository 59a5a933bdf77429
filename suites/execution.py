"""Runs tasks in worker processes and turns whatever happens to them into records."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as TaskTimeout
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

import suites
from suites import Cell, Record, Task

# glibc gives memory back and faults it in again unless told otherwise, and one process then runs at half the speed of
# the next: the same op took 0.41 ms in one and 1.1 ms in the other. Read when a process starts.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def run_tasks(
    tasks: Iterable[Task], log: Path, started: Callable[[Task], None] = lambda task: None
) -> Iterator[tuple[Task, list[Record]]]:
    """Run each task, in order, and yield it with a record for every one of its cells; `started` hears of it before.

    Tasks of one suite share a worker process; a worker that dies or exceeds its task's time is replaced. What the
    measured libraries print goes to the file `log`.
    """
    os.environ.update(ALLOCATOR)
    pool, suite = None, None
    try:
        for task in tasks:
            if pool is None or task.suite != suite:
                _close(pool)
                pool, suite = _pool(log), task.suite
            started(task)
            yield task, _run(pool, task)
    finally:
        _close(pool)


def _pool(log: Path) -> ProcessPool:
    context = multiprocessing.get_context("spawn")
    return ProcessPool(max_workers=1, context=context, initializer=_print_to, initargs=[log])


def _print_to(log: Path) -> None:
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())


def _close(pool: ProcessPool | None) -> None:
    if pool is not None:
        pool.stop()
        pool.join()


def _run(pool: ProcessPool, task: Task) -> list[Record]:
    started = time.perf_counter()
    try:
        records = pool.schedule(_work, args=[task], timeout=task.timeout_s).result()
    except TaskTimeout:
        records = _all_failed(task.cells, "timeout", f"no result after {task.timeout_s:.0f} s")
    except ProcessExpired as death:
        records = _all_failed(task.cells, "failed", f"the worker process died with exit code {death.exitcode}")
    except Exception as error:  # the boundary: whatever a measured library raises becomes this cell's record
        records = _all_failed(task.cells, "failed", f"{type(error).__name__}: {error}")
    missing = set(task.cells) - {record.cell for record in records}
    records += _all_failed(tuple(sorted(missing, key=lambda cell: cell.key)), "failed", "the suite left no record")
    elapsed = time.perf_counter() - started
    for record in records:
        record.seconds = record.seconds or round(elapsed / len(records), 4)
    return records


def _work(task: Task) -> list[Record]:
    return suites.load(task.suite).execute(task)


def _all_failed(cells: tuple[Cell, ...], status: str, reason: str) -> list[Record]:
    return [Record(cell, status, reason) for cell in cells]


def as_line(record: Record) -> dict[str, Any]:
    """The record as it is written to ``records.jsonl``: plain data with the cell's key."""
    return {"key": record.cell.key, **dataclasses.asdict(record)}
