"""How fast are they, and how much memory do they take? Every loss of every adapter, timed against ours.

A task is a *group*: one loss at one workload, dtype and device, by every adapter. Its subjects run interleaved in
random order within a launch (`suites.throughput.launch`), and in several launches; the table is computed from the
rounds that the records keep (`results.throughput`).
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from typing import Any

import torch

from focalbench_suite import adapters, suites
from focalbench_suite.adapters import Adapter, Loss
from focalbench_suite.adapters.canon import CANONICAL
from focalbench_suite.results.statistics import ratio_interval
from focalbench_suite.suites import Cell, Record, Selection, Task
from focalbench_suite.suites.throughput import launch, workloads
from focalbench_suite.suites.throughput.launch import PASSES
from focalbench_suite.suites.throughput.rounds import REFERENCE, Group
from focalbench_suite.suites.throughput.step import measure_step
from focalbench_suite.suites.throughput.subjects import COMPILED
from focalbench_suite.suites.throughput.workloads import MAIN, TO_COMPILE, WORKLOADS, Workload

__all__ = ["execute", "plan"]

THREADS = torch.get_num_threads()  # of a launch: what OMP_NUM_THREADS says, else every core
LAUNCHES = {"smoke": (1, 1), "quick": (2, 2), "full": (3, 6)}  # profile -> least, most; on a GPU one, it has no heap
SECONDS = {"smoke": 0.02, "quick": 0.1, "full": 0.4}  # of timed rounds, a subject and pass
ROUNDS = {"smoke": 2, "quick": 3, "full": 4}
ALONE_S = 60.0  # for a subject that is timed alone because its group gave no answer


def plan(selection: Selection) -> list[Task]:
    """A task for every loss, workload, device and dtype of the selection."""
    tasks = []
    for device in selection.devices:
        for workload in WORKLOADS.values():
            if selection.profile in workload.profiles and device in workload.devices:
                for loss in workload.losses:
                    for dtype in selection.dtypes or workload.dtypes:
                        tasks += _task(selection, workload, loss, device, dtype)
    return tasks


def _task(selection: Selection, workload: Workload, loss: str, device: str, dtype: str) -> Iterator[Task]:
    cells = tuple(
        Cell("throughput", loss, label, device, dtype, workload.name)
        for label in _labels(selection, workload, loss, device, dtype)
        if selection.wants(loss, label.removesuffix(COMPILED))
    )
    if cells:
        yield Task(cells, selection, timeout_s=600.0 + 60 * len(cells), alone=True)


def _labels(selection: Selection, workload: Workload, loss: str, device: str, dtype: str) -> list[str]:
    """Every adapter's label of this loss, and those that are timed under torch.compile, too."""
    asked = selection.adapters or workload.adapters or (() if dtype == "float32" else MAIN)
    names = {reference.rpartition(":")[2].partition(".")[0] for reference in asked}
    labels = [
        found.adapter
        for name, adapter in suites.adapters_of(selection).items()
        for found in adapter.losses
        if found.name == loss and (not names or name in names)
    ]
    return labels + [label + COMPILED for label in labels if device in workload.compiled and label in TO_COMPILE]


def execute(task: Task) -> list[Record]:
    """Time a group in several launches; a record for every cell of the task."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # asking whether there is a GPU must not spoil a later fork
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # a pool of compilers would outlive its launch
    torch.set_num_threads(1)  # a parallel region in this process would hang its forks
    cell, profile = task.cells[0], task.selection.profile
    absent, losses = _present(task)
    labels = {cell.adapter for cell in task.cells if cell.adapter not in absent}
    group = Group(
        cell.loss, cell.device, cell.dtype, WORKLOADS[cell.workload], losses,
        seconds=SECONDS[profile] * len(losses), least_rounds=ROUNDS[profile],
    )  # fmt: skip
    records = [Record(cell, "absent", absent[cell.adapter]) for cell in task.cells if cell.adapter in absent]
    if not labels:
        return records
    import_libraries(group)
    launches = _launches(group, profile, limit_s=task.timeout_s / 3)
    sources = suites.adapters_of(task.selection)
    return records + [_record(cell, launches, sources) for cell in task.cells if cell.adapter in labels]


def _present(task: Task) -> tuple[dict[str, str], dict[str, Loss]]:
    """Why which labels are absent, and the losses of the others; ours is always timed along."""
    wanted = {cell.adapter for cell in task.cells} | {REFERENCE}
    absent, losses = {}, {}
    for adapter in suites.adapters_of(task.selection).values():
        reason = adapter.absence(task.cells[0].device)
        for loss in adapter.losses:
            for label in (loss.adapter, loss.adapter + COMPILED):
                if loss.name == task.cells[0].loss and label in wanted:
                    absent |= {label: reason} if reason else {}
                    losses |= {} if reason else {label: loss}
    return absent, losses


def import_libraries(group: Group) -> None:
    """Import what the group needs, once, before the forks: by one call each on inputs too small for a second thread.

    Not by a call of the user's own code, which may hang or end the process, and only a launch survives that.
    """
    tiny = Workload("tiny", 4, 4, (group.loss,), image=64, batch=1)
    inputs = workloads.canonical_inputs(group.loss, tiny, "float32", "cpu", 0)
    ours = [loss for adapter in adapters.built_in() for loss in adapter.losses]
    for label, loss in group.losses.items():
        if loss not in ours:
            continue
        if label.partition(".")[0] == REFERENCE:
            importlib.import_module(loss.call.__module__)
            continue
        try:
            native = inputs.arguments
            if CANONICAL[group.loss].inputs != "detector":
                native = (native[0], loss.native(native[1], 4))
            loss.reduced(*native, **inputs.keywords, **CANONICAL[group.loss].recommended)
        except Exception:  # whatever it is, the launch meets it again and reports it
            continue


def _launches(group: Group, profile: str, limit_s: float) -> list[dict[str, Any]]:
    """Launch until every ratio's interval is narrow, but no less and no more often than the profile says.

    Each has `limit_s` to end; after half of it no further one is begun.
    """
    deadline = time.perf_counter() + limit_s / 2
    threads = THREADS if group.device == "cpu" else 1
    least, most = LAUNCHES[profile] if group.device == "cpu" else (1, 1)
    measure = measure_step if group.workload.step else launch.measure
    launched = launch.forked if group.device == "cpu" else launch.here
    reports: list[dict[str, Any]] = []
    while len(reports) < most and (len(reports) < least or time.perf_counter() < deadline):
        group = _replaced(group, first=not reports)
        try:
            reports.append(launched(measure, group, len(reports), threads, seconds=limit_s))
        except launch.LaunchDied as death:
            if reports:
                break  # what was measured stands
            if group.workload.step:
                return [{"subjects": {label: {"failed": str(death)} for label in group.losses}}]
            return [_one_by_one(group, threads, death)]
        if len(reports) >= least and (group.workload.step or _narrow(reports, group)):
            break
    return reports


def _one_by_one(group: Group, threads: int, death: Exception) -> dict[str, Any]:
    """After a launch died: each subject beside ours alone, so that only the one that kills its process has no times."""
    merged: dict[str, Any] = {"subjects": {}, "bytes": {}}
    for label in group.losses:
        pair = {name: loss for name, loss in group.losses.items() if name in (label, REFERENCE)}
        try:
            report = launch.forked(launch.measure, _replaced(group, losses=pair), 0, threads, seconds=ALONE_S)
            report["subjects"], report["bytes"] = (
                merged["subjects"] | report["subjects"],
                merged["bytes"] | report["bytes"],
            )
            merged = report
        except launch.LaunchDied as alone:
            merged["subjects"][label] = {"failed": f"{alone} (with others: {death})"}
    return merged


def _replaced(group: Group, **changes: Any) -> Group:
    return Group(**{**vars(group), **changes})


def _narrow(reports: list[dict[str, Any]], group: Group) -> bool:
    for label in group.losses:
        for name in PASSES:
            rounds = [r["subjects"][label]["rounds"][name] for r in reports if "rounds" in r["subjects"][label]]
            if rounds and rounds[0]["own_ms"] and label != REFERENCE:
                ratio = ratio_interval([r["ms"] for r in rounds], [r["own_ms"] for r in rounds])
                if not ratio.relative_half_width < 2 * group.width:
                    return False
    return True


def _record(cell: Cell, launches: list[dict[str, Any]], sources: dict[str, Adapter]) -> Record:
    """The cell's record: its rounds of every launch, and the machine's limits in them."""
    reports = [report["subjects"].get(cell.adapter, {"failed": "not timed"}) for report in launches]
    for status in ("failed", "unsupported"):
        for report in reports:
            if status in report:
                return Record(cell, status, report[status])
    if not reports:
        return Record(cell, "failed", "no launch left a report")
    if WORKLOADS[cell.workload].step:
        shared = {key: launches[0][key] for key in ("rows", "device_name", "threads")}
        return Record(cell, data={"step": reports, **shared})
    workload, first = WORKLOADS[cell.workload], reports[0]
    source = sources[cell.adapter.removesuffix(COMPILED).partition(".")[0]]
    shared = ("stream_ms", "stream_bytes", "rates", "load", "clock_mhz")
    return Record(cell, data={
        "library": source.distribution or source.name, "version": source.version,
        "rows": workload.rows, "classes": workload.classes, "elements": launches[0]["elements"],
        "device_name": launches[0]["device_name"], "threads": launches[0]["threads"],
        "bytes": launches[0]["bytes"][cell.adapter], "input_sets": launches[0]["sets"],
        "check": first["check"], "parameters": first["parameters"], "reduction": first["reduction"],
        "first_call_s": first["first_call_s"], "memory": first["memory"], "compiled": cell.adapter.endswith(COMPILED),
        "launches": [
            {"rounds": report["rounds"], "stopped": report["stopped"], **{key: whole[key] for key in shared}}
            for report, whole in zip(reports, launches, strict=True)
        ],
    })  # fmt: skip
