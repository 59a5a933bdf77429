"""What every page is made of: templates, the style and script of the report, plotly.js, and data for them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup


@cache
def templates(room: str) -> jinja2.Environment:
    """The templates of a room of `results`, in which data is escaped and a name that is not given is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(f"focalbench_suite.results.{room}"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def text(room: str, name: str) -> str:
    """A file that stands beside the templates of a room."""
    return files(f"focalbench_suite.results.{room}").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def plotly() -> str:
    """The script that draws figures."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def script(payload: dict[str, Any]) -> Markup:
    """JSON that cannot end the script element that holds it."""
    return Markup(json.dumps(_finite(payload), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def _finite(value: Any) -> Any:
    """The value with None for what JSON has no word for."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
