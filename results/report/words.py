"""The sentences in which the answers are told, the same on the page, in Markdown and on the screen."""

from __future__ import annotations

from collections import Counter
from typing import Any

from focalbench_suite.results.answers import Race, Surprise
from focalbench_suite.results.frames import Row
from focalbench_suite.results.numbers import measured, plain
from focalbench_suite.results.pairs import pair_name
from focalbench_suite.results.standings import Standing

HEADINGS = {
    "same": "The paper's function, accurate on every probe",
    "fragile": "The paper's function, but fragile",
    "soft": "The paper's function for hard labels, another for soft ones",
    "reduces": "The same per element, but reduced or normalised in another way",
    "different": "Another function",
}
SHORT = {  # for one source, for several; from what matters most
    "different": ("computes another function", "compute another function"),
    "reduces": ("reduces it in another way", "reduce it in another way"),
    "soft": ("is another function for soft labels", "are another function for soft labels"),
}
NAMED = 3  # sources that a sentence names; of more it tells the number
REFERENCE = "torchvision"


def beside_reference(members: list[Standing]) -> str:
    """Who differs from torchvision's loss (or from the paper's, where torchvision has none), in a few words."""
    reference = next((one for one in members if one.adapter == REFERENCE), None)
    others = [one for one in members if one is not reference]
    by = {name: [one.adapter for one in others if one.standing == name] for name in SHORT}
    same = [one.adapter for one in others if one.standing in ("same", "fragile")]
    told = [_torchvision(reference)] if reference else []
    parts = [f"{listed(by[name])} {SHORT[name][len(by[name]) > 1]}" for name in SHORT if by[name]]
    if parts and same:
        parts.append(f"{len(same)} other{'s are' if len(same) > 1 else ' is'} the same function")
    elif same:
        parts.append(f"{listed(same)} {'are' if len(same) > 1 else 'is'} the paper's function")
    return " ".join([*told, *([f"{'; '.join(parts)}."] if parts else [])])


def _torchvision(reference: Standing) -> str:
    paper = f"the paper's {reference.loss.replace('_', ' ')} loss"
    if reference.standing in ("same", "fragile"):
        return f"torchvision computes {paper}."
    return f"torchvision does not compute {paper}: {reference.reason}."


def listed(names: list[str]) -> str:
    """Names for a sentence, or how many they are."""
    if len(names) > NAMED:
        return str(len(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def time(row: Row) -> str:
    """A median with what its interval supports, in ms."""
    return str(measured(row["median_ms"], row["ci_low_ms"], row["ci_high_ms"]) or plain(row["median_ms"]))


def race(race: Race) -> str:
    """Who is fastest, by how much, and how far from the floor, in one sentence."""
    first = race.first
    told = f"{first['adapter']} {'is' if race.decided else 'was'} fastest: {time(first)} ms"
    if first.get("floor_ms"):
        told += f", {plain(first['median_ms'] / first['floor_ms'])} times the floor"
    tied = [row["adapter"] for row in race.tied]
    other = next((row for row in race.ranked if row["adapter"] == REFERENCE and row is not first), race.ranked[-1])
    if other is not first and other["adapter"] not in tied:
        takes = "takes" if race.decided else "took"
        told += (
            f". {other['adapter']} {takes} {plain(race.times_faster_than(other))} times as long: {saved(race, other)}"
        )
    if tied:
        told += f". {listed(tied)} may be as fast: the intervals do not part them"
    if not race.decided:
        told += ". Timed in one launch, which says nothing of the next: there are no intervals"
    return told + "."


def saved(race: Race, other: Row) -> str:
    """What the first saves beside `other`, in time, memory and share of a training step."""
    first = race.first
    parts = [f"{plain(other['median_ms'] - first['median_ms'])} ms"]
    if None not in (first["peak_memory_bytes"], other["peak_memory_bytes"]):
        bytes_saved = other["peak_memory_bytes"] - first["peak_memory_bytes"]
        parts += [megabytes(bytes_saved)] if bytes_saved > 0 else []
    told = f"{first['adapter']} saves {' and '.join(parts)} a call"
    ours, theirs = (race.steps.get(row["adapter"]) for row in (first, other))
    if ours and theirs:
        told += f", and is {share(ours)} of a training step instead of {share(theirs)} ({ours['workload']})"
    return told


def share(step: Row) -> str:
    """The share of a training step that a loss takes, or what it is less than where there is an interval to say so."""
    if step["share_ci_low"] is not None and step["share_ci_low"] <= 0:
        return f"less than {100 * step['share_ci_high']:.1f} %"
    return f"{100 * step['loss_share']:.1f} %"


def memory(row: Row) -> str:
    """The peak of a call beyond its inputs, in MB."""
    return "" if row["peak_memory_bytes"] is None else megabytes(row["peak_memory_bytes"])


def megabytes(count: float) -> str:
    """A number of bytes in MB."""
    return f"{plain(count / 1e6)} MB"


def surprise(one: Surprise) -> str:
    """A finding, and who else has one of its kind."""
    row = one.finding
    also = f" (also {others(one)})" if one.also else ""
    return f"{row['adapter']} {row['loss']}: {' '.join(row['statement'].split())}{also}"


def others(one: Surprise) -> str:
    """The other sources that surprise in this way, a few by name."""
    left = len(one.also) - NAMED
    return ", ".join(one.also[:NAMED]) + (f" and {left} more" if left > 0 else "")


def setting(race: Race) -> str:
    """What was timed."""
    row = race.first
    return (
        f"{race.workload} ({row['rows']:,} × {row['classes']:,}), {row['dtype']}, forward and backward,"
        f" {race.device_name}"
    )


def difference(row: Row) -> str:
    """One comparison of two variants."""
    amount = measured(row["mean_difference"], row["ci_low"], row["ci_high"]) or plain(row["mean_difference"])
    seeds = f"{row['seeds']} {'seed' if row['seeds'] == 1 else 'seeds'}"
    told = f"{row['host']}: {pair_name(row)} = {amount} AP ({seeds})"
    if row["mean_ap_a"] == row["mean_ap_b"] == 0:
        told += ", since neither finds anything"
    elif row["verdict"] == "undecided" and not row["more_seeds_help"]:
        told += ", which more seeds would not decide: the val images alone leave it open"
    return told


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


def numbers(finding: Row) -> tuple[str, str] | None:
    """What was expected and what came, as two numbers of few digits; None where they are not two different numbers."""
    try:
        expected, got = (f"{float(finding[name]):.5g}" for name in ("expected", "got"))
    except (TypeError, ValueError):
        return None
    return None if expected == got else (expected, got)
