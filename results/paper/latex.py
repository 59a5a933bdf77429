"""The reproduction report in LaTeX: a document of its own, with booktabs tables and siunitx numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from focalbench_suite.results import printing
from focalbench_suite.results.paper import markdown
from focalbench_suite.results.paper.reproduction import VERDICTS
from focalbench_suite.results.papers import origins

if TYPE_CHECKING:
    from focalbench_suite.results.paper.reproduction import Beside, Reproduction
    from focalbench_suite.results.papers import PrintedTable

HEAD = r"""\documentclass[10pt,landscape]{article}
\usepackage[a4paper,margin=15mm]{geometry}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{array,booktabs,longtable,siunitx}
\usepackage[hidelinks]{hyperref}
\newcolumntype{L}[1]{>{\raggedright\arraybackslash}p{#1\linewidth}}
\setlength{\tabcolsep}{4pt}
\sloppy
\begin{document}
"""
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
MORE = str.maketrans({
    "…": r"\ldots{}", "²": r"\textsuperscript{2}", "Σ": r"$\Sigma$", "ŷ": r"$\hat{y}$", "δ": r"$\delta$",
    "°": r"\textdegree{}", "µ": r"$\mu$", "“": "``", "”": "''", "’": "'", "—": "---",
    "⁻": r"\textsuperscript{-}", "√": r"$\sqrt{}$", "é": r"\'e",
})  # fmt: skip


def text(found: Reproduction) -> str:
    """The whole document."""
    parts = [
        HEAD + r"\title{Reproduction report}\date{}\maketitle",
        _text(markdown.provenance(found.environment)),
        r"\section{Verdicts}",
        _counts(found),
        r"\section{What does not come out, or only under a condition}",
        _claims(_with_source(found), ("not_reproduced", "reproduced_if"), "note"),
        r"\section{Every claim that was computed}",
    ]
    for source, rows in found.claims.items():
        if any(row["verdict"] != "reference_only" for row in rows):
            parts += [rf"\subsection{{{_text(source)}}}", _claims(rows, VERDICTS[:3])]
    parts += [r"\section{With what the printed numbers were made}", _origins()]
    parts += [r"\section{Printed tables, and ours beside}", *(_printed(table, found) for table in found.tables)]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _counts(found: Reproduction) -> str:
    rows = [[_text(source), *(str(counts[v]) for v in VERDICTS)] for source, counts in found.counts.items()]
    return _longtable("l" + "r" * len(VERDICTS), ["source", *map(_words, VERDICTS)], rows)


def _origins() -> str:
    lines = [[*map(_text, (one.source, one.made_with, one.today)), _place(one.url)] for one in origins().values()]
    return _longtable("".join(f"L{{{width}}}" for width in (0.13, 0.25, 0.36, 0.2)), markdown.ORIGIN_COLUMNS, lines)


def _with_source(found: Reproduction) -> list[dict[str, Any]]:
    return [{**row, "place": f"{source}, {row['place']}"} for source, rows in found.claims.items() for row in rows]


def _claims(rows: list[dict[str, Any]], verdicts: tuple[str, ...], last: str | None = None) -> str:
    """Claims with one of these verdicts, with their note where `last` names it."""
    columns = ["place", "claim", "printed", "recomputed", "verdict", *([last] if last else [])]
    widths = (0.11, 0.22, 0.13, 0.19, 0.08, 0.20) if last else (0.13, 0.32, 0.18, 0.22, 0.09)
    lines = [
        [_words(row[column]) if column == "verdict" else _entry(row[column]) for column in columns]
        for row in rows
        if row["verdict"] in verdicts
    ]
    return _longtable("".join(f"L{{{width}}}" for width in widths), columns, lines)


def _printed(table: PrintedTable, found: Reproduction) -> str:
    """A printed table as it is printed; our AP and its verdict follow where the run has one."""
    beside = [found.beside.get((table.id, number), []) for number in range(len(table.rows))]
    columns, numeric = list(table.rows[0]), [_is_numeric(table, column) for column in table.rows[0]]
    shape = "".join("r" if number else "L{0.16}" for number in numeric)
    lines = [[_entry(row.get(column)) for column in columns] for row in table.rows]
    if any(beside):
        columns, shape = [*columns, "ours", "verdict"], shape + "L{0.2}L{0.26}"
        lines = [
            [*line, _joined(map(_ours, ones)), _joined(map(_remark, markdown.remarks(ones)))]
            for line, ones in zip(lines, beside, strict=True)
        ]
    title = rf"\subsection{{{_text(f'{table.source}, {table.place}: {table.title}')}}}"
    return f"{title}\n{_text(table.setting)}. {_place(table.url)}\n\n{_longtable(shape, map(_text, columns), lines)}"


def _ours(one: Beside) -> str:
    seeds = len(one.ours.aps)
    number = rf"\num{{{one.ours.mean:.1f}}}"
    if seeds > 1:
        number = rf"\num{{{one.ours.mean:.1f} +- {one.ours.half_width:.1f}}}"
    return f"{number} ({_text(one.ours.host)} {_text(one.ours.variant)}, {seeds} seed{'s' * (seeds > 1)})"


def _remark(remark: str) -> str:
    return _text(remark.replace("_", " "))


def _place(url: str) -> str:
    return rf"\url{{{url}}}" if url.startswith("https://") else _text(url)


def _longtable(shape: str, columns: Iterable[str], lines: list[list[str]]) -> str:
    if not lines:
        return "None."
    head = " & ".join(_text(column) if column.isidentifier() else column for column in columns)
    body = "\n".join(" & ".join(line) + r" \\" for line in lines)
    opening = [rf"\begin{{longtable}}{{{shape}}}", r"\toprule", head + r" \\", r"\midrule", r"\endhead"]
    return "\n".join([*opening, r"\bottomrule", r"\endlastfoot", body, r"\end{longtable}"])


def _is_numeric(table: PrintedTable, column: str) -> bool:
    values = [row.get(column) for row in table.rows]
    return all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values)


def _entry(value: Any) -> str:
    """A number as siunitx takes it, anything else as text."""
    shown = "" if value is None else str(value)
    return rf"\num{{{shown}}}" if NUMBER.fullmatch(shown) else _text(shown)


def _joined(lines: Iterable[str]) -> str:
    return r"\newline ".join(lines)


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")


def _text(value: str) -> str:
    """Text with what LaTeX reserves escaped; long names may break behind a slash, an underscore or a point."""
    escaped = value.translate(printing.LATEX | MORE).replace("--", "-{}-")
    return re.sub(r"(/|\\_|(?<=[a-z])\.(?=[a-z]{2}))", r"\1\\allowbreak{}", escaped)
