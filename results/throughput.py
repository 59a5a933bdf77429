"""The throughput table: a pure function of the records' rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from focalbench_suite.results.schema import TABLES
from focalbench_suite.results.statistics import UNKNOWN, Interval, median_interval, ratio_interval

COLUMNS = [
    *TABLES["throughput"].columns,
    "launches", "stopped", "check", "reduction", "parameters", "roofline_fraction", "floor_ms", "replay_ms",
    "replay_fraction", "cpu_ms",
    "faults_per_call", "first_call_s", "load", "clock_mhz",
]  # fmt: skip
LOGARITHMS = {  # exp and log that a fused pass cannot do without, per element
    "distribution_focal": (1, 0),
    "softmax_focal": (1, 0),
}


def table(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One row for every pass of every cell that was timed.

    `check` says whether what was timed computes our function (agrees, agrees_up_to_scale) or another one (differs).
    `floor_ms` is the time in which the bytes that must move would stream; `bandwidth_fraction` is its share of the
    median; `roofline_fraction` also counts exp and log at the rate of the same run (on a CPU). `faults_per_call` tells
    a heap that gives its pages back. `replay_ms`, on a GPU, is a call in a replayed CUDA graph, its kernels without
    their launches, and `replay_fraction` the floor's share of it; neither where the loss cannot be captured.
    `ratio_to_own` is from pairs of the same round: above 1 is slower than ours.
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
        floor, roofline = _limits(cell["loss"], data, name)
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
            "stopped": "budget" if "budget" in stops else "narrow" if stops == {"narrow"} else "rounds",
            "check": data["check"],
            "reduction": data["reduction"],
            "parameters": " ".join(f"{key}={value}" for key, value in data["parameters"].items()),
            "roofline_fraction": roofline / times.center,
            "floor_ms": floor,
            "replay_ms": (replay := _replay(data, name)),
            "replay_fraction": floor / replay,
            "cpu_ms": median_interval([launch["cpu_ms"] for launch in rounds]).center,
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


def _limits(loss: str, data: dict[str, Any], name: str) -> tuple[float, float]:
    """The least ms that a pass can take: to move its bytes, and to move them or do its exp and log."""
    streams = median_interval([launch["stream_ms"][name] for launch in data["launches"]]).center
    bandwidth = data["launches"][0]["stream_bytes"] / streams  # bytes a ms
    floor = data["bytes"][name] / bandwidth
    if not data["launches"][0]["rates"]:
        return floor, floor
    exps, logs = LOGARITHMS.get(loss, (1, 1))
    rate = {key: float(np.median([launch["rates"][key] for launch in data["launches"]])) for key in ("exp", "log")}
    work = data["elements"] * (exps / rate["exp"] + logs / rate["log"]) * 1e3
    return floor, max(floor, work)


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
                "step_ms": median_interval(times).center,
                "without_loss_ms": median_interval(without).center,
                "loss_share": 1 - left.center,
                "share_ci_low": 1 - left.high,
                "share_ci_high": 1 - left.low,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(TABLES["training_step"].columns))
