"""More seeds until it is decided: which trainings come next, from the records of those that there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from focalbench_suite.results.pairs import Pair, Trained, compared
from focalbench_suite.results.statistics import looks
from focalbench_suite.suites import Selection, Task
from focalbench_suite.suites.coco_map import trainings


def further(selection: Selection, records: Callable[[], Iterable[dict]]) -> Iterator[list[Task]]:
    """Look by look, after the first, the trainings of what was undecided before; each is asked for once.

    `records` gives those of the run. A pair that no number of seeds would decide ends as it is.
    """
    stages = looks(selection.seeds or 0)
    for before, count in itertools.pairwise(stages):
        known = [record for record in records() if _seed(record) < selection.seed + before]
        wanted = {(pair.host, one) for pair in compared(known) if _is_open(pair) for one in (pair.a, pair.b)}
        if not wanted:
            return
        yield [task for task in trainings(selection, count) if _trained(task) in wanted]


def _is_open(pair: Pair) -> bool:
    return pair.verdict == "undecided" and not pair.is_hopeless


def _seed(record: dict) -> int:
    return record["data"].get("run", {}).get("seed", 0)


def _trained(task: Task) -> tuple[str, Trained]:
    variant = task.options["variant"]
    return variant.host, Trained(variant.name, task.cells[0].dtype)
