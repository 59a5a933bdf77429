"""What a run is measured on: machine, versions, threads, commit, command line. Captured once a run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from focalbench_suite.installation import CHECKOUT, DISTRIBUTION

PACKAGES = (
    "torch", "triton", "torchvision", "numpy", "pandas", "mpmath", "mmengine", "mmcv", "mmcv-lite", "pycocotools",
    "faster-coco-eval",
)  # fmt: skip
PACE_REPEATS = 1000  # of which the best came out within 4 % with each core wanted by three processes


def capture(adapters: dict[str, Any], command: list[str]) -> dict[str, Any]:
    """Plain data that says where the numbers come from; `adapters` are those of `adapters.discover`."""
    import torch

    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(command),
        "suite": _version(DISTRIBUTION),
        "commit": git("rev-parse", "HEAD"),
        "project": project_commit(),
        "changed": bool(git("status", "--porcelain")),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": psutil.cpu_count(logical=False),
        "threads": torch.get_num_threads(),
        "clock": cpu_clock(),
        "pace_us": pace(),
        "memory_bytes": psutil.virtual_memory().total,
        "load": os.getloadavg(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda": torch.version.cuda,
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "adapters": {name: adapter.version for name, adapter in adapters.items()},
    }


def git(*arguments: str) -> str:
    """What git prints of this suite's checkout; nothing where it is installed, whatever project it is installed in."""
    return _git(CHECKOUT, *arguments) if CHECKOUT else ""


def project_commit() -> str:
    """The commit of the project in whose folder the command is called; nothing where that is in no repository."""
    return _git(Path.cwd(), "rev-parse", "--verify", "--quiet", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    if not shutil.which("git"):
        return ""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_clock(folder: Path = Path("/sys/devices/system/cpu")) -> dict[str, Any]:
    """The processor's clock: MHz just now, who governs it, and whether turbo is on; None where nothing says so."""
    clock, governor = psutil.cpu_freq(), folder / "cpu0/cpufreq/scaling_governor"
    boost, no_turbo = folder / "cpufreq/boost", folder / "intel_pstate/no_turbo"
    turbo = None
    if boost.exists():
        turbo = boost.read_text().strip() == "1"
    elif no_turbo.exists():
        turbo = no_turbo.read_text().strip() == "0"
    return {
        "mhz": clock.current if clock else None,
        "governor": governor.read_text().strip() if governor.exists() else None,
        "turbo": turbo,
    }


def pace() -> dict[str, float]:
    """How many microseconds this processor takes at best for two fixed pieces of work; takes 0.08 s.

    Two machines whose processors have the same name were seen to differ by a factor of 1.6. Both pieces stay in the
    cache and in one thread; the memory's speed is measured by each timed process, as its stream.

    >>> sorted(pace())
    ['elementwise', 'matmul']
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        logits, square = torch.linspace(-8, 8, 1 << 14), torch.linspace(-1, 1, 1 << 15).reshape(128, 256)
        return {
            "elementwise": _best_us(lambda: logits.abs().neg().exp().log1p().mul(logits).sum()),
            "matmul": _best_us(lambda: square @ square.T),
        }
    finally:
        torch.set_num_threads(threads)


def _best_us(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(PACE_REPEATS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return round(best * 1e6, 2)


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
