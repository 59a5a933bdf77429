"""The functions themselves over the logit, and how many digits of them are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from focalbench_suite.results.frames import Frames
from focalbench_suite.results.plots.figure import Figure, Palette, Plot, by_option, figure, significant

DIGITS = {"float32": 24, "float64": 53, "bfloat16": 8, "float16": 11}  # binary digits of a number
DTYPES = tuple(DIGITS)
NAMED = 3  # sources of one line that the legend names
SEEN = 10  # logits beyond this are found by zooming out
DENSE = 20  # within this the logits lie closer than one apart
ROUNDED = 0.5  # ULP of a correctly rounded result, which no error below it betters
SHAPE = {"value": "loss", "gradient": "gradient of the loss"}
Series = dict[str, Any]
Drawn = tuple[str, Series]  # the source and one series of its curves, with the logits in it


def plots(frames: Frames, records: list[dict[str, Any]], palette: Palette) -> list[Plot]:
    """Loss and gradient over the logit, and their errors, of the curves that the agreement records keep."""
    curves = list(_curves(records))
    return [
        Plot(
            "curves",
            "Loss and gradient over the logit",
            "Each source at the loss's usual parameters. Curves that the eye cannot tell apart are one line, named"
            " after all of them; click a name to hide it, twice to see it alone.",
            {option: _shapes(drawn, quantity, palette) for option, quantity, drawn in _shown(curves)},
        ),
        Plot(
            "ulp",
            "Error over the logit",
            "Distance from the 50-digit truth in units in the last place (ULP) of the dtype, on a logarithmic axis, the"
            " worst within each whole logit: up to 1 is rounding, and at the top (10⁷ for a float32) no digit is right."
            " Gaps are values that are not finite. Sources within a factor of two everywhere are one line.",
            {option: _errors(drawn, quantity, dtype, palette) for option, quantity, dtype, drawn in _measured(curves)},
        ),
    ]


def _curves(records: list[dict[str, Any]]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The cell and one series for every target of every record that keeps curves."""
    for record in records:
        if record["cell"]["suite"] == "agreement" and "curves" in record["data"]:
            curves = record["data"]["curves"]
            for series in curves["series"]:
                yield record["cell"], {"logits": curves["logits"], **series}


def _shown(curves: list[tuple[dict, dict]]) -> Iterator[tuple[str, str, list[Drawn]]]:
    """One option for every loss, target and quantity, of the finest dtype that was run."""
    fine = {cell["dtype"] for cell, _ in curves}
    dtype = next((name for name in DTYPES if name in fine), "")
    chosen = [(cell, series) for cell, series in curves if cell["dtype"] == dtype]
    for quantity in ("value", "gradient"):
        labelled = [
            (f"{cell['loss']}, {SHAPE[quantity]}, target {series['target']:g}", (cell["adapter"], series))
            for cell, series in chosen
        ]
        for option, drawn in by_option(labelled).items():
            yield option, quantity, drawn


def _measured(curves: list[tuple[dict, dict]]) -> Iterator[tuple[str, str, str, list[Drawn]]]:
    """One option for every loss, dtype, target and quantity, the dtype that people train in first."""
    curves = sorted(curves, key=lambda pair: DTYPES.index(pair[0]["dtype"]))
    for quantity in ("value", "gradient"):
        labelled = [
            (f"{cell['loss']}, {quantity}, target {series['target']:g}, {cell['dtype']}", (cell["adapter"], series))
            for cell, series in curves
        ]
        for option, drawn in by_option(labelled).items():
            yield option, quantity, option.rpartition(", ")[2], drawn


def _worst(series: Series, quantity: str, top: float) -> Series:
    """The largest error at each whole logit, within what the axis shows; None where something was not finite."""
    grouped: dict[float, list[float | None]] = {}
    for logit, error in zip(series["logits"], series[f"{quantity}_ulp"], strict=True):
        grouped.setdefault(round(logit) if abs(logit) <= DENSE else logit, []).append(error)
    errors = [_largest(found, top) for found in grouped.values()]
    return {"logits": list(grouped), "errors": significant(errors, 3)}


def _largest(found: list[float | None], top: float) -> float | None:
    finite = [error for error in found if error is not None]
    return min(max(*finite, ROUNDED), top) if len(finite) == len(found) else None


def _shapes(drawn: list[Drawn], quantity: str, palette: Palette) -> Figure:
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": _name(adapters),
            "x": series["logits"],
            "y": significant(series[quantity]),
            "line": palette.line(adapters[0]),
            "hovertemplate": f"{'<br>'.join(adapters)}<br>%{{y:.5g}} at logit %{{x}}<extra></extra>",
        }
        for adapters, series in _together(drawn, partial(_coincide, quantity=quantity))
    ]
    return figure(data, "logit", SHAPE[quantity], xaxis={"range": [-SEEN, SEEN]}, yaxis=_seen(drawn, quantity))


def _together(drawn: list[Drawn], same: Callable[[Series, Series], bool]) -> list[tuple[list[str], Series]]:
    """Sources whose curves are the same, ours first where it is among them."""
    groups: list[tuple[list[str], Series]] = []
    for adapter, series in sorted(drawn, key=lambda pair: not pair[0].startswith("own")):
        for adapters, other in groups:
            if same(series, other):
                adapters.append(adapter)
                break
        else:
            groups.append(([adapter], series))
    return groups


def _coincide(series: Series, other: Series, quantity: str) -> bool:
    """Whether the eye cannot tell two curves apart."""
    seen = [
        pair
        for logit, *pair in zip(series["logits"], series[quantity], other[quantity], strict=True)
        if abs(logit) <= SEEN and None not in pair
    ]
    scale = max((abs(value) for pair in seen for value in pair), default=0.0)
    return all(abs(a - b) <= 2e-3 * scale for a, b in seen)


def _name(adapters: list[str]) -> str:
    """For the legend, where long lines would take the plot's room."""
    first, left = adapters[:NAMED], len(adapters) - NAMED
    return "<br>= ".join(first + ([f"{left} more"] if left > 0 else []))


def _seen(drawn: list[Drawn], quantity: str) -> dict[str, Any]:
    """The range of the ordinate that the logits in sight fill; the rest is found by zooming out."""
    values = [
        value
        for _, series in drawn
        for logit, value in zip(series["logits"], series[quantity], strict=True)
        if value is not None and abs(logit) <= SEEN
    ]
    if not values:
        return {}
    margin = 0.05 * (max(values) - min(values)) or 1.0
    return {"range": significant([min(values) - margin, max(values) + margin])}


def _near(series: Series, other: Series) -> bool:
    """Whether two lines of errors are nowhere more than a factor of two apart."""
    return all(
        a == b or (None not in (a, b) and max(a, b) <= 2 * min(a, b))
        for a, b in zip(series["errors"], other["errors"], strict=True)
    )


def _errors(drawn: list[Drawn], quantity: str, dtype: str, palette: Palette) -> Figure:
    worst = [(adapter, _worst(series, quantity, 2.0 ** DIGITS[dtype])) for adapter, series in drawn]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": _name(adapters),
            "x": series["logits"],
            "y": series["errors"],
            "line": palette.line(adapters[0]),
            "marker": palette.marker(adapters[0]) | {"size": 6},
            "hovertemplate": f"{'<br>'.join(adapters)}<br>%{{y:.3g}} ULP at logit %{{x}}<extra></extra>",
        }
        for adapters, series in _together(worst, _near)
    ]
    return figure(data, "logit", "error in ULP", "y", height=480, xaxis={"range": [-2 * DENSE, 2 * DENSE]})
