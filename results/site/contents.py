"""What the pages tell: the committed findings, each with its releases, by library and by loss."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from focalbench_suite.results import history, presence
from focalbench_suite.results.findings import address
from focalbench_suite.results.presence import Release
from focalbench_suite.results.standings import gravity

Row = dict[str, Any]
Key = tuple[str, str]  # a loss and its column ``adapter``
TOLD = ("library", "loss", "adapter", "kind", "version", "statement", "example", "expected", "got", "severity")
SEVERITIES = ("different", "fragile", "note")  # the gravest first
LONGEST = 120  # of a name that was mistyped; nearest names of a longer one take seconds to find


@dataclass(frozen=True)
class About:
    """What the canon and an adapter say of one loss of one source.

    `paper` is its formula in the paper's symbols and `source` where that stands; `origin` is the library's own object
    as ``module:NAME``, and `call` Python that calls it.
    """

    paper: str = ""
    source: str = ""
    origin: str = ""
    call: str = ""


@dataclass(frozen=True)
class Entry:
    """One finding, as the release of that version has it; `is_gone` where newer ones do not."""

    address: str
    library: str
    loss: str
    adapter: str
    kind: str
    about: About
    releases: list[Release]
    version: str = ""
    statement: str = ""
    example: str = ""
    expected: str = ""
    got: str = ""
    severity: str = ""
    known: str = ""
    formula: str = ""
    is_gone: bool = False

    @property
    def named(self) -> str:
        """The library, with the release in which it was found."""
        return f"{self.library} {self.version}".strip()

    @property
    def since(self) -> str:
        """Which release brought it, in a sentence."""
        return presence.since(self.library, self.releases)

    @property
    def turns(self) -> list[Release]:
        """The releases that brought it or took it away, as far as they changed anything that was seen."""
        pairs = zip([None, *self.releases], self.releases, strict=False)
        return [one for before, one in pairs if one.change and before and before.state != one.state]


@dataclass(frozen=True)
class Contents:
    """The committed tables and what is said of each loss; raises `ValueError` with a sentence where there are none."""

    findings: list[Row]
    history: list[Row]
    environment: dict[str, Any]
    about: Mapping[Key, About] = field(default_factory=dict)
    past: list[Row] = field(default_factory=list)  # what was found of any release, in the newest that has it

    @classmethod
    def read(cls, folder: Path, about: Mapping[Key, About]) -> Contents:
        """Those of a folder such as `results/reference`."""
        file = folder / "agreement" / "findings.csv"
        try:
            findings = pd.read_csv(file, dtype=str, keep_default_na=False)
            environment = json.loads((folder / "agreement" / "environment.json").read_text())
            past = history.committed(folder / "history").to_dict("records")
            found = history.committed_findings(folder / "history").to_dict("records")
            contents = cls(findings.to_dict("records"), past, environment, about, found)
            _ = contents.entries
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} holds no committed findings: {' '.join(str(error).split())}") from None
        except KeyError as error:
            raise ValueError(f"{folder} holds a table without the column {error}") from None
        return contents

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every finding by its address, the gravest of each library and loss first, and last those that are gone."""
        found: dict[str, Entry] = {}
        for row in sorted(self.findings, key=_place):
            entry = self._entry(row)
            if entry.address in found:
                raise ValueError(f"two findings have the address {entry.address}; say in findings.py what parts them")
            found[entry.address] = entry
        return found | self._gone(found)

    def _entry(self, row: Row) -> Entry:
        name, key = row.get("address") or address(row), (row["loss"], row["adapter"])
        rows = self._releases.get(key, [])
        return Entry(
            name,
            about=self.about.get(key, About()),
            releases=presence.releases(name, row["code"], row["version"], rows),
            known=row.get("known", ""),
            formula=next((one["formula"] for one in rows if one["version"] == row["version"]), ""),
            **{part: row[part] for part in TOLD},
        )

    def _gone(self, present: Mapping[str, Entry]) -> dict[str, Entry]:
        """The findings that histories have of older releases, and no committed run any more.

        What the newest release has all the same, the run tells in other words, and so at another address.
        """
        entries = (self._entry(row) for row in self.past if row["address"] not in present)
        gone = [one for one in entries if presence.HAS not in [newest.state for newest in one.releases[-1:]]]
        return {one.address: dataclasses.replace(one, is_gone=True) for one in gone}

    @cached_property
    def _releases(self) -> dict[Key, list[Row]]:
        """The rows of the histories by loss and adapter, in the order of the releases."""
        found: dict[Key, list[Row]] = {}
        for row in self.history:
            if row["loss"]:
                found.setdefault((row["loss"], row["adapter"]), []).append(row)
        return found

    def changes(self, key: Key) -> list[Row]:
        """The releases that changed a loss, the newest first."""
        return [row for row in reversed(self._releases.get(key, [])) if row["change"]]

    def of(self, library: str | None) -> list[Entry]:
        """The findings of a library, by its name or its adapter's; every one where none is named."""
        return [one for one in self.entries.values() if library in (None, one.library, one.adapter.partition(".")[0])]

    def find(self, name: str) -> Entry:
        """The finding of that address; raises `LookupError` with the nearest ones where there is none."""
        if name in self.entries:
            return self.entries[name]
        near = difflib.get_close_matches(name[:LONGEST], self.entries, n=3, cutoff=0.0)
        raise LookupError(f"no finding {name[:LONGEST]!r}; the nearest are {', '.join(near)}")


def _place(row: Row) -> tuple[Any, ...]:
    severity = SEVERITIES.index(row["severity"]) if row["severity"] in SEVERITIES else len(SEVERITIES)
    return row["library"], row["loss"], row["adapter"], severity, gravity(row), row["statement"]
