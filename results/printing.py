"""Tables as readers get them: Markdown, and LaTeX that a paper can take in as it is.

A value and its interval are one number here, rounded to what the interval supports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from focalbench_suite.results import numbers
from focalbench_suite.results.schema import Table

LONG = 45  # rows; more than a printed page holds
WIDE = 40  # characters; more than a column beside others holds
LINE = 120  # characters of a line, across a page
LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\n": " ", "−": "-", "–": "--", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$",
    "≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$", "≠": r"$\ne$", "→": r"$\to$", "∞": r"$\infty$",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "λ": r"$\lambda$", "π": r"$\pi$", "σ": r"$\sigma$",
})  # fmt: skip


def printable(
    table: Table,
    frame: pd.DataFrame,
    columns: Iterable[str] | None = None,
    written: Callable[[numbers.Measured], str] = str,
) -> pd.DataFrame:
    """The table as text for readers: intervals folded into their value as `written` says, numbers rounded."""
    bounds = {bound for pair in table.intervals.values() for bound in pair}
    shown = [name for name in (columns or frame.columns) if name not in bounds]
    return pd.DataFrame({name: _texts(table, frame, name, written) for name in shown}, dtype="str")


def _texts(table: Table, frame: pd.DataFrame, name: str, written: Callable[[numbers.Measured], str]) -> list[str]:
    values = [None if value is pd.NA else value for value in frame[name].astype(object)]
    if name not in table.intervals:
        return [numbers.plain(value) for value in values]
    low, high = (frame[bound] for bound in table.intervals[name])
    rounded = [numbers.measured(*triple) for triple in zip(values, low, high, strict=True)]
    return [written(one) if one else numbers.plain(value) for one, value in zip(rounded, values, strict=True)]


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, which truth values are not here."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def without_html(text: str) -> str:
    """Text for Markdown in which no tag starts: what a function or a file is called may look like one."""
    return text.replace("<", "&lt;")


def markdown(table: Table, frame: pd.DataFrame, columns: Iterable[str] | None = None) -> str:
    """A Markdown table under its title."""
    text = printable(table, frame, columns).map(
        lambda cell: without_html(cell).replace("|", "\\|").replace("\n", "<br>")
    )
    return f"### {table.title}\n\n{text.to_markdown(index=False, disable_numparse=True)}\n"


def latex(table: Table, frame: pd.DataFrame) -> str:
    """A booktabs table for a paper; it needs ``booktabs``, ``siunitx`` and, when long, ``longtable``.

    Columns that hold one value in every row go into the caption, where they take no room.
    """
    text = printable(table, frame, table.printed, written=lambda one: one.latex)
    constant = [name for name in text if len(text) > 1 and text[name].nunique() == 1]
    numeric = [name for name in text if is_numeric(frame[name])]
    text = text.drop(columns=constant)
    for name in text:
        text[name] = [_latex_number(cell) if name in numeric else _latex_text(cell) for cell in text[name]]
    held = ", ".join(f"{_latex_text(name)} {_latex_text(printable(table, frame)[name].iloc[0])}" for name in constant)
    shape = _shape(text, numeric)
    text.columns = [_latex_text(name.replace("_", " ")) for name in text]
    return text.style.hide(axis="index").to_latex(
        hrules=True,
        column_format=shape,
        caption=_latex_text(table.title) + (f" ({held})." if held else "."),
        label=f"tab:{table.name.replace('_', '-')}",
        environment="longtable" if len(text) > LONG else None,
        position=None if len(text) > LONG else "htbp",
    )


def _shape(text: pd.DataFrame, numeric: list[str]) -> str:
    """The columns' alignment; sentences share what the others leave of a line, or they would run off the page."""
    longest = {name: max(map(len, text[name].astype(str)), default=0) for name in text}
    wide = [name for name in text if name not in numeric and longest[name] > WIDE]
    left = 1 - sum(longest[name] + 2 for name in text if name not in wide) / LINE
    paragraph = rf"p{{{max(left, 0.25) / max(len(wide), 1):.2f}\linewidth}}"
    return "".join(paragraph if name in wide else "r" if name in numeric else "l" for name in text)


def _latex_number(cell: str) -> str:
    return cell if not cell or cell.startswith("\\num") or "inf" in cell else rf"\num{{{cell}}}"


def _latex_text(cell: str) -> str:
    return cell.translate(LATEX)
