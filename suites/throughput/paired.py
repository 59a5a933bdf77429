"""Two versions of the code, timed against each other: two workers on one core, in ABBA blocks, launch after launch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from focalbench_suite.installation import python_path
from focalbench_suite.suites.throughput.side import PairedCell
from focalbench_suite.suites.worker import ALLOCATOR


class SideFailed(Exception):
    """A side could not time a cell; says which side and why. Never a regression."""


class Side:
    """A process with one version of the code; `folders` come first on its path."""

    def __init__(self, name: str, folders: Sequence[Path] = ()) -> None:
        self.name, self.folders = name, folders
        self._open()

    def _open(self) -> None:
        to_child, from_parent = os.pipe()[::-1], os.pipe()[::-1]
        environment = os.environ | ALLOCATOR | {"PYTHONPATH": python_path(*self.folders), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "focalbench_suite.suites.throughput.side",
                str(to_child[1]),
                str(from_parent[0]),
            ],
            env=environment,
            pass_fds=(to_child[1], from_parent[0]),
            stderr=subprocess.PIPE,
        )
        self._sending = Connection(to_child[0], readable=False)
        self._receiving = Connection(from_parent[1], writable=False)
        os.close(to_child[1])
        os.close(from_parent[0])

    def ask(self, message: Any) -> Any:
        """Send, and wait for the answer without keeping a core busy; raises `SideFailed` where there is none."""
        try:
            self._sending.send(message)
            answer = self._receiving.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise SideFailed(f"{self.name}: the worker died") from None
        if answer[0] == "failed":
            raise SideFailed(f"{self.name}: {answer[1]}")
        return answer

    def tell(self, message: Any) -> None:
        """Send, and expect no answer."""
        self._sending.send(message)

    def restart(self) -> None:
        """A fresh process in place of one whose conversation is broken."""
        self.close()
        self._open()

    def close(self) -> None:
        """End the process."""
        self._sending.close()
        self._receiving.close()
        self.process.terminate()
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


@dataclass
class PairedLaunch:
    """Times of one launch in ns, [block][call], wall and process time, of base and head; minor faults a call."""

    base: list[list[tuple[int, int]]]
    head: list[list[tuple[int, int]]]
    faults: tuple[float, float]

    def by_clock(self, clock: int) -> tuple[list[list[int]], list[list[int]]]:
        """Base and head times by the wall clock (0) or the process's (1), [block][call] in ns."""
        base, head = ([[call[clock] for call in block] for block in side] for side in (self.base, self.head))
        return base, head


def launch(base: Side, head: Side, cell: PairedCell, core: int | None, blocks: int, calls: int,
           head_repeats: float = 1.0) -> PairedLaunch:  # fmt: skip
    """One worker a side on the same core, then `blocks` of base head head base (or the reverse, in turn).

    The first call of a turn finds the other side's data in the cache and is not timed. `head_repeats` times as many
    losses a call make the head slower on purpose, which is how the gate's error rates are measured.
    """
    by_rows = cell.repeats == 1  # too long to be repeated: more rows make it slower
    larger = replace(cell, rows=round(cell.rows * head_repeats)) if by_rows else cell
    repeats = max(base.ask(("start", cell, core))[1], head.ask(("start", larger, core))[1])
    base.tell(repeats)
    head.tell(repeats if by_rows else round(repeats * head_repeats))
    times: dict[str, list] = {"base": [], "head": []}
    faults = {"base": 0, "head": 0}
    sides = {"base": base, "head": head}
    for block in range(blocks):
        turn = ("base", "head", "head", "base") if block % 2 == 0 else ("head", "base", "base", "head")
        kept: dict[str, list] = {"base": [], "head": []}
        for name in turn:
            answer, faulted = sides[name].ask(calls)
            kept[name] += answer
            faults[name] += faulted
        times["base"].append(kept["base"])
        times["head"].append(kept["head"])
    base.tell(None)
    head.tell(None)
    total = blocks * 2 * (calls + 1)
    return PairedLaunch(times["base"], times["head"], (faults["base"] / total, faults["head"] / total))
