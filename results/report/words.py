"""The sentences in which the answers are told, the same on the page, in Markdown and on the screen."""

from __future__ import annotations

from collections import Counter
from typing import Any

from results.answers import Race
from results.frames import Row
from results.numbers import plain, with_interval
from results.standings import Standing

HEADINGS = {
    "same": "The paper's function, accurate on every probe",
    "fragile": "The paper's function, but fragile",
    "reduces": "The same per element, but reduced or normalised in another way",
    "different": "Another function",
}
SHORT = {"same": "the same", "fragile": "fragile", "reduces": "reduce differently", "different": "different"}
REFERENCE = "torchvision"


def beside_reference(members: list[Standing]) -> str:
    """Who differs from torchvision's loss (or from the paper's, where torchvision has none), in one sentence."""
    by_name = {one.adapter: one for one in members}
    reference = by_name.get(REFERENCE)
    loss = members[0].loss
    paper = f"the paper's {loss} loss" if loss != "focal" else "the paper's focal loss"
    others = [one for one in members if one.standing in ("different", "reduces") and one is not reference]
    if reference is None:
        opening = f"Beside {paper}: "
    elif reference.standing in ("same", "fragile"):
        opening = f"torchvision computes {paper}. "
    else:
        opening = f"torchvision does not compute {paper}: {reference.reason} "
    if not others:
        return opening + f"All {len(members)} implementations are the same function."
    same = len(members) - len(others)
    return opening + (
        f"Of {len(members)} implementations {same} {'is' if same == 1 else 'are'} that function;"
        f" {len(others)} {'differs' if len(others) == 1 else 'differ'}: {names(others)}."
    )


def names(members: list[Standing]) -> str:
    """The sources, for a sentence."""
    listed = [one.adapter for one in members]
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def time(row: Row) -> str:
    """A median with what its interval supports, in ms."""
    rounded = with_interval(row["median_ms"], row["ci_low_ms"], row["ci_high_ms"])
    return " ± ".join(rounded) if rounded else plain(row["median_ms"])


def race(race: Race) -> str:
    """Who is fastest, by how much, and how far from the floor, in one sentence."""
    first = race.first
    told = f"{first['adapter']} is fastest: {time(first)} ms"
    tied = [row["adapter"] for row in race.tied]
    if tied:
        told = f"{', '.join([first['adapter'], *tied])} are fastest, with no clear difference: {time(first)} ms"
    if first.get("floor_ms"):
        told += f", {plain(first['median_ms'] / first['floor_ms'])} times the floor"
    other = next((row for row in race.ranked if row["adapter"] == REFERENCE and row is not first), race.ranked[-1])
    if other is not first and other["adapter"] not in tied:
        told += f". It is {plain(race.times_faster_than(other))} times as fast as {other['adapter']}"
    return told + "."


def setting(race: Race) -> str:
    """What was timed."""
    row = race.first
    return (
        f"{race.workload} ({row['rows']:,} × {row['classes']:,}), {row['dtype']}, forward and backward,"
        f" {race.device_name}"
    )


def difference(row: Row) -> str:
    """One comparison of two variants."""
    rounded = with_interval(row["mean_difference"], row["ci_low"] or 0, row["ci_high"] or 0)
    seeds = f"{row['seeds']} {'seed' if row['seeds'] == 1 else 'seeds'}"
    amount = (
        f"{' ± '.join(rounded)} AP" if rounded and row["ci_low"] is not None else f"{plain(row['mean_difference'])} AP"
    )
    return f"{row['host']}: {row['variant_a']} − {row['variant_b']} = {amount} ({seeds})"


def differences(rows: list[Row]) -> str:
    """How many comparisons came to which verdict."""
    count = Counter(row["verdict"] for row in rows)
    told = ", ".join(f"{count[word]} {word}" for word in ("different", "undecided", "equivalent") if count[word])
    return f"Of {len(rows)} comparisons with only the loss swapped: {told}."


def outcome(records: list[dict[str, Any]]) -> str:
    """How many cells came to which end."""
    count = Counter(record["status"] for record in records)
    order = ("ok", "failed", "timeout", "unsupported", "absent")
    return f"{len(records)} cells: " + ", ".join(f"{count[word]} {word}" for word in order if count[word])


def machine(environment: dict[str, Any]) -> str:
    """The machine in a few words."""
    cores = f"{environment.get('cores')} cores" if environment.get("cores") else ""
    return ", ".join(filter(None, (environment.get("gpu"), environment.get("cpu"), cores)))
