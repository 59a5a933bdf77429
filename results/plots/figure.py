"""What every plot is made of: a figure, a colour and dash for each source, axes.

Colours are Okabe and Ito's, which colour-blind readers tell apart ("Color Universal Design", 2008), without the yellow,
which white paper swallows. A dash or marker goes with the colour, so that no meaning hangs on the hue alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from focalbench_suite.results.schema import is_own

INK = "ink"  # the page puts its text colour here
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x")

Figure = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """A titled place on the page with one figure for every option (one loss each, say)."""

    name: str
    title: str
    caption: str
    options: dict[str, Figure] = field(default_factory=dict)


class Palette:
    """One look for each source, the same in every plot of a report; ours is the ink itself."""

    def __init__(self, adapters: list[str]) -> None:
        others = [name for name in adapters if not is_own(name)]
        self._place = {name: place for place, name in enumerate(others)}

    def colour(self, adapter: str) -> str:
        """The source's colour, or the ink for ours."""
        return COLOURS[self._place[adapter] % len(COLOURS)] if adapter in self._place else INK

    def line(self, adapter: str) -> dict[str, Any]:
        """Colour, dash and width of the source's line."""
        cycle = self._place.get(adapter, 0) // len(COLOURS)
        return {
            "color": self.colour(adapter),
            "dash": DASHES[cycle % len(DASHES)],
            "width": 2 if adapter in self._place else 3,
        }

    def marker(self, adapter: str) -> dict[str, Any]:
        """Colour and symbol of the source's points."""
        cycle = self._place.get(adapter, 0) // len(COLOURS)
        return {"color": self.colour(adapter), "symbol": MARKERS[cycle % len(MARKERS)], "size": 8}


def figure(data: list[Figure], x: str, y: str, log: str = "", height: int = 420, **layout: Any) -> Figure:
    """A figure with titled axes; `log` names the logarithmic ones ("", "x", "y" or "xy")."""
    axes = {
        f"{name}axis": {"title": {"text": title}, "type": "log" if name in log else "-", "automargin": True}
        | ({"exponentformat": "power"} if name in log else {})
        for name, title in (("x", x), ("y", y))
    }
    for name in ("xaxis", "yaxis"):
        axes[name] |= layout.pop(name, {})
    return {"data": data, "layout": {"height": height, **axes, **layout}}


def significant(values: Sequence[float | None], digits: int = 5) -> list[float | None]:
    """The values with as many digits as a plot can show, which keeps the page small."""
    return [None if value is None or value != value else float(f"{value:.{digits}g}") for value in values]


def by_option(items: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    """Items grouped by their option, in order of appearance, the focal loss first."""
    grouped: dict[str, list[Any]] = {}
    for option, item in items:
        grouped.setdefault(option, []).append(item)
    return dict(sorted(grouped.items(), key=lambda pair: not pair[0].startswith("focal")))
