"""The reproduction report: what papers and articles print beside what came out here, from the records alone.

A printed AP stands beside ours where the run trained the same detector with the same loss. It is called reproduced or
not only where data, schedule and backbone are the paper's, too; otherwise the row says what differs.
"""

from __future__ import annotations

from pathlib import Path

from focalbench_suite.results.paper import latex, markdown
from focalbench_suite.results.paper.reproduction import collect
from focalbench_suite.results.store import Run

__all__ = ["write"]


def write(run: Run) -> list[Path]:
    """Write ``paper.md`` and ``paper.tex`` into the run's folder and return their paths."""
    found = collect(list(run.records()), run.environment())
    files = {run.folder / "paper.md": markdown.text(found), run.folder / "paper.tex": latex.text(found)}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)
