"""What do we ask of a loss? One room per question; each drives adapters and yields records.

A suite is a module or package with two functions and is listed in `SUITES`:

* ``plan(selection) -> list[Task]`` says what would be run, without running it or importing a measured library;
* ``execute(task) -> list[Record]`` runs one task in a worker process and returns a record for each of its cells.

`suites.execution` runs the tasks, so that a cell that raises, hangs or dies is a record, not the end of the run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from focalbench_suite import adapters
from focalbench_suite.adapters import Adapter, Loss

SUITES = {  # name on the command line -> module
    "agreement": "focalbench_suite.suites.agreement",
    "throughput": "focalbench_suite.suites.throughput",
    "coco-map": "focalbench_suite.suites.coco_map",
    "claims": "focalbench_suite.suites.claims",
}
PROFILES = ("smoke", "quick", "gpu", "full")  # `gpu`: what one call on a GPU machine measures in minutes
INPUTS = ("logits", "probabilities", "log-probabilities")  # what a loss takes in the place of logits
DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float64", "bfloat16", "float16")
EXECUTORS = ("local", "slurm")


@dataclass(frozen=True)
class Selection:
    """What the user asked for; an empty tuple means "the suite's own choice for this profile"."""

    profile: str = "quick"
    adapters: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ()
    coco: str | None = None
    categories: tuple[str, ...] = ()
    images: int | None = None
    seed: int = 0
    backbone: str | None = None
    schedule: str | None = None
    seeds: int | None = None
    until: str | None = None
    variants: tuple[str, ...] = ()
    normalise: str | None = None
    cells: tuple[str, ...] = ()

    def wants(self, loss: str, adapter: str) -> bool:
        """Whether a loss of an adapter is in the selection; ``--adapter fvcore`` also takes ``fvcore.jit``."""
        named = {adapters.name_of(reference) for reference in self.adapters}
        return (not self.losses or loss in self.losses) and (
            not named or adapter in named or adapters.source_of(adapter) in named
        )


@dataclass(frozen=True)
class Cell:
    """The smallest thing that is run: one loss, one adapter, one device, one dtype, one workload."""

    suite: str
    loss: str
    adapter: str
    device: str = "cpu"
    dtype: str = "float32"
    workload: str = ""

    @property
    def key(self) -> str:
        """The name under which this cell is found again in a run's records."""
        return "/".join((self.suite, self.loss, self.adapter, self.device, self.dtype, self.workload))


@dataclass(frozen=True)
class Task:
    """Cells that one worker process runs together (more than one where they are timed against each other).

    `alone` says that nothing else may run meanwhile: times are measured, or results depend on the number of threads.
    With a number of `threads` that its results are for, its like may run beside it; 0 is all that there are.
    `timeout_s` is how long it may take and, where it runs here and tells its steps, how long since the last of them.
    `folder`, its own, keeps how far it has come and what it goes on from after a kill, until its records are there.
    """

    cells: tuple[Cell, ...]
    selection: Selection
    timeout_s: float = 300.0
    options: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False
    threads: int = 0
    folder: Path | None = None

    @property
    def suite(self) -> str:
        return self.cells[0].suite

    @property
    def own_folder(self) -> Path:
        """`folder`, which every task has once it is about to run; raises `ValueError` before."""
        if self.folder is None:
            raise ValueError("this task is not about to run: it has no folder yet")
        return self.folder


@dataclass
class Record:
    """What a cell left behind.

    `status` is ok | unsupported | absent | failed | timeout; `reason` says why it is not ok. `rows` holds finished rows
    by table name, `data` whatever else the tables and the report are computed from (rounds, curves).
    """

    cell: Cell
    status: str = "ok"
    reason: str = ""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def adapters_of(selection: Selection) -> dict[str, Adapter]:
    """Every adapter that a selection may run, by name: those found, and the user's own ``FILE.py:NAME``."""
    found = adapters.discover()
    loss = selection.losses[0] if len(selection.losses) == 1 else None
    for reference in selection.adapters:
        if adapters.is_users(reference):
            found[adapters.name_of(reference)] = adapters.load(reference, loss)
    return found


def selected(selection: Selection) -> Iterator[tuple[Adapter, Loss, str]]:
    """The adapters' losses that a selection asks for, with the reference under which a user gave them (mostly none)."""
    given = {adapters.name_of(reference): reference for reference in selection.adapters if adapters.is_users(reference)}
    for name, adapter in adapters_of(selection).items():
        for loss in adapter.losses:
            if selection.wants(loss.name, loss.label) or selection.wants(loss.name, name):
                yield adapter, loss, given.get(name, "")


def remaining(tasks: list[Task], done: set[str]) -> list[Task]:
    """The tasks without the cells that are done; a task of which nothing is left is left out."""
    shortened = [replace(task, cells=tuple(cell for cell in task.cells if cell.key not in done)) for task in tasks]
    return [task for task in shortened if task.cells]


def load(name: str) -> ModuleType:
    """The suite's module, by its name on the command line."""
    return importlib.import_module(SUITES[name])


def plan(name: str, selection: Selection) -> list[Task]:
    """A suite's tasks for this selection; of them only the cells that it names, where it names any."""
    tasks = load(name).plan(selection)
    if not selection.cells:
        return tasks
    return remaining(tasks, {cell.key for task in tasks for cell in task.cells} - set(selection.cells))
