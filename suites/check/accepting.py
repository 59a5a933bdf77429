"""Differences that a project accepts, in a file of its own; strict both ways.

A file of accepted differences is YAML, a list of entries with ``code`` and ``why``, and with ``kind`` or ``loss`` where
the entry is to say more:

    - code: alpha_exchanged
      kind: alpha
      why: our labels name the background

A new difference fails, and so does an entry whose difference is gone: the file says what is so, not what once was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from focalbench_suite.suites.explainer.examples import Finding

KEYS = {"code", "kind", "loss", "why"}


class BadFile(Exception):
    """The file is no list of accepted differences; the message says where and how to mend it."""


@dataclass(frozen=True)
class AcceptedDifference:
    """One accepted difference: the code of a finding, why it is accepted, and the kind and loss that it is about."""

    code: str
    why: str
    kind: str | None = None
    loss: str | None = None

    def covers(self, finding: Finding, loss: str) -> bool:
        """Whether this entry is about that finding."""
        return finding.change.code == self.code and self.kind in (None, finding.kind) and self.loss in (None, loss)


@dataclass(frozen=True)
class AcceptedFile:
    """A file of accepted differences, as its user calls it."""

    file: str | Path
    entries: tuple[AcceptedDifference, ...]


@dataclass(frozen=True)
class Accepted:
    """What a file makes of findings: those that nothing covers, and the entries that cover nothing."""

    new: list[Finding]
    stale: list[AcceptedDifference]


def read_accepted(file: str | Path) -> AcceptedFile:
    """The accepted differences of a file; raises `BadFile` with one line."""
    try:
        entries = yaml.safe_load(Path(file).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFile(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    if entries is None:  # the last entry was taken out
        return AcceptedFile(file, ())
    if not isinstance(entries, list):
        raise BadFile(f"{file} is no list; write entries such as - {{code: alpha_exchanged, why: ...}}")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not {"code", "why"} <= set(entry) <= KEYS:
            raise BadFile(f"{file}, entry {number}: code and why are needed, kind and loss allowed, nothing else")
        if empty := [key for key, value in entry.items() if not (isinstance(value, str) and value.strip())]:
            raise BadFile(f"{file}, entry {number}: {empty[0]} is no text")
    return AcceptedFile(file, tuple(AcceptedDifference(**entry) for entry in entries))


def proposed(finding: Finding, loss: str) -> str:
    """The entry that accepts a finding, to be pasted into the file; the reason is for its owner to write."""
    entry = {"code": finding.change.code, "kind": finding.kind, "loss": loss, "why": "..."}
    return yaml.safe_dump([entry], sort_keys=False).rstrip()


def apply(entries: tuple[AcceptedDifference, ...], loss: str, findings: list[Finding]) -> Accepted:
    """Hold findings against the entries, notes among them; an entry about another loss is not asked."""
    mine = [entry for entry in entries if entry.loss in (None, loss)]
    new = [f for f in findings if f.severity != "note" and not any(entry.covers(f, loss) for entry in mine)]
    stale = [entry for entry in mine if not any(entry.covers(finding, loss) for finding in findings)]
    return Accepted(new, stale)
