"""How far a run has come. The long tasks tell it in a file each, those on other machines in the same way."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from focalbench_suite.suites.whole_file import whole_file

FILE = "progress.json"
EVERY = 1.0  # seconds from one writing to the next
LINES = 4  # of the tasks under way
SPEED_WINDOW_S = 1e9  # rich estimates the time left from its last 30 s; this is the average over the whole run


@dataclass
class Progress:
    """Steps of one task, from `done` to `steps`, told in its `folder` (None: nobody is told)."""

    folder: Path | None
    title: str
    done: int
    steps: int
    began: float = field(default_factory=time.monotonic)
    _told: float = float("-inf")

    def step(self, number: int) -> None:
        """Step `number` is done."""
        now = time.monotonic()
        if self.folder is None or (now - self._told < EVERY and number < self.steps):
            return
        self._told = now
        left = (now - self.began) / (number - self.done) * (self.steps - number)
        with whole_file(self.folder / FILE) as unfinished:
            unfinished.write_text(
                json.dumps({"title": self.title, "step": number, "steps": self.steps, "left_s": left})
            )


def last_step(folder: Path) -> float:
    """When the task of this folder took its last step, in seconds since the epoch; 0 before its first."""
    try:
        return (folder / FILE).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def under_way(folder: Path) -> list[str]:
    """One line for each task under way in a run's folder, with the time that it has left."""
    told = []
    for file in sorted(folder.glob(f"*/{FILE}")):
        try:
            now = json.loads(file.read_text())
        except FileNotFoundError:  # it has just ended
            continue
        told.append(f"{now['title']}: step {now['step']} of {now['steps']}, {clock(now['left_s'])} left")
    return told


class UnderWay(ProgressColumn):
    """What is under way in a suite: the long tasks as they tell it, else the cell that has just ended."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def render(self, task: Task) -> Text:
        lines = under_way(self.folder) if task.fields["long"] and not task.finished else []
        more = [f"and {len(lines) - LINES} more"] if len(lines) > LINES else []
        return Text("\n".join([*lines[:LINES], *more]) or task.fields["cell"])


def bars(folder: Path, hidden: bool) -> Bars:
    """Live bars on a terminal; nothing that moves where output is a file or a pipe."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        UnderWay(folder),
    )
    hidden = hidden or not sys.stderr.isatty()
    return Bars(*columns, console=Console(stderr=True), disable=hidden, speed_estimate_period=SPEED_WINDOW_S)


def in_words(row: Task) -> str:
    """A bar as a line of text."""
    left = f", {clock(row.time_remaining)} left" if row.time_remaining else ""
    return f"{row.description}: {row.completed:.0f} of {row.total:.0f} done{left}"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
