"""Which releases of a library have a finding, and which one brought it: from the committed histories.

Where a history looks for the finding, each of its rows lists the addresses of what it found. Where it does not, such as
for a probe of the agreement suite, its rows say in which releases nothing of the loss has changed, and these have what
the measured one has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
HAS, HAS_NOT, ABSENT, UNKNOWN = "has", "has_not", "absent", "unknown"
ANSWERED = ("same", "fragile", "different")  # verdicts of a release that could be asked
WITHOUT_LOSS = ("absent", "raises")
SIGNATURE = {  # codes of changes in how a loss is called, which leave what it answers as it was
    "release_parameter_gone",
    "release_parameter_needed",
    "release_order",
    "release_default",
}
BEYOND = {  # codes of what a history neither looks for nor would see change
    "integer_targets_refused",
    "arguments_not_kept",
    "not_deterministic",
    "float64_not_kept",
}


@dataclass(frozen=True)
class Release:
    """One release that was looked at: whether it has the finding, and what changed of the loss with it.

    `exact` says that no release lies between it and the one before that was not looked at.
    """

    version: str
    released: str
    state: str
    change: str = ""
    exact: bool = False

    @property
    def dated(self) -> str:
        """The version with its day, where that is known."""
        return f"{self.version} ({self.released})" if self.released else self.version


def releases(address: str, code: str, version: str, rows: Sequence[Row]) -> list[Release]:
    """The rows of one loss in the order of its releases, each with whether it has the finding.

    `version` is the release in which the finding was measured; empty for one that is there no more.

    >>> row = {"released": "", "verdict": "same", "change": "", "codes": "", "first": "True", "findings": ""}
    >>> rows = [row | {"version": "1"}, row | {"version": "2", "findings": "a-1 b-2", "codes": "release_value"}]
    >>> [one.state for one in releases("a-1", "digits_lost", "2", rows)]
    ['has_not', 'has']
    >>> [one.state for one in releases("c-3", "probe_value", "2", rows)]
    ['unknown', 'has']
    """
    listed = [address in row.get("findings", "").split() for row in rows]
    here = next((place for place, row in enumerate(rows) if row["version"] == version), None)
    looked_for = any(listed) and (here is None or listed[here])
    states = listed if looked_for else _unchanged(rows, here, code)
    return [_release(row, state) for row, state in zip(rows, states, strict=True)]


def _unchanged(rows: Sequence[Row], here: int | None, code: str) -> list[bool | None]:
    """True for the releases that answer everything as the one at `here` does; of the others nothing is known."""
    states: list[bool | None] = [None] * len(rows)
    if here is None:
        return states
    if code in BEYOND:
        return [True if place == here else None for place in range(len(rows))]
    states[here] = True
    for place in range(here, 0, -1):
        if not _stays(rows[place], code):
            break
        states[place - 1] = True
    for place in range(here + 1, len(rows)):
        if not _stays(rows[place], code):
            break
        states[place] = True
    return states


def _stays(row: Row, code: str) -> bool:
    """Whether a release answers as the one before it; a default is a part of how a loss is called."""
    codes = set(row["codes"].split())
    return not codes or (code != "default" and codes <= SIGNATURE)


def _release(row: Row, has: bool | None) -> Release:
    if row["verdict"] in WITHOUT_LOSS:
        state = ABSENT
    elif has is None or row["verdict"] not in ANSWERED:
        state = UNKNOWN
    else:
        state = HAS if has else HAS_NOT
    return Release(row["version"], row["released"], state, row["change"], row["first"] == "True")


def since(library: str, seen: Sequence[Release]) -> str:
    """Which release brought the finding, and which has it no more, in a sentence or two.

    >>> had = [Release("1.0", "2020-01-01", HAS_NOT), Release("1.1", "2021-02-03", HAS, "returns 3", exact=True)]
    >>> since("kornia", had)
    'kornia 1.1 (2021-02-03) brought it.'
    >>> since("kornia", [*had, Release("1.2", "2022-03-04", HAS_NOT)])
    'kornia 1.1 (2021-02-03) brought it. 1.2 (2022-03-04) has it no more.'
    """
    if not seen:
        return f"No history of {library} is committed, so the release that brought it is not known."
    places = [place for place, one in enumerate(seen) if one.state == HAS]
    if not places:
        return "The history does not look for this, so the release that brought it is not known."
    last = places[-1]
    first = last
    while first and seen[first - 1].state in (HAS, UNKNOWN) and _had(seen[:first]):
        first -= 1
    told = _brought(library, seen, first)
    gone = next((one for one in seen[last + 1 :] if one.state == HAS_NOT), None)
    return f"{told} {gone.dated} has it no more." if gone else told


def _had(earlier: Sequence[Release]) -> bool:
    """Whether the last of the earlier releases of which something is known has the finding."""
    return next((one.state for one in reversed(earlier) if one.state != UNKNOWN), "") == HAS


def _brought(library: str, seen: Sequence[Release], first: int) -> str:
    brought = seen[first]
    before = seen[first - 1] if first else None
    if before is None:
        return f"{library} has had it since {brought.dated}, the first release that was looked at."
    if before.state == ABSENT:
        return f"It is as old as the loss, which is there since {library} {brought.dated}."
    if before.state == UNKNOWN:
        return f"{library} has had it since {brought.dated} at least; of earlier releases it is not known."
    if brought.exact:
        return f"{library} {brought.dated} brought it."
    return f"It came after {library} {before.dated}, with {brought.dated} at the latest."
