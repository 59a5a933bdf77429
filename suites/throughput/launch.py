"""One worker launch: a forked process that times a group's subjects against each other and reports plain data.

Rounds of one process share its heap layout, so several launches are taken and are the unit of the statistics. A launch
is a fork of the suite's worker, which has imported the libraries but has run nothing in parallel (a forked OpenMP or
CUDA runtime is dead): the import is paid once.
"""

from __future__ import annotations

import ctypes
import math
import os
import pickle
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from adapters import Loss, Unsupported
from results.statistics import Interval, median_interval, ratio_interval
from suites.throughput import clocks, subjects, workloads
from suites.throughput.subjects import COMPILED, Subject
from suites.throughput.workloads import Inputs, Workload

REFERENCE = "own"
STREAM = "stream"
PASSES = ("forward", "forward_backward")
MOST_SETS = 64
WARM_UP = 4  # calls at most
LOOK_EVERY = 5  # rounds between two looks at the intervals, which cost as much as a small loss
STEADY = 0.1  # a call within a tenth of the fastest so far
PR_SET_PDEATHSIG = 1


class LaunchDied(Exception):
    """The launch ended without a report."""


@dataclass(frozen=True)
class Group:
    """What is timed together: one loss at one workload, dtype and device, by every label in `losses`."""

    loss: str
    device: str
    dtype: str
    workload: Workload
    losses: dict[str, Loss]  # label -> loss; a label ending in +compile is compiled
    seconds: float  # a launch's budget of timed rounds
    least_rounds: int = 4
    most_rounds: int = 200
    width: float = 0.02  # stop where the relative half width of an interval is below this
    first: bool = True  # the first launch also checks, and measures memory


@dataclass
class Rounds:
    """What one subject did in one pass of one launch; lists are parallel, one entry a round."""

    ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)


def forked(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, computed in a fork of this process; raises `LaunchDied` where none comes back."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a worker that is stopped takes its launch along
        with os.fdopen(writing, "wb") as stream:
            try:
                stream.write(pickle.dumps((True, function(*arguments))))
            except BaseException as error:
                stream.write(pickle.dumps((False, f"{type(error).__name__}: {error}")))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        report = stream.read()
    _, status = os.waitpid(child, 0)
    if not report:
        raise LaunchDied(f"a launch died with status {os.waitstatus_to_exitcode(status)}")
    fine, result = pickle.loads(report)
    if not fine:
        raise LaunchDied(result)
    return result


def here(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, computed in this process: a GPU has no heap that differs between launches, and CUDA does
    not survive a fork of a library that has looked for it."""
    torch.cuda.empty_cache()
    return function(*arguments)


def measure(group: Group, seed: int, threads: int) -> dict[str, Any]:
    """Time the group once, in this process: the report of one launch.

    Per label either ``{"failed": reason}`` or ``{"unsupported": reason}``, or its check, parameters, memory and rounds.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if any(label.endswith(COMPILED) for label in group.losses):
        torch.compiler.reset()  # what an earlier group compiled counts against the limit of this one
    cache = clocks.cache_bytes(group.device)
    machine = clocks.Machine(group.device, cache)
    sets = _input_sets(group, cache, seed)
    report, ready = _prepare(group, sets)
    runners = {label: Runner(found, sets, group.device) for label, found in ready.items()}
    for name in PASSES:
        for label in list(runners):
            runners[label].backward = name == "forward_backward"
            try:
                report[label]["first_call_s"] += runners[label].warm_up()
                if group.first:
                    report[label].setdefault("memory", {})[name] = runners[label].memory()
            except Exception as error:  # a library may fail only in its backward pass
                report[label] = _refusal(error, group.dtype, label)
                ready.pop(label), runners.pop(label)
        rounds, stopped = interleave(group, runners, machine, random.Random(f"{seed} {name}"))
        for label in runners:
            runners[label].again()
            report[label].setdefault("rounds", {})[name] = vars(rounds[label])
            report[label].setdefault("stopped", {})[name] = stopped[label]
            if runners[label].unsteady:
                report[label] = {"failed": f"{name}: {runners[label].unsteady}"}
        for label in [label for label, runner in runners.items() if runner.unsteady]:
            ready.pop(label), runners.pop(label)
        report.setdefault(STREAM, {})[name] = rounds[STREAM].ms
    own = ready.get(REFERENCE)
    bytes_of = {label: _bytes(found, sets[0]) for label, found in ready.items()}
    return {
        "subjects": {label: report.get(label, {"failed": "not timed"}) for label in group.losses},
        "bytes": bytes_of,
        "stream_ms": report[STREAM],
        "stream_bytes": machine.stream_bytes,
        "rates": machine.rates(),
        "device_name": clocks.device_name(group.device),
        "threads": threads,
        "elements": sum(leaf.numel() for leaf in sets[0].leaves),
        "sets": len(sets),
        "load": clocks.load_average(),
        "own": own is not None,
    }


def _input_sets(group: Group, cache: int, seed: int) -> list[Inputs]:
    first = workloads.canonical_inputs(group.loss, group.workload, group.dtype, group.device, seed)
    count = min(max(2, math.ceil(2 * cache / first.bytes_read)), MOST_SETS)
    others = range(seed + 1, seed + count)
    return [
        first,
        *(workloads.canonical_inputs(group.loss, group.workload, group.dtype, group.device, s) for s in others),
    ]


def _prepare(group: Group, sets: list[Inputs]) -> tuple[dict[str, dict], dict[str, Subject]]:
    """Each label's subject with its check; a label that cannot be timed has its reason instead."""
    report, ready = {}, {}
    heads = [subjects.head(inputs, 2048) for inputs in sets[:3]]
    for label in sorted(
        group.losses, key=lambda label: label != REFERENCE
    ):  # ours first: it is what others are checked by
        started = time.perf_counter()
        try:
            found = subjects.subject(group.losses[label], label, heads[0])
            report[label] = {"parameters": found.parameters, "reduction": found.reduction}
            report[label]["first_call_s"] = time.perf_counter() - started  # of a library: lazy imports, compilation
            if group.first:
                ours = found if label == REFERENCE else ready.get(REFERENCE)
                report[label]["check"] = subjects.check(found, ours, heads)
            ready[label] = found
        except Exception as error:  # the boundary to a measured library
            report[label] = _refusal(error, group.dtype, label)
    return report, ready


def _refusal(error: Exception, dtype: str, label: str) -> dict[str, str]:
    """Why a label is not timed; what a library does not take in half precision is a limit of it, not a failure."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    limit = isinstance(error, Unsupported) or (dtype != "float32" and label != REFERENCE)
    return {"unsupported" if limit else "failed": str(error) if isinstance(error, Unsupported) else reason}


def _bytes(found: Subject, inputs: Inputs) -> dict[str, int]:
    native = found.native(inputs)
    return {"forward": native.bytes_read, "forward_backward": native.bytes_read + native.bytes_written}


class Runner:
    """A subject, with or without its backward pass, on the next input set each time; sees that answers stay alike."""

    def __init__(self, found: Subject, sets: list[Inputs], device: str, backward: bool = False) -> None:
        self.found, self.device, self.backward = found, device, backward
        self.sets = [found.native(inputs) for inputs in sets]
        self.answers: dict[int, float] = {}
        self.calls = 0
        self.unsteady = ""

    def call(self) -> clocks.Sample:
        """Time the next call; outputs are poisoned before and read after it."""
        inputs = self.ready()
        value, sample = clocks.timed(lambda: self.run(inputs), self.device)
        self.watch(inputs, value)
        return sample

    def ready(self) -> Inputs:
        """The next input set, without gradients, and with NaN where the output is likely to go."""
        inputs = self.sets[self.calls % len(self.sets)]
        self.calls += 1
        for leaf in inputs.leaves:
            leaf.requires_grad_(self.backward)
            leaf.grad = None
            clocks.poison(leaf.numel(), leaf.dtype, self.device)
        return inputs

    def run(self, inputs: Inputs) -> torch.Tensor:
        """What is timed: the value, and its gradient where the pass asks for it."""
        if not self.backward:
            with torch.no_grad():
                return self.found.value(inputs)
        value = self.found.value(inputs)
        value.backward()
        return value.detach()

    def watch(self, inputs: Inputs, value: torch.Tensor) -> None:
        """Note an answer that is not the one given before on the same inputs, and a gradient that is not finite."""
        value, expected = float(value), self.answers.setdefault(id(inputs), float(value))
        if not math.isclose(value, expected, rel_tol=1e-3, abs_tol=1e-6):
            self.unsteady = f"gave {value} where it gave {expected} on the same input"
        if self.backward and not all(leaf.grad is not None and leaf.grad.sum().isfinite() for leaf in inputs.leaves):
            self.unsteady = "left a gradient that is missing or not finite"
        for leaf in inputs.leaves:
            leaf.grad = None

    def warm_up(self) -> float:
        """Call until steady; returns the first call's seconds, compilation included."""
        started = time.perf_counter()
        self.call()
        first = time.perf_counter() - started
        best = math.inf
        for _ in range(WARM_UP):
            ms = self.call().ms
            if ms < best * (1 + STEADY) and best < math.inf:
                break
            best = min(best, ms)
        return first

    def again(self) -> None:
        """Call the first input set once more, so that every subject has answered one of them twice."""
        self.calls = 0
        self.call()

    def memory(self) -> int:
        """The peak of one call beyond its inputs, in bytes."""
        inputs = self.ready()
        return clocks.peak_extra_bytes(lambda: self.run(inputs), self.device)


def interleave(
    group: Group, runners: dict[str, Runner], machine: clocks.Machine, shuffle: random.Random
) -> tuple[dict[str, Rounds], dict[str, str]]:
    """Rounds in random order, each followed by its mirror image (ABBA), until intervals are narrow or time is up.

    A subject leaves when its own interval is narrow; ours stays as long as anyone does. Says of each which of
    ``narrow``, ``budget`` or ``rounds`` stopped it.
    """
    rounds = {label: Rounds() for label in (*runners, STREAM)}
    stopped: dict[str, str] = {}
    active = list(runners)
    deadline = time.perf_counter() + group.seconds
    for done in range(1, group.most_rounds + 1):
        order = [*active, STREAM]
        shuffle.shuffle(order)
        _round([*order, *reversed(order)], runners, machine, rounds)
        late = time.perf_counter() > deadline
        if done < group.least_rounds or (done % LOOK_EVERY and not late):
            continue
        narrow = [label for label in active if _half_width(rounds[label]) < group.width]
        stopped |= dict.fromkeys((label for label in narrow if label != REFERENCE), "narrow")
        active = [label for label in active if label not in stopped]
        if set(active) <= {REFERENCE} and (not active or REFERENCE in narrow):
            stopped |= dict.fromkeys(active, "narrow")
            break
        if late:
            break
    reason = "budget" if time.perf_counter() > deadline else "rounds"
    return rounds, {label: stopped.get(label, reason) for label in runners}


def _round(
    order: Sequence[str], runners: dict[str, Runner], machine: clocks.Machine, rounds: dict[str, Rounds]
) -> None:
    samples: dict[str, list[clocks.Sample]] = {}
    for label in order:
        samples.setdefault(label, []).append(machine.stream() if label == STREAM else runners[label].call())
    own = samples.get(REFERENCE)
    for label, pair in samples.items():
        kept = rounds[label]
        kept.ms.append(sum(sample.ms for sample in pair) / 2)
        kept.cpu_ms.append(sum(sample.cpu_ms for sample in pair) / 2)
        kept.faults.append(sum(sample.faults for sample in pair) // 2)
        kept.own_ms.append(sum(sample.ms for sample in own) / 2 if own else math.nan)


def _half_width(rounds: Rounds) -> float:
    interval: Interval = median_interval([rounds.ms])
    if not math.isnan(rounds.own_ms[0]):
        ratio = ratio_interval([rounds.ms], [rounds.own_ms])
        return max(interval.relative_half_width, ratio.relative_half_width)
    return interval.relative_half_width
