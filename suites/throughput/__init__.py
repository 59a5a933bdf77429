"""How fast are they, and how much memory do they take? Every loss of every adapter, timed against ours.

A task is a *group*: one loss at one workload, dtype and device, by every adapter. Its subjects run interleaved in
random order within a launch (`suites.throughput.launch`), and in several launches; the table is computed from the
rounds that the records keep (`results.throughput`).
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TypeVar

import torch

from focalbench_suite import adapters, suites
from focalbench_suite.adapters import Adapter, Loss
from focalbench_suite.adapters.canon import CANONICAL
from focalbench_suite.results.statistics import ratio_interval
from focalbench_suite.suites import Cell, Record, Selection, Task
from focalbench_suite.suites.throughput import launch, subjects, workloads
from focalbench_suite.suites.throughput.launch import PASSES, LaunchDied, LaunchReport, SubjectReport, time_group
from focalbench_suite.suites.throughput.rounds import REFERENCE, Group
from focalbench_suite.suites.throughput.step import StepReport, StepTimes, time_steps
from focalbench_suite.suites.throughput.subjects import AUTOTUNED, COMPILED, MODES
from focalbench_suite.suites.throughput.workloads import MAIN, TO_AUTOTUNE, TO_COMPILE, WORKLOADS, Workload

__all__ = ["execute", "plan"]

Report = TypeVar("Report", LaunchReport, StepReport)

THREADS = torch.get_num_threads()  # of a launch: what OMP_NUM_THREADS says, else every core
LAUNCHES = {"smoke": (1, 1), "quick": (2, 2), "gpu": (1, 1), "full": (3, 6)}  # by profile: at least and at most so many
ONE_LAUNCH = (1, 1)  # on a GPU, whose timings do not depend on how a process's heap is laid out
SECONDS = {"smoke": 0.02, "quick": 0.1, "gpu": 0.05, "full": 0.4}  # of timed rounds, a subject and pass
ROUNDS = {"smoke": 2, "quick": 3, "gpu": 5, "full": 4}
ALONE_S = 60.0  # for a subject that is timed alone because its group gave no answer


def plan(selection: Selection) -> list[Task]:
    """A task for every loss, workload, device and dtype of the selection."""
    tasks: list[Task] = []
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
    )
    if cells:
        yield Task(cells, selection, timeout_s=600.0 + 60 * len(cells), alone=True)


def _labels(selection: Selection, workload: Workload, loss: str, device: str, dtype: str) -> list[str]:
    """The labels of this loss that are asked for, else the workload's, and those that are timed compiled, too."""
    usual = workload.adapters or (() if dtype == "float32" else MAIN)
    labels = [
        found.label
        for adapter, found, _ in suites.selected(selection)
        if found.name == loss
        and (selection.adapters or not usual or adapter.name in usual)
        and not (found.variant and CANONICAL[loss].inputs == "detector")  # other ways to call one criterion
    ]
    if device not in workload.compiled:
        return labels
    compiled = [label + COMPILED for label in labels if label in TO_COMPILE]
    return labels + compiled + [label + AUTOTUNED for label in labels if label in TO_AUTOTUNE and device == "cuda"]


def execute(task: Task) -> list[Record]:
    """Time a group in several launches; a record for every cell of the task."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # asking whether there is a GPU must not spoil a later fork
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # a pool of compilers would outlive its launch
    torch.set_num_threads(1)  # a parallel region in this process would hang its forks
    cell, profile = task.cells[0], task.selection.profile
    absent, present = _present(task)
    losses = {label: loss for label, (_, loss) in present.items()}
    group = Group(
        cell.loss, cell.device, cell.dtype, WORKLOADS[cell.workload], losses,
        seconds=SECONDS[profile] * len(losses), least_rounds=ROUNDS[profile],
    )  # fmt: skip
    records = [Record(cell, "absent", absent[cell.adapter]) for cell in task.cells if cell.adapter in absent]
    timed, limit_s = [cell for cell in task.cells if cell.adapter in present], task.timeout_s / 3
    if not timed:
        return records
    import_libraries(group)
    if group.workload.step:
        steps = _step_launches(group, profile, limit_s)
        return records + [_step_record(cell, steps) for cell in timed]
    launches = _launches(group, profile, limit_s)
    return records + [_record(cell, launches, present[cell.adapter][0]) for cell in timed]


def _present(task: Task) -> tuple[dict[str, str], dict[str, tuple[Adapter, Loss]]]:
    """Why which labels are absent, and the adapters and losses of the others; ours is always timed along."""
    wanted = {cell.adapter for cell in task.cells} | {REFERENCE}
    absent: dict[str, str] = {}
    present: dict[str, tuple[Adapter, Loss]] = {}
    for adapter in suites.adapters_of(task.selection).values():
        reason = adapter.absence(task.cells[0].device)
        for loss in adapter.losses:
            for label in (loss.label, *(loss.label + suffix for suffix in MODES)):
                if loss.name == task.cells[0].loss and label in wanted:
                    absent |= {label: reason} if reason else {}
                    present |= {} if reason else {label: (adapter, loss)}
    return absent, present


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
        if loss.source == REFERENCE:
            importlib.import_module(loss.call.__module__)
            continue
        try:
            parameters = CANONICAL[group.loss].recommended
            subject = subjects.TimedLoss(label, loss, parameters, None, loss.reduced)
            subject.value(subject.native(inputs))
        except Exception:  # whatever it is, the launch meets it again and reports it
            continue


def _launches(group: Group, profile: str, limit_s: float) -> list[LaunchReport]:
    """Launch until every ratio's interval is narrow, but no less and no more often than the profile says."""
    reports: list[LaunchReport] = []
    try:
        for report in _reports(time_group, group, profile, limit_s):
            reports.append(report)
            if len(reports) >= _launches_of(group, profile)[0] and _narrow(reports, group):
                break
    except LaunchDied as death:
        if not reports:
            return [_one_by_one(group, _threads(group), death)]
    return reports  # what was measured before a launch died stands


def _step_launches(group: Group, profile: str, limit_s: float) -> list[StepReport]:
    """As many launches of training steps as the profile asks for at least."""
    reports: list[StepReport] = []
    try:
        for report in _reports(time_steps, group, profile, limit_s):
            reports.append(report)
            if len(reports) >= _launches_of(group, profile)[0]:
                break
    except LaunchDied as death:
        if not reports:
            return [StepReport({label: StepTimes(reason=str(death)) for label in group.losses}, _threads(group))]
    return reports


def _reports(timed: Callable[..., Report], group: Group, profile: str, limit_s: float) -> Iterator[Report]:
    """Launch after launch, at most as many as the profile allows; raises `LaunchDied` where one does.

    Each has `limit_s` to end; after half of it no further one is begun, once there are enough.
    """
    deadline = time.perf_counter() + limit_s / 2
    least, most = _launches_of(group, profile)
    launched = launch.forked if group.device == "cpu" else launch.here
    for number in range(most):
        if number >= least and time.perf_counter() >= deadline:
            return
        yield launched(timed, replace(group, first=number == 0), number, _threads(group), seconds=limit_s)


def _launches_of(group: Group, profile: str) -> tuple[int, int]:
    return LAUNCHES[profile] if group.device == "cpu" else ONE_LAUNCH


def _threads(group: Group) -> int:
    return THREADS if group.device == "cpu" else 1


def _one_by_one(group: Group, threads: int, death: Exception) -> LaunchReport:
    """After a launch died: each subject beside ours alone, so that only the one that kills its process has no times."""
    timed: list[LaunchReport] = []
    dead: dict[str, SubjectReport] = {}
    for label in group.losses:
        pair = {name: loss for name, loss in group.losses.items() if name in (label, REFERENCE)}
        try:
            timed.append(launch.forked(time_group, replace(group, losses=pair), 0, threads, seconds=ALONE_S))
        except LaunchDied as alone:
            dead[label] = SubjectReport(reason=f"{alone} (with others: {death})")
    subjects = {label: subject for report in timed for label, subject in report.subjects.items()}
    return replace(timed[-1] if timed else LaunchReport({}, threads), subjects=dead | subjects)


def _narrow(reports: list[LaunchReport], group: Group) -> bool:
    for label in group.losses:
        for name in PASSES:
            found = [report.subjects[label] for report in reports]
            rounds = [subject.rounds[name] for subject in found if not subject.reason]
            if rounds and rounds[0].own_ms and label != REFERENCE:
                ratio = ratio_interval([one.ms for one in rounds], [one.own_ms for one in rounds])
                if not ratio.relative_half_width < 2 * group.width:
                    return False
    return True


def _record(cell: Cell, launches: list[LaunchReport], source: Adapter) -> Record:
    """The cell's record: its rounds of every launch, and the machine's limits in them."""
    subjects = [report.subjects[cell.adapter] for report in launches]
    if refusal := _refusal(cell, subjects):
        return refusal
    workload, report, subject = WORKLOADS[cell.workload], launches[0], subjects[0]
    return Record(cell, data={
        "library": source.distribution or source.name, "version": source.version,
        "rows": workload.rows, "classes": workload.classes, "elements": report.elements,
        "device_name": report.device_name, "threads": report.threads,
        "bytes": subject.bytes, "input_sets": report.input_sets, "cache_bytes": report.cache_bytes,
        "check": subject.check, "parameters": subject.parameters, "reduction": subject.reduction,
        "first_call_s": subject.first_call_s, "memory": subject.memory, "compiled": cell.adapter.endswith(tuple(MODES)),
        "launches": [
            {
                "rounds": {name: asdict(rounds) for name, rounds in subject.rounds.items()},
                "stopped": subject.stopped, "replays": subject.replays,
                "stream_ms": report.stream_ms, "stream_bytes": report.stream_bytes,
                "peak_bytes_per_ms": report.peak_bytes_per_ms, "load": report.load, "clock_mhz": report.clock_mhz,
            }
            for subject, report in zip(subjects, launches, strict=True)
        ],
    })  # fmt: skip


def _step_record(cell: Cell, launches: list[StepReport]) -> Record:
    """The cell's record: the steps of every launch with its loss in them, and without."""
    times = [report.subjects[cell.adapter] for report in launches]
    if refusal := _refusal(cell, times):
        return refusal
    steps = [{"parameters": one.parameters, "ms": one.ms, "without_ms": one.without_ms} for one in times]
    report = launches[0]
    shared = {"rows": report.rows, "device_name": report.device_name, "threads": report.threads}
    return Record(cell, data={"step": steps, **shared})


def _refusal(cell: Cell, subjects: Sequence[SubjectReport | StepTimes]) -> Record | None:
    """The record of a cell that some launch did not time; a failure goes before a limit of the library."""
    refused = sorted((one for one in subjects if one.reason), key=lambda one: one.unsupported)
    return Record(cell, "unsupported" if refused[0].unsupported else "failed", refused[0].reason) if refused else None
