"""The gate between two runs: what got worse, better, appeared, vanished, crashed; and what cannot be said.

A crash is not a regression of the loss, and a row that is missing is not one that passed: both have words of their own
and an exit status of their own. Times and AP of runs on different days are not paired; `results.statistics` says how
they are judged. `run_all.py compare --rerun` measures pairs instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log1p

import numpy as np
import pandas as pd

from focalbench_suite.results import tables
from focalbench_suite.results.comparison import Comparison, RunChange
from focalbench_suite.results.frames import Frames
from focalbench_suite.results.pairs import MARGIN as AP_MARGIN
from focalbench_suite.results.schema import TABLES
from focalbench_suite.results.statistics import BETWEEN_LAUNCHES, BETWEEN_SEEDS, Difference, holm, unpaired_difference
from focalbench_suite.results.store import Run
from focalbench_suite.results.thresholds import Thresholds
from focalbench_suite.results.timings import Benchmarks, Source, Timing, timings

LEVEL = 0.05
SAME_PACE = 1.25  # two machines of one name were 1.6 times apart; one machine, idle or not, within 1.04
BUSY = 1.0  # processes that wanted a core beside the timed threads
WORSE = {  # table -> its column of verdicts, from best to worst; a verdict that is not listed is no judgement
    "agreement": ("verdict", ("agrees", "agrees_up_to_scale", "differs", "nonfinite")),
    "capability": ("supported", ("True", "False")),
    "claims": ("verdict", ("reproduced", "consistent", "reproduced_if", "not_reproduced")),
}
UNANSWERED = ("error", "unsupported")  # verdicts of agreement that say nothing of what a loss computes
KEYS = {
    "agreement": ["loss", "adapter", "device", "dtype", "form", "quantity", "probe"],
    "capability": ["loss", "adapter", "capability"],
    "claims": ["source", "place", "claim"],
    "findings": ["loss", "adapter", "kind", "statement"],
    "coco_map": ["host", "variant", "adapter", "dataset", "schedule", "device", "dtype"],
}


def compare(old: Source, new: Source, thresholds: Thresholds = Thresholds()) -> Comparison:  # noqa: B008, frozen
    """What changed from `old` to `new`: of a baseline by the tables that it has, of a benchmark file by the times."""
    result = Comparison()
    before, after = frames_of(old), frames_of(new)
    shared = before.keys() & after.keys()
    lost = _cells(result, before["cells"], after["cells"]) if "cells" in shared else set()
    for table in [table for table in WORSE if table in shared]:
        _verdicts(result, table, before[table], after[table], lost)
    if {"agreement", "findings"} <= shared:
        _findings(result, before, after, lost)
    if "coco_map" in shared:
        _precision(result, before["coco_map"], after["coco_map"], lost)
    before, after = timings(old), timings(new)
    if isinstance(old, Benchmarks) == isinstance(new, Benchmarks):
        gone = [key for key in before if key not in after and key.rpartition(" ")[0] not in lost]
        result.changes += [RunChange("vanished", "throughput", key, "not timed") for key in gone]
    if isinstance(old, Benchmarks) and isinstance(new, Benchmarks):  # of a run, its cells have told it
        result.changes += [RunChange("appeared", "throughput", key, "timed") for key in after if key not in before]
    _speed(result, before, after, thresholds)
    return result


def frames_of(source: Source, names: Iterable[str] = tuple(TABLES)) -> Frames:
    """The tables of these names that a run or a baseline has; none of a benchmark file."""
    if isinstance(source, Benchmarks):
        return {}
    found = tables.build(source, names) if isinstance(source, Run) else source.frames()
    return {name: found[name] for name in names if name in found}


def _cells(result: Comparison, old: pd.DataFrame, new: pd.DataFrame) -> set[str]:
    """Compare what became of each cell; returns those that gave rows before and give none now."""
    before, after = (dict(zip(frame["cell"], frame.to_dict("records"), strict=True)) for frame in (old, new))
    lost = set()
    for key, was in before.items():
        now = after.get(key)
        if now is None:
            result.changes.append(RunChange("vanished", "cells", key, f"was {was['status']}, is not in the new run"))
        elif was["status"] == "ok" and now["status"] != "ok":
            kind = "crashed" if now["status"] in ("failed", "timeout") else "vanished"
            result.changes.append(RunChange(kind, "cells", key, f"{now['status']}: {now['reason']}"))
        elif was["status"] in ("failed", "timeout") and now["status"] == "ok":
            result.changes.append(RunChange("repaired", "cells", key, f"was {was['status']}: {was['reason']}"))
        if now is None or now["status"] != "ok":
            lost.add(key)
    for key in sorted(after.keys() - before.keys()):
        result.changes.append(RunChange("appeared", "cells", key, after[key]["status"]))
    result.same["cells"] = sum(key in after and after[key]["status"] == was["status"] for key, was in before.items())
    return lost


def keyed(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, dict]:
    """The rows of a table by what two runs know them by."""
    return {_key(row, names): row for row in frame.to_dict("records")}


def _key(row: dict, names: Iterable[str]) -> str:
    return " / ".join(_text(row[name]) for name in names if name in row)


def _text(value: object) -> str:
    """A value as its table prints it; a baseline has nothing where a run has an empty word."""
    return "" if pd.isna(value) else str(value)


def _verdicts(result: Comparison, table: str, old: pd.DataFrame, new: pd.DataFrame, lost: set[str]) -> None:
    """Compare a table whose rows carry a verdict; rows of a cell that is lost as a whole are told once, there."""
    column, order = WORSE[table]
    before, after = keyed(old, KEYS[table]), keyed(new, KEYS[table])
    for key, row in before.items():
        was, now = _text(row[column]), _text(after[key][column]) if key in after else None
        if was == now:
            result.same[table] += 1
        elif now is not None:
            result.changes.append(RunChange(_step(order, was, now), table, key, f"{was} -> {now}"))
        elif row.get("cell") not in lost:
            result.changes.append(RunChange("vanished", table, key, f"was {was}"))
    for key in sorted(after.keys() - before.keys()):
        result.changes.append(RunChange("appeared", table, key, _text(after[key][column])))


def _step(order: tuple[str, ...], was: str, now: str) -> str:
    if now == "error":
        return "crashed"
    if was == "error":
        return "repaired"
    if now not in order or was not in order:
        return "vanished" if was in order else "appeared"
    return "regressed" if order.index(now) > order.index(was) else "improved"


def _findings(result: Comparison, old: dict, new: dict, lost: set[str]) -> None:
    """A finding that is new of a loss that was examined before is a regression; one that is gone, an improvement.

    A loss that raised whatever it was asked, and answers now, was not examined: what is found of it appears.

    Findings are the same by their code; one with other values is neither, as another machine rounds otherwise. A
    baseline from before the codes is compared by kinds alone.
    """
    coded = all("code" in one["findings"] for one in (old, new))
    before, after = (_by_code(one["findings"], coded) for one in (old, new))
    answered = [row for row in old["agreement"].to_dict("records") if row["verdict"] not in UNANSWERED]
    known = {(row["loss"], row["adapter"]) for row in answered}
    for code in sorted(before.keys() | after.keys()):
        was, now = before.get(code, {}), after.get(code, {})
        result.same["findings"] += len(was.keys() & now.keys())
        gone, come = ([row for key, row in one.items() if key not in other] for one, other in ((was, now), (now, was)))
        moved = min(len(gone), len(come))
        result.changes += [
            RunChange("undecided", "findings", *(_key(row, KEYS["findings"]) for row in pair))
            for pair in zip(gone[:moved], come[:moved], strict=True)
        ]
        for row in come[moved:]:
            kind = "regressed" if (row["loss"], row["adapter"]) in known else "appeared"
            told = f"expected {row['expected']}, got {row['got']}"
            result.changes.append(RunChange(kind, "findings", _key(row, KEYS["findings"]), told))
        for row in (row for row in gone[moved:] if row.get("cell") not in lost):
            result.changes.append(RunChange("improved", "findings", _key(row, KEYS["findings"]), "no longer found"))


def _by_code(frame: pd.DataFrame, coded: bool) -> dict[str, dict[tuple, dict]]:
    """The findings by what they are, then by the values that they hold and how often these occurred before."""
    found: dict[str, dict[tuple, dict]] = {}
    for row in frame.to_dict("records"):
        group = found.setdefault(_key(row, ["loss", "adapter", "kind", *(["code"] if coded else [])]), {})
        values = _text(row["values"]) if coded else ""
        group[values, sum(key[0] == values for key in group)] = row
    return found


def _precision(result: Comparison, old: pd.DataFrame, new: pd.DataFrame, lost: set[str]) -> None:
    """Compare AP by variant over the seeds that both runs have; without an AP, as when it diverged, it is 0.

    The same is what is equal seed by seed, or whose interval lies within the margin; a small difference of few seeds is
    undecided.
    """
    before, after = _by_seed(old), _by_seed(new)
    for key, was in before.items():
        now = after.get(key, {})
        gone = [seed for seed, row in was.items() if seed not in now and row.get("cell") not in lost]
        result.changes += [RunChange("vanished", "coco_map", key, f"seed {seed}: no row") for seed in gone]
        if seeds := sorted(was.keys() & now.keys()):
            _variant(result, key, [now[seed] for seed in seeds], [was[seed] for seed in seeds])


def _variant(result: Comparison, key: str, now: list[dict], was: list[dict]) -> None:
    broken = [str(b["seed"]) for a, b in zip(was, now, strict=True) if (a["status"], b["status"]) == ("ok", "diverged")]
    difference = unpaired_difference([_ap(row) for row in now], [_ap(row) for row in was], BETWEEN_SEEDS)
    low, high = difference.interval()[1:]
    detail = f"AP {difference.center:+.3f} [{low:+.3f}, {high:+.3f}] over {len(now)} seeds"
    if broken:
        result.changes.append(
            RunChange("regressed", "coco_map", key, f"diverged with seed {', '.join(broken)}; {detail}")
        )
    elif high < 0 or low > 0:
        result.changes.append(RunChange("regressed" if high < 0 else "improved", "coco_map", key, detail))
    elif [_ap(row) for row in now] == [_ap(row) for row in was] or (low > -AP_MARGIN and high < AP_MARGIN):
        result.same["coco_map"] += 1
    else:
        result.changes.append(RunChange("undecided", "coco_map", key, detail))


def _by_seed(frame: pd.DataFrame) -> dict[str, dict[int, dict]]:
    found: dict[str, dict[int, dict]] = {}
    for row in frame.to_dict("records"):
        found.setdefault(_key(row, KEYS["coco_map"]), {})[row["seed"]] = row
    return found


def _ap(row: dict) -> float:
    return 0.0 if pd.isna(row["ap"]) else float(row["ap"])


def _speed(result: Comparison, old: dict[str, Timing], new: dict[str, Timing], thresholds: Thresholds) -> None:
    """Compare times cell by cell, corrected for their number.

    Slower is a time that is beyond its cell's margin and floor, both in ms and in units of the machine's own streaming
    time, so that a machine that is slow today is not the loss's fault. Where other processes wanted the cores, nothing
    is: two threads that wait for each other then took 60 times as long as the day before.
    """
    timed = [key for key in old if key in new]
    objections = {key: objection for key in timed if (objection := _incomparable(old[key], new[key]))}
    shared = [key for key in timed if key not in objections]
    for key, objection in objections.items():
        result.changes.append(RunChange("undecided", "throughput", key, objection))
    if objections and not shared:
        result.undecidable = f"No time is compared: {min(objections.values())}."
    limits = [thresholds.of(key) for key in shared]
    differences = [_differences(old[key], new[key]) for key in shared]
    beyond = [log1p(limit.margin) for limit in limits]
    slower = holm([max(d.p_above(least) for d in both) for least, both in zip(beyond, differences, strict=True)])
    faster = holm([max(_mirrored(d).p_above(m) for d in both) for m, both in zip(beyond, differences, strict=True)])
    for key, limit, both, p_slower, p_faster in zip(shared, limits, differences, slower, faster, strict=True):
        margin = limit.margin
        if abs(np.median(new[key].launches) - np.median(old[key].launches)) < limit.floor_ms:
            result.same["throughput"] += 1
            continue
        center, low, high = (exp(value) for value in both[0].interval())
        detail = f"{center:.2f} times as long [{low:.2f}, {high:.2f}], margin {margin:.0%}"
        others = max(old[key].others, new[key].others)
        if min(p_slower, p_faster) < LEVEL and others > BUSY:
            detail = f"{detail}; {others:.1f} other processes wanted a core"
            result.changes.append(RunChange("undecided", "throughput", key, detail))
        elif p_slower < LEVEL:
            result.changes.append(RunChange("regressed", "throughput", key, f"slower: {detail}"))
        elif p_faster < LEVEL:
            result.changes.append(RunChange("improved", "throughput", key, f"faster: {detail}"))
        elif high < 1 + margin and low > 1 / (1 + margin):
            result.same["throughput"] += 1
        else:
            result.changes.append(RunChange("undecided", "throughput", key, detail))
    if shared:
        result.notes.append(f"Times of {len(shared)} cells and passes compared at {LEVEL:.0%} after Holm's correction.")


def _incomparable(old: Timing, new: Timing) -> str:
    """Why two times of a cell say nothing of each other; empty where they do."""
    if old.machine != new.machine:
        return f"another machine: {old.machine} -> {new.machine}"
    for work in old.pace.keys() & new.pace.keys():
        if not 1 / SAME_PACE < (times := new.pace[work] / old.pace[work]) < SAME_PACE:
            return f"another machine of the same name: a fixed piece of work took {times:.2f} times as long ({work})"
    if old.is_glance or new.is_glance:
        rounds = min(one.rounds for one in (old, new) if one.is_glance)
        return f"timed in one launch of {rounds} rounds, too few to judge by; --profile quick takes more"
    return ""


def _differences(old: Timing, new: Timing) -> list[Difference]:
    """log(new / old) in ms and, where both runs measured it, in units of the streaming time."""
    pairs = [(np.log(new.launches), np.log(old.launches))]
    if new.stream and old.stream:
        pairs.append((np.log(new.launches) - np.log(new.stream), np.log(old.launches) - np.log(old.stream)))
    return [unpaired_difference(a, b, BETWEEN_LAUNCHES) for a, b in pairs]


def _mirrored(difference: Difference) -> Difference:
    return difference._replace(center=-difference.center)
