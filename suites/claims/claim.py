"""A claim is one entry: where it stands, what it says, what is printed, and how that is recomputed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from focalbench_suite.suites import PROFILES
from focalbench_suite.suites.claims.reading import PLAIN, Interpretation, other_readings

NUMBER = re.compile(r"[-+]?\d+(?:\.(?P<decimals>\d+))?(?:e(?P<exponent>[-+]?\d+))?")


@dataclass(frozen=True)
class Shown:
    """Whether a statement holds, with the figures that show it."""

    holds: bool
    figures: str


Recomputed = float | bool | Shown


@dataclass(frozen=True)
class Claim:
    """What a source says at one place, and how to find out whether it is so.

    `printed` is the source's own figure or formula. `recompute` takes a `Interpretation` and returns a number, which is
    compared with the first number of `printed` (or with `expected`), or whether a statement holds (bool or `Shown`).
    Without `recompute` the claim is a reference, and `command` is what would have to be run. `profile` is the cheapest
    one in which it is judged.

    `basis` is what the recomputed side rests on: ``computed`` by running a loss, a listing or a library; ``read`` from
    an installed library's own files; ``printed``, another figure in print, so that the claim says no more than that
    two printed figures fit; or ``arithmetic`` alone.

    `tolerance` is half a unit of the last printed digit unless stated. `relation` is ``=``, ``<=`` or ``>=``: the
    recomputed number stands on its left. `conditions` are further readings of this claim alone: a phrase that
    completes "if …", and the function that recomputes it so.
    """

    place: str
    claim: str
    printed: str
    recompute: Callable[[Interpretation], Recomputed] | None = None
    loss: str = "focal"
    expected: float | None = None
    tolerance: float | None = None
    relation: str = "="
    conditions: Mapping[str, Callable[[Interpretation], Recomputed]] = field(default_factory=dict)
    note: str = ""
    command: str = ""
    profile: str = "smoke"
    basis: str = "computed"

    def runs_in(self, profile: str) -> bool:
        """Whether a run of this profile judges the claim."""
        return PROFILES.index(profile) >= PROFILES.index(self.profile)

    def holds(self, value: Recomputed) -> bool:
        """Whether a recomputed value is what is printed."""
        if isinstance(value, Shown):
            return value.holds
        if isinstance(value, bool):
            return value
        expected = self.printed_number()[0]
        room = self.allowed() + 1e-12 * max(abs(expected), abs(value))  # float64 rounds, so the border counts
        if self.relation == "<=":
            return value <= expected + room
        if self.relation == ">=":
            return value >= expected - room
        return value == expected or abs(value - expected) <= room

    def allowed(self) -> float:
        """How far a recomputed number may lie from the printed one; beyond a bound only as far as is stated."""
        if self.tolerance is not None:
            return self.tolerance
        return self.printed_number()[1] if self.relation == "=" else 0.0

    def printed_number(self) -> tuple[float, float]:
        """The number that is printed and half a unit of its last digit; raises `ValueError` where there is none."""
        if self.expected is not None:
            return self.expected, 0.0
        found = NUMBER.search(self.printed)
        if not found:
            raise ValueError(f"no number in {self.printed!r}: give expected=")
        last_digit = int(found["exponent"] or 0) - len(found["decimals"] or "")
        return float(found[0]), 0.5 * 10.0**last_digit


@dataclass(frozen=True)
class Source:
    """A paper, article or library that makes claims; `adapter` is whose losses they are about."""

    name: str
    adapter: str
    claims: tuple[Claim, ...]


def based_on(basis: str, claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The claims of a list that all rest on the same: ``read``, ``printed`` or ``arithmetic``."""
    return tuple(replace(claim, basis=basis) for claim in claims)


def judge(claim: Claim, source: str) -> dict[str, Any]:
    """The row of the table `claims`: the verdict on one claim, and under which condition it holds."""
    row = {"source": source, "place": claim.place, "claim": claim.claim, "printed": claim.printed}
    if claim.recompute is None:
        note = _join(claim.command and f"run: {claim.command}", claim.note)
        return {**row, "basis": "", "relation": "", "tolerance": None, **_outcome("", "reference_only", note=note)}
    plain = claim.recompute(PLAIN)
    row |= {"basis": claim.basis, **_measure(claim, plain)}
    if claim.holds(plain):
        verdict = "consistent" if claim.basis == "printed" else "reproduced"
        return {**row, **_outcome(show(plain), verdict, note=claim.note)}
    for condition, value in _under_conditions(claim):
        if claim.holds(value):
            note = _join(f"{show(value)} if {condition}", claim.note)
            return {**row, **_outcome(show(plain), "reproduced_if", condition, note)}
    failed = [f"not if {condition}: {show(found(PLAIN))}" for condition, found in claim.conditions.items()]
    return {**row, **_outcome(show(plain), "not_reproduced", note=_join(*failed, claim.note))}


def _under_conditions(claim: Claim) -> Iterator[tuple[str, Recomputed]]:
    if claim.recompute:
        yield from ((reading.condition, claim.recompute(reading)) for reading in other_readings())
    for condition, recompute in claim.conditions.items():
        yield condition, recompute(PLAIN)


def _measure(claim: Claim, value: Recomputed) -> dict[str, Any]:
    """By what a claim is judged: a relation and its tolerance, or whether a statement holds."""
    if isinstance(value, bool | Shown):
        return {"relation": "holds", "tolerance": None}
    return {"relation": claim.relation, "tolerance": claim.allowed()}


def _outcome(recomputed: str, verdict: str, condition: str = "", note: str = "") -> dict[str, str]:
    return {"recomputed": recomputed, "verdict": verdict, "note": note, "condition": condition}


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def show(value: Recomputed) -> str:
    """A recomputed value in as many digits as one reads."""
    if isinstance(value, Shown):
        return value.figures
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value + 0.0:.6g}"  # + 0.0 turns -0 into 0
