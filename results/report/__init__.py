"""The report of a run: report.html, report.md and junit.xml, and the screenful that the terminal shows at the end.

Everything is computed from the records, without torch, and is the same byte for byte when it is built again.
"""

from __future__ import annotations

from rich.console import RenderableType

from focalbench_suite.results import tables
from focalbench_suite.results.frames import Frames
from focalbench_suite.results.junit import junit
from focalbench_suite.results.report import markdown, page, screen
from focalbench_suite.results.store import Run


def write(run: Run, frames: Frames | None = None) -> None:
    """Write the report's three files into the run's folder; `frames` spares building the tables again."""
    frames = tables.build(run) if frames is None else frames
    records, environment = list(run.records()), run.environment()
    (run.folder / "report.html").write_text(page.html(frames, records, environment), encoding="utf-8")
    (run.folder / "report.md").write_text(markdown.text(frames, records, environment), encoding="utf-8")
    (run.folder / "junit.xml").write_text(junit(records), encoding="utf-8")


def summary(run: Run, frames: Frames | None = None) -> RenderableType:
    """The answers on one screen, for rich to print."""
    frames = tables.build(run) if frames is None else frames
    return screen.summary(frames, list(run.records()))
