"""The pages: one a library, one a loss, one a finding, and the front page that leads to them."""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from focalbench_suite.results import presence
from focalbench_suite.results.report import assets, words
from focalbench_suite.results.site.bug_report import bug_report
from focalbench_suite.results.site.contents import SEVERITIES, Contents, Entry, Key

STATES = {  # how a release stands to a finding: the sign and the words
    presence.HAS: ("●", "has it"),
    presence.HAS_NOT: ("○", "has it not"),
    presence.ABSENT: ("–", "has no such loss, or it raises"),
    presence.UNKNOWN: ("?", "not known"),
}
GENERATOR = "focalbench site"  # what base.html.j2 says in its head
TONES = {"different": "bad", "fragile": "fair", "note": ""}


def write(contents: Contents, out: Path) -> int:
    """Write every page below `out`, which may hold an older site; returns how many there are.

    Raises `FileExistsError` where it holds anything else, which would be overwritten.
    """
    if out.is_dir() and any(out.iterdir()) and not _is_site(out):
        raise FileExistsError(errno.EEXIST, "it holds other files", str(out))
    pages = dict(_pages(contents))
    for place in ("library", "loss", "finding"):
        (out / place).mkdir(parents=True, exist_ok=True)
    (out / "style.css").write_text(_style(), encoding="utf-8")
    for place, text in pages.items():
        (out / place).write_text(text, encoding="utf-8")
    return len(pages)


def _is_site(folder: Path) -> bool:
    front = folder / "index.html"
    return front.is_file() and GENERATOR in front.read_text(encoding="utf-8", errors="replace")


def _pages(contents: Contents) -> Iterable[tuple[str, str]]:
    entries = list(contents.entries.values())
    present = [entry for entry in entries if not entry.is_gone]
    libraries, losses = (_grouped(present, part) for part in (lambda one: one.library, lambda one: one.loss))
    shared = {"machine": words.machine(contents.environment), "environment": contents.environment}
    counted = {"libraries": _counted(libraries), "losses": _counted(losses), "findings": len(present)}
    yield "index.html", _rendered("index", "", shared | counted | {"looked_at": _looked_at(contents)})
    for name, members in libraries.items():
        sections = [_section(contents, key, found) for key, found in _grouped(members, _key).items()]
        told = {"library": name, "version": members[0].version, "sections": sections}
        yield f"library/{slug(name)}.html", _rendered("library", "../", shared | told)
    for name, members in losses.items():
        adapters = [_section(contents, key, found) for key, found in _grouped(members, _key).items()]
        told = {"loss": name, "about": members[0].about, "sections": adapters}
        yield f"loss/{slug(name)}.html", _rendered("loss", "../", shared | told)
    for entry in entries:
        told = {"entry": entry, "report": bug_report(entry, contents.environment)}
        yield f"finding/{slug(entry.address)}.html", _rendered("finding", "../", shared | told)


def _key(entry: Entry) -> Key:
    return entry.loss, entry.adapter


def _grouped(entries: Iterable[Entry], by: Callable[[Entry], Any]) -> dict[Any, list[Entry]]:
    grouped: dict[Any, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(by(entry), []).append(entry)
    return dict(sorted(grouped.items()))


def _counted(groups: dict[str, list[Entry]]) -> list[dict[str, Any]]:
    """A row of the front page for each group: its name, its release and how many findings of which severity."""
    return [
        {"name": name, "version": members[0].version, "counts": _severities(members)}
        for name, members in groups.items()
    ]


def _severities(entries: list[Entry]) -> list[tuple[str, int]]:
    count = Counter(entry.severity for entry in entries)
    return [(severity, count[severity]) for severity in SEVERITIES]


def _looked_at(contents: Contents) -> int:
    return len({(row["library"], row["version"]) for row in contents.history})


def _section(contents: Contents, key: Key, members: list[Entry]) -> dict[str, Any]:
    """One loss of one source: what it computes, its findings and the releases that changed it."""
    first = members[0]
    return {
        "loss": first.loss,
        "adapter": first.adapter,
        "library": first.library,
        "version": first.version,
        "about": first.about,
        "formula": first.formula,
        "counts": _severities(members),
        "findings": members,
        "changes": [row | {"unsafe": str(row["unsafe"]) == "True"} for row in contents.changes(key)],
    }


def slug(name: str) -> str:
    """A name as part of a file's.

    >>> slug("losses.py:my loss")
    'losses.py-my-loss'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-.")


def _rendered(template: str, root: str, values: dict[str, Any]) -> str:
    return _templates().get_template(f"{template}.html.j2").render(root=root, **values)


@cache
def _templates() -> jinja2.Environment:
    environment = assets.templates("site")
    environment.filters |= {"slug": slug, "spaced": lambda text: text.replace("_", " ")}
    environment.globals |= {"STATES": STATES, "TONES": TONES}
    return environment


def _style() -> str:
    """The report's style, and what these pages have beside it."""
    return "\n".join((assets.text("report", "report.css"), assets.text("site", "site.css")))
