"""How one call is timed on each device, what it costs in memory, and what the machine can do at best."""

from __future__ import annotations

import itertools
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch

MEBIBYTE = 1 << 20
DEFAULT_CACHE = 32 * MEBIBYTE
PROBES = 9  # a multiple of the buffers


class Sample(NamedTuple):
    """One call: wall time (device time on CUDA), CPU time of the process, minor page faults."""

    ms: float
    cpu_ms: float
    faults: int


def timed(call: Callable[[], Any], device: str) -> tuple[Any, Sample]:
    """The call's result and what it took."""
    return _timed_cuda(call) if device == "cuda" else _timed_cpu(call)


def _timed_cpu(call: Callable[[], Any]) -> tuple[Any, Sample]:
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    result = call()
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return result, Sample(wall / 1e6, cpu / 1e6, faults)


def _timed_cuda(call: Callable[[], Any]) -> tuple[Any, Sample]:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    cpu = time.process_time_ns()
    start.record()
    result = call()
    end.record()
    cpu = time.process_time_ns() - cpu
    end.synchronize()
    return result, Sample(start.elapsed_time(end), cpu / 1e6, 0)


def cache_bytes(device: str) -> int:
    """The size of the last-level cache that input sets must exceed."""
    if device == "cuda":
        return torch.cuda.get_device_properties(0).L2_cache_size
    sizes = [_cache_size(path) for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max(sizes, default=DEFAULT_CACHE)


def _cache_size(path: Path) -> int:
    text = path.read_text().strip()
    return int(text.rstrip("KMG")) * {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1], 1)


def device_name(device: str) -> str:
    """The processor's name, as the table shows it."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")
    return f"{model}, {torch.get_num_threads()} threads"


def poison(elements: int, dtype: torch.dtype, device: str) -> None:
    """Leave NaN in the block that the next call's output is likely to get, so that unwritten memory shows."""
    torch.full((elements,), float("nan"), dtype=dtype, device=device)


def peak_extra_bytes(call: Callable[[], Any], device: str) -> int:
    """The most that a call held at once beyond what was there before it, gradient and outputs included.

    CUDA: the caching allocator's peak. CPU: the sum of torch's allocation events in time order, as its profiler records
    them; what a library allocates outside torch's allocator is not in it.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    os.environ["KINETO_LOG_LEVEL"] = "99"  # it prints four lines a call otherwise; a library may have set it lower
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        result = call()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    del result
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


class Machine:
    """The machine's own limit: how fast it streams bytes."""

    def __init__(self, device: str, cache: int) -> None:
        self.device = device
        size = max(cache, 256 * MEBIBYTE if device == "cuda" else 0) // 4
        self.buffers = [torch.ones(size, device=device) for _ in range(3)]

    def stream(self) -> Sample:
        """Read and write buffers beyond the cache once: a copy on CUDA, STREAM's add on a CPU."""
        a, b, c = self.buffers
        move = (lambda: c.copy_(a)) if self.device == "cuda" else (lambda: torch.add(a, b, out=c))
        return timed(move, self.device)[1]

    @property
    def stream_bytes(self) -> int:
        """What `stream` moves."""
        return self.buffers[0].numel() * 4 * (2 if self.device == "cuda" else 3)

    def peak_bytes_per_ms(self) -> float:
        """The fastest of some streams, and of some passes that only read, as a forward pass does.

        With one thread, too: where others want the cores, threads wait for each other, and one alone streams faster.
        """
        threads = torch.get_num_threads()
        peak = max(self._fastest(count) for count in {1, threads})
        torch.set_num_threads(threads)
        return peak

    def _fastest(self, threads: int) -> float:
        torch.set_num_threads(threads)
        buffers = itertools.cycle(self.buffers)  # each was used longest ago, and is not in the cache
        reads = min(timed(lambda: next(buffers).sum(), self.device)[1].ms for _ in range(PROBES))
        streams = min(self.stream().ms for _ in range(PROBES))
        return max(self.buffers[0].nbytes / reads, self.stream_bytes / streams)


def clock_mhz(device: str) -> float | None:
    """At how many MHz the device runs just now, as its driver says; None where it does not."""
    if device == "cuda":
        try:
            return float(torch.cuda.clock_rate())
        except (ModuleNotFoundError, RuntimeError):  # it asks NVML, whose package is not a part of torch
            return None
    clock = psutil.cpu_freq()
    return clock.current if clock else None


def load_average() -> float:
    """Processes that wanted a core in the last minute; above the number of cores, times are contended."""
    return os.getloadavg()[0]
