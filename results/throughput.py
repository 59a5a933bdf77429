"""The throughput table: a pure function of the records' rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from focalbench_suite.results.schema import TABLES
from focalbench_suite.results.statistics import (
    UNKNOWN,
    Interval,
    kind_of_interval,
    launch_medians,
    median_interval,
    ratio_interval,
)

COLUMNS = [
    *TABLES["throughput"].columns,
    "launches", "stopped", "check", "reduction", "parameters", "floor_ms", "replay_ms", "replay_fraction", "cpu_ms",
    "faults_per_call", "first_call_s", "load", "clock_mhz",
]  # fmt: skip


def table(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One row for every pass of every cell that was timed.

    `check` says whether what was timed computes our function (agrees, agrees_up_to_scale) or another one (differs).
    `interval` says what the limits are, or why there are none. `floor_ms` is the least time in which the bytes that
    must pass the memory can do so (see `_floor`), and `bandwidth_fraction` is its share of the median.
    `faults_per_call` tells a heap that gives its pages back. `ratio_to_own` is from pairs of the same round: above 1 is
    slower than ours. `replay_ms`, on a GPU, is a call in a replayed CUDA graph, its kernels without their launches, and
    `replay_fraction` the floor's share of it; neither where the loss cannot be captured.
    """
    rows = [row for record in records if is_timed(record) for row in _rows(record)]
    return pd.DataFrame(rows, columns=COLUMNS)


def is_timed(record: dict[str, Any]) -> bool:
    """Whether the record holds rounds."""
    return record["cell"]["suite"] == "throughput" and record["status"] == "ok" and "launches" in record["data"]


def _rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cell, data = record["cell"], record["data"]
    for name in ("forward", "forward_backward"):
        rounds = rounds_of(record, name)
        times = median_interval([launch["ms"] for launch in rounds])
        ratio = _ratio(rounds)
        floor = _floor(data, name)
        stops = {launch["stopped"][name] for launch in data["launches"]}
        yield {
            "loss": cell["loss"],
            "adapter": cell["adapter"],
            "library": data["library"],
            "version": data["version"],
            "device": cell["device"],
            "device_name": data["device_name"],
            "dtype": cell["dtype"],
            "workload": cell["workload"],
            "rows": data["rows"],
            "classes": data["classes"],
            "pass": name,
            "rounds": sum(len(launch["ms"]) for launch in rounds),
            "median_ms": times.center,
            "ci_low_ms": times.low,
            "ci_high_ms": times.high,
            "elements_per_second": data["elements"] / times.center * 1e3,
            "bandwidth_fraction": floor / times.center,
            "peak_memory_bytes": data["memory"][name],
            "ratio_to_own": ratio.center,
            "ratio_ci_low": ratio.low,
            "ratio_ci_high": ratio.high,
            "launches": len(rounds),
            "interval": kind_of_interval(len(rounds)),
            "stopped": "budget" if "budget" in stops else "narrow" if stops == {"narrow"} else "rounds",
            "check": data["check"],
            "reduction": data["reduction"],
            "parameters": " ".join(f"{key}={value}" for key, value in data["parameters"].items()),
            "floor_ms": floor,
            "replay_ms": (replay := _replay(data, name)),
            "replay_fraction": floor / replay,
            "cpu_ms": float(np.median(launch_medians([launch["cpu_ms"] for launch in rounds]))),
            "faults_per_call": float(np.median([fault for launch in rounds for fault in launch["faults"]])),
            "first_call_s": data["first_call_s"],
            "load": max(launch["load"] for launch in data["launches"]),
            "clock_mhz": data["launches"][0].get("clock_mhz"),  # absent in runs of before it was asked for
        }


def rounds_of(record: dict[str, Any], name: str) -> list[dict[str, list[float]]]:
    """The rounds of one pass, a dictionary of parallel lists a launch."""
    return [launch["rounds"][name] for launch in record["data"]["launches"]]


def _replay(data: dict[str, Any], name: str) -> float:
    """The median ms of a call in a replayed graph; NaN where there is none, as in runs of before it was asked for."""
    replays = [ms for launch in data["launches"] for ms in launch.get("replays", {}).get(name, [])]
    return float(np.median(replays)) if replays else float("nan")


def _ratio(rounds: list[dict[str, list[float]]]) -> Interval:
    if any(value is None or np.isnan(value) for launch in rounds for value in launch["own_ms"]):
        return UNKNOWN
    return ratio_interval([launch["ms"] for launch in rounds], [launch["own_ms"] for launch in rounds])


def _floor(data: dict[str, Any], name: str) -> float:
    """The least ms that a pass can take: what must pass the memory, at the fastest that the machine ever moved bytes.

    Inputs must, where all sets together are larger than the cache; of what is written, as much as the cache holds may
    stay there. How fast exp and log are in torch bounds nothing: a kernel with polynomials of its own took a third of
    that time. NaN where the inputs may have been in the cache, and in runs of before the machine's peak was asked for.
    """
    if "cache_bytes" not in data:
        return float("nan")
    read, cache = data["bytes"]["forward"], data["cache_bytes"]
    if read * data["input_sets"] <= cache:
        return float("nan")
    written = data["bytes"][name] - read
    return (read + max(0, written - cache)) / max(_bytes_per_ms(launch) for launch in data["launches"])


def _bytes_per_ms(launch: dict[str, Any]) -> float:
    """The fastest that bytes moved in a launch; the best and not the median, since noise only ever adds to a time."""
    streamed = min(ms for rounds in launch["stream_ms"].values() for ms in rounds)
    return max(launch["peak_bytes_per_ms"], launch["stream_bytes"] / streamed)


def step_table(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """What share of a training step is the loss: 1 - (step without a loss) / (step with it), of the same rounds."""
    rows = []
    for record in records:
        if record["cell"]["suite"] == "throughput" and record["status"] == "ok" and "step" in record["data"]:
            cell, launches = record["cell"], record["data"]["step"]
            times, without = ([launch[key] for launch in launches] for key in ("ms", "without_ms"))
            left = ratio_interval(without, times)
            rows.append({
                **{key: cell[key] for key in ("loss", "adapter", "device", "dtype", "workload")},
                **{key: record["data"][key] for key in ("device_name", "rows")},
                "rounds": sum(len(rounds) for rounds in times),
                "launches": len(times),
                "interval": kind_of_interval(len(times)),
                "step_ms": float(np.median(launch_medians(times))),
                "without_loss_ms": float(np.median(launch_medians(without))),
                "loss_share": 1 - left.center,
                "share_ci_low": 1 - left.high,
                "share_ci_high": 1 - left.low,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(TABLES["training_step"].columns))
