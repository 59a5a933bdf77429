"""A finding as a bug report in Markdown, ready to post where the library is maintained."""

from __future__ import annotations

import re
from textwrap import shorten
from typing import Any

from focalbench_suite.results.printing import without_html
from focalbench_suite.results.site.contents import Entry

LONGEST = 240  # letters of what a release changed; the pages of the library have all of it
PACKAGES = ("torch", "numpy")  # whose versions a maintainer wants beside the library's own


def bug_report(entry: Entry, environment: dict[str, Any]) -> str:
    """The report: what is wrong, expected and got, the formula, versions, code that shows it, and since when."""
    parts = [_title(entry), _text(entry.statement), _facts(entry, environment)]
    if entry.is_gone:
        parts = [parts[0], "The newest release has it no more.", *parts[1:], *_changes(entry)]
    parts.append("Code that shows it:")
    parts.append(_block(entry.example, "python"))
    printed = [f"{name:8} {told}" for name, told in (("expected", entry.expected), ("got", entry.got)) if told]
    if printed:
        parts.append(_block("\n".join(printed), "text"))
    if entry.about.call:
        parts.append("It needs focalbench, whose `call` calls the library so:")
        parts.append(_block(entry.about.call, "python"))
    return "\n\n".join(parts)


def _title(entry: Entry) -> str:
    return f"# {_text(entry.named)}: {_text(entry.loss)} loss, {_text(entry.kind.replace('_', ' '))}"


def _facts(entry: Entry, environment: dict[str, Any]) -> str:
    packages = environment.get("packages", {})
    versions = [
        f"{entry.library} {entry.version}",
        *(f"{name} {packages[name]}" for name in PACKAGES if name in packages),
    ]
    python = environment.get("python")
    about = entry.about
    facts = {
        "called": _span(about.origin),
        "versions": _text(", ".join([*versions, *([f"Python {python}"] if python else [])])),
        "formula": _text(" ".join(filter(None, (about.paper, f"({about.source})" if about.source else "")))),
        "computes": _span(entry.formula),
        "since": _text(entry.since),
        "finding": _span(entry.address),
    }
    return "\n".join(f"- {name}: {told}" for name, told in facts.items() if told)


def _changes(entry: Entry) -> list[str]:
    return [f"- {_text(one.dated)}: {_text(shorten(one.change, LONGEST, placeholder=' …'))}" for one in entry.turns]


def _text(words: str) -> str:
    """Words in which Markdown sees no markup of its own."""
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", without_html(" ".join(words.split())))


def _span(code: str) -> str:
    """Code within a line."""
    fence = _fence(code, 1)
    padded = f" {code} " if "`" in code else code
    return f"{fence}{padded}{fence}" if code else ""


def _block(code: str, language: str) -> str:
    fence = _fence(code, 3)
    return f"{fence}{language}\n{code}\n{fence}"


def _fence(code: str, least: int) -> str:
    """Backticks that nothing in the code ends."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", code)), default=0))
