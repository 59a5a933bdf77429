"""trend.html: the curves, the steps and the verdicts that changed, on one page with everything in it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markupsafe import Markup

from focalbench_suite.results.report import assets, page
from focalbench_suite.results.trend import curves
from focalbench_suite.results.trend.changes import every_series, tables


def write(points: pd.DataFrame, file: Path) -> None:
    """Write the page of these points."""
    plots = curves.plots(points, list(every_series(points)))
    payload = {
        "tables": {table.name: page.table(table, frame) for table, frame in tables(points)},
        "plots": {f"trend/{plot.name}": plot.options for plot in plots},
        "records": {},
        "environment": [],
    }
    text = assets.templates("report").get_template("trend.html.j2").render(
        facts=_facts(points),
        plots=plots,
        tables=list(payload["tables"]),
        payload=assets.script(payload),
        plotly=Markup(assets.plotly()),
        css=Markup(assets.text("report", "report.css")),
        js=Markup(assets.text("report", "report.js")),
    )  # fmt: skip
    file.write_text(text, encoding="utf-8")


def _facts(points: pd.DataFrame) -> str:
    """How many runs there are, of which days and machines."""
    runs = len(points[["time", "commit", "machine"]].drop_duplicates(["time", "commit"]))
    first, last = points["time"].min(), points["time"].max()
    machines = sorted(filter(None, set(points["machine"])))
    return f"{runs} runs from {first:%Y-%m-%d} to {last:%Y-%m-%d} on {len(machines)} machines: {'; '.join(machines)}"
